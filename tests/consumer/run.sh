#!/usr/bin/env bash
# Builds and runs programs outside the project against an installed prefix and as a subproject.
# ctest calls it with the build directory and a scratch directory; any failing step fails the test.
# The environment names the compilers, the generator and the toolchain file, as CMake reads them,
# and EMULATOR, which runs programs of another processor.
set -euo pipefail

build_dir=$1
scratch=$2
here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
# shellcheck source=tests/consumer/steps.sh
source "$here/steps.sh"

run_programs() {
  emulate "$1/c_program"
  emulate "$1/cpp_program"
}

rm -rf "$scratch"
mkdir -p "$scratch/pkg_config"

step "install, then move the tree: nothing in it may name the first prefix"
quietly cmake --install "$build_dir" --prefix "$scratch/first"
mv "$scratch/first" "$scratch/prefix"
if grep -rIl "$scratch/first" "$scratch/prefix"; then
  echo "consumer: the files above name the prefix" >&2
  exit 1
fi

step "find_package"
version=$(sed -nE 's/^#define GGFP8_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$/\2/p' \
  "$source_dir/cpp/include/groupgemm_fp8/groupgemm_fp8.h" | paste -sd.)
configure_against_prefix() {
  cmake -S "$here/find_package" -B "$scratch/find_package" -DWANTED_VERSION="$1" \
    -Dgroupgemm_fp8_DIR="$(dirname "$(find "$scratch/prefix" -name groupgemm_fp8-config.cmake)")"
}
quietly configure_against_prefix "$version"
quietly cmake --build "$scratch/find_package"
run_programs "$scratch/find_package"
if configure_against_prefix $((${version%%.*} + 1)).0 >/dev/null 2>&1; then
  echo "consumer: a later major version was accepted" >&2
  exit 1
fi

if command -v pkg-config >/dev/null && command -v make >/dev/null; then
  step "pkg-config"
  PKG_CONFIG_PATH=$(dirname "$(find "$scratch/prefix" -name groupgemm_fp8.pc)")
  export PKG_CONFIG_PATH
  [[ $(pkg-config --modversion groupgemm_fp8) == "$version" ]]
  quietly make -C "$here/pkg_config" BUILD="$scratch/pkg_config"
  run_programs "$scratch/pkg_config"
else
  step "pkg-config: skipped, this machine lacks pkg-config or make"
fi

step "add_subdirectory"
quietly cmake -S "$here/add_subdirectory" -B "$scratch/add_subdirectory" \
  -DGROUPGEMM_FP8_SOURCE_DIR="$source_dir"
quietly cmake --build "$scratch/add_subdirectory"
run_programs "$scratch/add_subdirectory"

step "the runtime component alone is the library and its notices"
quietly cmake --install "$build_dir" --prefix "$scratch/runtime" --component runtime
installed=$(find "$scratch/runtime" -type f -printf '%f\n' | sort | paste -sd' ')
if [[ $installed != "LICENSE NOTICE libgroupgemm_fp8.so.$version" ]]; then
  echo "consumer: runtime files: got $installed, wanted the library, LICENSE and NOTICE" >&2
  exit 1
fi

step "passed"
