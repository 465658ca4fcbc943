#!/usr/bin/env bash
# Builds and runs programs outside the project against an installed prefix and as a subproject.
# ctest calls it with the build directory and a scratch directory; any failing step fails the test.
set -euo pipefail

build_dir=$1
scratch=$2
here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
generator=(-G "${CMAKE_GENERATOR:-Ninja}")

step() { echo "consumer: $*"; }

run_programs() {
  "$1/c_program"
  "$1/cpp_program"
}

rm -rf "$scratch"
mkdir -p "$scratch/pkg_config"

step "install, then move the tree: nothing in it may name the first prefix"
cmake --install "$build_dir" --prefix "$scratch/first" >/dev/null
mv "$scratch/first" "$scratch/prefix"
if grep -rIl "$scratch/first" "$scratch/prefix"; then
  echo "consumer: the files above name the prefix" >&2
  exit 1
fi

step "find_package"
version=$(sed -nE 's/^#define GGFP8_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$/\2/p' \
  "$source_dir/cpp/include/groupgemm_fp8/groupgemm_fp8.h" | paste -sd.)
configure_against_prefix() {
  cmake -S "$here/find_package" -B "$scratch/find_package" "${generator[@]}" \
    -DCMAKE_PREFIX_PATH="$scratch/prefix" -DWANTED_VERSION="$1"
}
configure_against_prefix "$version" >/dev/null
cmake --build "$scratch/find_package" >/dev/null
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
  make -s -C "$here/pkg_config" BUILD="$scratch/pkg_config"
  run_programs "$scratch/pkg_config"
else
  step "pkg-config: skipped, this machine lacks pkg-config or make"
fi

step "add_subdirectory"
cmake -S "$here/add_subdirectory" -B "$scratch/add_subdirectory" "${generator[@]}" \
  -DGROUPGEMM_FP8_SOURCE_DIR="$source_dir" >/dev/null
cmake --build "$scratch/add_subdirectory" >/dev/null
run_programs "$scratch/add_subdirectory"

step "the runtime component alone is the library and its notices"
cmake --install "$build_dir" --prefix "$scratch/runtime" --component runtime >/dev/null
installed=$(find "$scratch/runtime" -type f -printf '%f\n' | sort | paste -sd' ')
if [[ $installed != "LICENSE NOTICE libgroupgemm_fp8.so.$version" ]]; then
  echo "consumer: runtime files: got $installed, wanted the library, LICENSE and NOTICE" >&2
  exit 1
fi

step "passed"
