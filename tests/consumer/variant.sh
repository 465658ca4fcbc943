#!/usr/bin/env bash
# Builds the library in an unusual way and expects the results of the usual build, bit by bit.
#
#   variant.sh BUILD_DIR SCRATCH NAME     as run.sh, with a function variant_NAME below
#
# Exits with 77 where the machine lacks what the variant needs.
set -euo pipefail

build_dir=$1
scratch=$2
name=$3
here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
# shellcheck source=tests/consumer/steps.sh
source "$here/steps.sh"

skip() {
  step "$name: skipped, $*"
  exit 77
}

library_of() { find "$1" -name 'libgroupgemm_fp8.so' -print -quit; }

# Compiles and runs the program that prints the bits of results, against one library.
digest() {
  local folder
  folder=$(dirname "$1")
  "${CC:-cc}" -std=c99 -O1 "$here/digest.c" -I"$source_dir/cpp/include" -L"$folder" \
    -lgroupgemm_fp8 -Wl,-rpath,"$folder" -o "$scratch/digest"
  emulate "$scratch/digest"
}

# Configures the library alone and builds it: build FOLDER [SOURCES] [OPTION...].
build() {
  local folder=$1 sources=$2
  shift 2
  quietly cmake -S "$sources" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DGGFP8_ENABLE_CUDA=OFF \
    -DGGFP8_BUILD_TESTS=OFF -DGGFP8_BUILD_EXAMPLES=OFF "$@"
  quietly cmake --build "$folder" --target groupgemm_fp8
}

variant_flags() {
  local flags="-Ofast -ffast-math -funsafe-math-optimizations -ffinite-math-only"
  flags+=" -fassociative-math -freciprocal-math -fno-signed-zeros"
  [[ -n ${EMULATOR:-} ]] || flags+=" -march=native"
  export CFLAGS=$flags CXXFLAGS="$flags -fno-exceptions" LDFLAGS=$flags
  build "$scratch/build" "$source_dir"
}

# A parent project without a build type, whose own options are hostile, and which asks for unity
# builds. It takes the library by FetchContent. Its targets are left at the compiler's default
# level; those of the library are optimised.
variant_parent() {
  quietly cmake -S "$here/add_subdirectory" -B "$scratch/build" -DHOSTILE_FLAGS=ON \
    -DBY_FETCH_CONTENT=ON -DGROUPGEMM_FP8_SOURCE_DIR="$source_dir" \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
  quietly cmake --build "$scratch/build"
  local commands="$scratch/build/compile_commands.json" num_sources num_optimised
  num_sources=$(grep '"command"' "$commands" | grep -c '/cpp/src/')
  num_optimised=$(grep '"command"' "$commands" | grep '/cpp/src/' | grep -c -- ' -O3 ')
  if ((num_sources == 0 || num_sources != num_optimised)); then
    echo "consumer: got $num_optimised optimised sources, wanted $num_sources" >&2
    exit 1
  fi
}

variant_lto() {
  build "$scratch/build" "$source_dir" -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON
}

variant_clang() {
  [[ -z ${EMULATOR:-} ]] || skip "clang is not set up for another processor"
  command -v clang++ >/dev/null || skip "there is no clang++"
  CC=clang CXX=clang++ build "$scratch/build" "$source_dir"
}

# The C library of small Linux systems. Zig brings it, as a Python package. Zig's own functions that
# ask the processor do not find AVX, so that only the portable code runs.
variant_musl() {
  local python=python3 loader=/lib/ld-musl-x86_64.so.1
  [[ -e $loader ]] || skip "$loader is not there"
  "$python" -c "import ziglang" 2>/dev/null || skip "the package ziglang is not installed"
  for compiler in cc c++; do
    printf '#!/bin/sh\nexec %s -m ziglang %s -target x86_64-linux-musl "$@"\n' \
      "$python" "$compiler" >"$scratch/$compiler"
    chmod +x "$scratch/$compiler"
  done
  unset CMAKE_TOOLCHAIN_FILE
  export CC="$scratch/cc" CXX="$scratch/c++" EMULATOR="$loader"
  build "$scratch/build" "$source_dir"
  wanted=$(grep '^portable ' <<<"$wanted")
}

# A checkout whose path needs quoting, with the build inside it.
variant_path() {
  local checkout="$scratch/zwei Räder (Test)"
  mkdir -p "$checkout"
  (cd "$source_dir" && cp -r CMakeLists.txt LICENSE NOTICE cmake cpp "$checkout")
  build "$checkout/build" "$checkout"
  quietly cmake --install "$checkout/build" --prefix "$checkout/prefix"
}

rm -rf "$scratch"
mkdir -p "$scratch"
wanted=$(digest "$(library_of "$build_dir")")
"variant_$name"
got=$(digest "$(library_of "$scratch")")
if [[ $got != "$wanted" ]]; then
  diff <(echo "$wanted") <(echo "$got") >&2 || true
  echo "consumer: $name: other results than those of $build_dir" >&2
  exit 1
fi
step "$name: $(wc -l <<<"$got") results as in the usual build"
