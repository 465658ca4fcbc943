#!/bin/sh
# Runs a compiler command and fails, without its object file, if the CUDA assembler noted that it
# serialised wgmma or ignored setmaxnreg. ptxas prints such notes as information, which no option of
# its own turns into errors. add_backend.cmake makes it the compiler launcher of the GPU backends.
#
#   refuse_compiler_notes.sh COMMAND...
notes=$(mktemp) || exit 1
trap 'rm -f "$notes"' EXIT
"$@" 2>"$notes"
code=$?
cat "$notes" >&2
if [ "$code" -eq 0 ] && grep -qE '^ptxas .*\(C75[0-9]+\)' "$notes"; then
  echo "refuse_compiler_notes: the notes above mean lost performance;" \
    "-DGGFP8_COMPILER_NOTES_AS_ERRORS=OFF accepts them" >&2
  # If it stayed, the object would be newer than its sources, and the next build would take it.
  previous=
  for argument; do
    if [ "$previous" = -o ]; then rm -f "$argument"; fi
    previous=$argument
  done
  code=1
fi
exit "$code"
