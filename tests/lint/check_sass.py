"""Gate on the instructions of the built library: the tensor-core instructions that each kernel is
there for are in its machine code.

check_sass.py CUOBJDUMP LIBRARY [--backends NAME...] disassembles the library; cuobjdump needs
nvdisasm beside it. RULES says which kernels of which architecture must have, or must not have,
which instructions, and how many such kernels there are. A rule that finds no kernel fails.
"""

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

BACKENDS = Path(__file__).parents[2] / "cpp" / "src" / "backends"


@dataclass(frozen=True)
class Rule:
    backend: str
    architectures: tuple[str, ...]
    kernels: str  # pattern of the mangled name
    num_kernels: int
    required: tuple[str, ...]  # instructions, with the modifiers that matter, each at least once
    forbidden: tuple[str, ...] = ()


def num_instances(backend):
    return len(list((BACKENDS / backend / "instances").glob("*.cu")))


# The first four sm100 kernels are those of mma_sm = 1, see kConfigs in sm100_config.h.
RULES = [
    Rule(
        "sm100",
        ("sm_100f", "sm_110f"),
        r"sm100_group_gemmILi[0-3]E",
        4,
        ("UTCQMMA", "UTMALDG.2D"),
        ("UTCQMMA.2CTA", "UTMALDG.2D.2CTA"),
    ),
    Rule(
        "sm100",
        ("sm_100f", "sm_110f"),
        r"sm100_group_gemmILi[4-7]E",
        4,
        ("UTCQMMA.2CTA", "UTMALDG.2D.2CTA"),
    ),
    Rule("sm90", ("sm_90a",), "sm90_group_gemm", num_instances("sm90"), ("QGMMA", "UTMALDG.3D")),
    Rule("mma", ("sm_89", "sm_120"), "mma_group_gemm", num_instances("mma"), ("QMMA",)),
]

# "/*0b10*/  @!P0 QMMA.16832.F32.E4M3.E4M3 R4, ... ;"
LINE = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")
FUNCTION = re.compile(r"^\s*Function : (\S+)")


def instructions(lines):
    """Returns {function: set of instructions with all their modifiers}."""
    found = defaultdict(set)
    function = None
    for line in lines:
        if match := FUNCTION.match(line):
            function = match[1]
            found[function] = set()
        elif function is not None and (match := LINE.match(line)):
            found[function].add(match[1])
    return dict(found)


def has(instruction_set, wanted):
    """Whether an instruction is there whose first modifiers are those of `wanted`."""
    return any(name == wanted or name.startswith(wanted + ".") for name in instruction_set)


def check_rule(rule, architecture, found):
    """Yields what is wrong with the kernels of one rule in {function: instructions}."""
    kernels = {name: used for name, used in found.items() if re.search(rule.kernels, name)}
    if len(kernels) != rule.num_kernels or not kernels:
        yield f"{architecture}: {len(kernels)} of {rule.num_kernels} {rule.kernels} found"
    for name, used in sorted(kernels.items()):
        for wanted in rule.required:
            if not has(used, wanted):
                yield f"{architecture} {name}: has no {wanted}"
        for unwanted in rule.forbidden:
            if has(used, unwanted):
                yield f"{architecture} {name}: has {unwanted}"


def disassemble(cuobjdump, library, architecture):
    command = [cuobjdump, "--dump-sass", "--gpu-architecture", architecture, library]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = instructions(process.stdout)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cuobjdump")
    parser.add_argument("library")
    parser.add_argument("--backends", nargs="*", default=["sm100", "sm90", "mma"])
    chosen = parser.parse_args()
    rules = [rule for rule in RULES if rule.backend in chosen.backends]
    errors, num_kernels = [], 0
    for architecture in sorted({name for rule in rules for name in rule.architectures}):
        found = disassemble(chosen.cuobjdump, chosen.library, architecture)
        for rule in rules:
            if architecture in rule.architectures:
                errors += check_rule(rule, architecture, found)
                num_kernels += rule.num_kernels
    print(*errors, sep="\n", end="\n" if errors else "")
    print(f"check_sass: {num_kernels} kernels, {len(errors)} errors")
    return 1 if errors or not rules else 0


if __name__ == "__main__":
    sys.exit(main())
