"""Checks what a wheel holds: check_wheel.py WHEEL.

A wheel serves every Python 3 of one platform, carries the notices that its library asks for, has
the headers and the CMake package beside the library, and holds nothing else than the package.
"""

import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "groupgemm_fp8"
LIBRARY = f"{PACKAGE}/lib{PACKAGE}.so"
CMAKE_PACKAGE = [
    f"{PACKAGE}/cmake/{PACKAGE}-{part}.cmake"
    for part in ("config", "config-version", "targets", "targets-release")
]
BUILD_FILE = f"{PACKAGE}/build.json"  # the architectures of the library's GPU code
NOTICES = ("LICENSE", "NOTICE")
LICENSE = "Apache-2.0 AND BSD-3-Clause AND LicenseRef-NVIDIA-CUDA-Toolkit-EULA"
# Phrases by which the notice of each part is recognised.
PHRASES = {
    "the owner": "Copyright 2026 The groupgemm_fp8 authors",
    "CUTLASS's owner": "Copyright (c) 2017 - 2025 NVIDIA CORPORATION & AFFILIATES",
    "CUTLASS's conditions": "2. Redistributions in binary form must reproduce the above copyright",
    "CUTLASS's disclaimer": 'IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"',
    "the CUDA runtime": "libcudart_static.a",
    "the CUDA runtime's licence": "End User License Agreement of the CUDA Toolkit",
    "GCC's exception": "GPL-3.0-or-later WITH GCC-exception-3.1",
}
FILE_NAME = re.compile(rf"{PACKAGE}-[\d.]+-py3-none-(many)?linux[\w.]*_(x86_64|aarch64)\.whl")


def expected_headers(root):
    folder = root / "cpp" / "include" / PACKAGE
    return {f"{PACKAGE}/include/{PACKAGE}/{file.name}": file for file in folder.glob("*.h")}


def metadata_errors(metadata):
    """Errors in the licence fields of a distribution's METADATA."""
    fields = re.findall(r"^(License[\w-]*): (.*)$", metadata.partition("\n\n")[0], re.MULTILINE)
    wanted = [("License-Expression", LICENSE), *(("License-File", name) for name in NOTICES)]
    if sorted(fields) != sorted(wanted):
        yield f"METADATA: got licence fields {sorted(fields)}, wanted {sorted(wanted)}"


def notice_errors(texts):
    for name in NOTICES:
        if texts.get(name) != (ROOT / name).read_text():
            yield f"licenses/{name}: wanted the text of {name}"
    for part, phrase in PHRASES.items():
        if not any(phrase in text for text in texts.values()):
            yield f"licenses: nothing about {part}, wanted '{phrase}'"


def content_errors(wheel):
    info = next(name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    headers = expected_headers(ROOT)
    required = {LIBRARY, BUILD_FILE, *CMAKE_PACKAGE, *headers}
    for name in sorted(required):
        if name not in wheel.namelist():
            yield f"{name}: missing"
        elif name in headers and wheel.read(name) != headers[name].read_bytes():
            yield f"{name}: differs from the source"
    for entry in wheel.infolist():
        if entry.is_dir():
            continue
        name = entry.filename
        is_known = name.endswith((".py", ".json", "/py.typed")) or name in required
        if not name.startswith((f"{PACKAGE}/", f"{info}/")):
            yield f"{name}: outside the package"
        elif not name.startswith(f"{info}/") and not is_known:
            yield f"{name}: wanted only sources, headers, the CMake package and the library"
        if (entry.external_attr >> 28) == 0o12:
            yield f"{name}: is a symbolic link"
    folder = f"{info}/licenses/"
    notices = [name for name in wheel.namelist() if name.startswith(folder)]
    yield from notice_errors({name[len(folder) :]: wheel.read(name).decode() for name in notices})
    yield from metadata_errors(wheel.read(f"{info}/METADATA").decode())


def check(path):
    if not FILE_NAME.fullmatch(path.name):
        yield f"file name: got {path.name}, wanted a py3-none wheel of one Linux platform"
    with zipfile.ZipFile(path) as wheel:
        yield from content_errors(wheel)


def main():
    path = Path(sys.argv[1])
    errors = list(check(path))
    print(*errors, sep="\n", end="\n" if errors else "")
    print(f"check_wheel: {path.name}, {path.stat().st_size} bytes, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
