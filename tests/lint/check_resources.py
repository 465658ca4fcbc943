"""Gate on the compiled kernels: no spills, no local memory, no stack frame.

check_resources.py CUOBJDUMP LIBRARY reads the resource usage that the assembler wrote into the
library, so it sees every kernel that ships, whichever way it was built. ALLOWED names kernels, by a
regular expression over the mangled name and the architecture, that may use some bytes of stack.
"""

import re
import subprocess
import sys
from collections import Counter

# (pattern of "architecture function", bytes of stack, reason)
ALLOWED = [
    (
        r"sm_110f .*sm100_group_gemm",
        72,
        "CUTLASS's 384 threads have 168 registers each; for 11.0 nvcc spills a few",
    ),
]

ARCHITECTURE = re.compile(r"^arch = (sm_\w+)$|\.(sm_\w+)\.cubin", re.MULTILINE)
USAGE = re.compile(
    r"Function ([^\s:]+):\s*REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", re.MULTILINE
)
TOKEN = re.compile(f"{ARCHITECTURE.pattern}|{USAGE.pattern}", re.MULTILINE)


def kernels(report):
    """Yields (architecture, function, registers, stack bytes, local bytes)."""
    architecture = None
    for found in TOKEN.finditer(report):
        if found[1] or found[2]:
            architecture = found[1] or found[2]
        else:
            yield architecture, found[3], int(found[4]), int(found[5]), int(found[7])


def allowed_stack(architecture, function):
    name = f"{architecture} {function}"
    return max((limit for pattern, limit, _ in ALLOWED if re.search(pattern, name)), default=0)


def main():
    cuobjdump, library = sys.argv[1:3]
    report = subprocess.run(
        [cuobjdump, "--dump-resource-usage", library], capture_output=True, text=True, check=True
    ).stdout
    found = list(kernels(report))
    errors = 0
    for architecture, function, registers, stack, local in found:
        if local > 0 or stack > allowed_stack(architecture, function):
            errors += 1
            print(
                f"{architecture} {function}: {registers} registers, "
                f"{stack} bytes of stack, {local} bytes of local memory"
            )
    counts = Counter(architecture for architecture, *_ in found)
    summary = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    most = max((registers for _, _, registers, _, _ in found), default=0)
    print(f"check_resources: kernels {summary}; at most {most} registers; {errors} errors")
    return 1 if errors or not found else 0


if __name__ == "__main__":
    sys.exit(main())
