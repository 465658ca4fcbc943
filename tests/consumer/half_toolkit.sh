#!/usr/bin/env bash
# Configures the library where the wheel of nvcc is installed and that of the CUDA runtime is not:
# such a toolkit is left out, with a sentence, as none at all is.
#
#   half_toolkit.sh BUILD_DIR SCRATCH     BUILD_DIR is not used
set -euo pipefail

scratch=$2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/consumer/steps.sh
source "$here/steps.sh"

rm -rf "$scratch"
mkdir -p "$scratch/site/nvidia/cu13/bin"
touch "$scratch/site/nvidia/cu13/bin/nvcc"
export PYTHONPATH=$scratch/site

# configure ENABLE_CUDA: the log lies in $scratch/log; the status is CMake's.
configure() {
  cmake -S "$here/../.." -B "$scratch/build-$1" -DGGFP8_CUDA_TOOLCHAIN=WHEELS \
    -DGGFP8_ENABLE_CUDA="$1" -DGGFP8_BUILD_TESTS=OFF >"$scratch/log" 2>&1
}

expect() {
  tr '\n' ' ' <"$scratch/log" | tr -s ' ' | grep -qF "$1" && return
  echo "half_toolkit: wanted \"$1\" in:" >&2
  cat "$scratch/log" >&2
  exit 1
}

step "half a toolkit: the usual build leaves CUDA out"
configure AUTO || expect "a configuration without an error"
expect "has nvcc without the CUDA runtime, not used"
expect "found, CUDA backends are off"

step "half a toolkit: a build that asks for CUDA says what it lacks"
if configure ON; then expect "an error"; fi
expect "has nvcc without the CUDA runtime, not used"
expect "GGFP8_ENABLE_CUDA=ON, but no nvcc"
