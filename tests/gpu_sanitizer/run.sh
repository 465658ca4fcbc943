#!/usr/bin/env bash
# Runs the mma backend under compute-sanitizer: memcheck, racecheck and initcheck.
#
#   tests/gpu_sanitizer/run.sh LIBRARY         each tool on its planted bug, then on the library
#   tests/gpu_sanitizer/run.sh --cpu LIBRARY   the driver alone on the cpu backend; needs no GPU
#
# LIBRARY is libgroupgemm_fp8.so. Needs nvcc, compute-sanitizer and an NVIDIA GPU. One line per
# check; the exit status is 0 if all passed, 1 if one failed, 77 if this machine cannot run them.
set -euo pipefail

tools=(memcheck racecheck initcheck)
declare -A planted_report=(
  [memcheck]='Invalid __global__ write'
  [racecheck]='Race reported between'
  [initcheck]='Uninitialized __global__ memory read'
)

here=$(cd "$(dirname "$0")" && pwd)
include=$here/../../cpp/include
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
num_failures=0

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

# The driver passed and the tool found nothing.
clean() {
  [[ $code -eq 0 ]] && grep -qE 'SUMMARY: 0 (errors|hazards)' "$1" && grep -qF 'cases passed' "$1"
}

backend=mma
if [[ ${1:-} == --cpu ]]; then
  backend=cpu
  shift
fi
if [[ $# -ne 1 || ! -f $1 ]]; then
  echo "usage: $0 [--cpu] LIBRARY" >&2
  exit 2
fi
library=$(realpath "$1")

command -v nvcc >/dev/null || skip "nvcc is not on PATH"
nvcc -O2 -std=c++20 -I "$include" -o "$build/driver" "$here/driver.cpp" -ldl
if [[ $backend == cpu ]]; then
  "$build/driver" "$library" cpu
  exit
fi

command -v compute-sanitizer >/dev/null || skip "compute-sanitizer is not on PATH"
nvidia-smi -L 2>/dev/null | grep -q GPU || skip "there is no NVIDIA GPU"
for tool in "${tools[@]}"; do
  nvcc -O2 -std=c++20 -lineinfo -arch=native -o "$build/planted_$tool" "$here/planted_$tool.cu"
done

run "$build/driver.log" "$build/driver" "$library" mma
verdict "driver without a tool" "$build/driver.log" test "$code" -eq 0

for tool in "${tools[@]}"; do
  log=$build/planted_$tool.log
  sanitize "$tool" "$log" "$build/planted_$tool"
  ! grep -qF 'Device not supported' "$log" || skip "compute-sanitizer does not support this device"
  verdict "$tool reports its planted bug" "$log" fired "$tool" "$log"
done

for tool in "${tools[@]}"; do
  log=$build/$tool.log
  sanitize "$tool" "$log" "$build/driver" "$library" mma
  verdict "$tool finds nothing in the library" "$log" clean "$log"
done

if [[ $num_failures -ne 0 ]]; then
  echo "gpu_sanitizer: $num_failures checks failed"
  exit 1
fi
echo "gpu_sanitizer: all passed in $SECONDS s"
