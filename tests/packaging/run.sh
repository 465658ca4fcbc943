#!/usr/bin/env bash
# Builds and installs the package, without CUDA, as other people do: from a read-only checkout whose
# path needs quoting, two builds at the same time, by way of an sdist, over an older version, from
# its wheel, as an editable installation.
#
#   run.sh PYTHON SCRATCH
set -euo pipefail

python=$1
mkdir -p "$2"
scratch=$(cd "$2" && pwd)
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
without_cuda=(-C cmake.define.GGFP8_ENABLE_CUDA=OFF)
# shellcheck source=tests/consumer/steps.sh
source "$source_dir/tests/consumer/steps.sh"

fail() {
  echo "packaging: $*" >&2
  exit 1
}

# Lists the files of the checkout with sizes and times.
listing() {
  (cd "$checkout" && find . -name __pycache__ -prune -o -type f -printf '%p %s %T@\n' | sort)
}

rm -rf "${scratch:?}"/*
checkout="$scratch/zwei Räder (Test)"
mkdir -p "$checkout"
(cd "$source_dir" && git ls-files -z --cached --others --exclude-standard |
  tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null) | tar -xf - -C "$checkout"

step "two wheels at the same time, from a checkout that nobody writes to"
chmod -R a-w "$checkout"
before=$(listing)
export SOURCE_DATE_EPOCH=1700000000
for i in 1 2; do
  "$python" -m pip wheel --no-deps "${without_cuda[@]}" --wheel-dir "$scratch/dist$i" "$checkout" \
    >"$scratch/wheel$i.log" 2>&1 &
  builds[i]=$!
done
for i in 1 2; do
  wait "${builds[i]}" || { cat "$scratch/wheel$i.log" && fail "build $i failed"; }
done

step "python -m build: an sdist, and a wheel from it"
"$python" -m venv "$scratch/venv"
installed() { "$scratch/venv/bin/python" "$@"; }
quietly installed -m pip install --disable-pip-version-check build
quietly installed -m build --outdir "$scratch/dist3" "${without_cuda[@]}" "$checkout"
# A superuser can write to read-only files, so the files themselves are compared.
diff <(echo "$before") <(listing) || fail "the builds changed the checkout"
chmod -R u+w "$checkout"

step "the same sources give the same bytes"
cmp "$scratch"/dist1/*.whl "$scratch"/dist2/*.whl
# Files of a wheel have the modes of the sources, which were read-only here and are not in an sdist.
for i in 1 3; do "$python" -m zipfile -e "$scratch/dist$i"/*.whl "$scratch/unpacked$i"; done
diff -r "$scratch/unpacked1" "$scratch/unpacked3"
"$python" "$source_dir/tests/lint/check_wheel.py" "$scratch"/dist1/*.whl

step "an upgrade replaces an older version and what only that version had"
quietly installed -m pip install --disable-pip-version-check wheel
quietly installed -m wheel unpack --dest "$scratch/older" "$scratch"/dist1/*.whl
unpacked=$(echo "$scratch"/older/*)
mv "$unpacked"/*.dist-info "$unpacked/groupgemm_fp8-0.0.1.dist-info"
sed -i 's/^Version: .*/Version: 0.0.1/' "$unpacked"/*.dist-info/METADATA
touch "$unpacked/groupgemm_fp8/left_out_since.py"
quietly installed -m wheel pack --dest-dir "$scratch/older" "$unpacked"
quietly installed -m pip install --disable-pip-version-check "$scratch"/older/*.whl
installed_version() { (cd "$scratch" && installed -m pip show groupgemm_fp8 | grep '^Version'); }
older=$(installed_version)
(cd "$scratch" && installed -c "import groupgemm_fp8.left_out_since")
quietly installed -m pip install --disable-pip-version-check --upgrade "$scratch"/dist1/*.whl
newer=$(installed_version)
left=$(find "$scratch/venv/lib" -name '*left_out_since*')
[[ $older == *0.0.1 && $newer != "$older" && -z $left ]] ||
  fail "upgrade: got $newer after $older, left: $left"

step "find_package against the installed wheel"
package=$(cd "$scratch" && installed -m groupgemm_fp8 info --cmake-dir)
version=$(installed -c "import groupgemm_fp8; print(groupgemm_fp8.__version__)")
quietly cmake -S "$source_dir/tests/consumer/find_package" -B "$scratch/find_package" \
  -DWANTED_VERSION="$version" -Dgroupgemm_fp8_DIR="$package"
quietly cmake --build "$scratch/find_package"
"$scratch/find_package/c_program"
"$scratch/find_package/cpp_program"

step "a C program against the installed wheel"
folder=$(cd "$scratch" && installed -c "import groupgemm_fp8; print(groupgemm_fp8.__path__[0])")
"${CC:-cc}" "$source_dir/tests/consumer/c_program.c" -o "$scratch/program" \
  "-I$folder/include" "-L$folder" -lgroupgemm_fp8 "-Wl,-rpath,$folder"
"$scratch/program"

step "an editable installation replaces the wheel and follows the sources"
quietly installed -m pip install --disable-pip-version-check "${without_cuda[@]}" \
  --editable "$checkout"
echo 'EDITED = True' >>"$checkout/python/groupgemm_fp8/errors.py"
(cd "$scratch" && installed -c "import groupgemm_fp8
from groupgemm_fp8 import errors
assert errors.EDITED
print('backends:', *groupgemm_fp8.backends())")

step "an uninstallation leaves nothing"
quietly installed -m pip uninstall --yes groupgemm_fp8
left=$(find "$scratch/venv/lib" -iname '*groupgemm*')
[[ -z $left ]] || fail "left after the uninstallation: $left"
step "passed"
