"""Writes stand-ins for glibc's libraries, against which a library is linked for an older glibc.

    old_glibc.py COMPILER FLOOR FOLDER        for example: old_glibc.py g++ 2.28 build/glibc

A linker takes the newest version of each symbol that the machine's glibc has, and the result then
needs that glibc. A stand-in has the symbols of the machine's library, each with the newest version
up to FLOOR, and no code. A symbol that is newer than FLOOR is missing, so that the link fails with
its name. Functions that moved into libc.so.6 since FLOOR are in the libraries where they were.
"""

import re
import subprocess
import sys
from pathlib import Path

SONAMES = {
    "c": "libc.so.6",
    "m": "libm.so.6",
    "pthread": "libpthread.so.0",
    "dl": "libdl.so.2",
    "rt": "librt.so.1",
}
# Former libraries of functions that moved into libc.so.6, by the beginnings of their names.
FORMER_HOMES = {
    "dl": ("dl", "__libc_dl"),
    "rt": ("aio_", "lio_", "mq_", "shm_", "timer_"),
    "pthread": ("pthread_", "__pthread_", "sem_"),
}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def number(version):
    return tuple(int(part) for part in version.split("."))


def versions_of(library):
    """A dict of symbol to {version: ELF type} of what a library of glibc exports."""
    symbols = {}
    pattern = r"\s(FUNC|OBJECT|IFUNC|TLS)\s+(?:GLOBAL|WEAK)\s+DEFAULT\s+\d+ (\w+)@@?GLIBC_([\d.]+)"
    for kind, name, version in re.findall(pattern, run("readelf", "-W", "--dyn-syms", library)):
        symbols.setdefault(name, {})[number(version)] = kind
    return symbols


def home_of(name, versions, floor):
    """The library that had a symbol of libc.so.6 at the time of floor."""
    if max(versions) > floor:
        for library, beginnings in FORMER_HOMES.items():
            if name.startswith(beginnings):
                return library
    return "c"


def choose_symbols(compiler, floor):
    """A dict of library to [(symbol, version, ELF type)]."""
    chosen = {library: [] for library in SONAMES}
    for source in ("c", "m"):
        path = run(compiler, f"-print-file-name={SONAMES[source]}").strip()
        for name, versions in versions_of(path).items():
            old = [version for version in versions if version <= floor]
            if old:
                home = home_of(name, versions, floor) if source == "c" else source
                chosen[home].append((name, max(old), versions[max(old)]))
    return chosen


def version_script(symbols):
    nodes = {}
    for name, version, _ in symbols:
        nodes.setdefault(version, []).append(name)
    lines = []
    for version in sorted(nodes):
        names = " ".join(f"{name};" for name in sorted(nodes[version]))
        lines.append(f"GLIBC_{'.'.join(map(str, version))} {{ global: {names} }};")
    return "\n".join(lines) + "\n"


def assembly(symbols):
    kinds = {"FUNC": "%function", "IFUNC": "%function", "OBJECT": "%object", "TLS": "%tls_object"}
    sections = {"OBJECT": ".data", "TLS": '.section .tdata,"awT",%progbits'}
    lines = []
    for name, _, kind in sorted(symbols):
        lines += [sections.get(kind, ".text"), f".globl {name}", f".type {name},{kinds[kind]}"]
        lines += [f"{name}: .quad 0", f".size {name},8"]
    return "\n".join(lines) + "\n"


def write_library(compiler, folder, library, symbols):
    source = folder / f"{library}.s"
    script = folder / f"{library}.map"
    output = folder / SONAMES[library]
    source.write_text(assembly(symbols))
    script.write_text(version_script(symbols))
    options = ["-shared", "-nostdlib", f"-Wl,-soname,{SONAMES[library]}"]
    run(compiler, *options, f"-Wl,--version-script={script}", str(source), "-o", str(output))
    return output


def main():
    compiler, floor, folder = sys.argv[1], number(sys.argv[2]), Path(sys.argv[3]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for library, symbols in choose_symbols(compiler, floor).items():
        output = write_library(compiler, folder, library, symbols)
        if library != "c":
            (folder / f"lib{library}.so").unlink(missing_ok=True)
            (folder / f"lib{library}.so").symlink_to(output.name)
    # The parts of libc that are linked statically, and the loader, are those of the machine.
    rest = run(compiler, "-print-file-name=libc_nonshared.a").strip()
    loader = re.search(r"AS_NEEDED \( (\S+) \)", machine_script(compiler))[1]
    group = f'GROUP ( "{folder / SONAMES["c"]}" "{rest}" AS_NEEDED ( "{loader}" ) )\n'
    (folder / "libc.so").write_text(group)


def machine_script(compiler):
    """The linker script that stands for libc on the machine."""
    script = Path(run(compiler, "-print-file-name=libc.so").strip()).read_text()
    if "AS_NEEDED" not in script:
        raise SystemExit(f"libc.so: got {script!r}, wanted a linker script of glibc")
    return script


if __name__ == "__main__":
    main()
