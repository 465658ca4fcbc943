#!/usr/bin/env bash
# Runs the GPU backends and the steps around the product under compute-sanitizer: memcheck,
# racecheck, initcheck and synccheck.
#
#   tests/gpu_sanitizer/run.sh LIBRARY         each tool on its planted bug, then on the library
#   tests/gpu_sanitizer/run.sh --cpu LIBRARY   the drivers alone on the CPU; needs no GPU
#   --steps                                    the steps alone
#   --racecheck-library OTHER                  racecheck runs sm90 of this library instead, one
#                                              compiled with GGFP8_ALL_LANES_ARRIVE
#
# LIBRARY is libgroupgemm_fp8.so. mma runs anywhere, sm90 on compute capability 9.0. racecheck and
# synccheck first run control_hand_over.cu, a correct program that hands over stages as the backend
# does; a tool that reports that one cannot judge the backend, which is said and not counted. Needs
# nvcc, compute-sanitizer and an NVIDIA GPU. One line per check; the exit status is 0 if all passed,
# 1 if one failed, 77 if this machine cannot run them.
set -euo pipefail

tools=(memcheck racecheck initcheck synccheck)
declare -A planted_report=(
  [memcheck]='Invalid __global__ write'
  [racecheck]='Race reported between'
  [initcheck]='Uninitialized __global__ memory read'
  [synccheck]='Barrier error detected'
)
declare -A hand_over=([mma]=every [sm90]=one)

here=$(cd "$(dirname "$0")" && pwd)
includes=(-I "$here/../../cpp/include" -I "$here/../../cpp/src")
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
num_failures=0
num_not_judged=0

skip() {
  echo "gpu_sanitizer: skipped: $1"
  exit 77
}

# verdict NAME LOG CONDITION...: one line; the log of a failure follows it.
verdict() {
  local name=$1 log=$2
  shift 2
  if "$@"; then
    echo "gpu_sanitizer: $name: passed in $((SECONDS - start)) s"
  else
    echo "gpu_sanitizer: $name: FAILED"
    head -n 100 "$log" | sed 's/^/    /'
    num_failures=$((num_failures + 1))
  fi
}

# run LOG PROGRAM...: sets `start` and `code`, the exit status.
run() {
  local log=$1
  shift
  start=$SECONDS
  code=0
  "$@" >"$log" 2>&1 || code=$?
}

# sanitize TOOL LOG PROGRAM...: `code` is 99 if the tool found an error.
sanitize() {
  run "$2" compute-sanitizer --tool "$1" --error-exitcode 99 "${@:3}"
}

# The tool reported its planted bug, in the planted kernel.
fired() {
  grep -qF "${planted_report[$1]}" "$2" && grep -qF "planted_$1" "$2" &&
    grep -qE 'SUMMARY: [1-9]' "$2"
}

# The program passed and the tool found nothing.
clean() {
  [[ $code -eq 0 ]] && grep -qE 'SUMMARY: 0 (errors|hazards)' "$1" && grep -qF 'passed' "$1"
}

# Whether a tool leaves a correct program alone that hands over stages in this way.
can_judge() {
  local tool=$1 way=$2
  local log=$build/control_${tool}_$way.log
  [[ $tool == racecheck || $tool == synccheck ]] || return 0
  [[ -e $log ]] || sanitize "$tool" "$log" "$build/control_hand_over" "$way"
  code=0 clean "$log"
}

# check TOOL BACKEND: the verdict of a tool on a backend.
check() {
  local tool=$1 backend=$2 judged=$library way=${hand_over[$2]}
  local log=$build/$tool.$backend.log
  if [[ $tool == racecheck && $backend == sm90 && -n $racecheck_library ]]; then
    judged=$racecheck_library way=every
  fi
  if ! can_judge "$tool" "$way"; then
    echo "gpu_sanitizer: $tool on $backend: NOT JUDGED: it reports control_hand_over $way"
    num_not_judged=$((num_not_judged + 1))
    return
  fi
  sanitize "$tool" "$log" "$build/driver" "$judged" "$backend"
  verdict "$tool finds nothing in $backend" "$log" clean "$log"
}

only_cpu=
only_steps=
racecheck_library=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --cpu) only_cpu=1 ;;
    --steps) only_steps=1 ;;
    --racecheck-library) racecheck_library=$(realpath "${2:?}") && shift ;;
    *) break ;;
  esac
  shift
done
if [[ $# -ne 1 || ! -f $1 ]]; then
  echo "usage: $0 [--cpu] [--steps] [--racecheck-library OTHER] LIBRARY" >&2
  exit 2
fi
library=$(realpath "$1")

command -v nvcc >/dev/null || skip "nvcc is not on PATH"
for program in driver steps_driver; do
  nvcc -O2 -std=c++20 "${includes[@]}" -o "$build/$program" "$here/$program.cpp" -ldl
done
if [[ -n $only_cpu ]]; then
  "$build/driver" "$library" cpu
  "$build/steps_driver" "$library" cpu
  exit
fi

command -v compute-sanitizer >/dev/null || skip "compute-sanitizer is not on PATH"
nvidia-smi -L 2>/dev/null | grep -q GPU || skip "there is no NVIDIA GPU"
for program in control_hand_over "${tools[@]/#/planted_}"; do
  nvcc -O2 -std=c++20 -lineinfo -arch=native "${includes[@]}" -o "$build/$program" \
    "$here/$program.cu" &
done
wait
for program in control_hand_over "${tools[@]/#/planted_}"; do
  [[ -x $build/$program ]] || { echo "gpu_sanitizer: $program was not compiled" >&2 && exit 1; }
done
backends=(mma)
if [[ -n $only_steps ]]; then
  backends=()
elif [[ $(nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0) == 9.0 ]]; then
  backends+=(sm90)
fi
compute-sanitizer --version | grep -i version || true

for backend in "${backends[@]}"; do
  log=$build/driver.$backend.log
  run "$log" "$build/driver" "$library" "$backend"
  verdict "$backend without a tool" "$log" test "$code" -eq 0
  grep -F 'driver: ' "$log" || true
done

log=$build/driver.steps.log
run "$log" "$build/steps_driver" "$library" cuda
verdict "the steps without a tool" "$log" test "$code" -eq 0
grep -F 'driver: ' "$log" || true

for way in every one; do
  log=$build/control_$way.log
  run "$log" "$build/control_hand_over" "$way"
  verdict "control_hand_over $way without a tool" "$log" test "$code" -eq 0
done

for tool in "${tools[@]}"; do
  log=$build/planted_$tool.log
  sanitize "$tool" "$log" "$build/planted_$tool"
  ! grep -qF 'Device not supported' "$log" || skip "compute-sanitizer does not support this device"
  verdict "$tool reports its planted bug" "$log" fired "$tool" "$log"
done

for backend in "${backends[@]}"; do
  for tool in "${tools[@]}"; do
    check "$tool" "$backend"
  done
done
for tool in "${tools[@]}"; do
  log=$build/$tool.steps.log
  sanitize "$tool" "$log" "$build/steps_driver" "$library" cuda
  verdict "$tool finds nothing in the steps" "$log" clean "$log"
done

if [[ $num_failures -ne 0 ]]; then
  echo "gpu_sanitizer: $num_failures checks failed"
  exit 1
fi
echo "gpu_sanitizer: all passed in $SECONDS s, $num_not_judged not judged"
