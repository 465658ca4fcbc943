"""Checks what the built library shows and needs: check_exports.py LIBRARY HEADER...

Exported symbols must be exactly the functions of the public headers. The library must reach them by
itself: a slot that the loader fills with an own export may lead into another copy of the library.
Needed libraries may only be those of glibc, so that the file loads on a machine without a CUDA
driver or a C++ runtime.
"""

import re
import subprocess
import sys
from pathlib import Path

ALLOWED_NEEDED = re.compile(r"(lib(c|m|dl|rt|pthread)\.so\.\d+|ld-linux[\w.-]*)")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def exported_symbols(library):
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def declared_functions(header):
    text = re.sub(r"/\*.*?\*/", "", Path(header).read_text(), flags=re.DOTALL)
    return set(re.findall(r"GGFP8_API\s[^;(]*?(ggfp8_\w+)\s*\(", text))


def replaceable_calls(relocations, exported):
    """Own exports that the loader looks up, from the output of readelf -rW."""
    pattern = r"R_\w+_(?:JUMP_SLOT?|GLOB_DAT)\s+\w+\s+(\w+)"
    return sorted(set(re.findall(pattern, relocations)) & exported)


def dynamic_entries(library, tag):
    pattern = rf"\({tag}\).*\[(.*)\]"
    return re.findall(pattern, run("readelf", "-d", library))


def main():
    library, *headers = sys.argv[1:]
    exported = exported_symbols(library)
    declared = set().union(*map(declared_functions, headers))
    needed = dynamic_entries(library, "NEEDED")
    soname = dynamic_entries(library, "SONAME")

    errors = [f"exported but not in a header: {name}" for name in sorted(exported - declared)]
    errors += [f"in a header but not exported: {name}" for name in sorted(declared - exported)]
    errors += [f"needs {name}" for name in needed if not ALLOWED_NEEDED.fullmatch(name)]
    for name in replaceable_calls(run("readelf", "-rW", library), exported):
        errors.append(f"calls {name} through the loader, wanted a call that stays inside")
    if len(soname) != 1 or not soname[0].startswith("libgroupgemm_fp8.so"):
        errors.append(f"SONAME is {soname}")
    for tag in ("RPATH", "RUNPATH", "TEXTREL"):
        if f"({tag})" in run("readelf", "-d", library):
            errors.append(f"has a {tag} entry")

    print(*errors, sep="\n", end="\n" if errors else "")
    print(f"check_exports: {len(exported)} symbols, needs {' '.join(needed)}, {len(errors)} errors")
    return 1 if errors or not declared else 0


if __name__ == "__main__":
    sys.exit(main())
