"""Checks that every place that tells the version agrees with the public header.

check_version.py HEADER [--library PATH] [--cmake-cache PATH] [--package]
--package looks at the installed Python distribution and at groupgemm_fp8.__version__.
"""

import argparse
import ctypes
import re
import sys
from pathlib import Path


def header_version(header):
    text = Path(header).read_text()
    parts = [
        re.search(rf"^#define GGFP8_VERSION_{part} (\d+)$", text, re.MULTILINE)[1]
        for part in ("MAJOR", "MINOR", "PATCH")
    ]
    return ".".join(parts)


def library_version(library):
    code = ctypes.CDLL(library).ggfp8_version()
    return f"{code // 10000}.{code // 100 % 100}.{code % 100}"


def cmake_version(cache):
    text = Path(cache).read_text()
    return re.search(r"^CMAKE_PROJECT_VERSION:STATIC=(.*)$", text, re.MULTILINE)[1]


def package_versions():
    from importlib.metadata import version

    import groupgemm_fp8

    yield "Python distribution", version("groupgemm_fp8")
    yield "groupgemm_fp8.__version__", groupgemm_fp8.__version__


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("header")
    parser.add_argument("--library")
    parser.add_argument("--cmake-cache")
    parser.add_argument("--package", action="store_true")
    options = parser.parse_args()

    wanted = header_version(options.header)
    found = []
    if options.library:
        found.append(("library", library_version(options.library)))
    if options.cmake_cache:
        found.append(("CMake", cmake_version(options.cmake_cache)))
    if options.package:
        found += package_versions()

    wrong = [(place, got) for place, got in found if got != wanted]
    for place, got in wrong:
        print(f"{place}: got {got}, wanted {wanted}")
    print(f"check_version: {wanted} in the header, {len(found)} places, {len(wrong)} errors")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
