"""Holds the include law of cpp/: which layer may include which.

Run by ctest and CI: check_includes.py [repository]. RULES is the law; the first rule whose pattern
matches a file holds for it. A file without a rule is an error, so a new layer must state its edges.
A rule without a file is an error, too, and so is an allowed header that is no file.
Only device code, which is .cu and .cuh files, may include a .cuh file.
Patterns are relative to cpp/src; {own} is the folder name of the backend or step.
"""

import fnmatch
import re
import sys
from pathlib import Path

PUBLIC = "groupgemm_fp8/groupgemm_fp8.h"
MOE = "groupgemm_fp8/moe.h"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Kinds of <...> headers.
STD = r"[a-z_0-9]+"
C_STD = r"std(def|int)\.h"
SYSTEM = r"(dlfcn|link|immintrin|arm_neon|pthread|sched|signal|unistd|cpuid)\.h|sys/[a-z]+\.h"
CUDA = r"cuda[a-z_0-9]*\.h|cuda/.*"
CUTLASS = r"(cutlass|cute)/.*"

OWN = "backends/{own}/*"
OWN_STEP = "steps/{own}/*"
STEPS_FOR_API = [f"steps/*/*_{noun}.h" for noun in ("problem", "plan", "cpu", "cuda")]
OWN_PURE = [
    f"backends/{{own}}/{{own}}_{noun}.h"
    for noun in (
        "column_scales",
        "config",
        "heuristics",
        "last_wave",
        "params",
        "rasterization",
        "shared_storage",
        "tile",
        "tile_schedule",
        "time_model",
    )
]

# The functions that take arrays see these: they are users of the functions that take pointers.
TENSOR_CORE = [f"core/{name}.h" for name in ("math", "problem", "status")]
TENSOR_API = [f"api/{name}.h" for name in ("argument_rules", "guard", "sized_struct", "validate")]

# (files, project headers they may include, kinds of <...> headers they may include)
RULES = [
    ("../include/groupgemm_fp8/groupgemm_fp8.h", [], [C_STD]),
    ("../include/groupgemm_fp8/*.h", [], [C_STD, re.escape(PUBLIC)]),
    ("../examples/*", [], [STD, r"std[a-z]+\.h", r"string\.h", re.escape(PUBLIC)]),
    ("core/process_lock.cpp", ["core/*"], [STD, r"unistd\.h"]),
    ("core/*", [PUBLIC, "core/*"], [STD]),
    ("host/*", ["core/*", "host/*"], [STD, SYSTEM]),
    ("ptx/*", ["core/problem.h", "core/fp8_round.h", "ptx/*"], [STD, CUDA]),
    ("device/*", ["core/*", "ptx/*", "device/*"], [STD, CUDA]),
    ("cuda/cuda_device.h", ["core/*"], [STD]),
    ("cuda/no_cuda.cpp", [PUBLIC, "core/*", "cuda/cuda_device.h"], [STD]),
    ("cuda/*", [PUBLIC, "core/*", "cuda/*"], [STD, CUDA]),
    ("select/*.h", ["core/*", "select/*"], [STD]),
    ("select/*.cpp", [PUBLIC, "core/*", "select/*"], [STD]),
    *(
        (
            f"api/{noun}*",
            [PUBLIC, MOE, *TENSOR_CORE, "api/tensor*", *TENSOR_API],
            [STD],
        )
        for noun in ("c_api_tensors", "tensor")
    ),
    (
        "api/*",
        [
            PUBLIC,
            MOE,
            "core/*",
            "select/*",
            "api/*",
            "cuda/cuda_device.h",
            "backends/cpu/cpu_device.h",
            "host/cancel_scope.h",
            *STEPS_FOR_API,
        ],
        [STD],
    ),
    # A step sees its own folder and what all steps share; like a backend's, its files on what the
    # host decides see neither CUDA nor PTX.
    ("steps/no_cuda.cpp", [PUBLIC, "core/status.h", "steps/*/*_cuda.h"], [STD]),
    ("steps/chunk.cuh", ["core/problem.h", "ptx/*"], [STD, CUDA]),
    ("steps/*/*_cpu*", ["core/*", "host/*", OWN_STEP], [STD]),
    ("steps/*/*_launch.cpp", ["core/*", "cuda/*", OWN_STEP], [STD, CUDA]),
    ("steps/*/*.h", ["core/*", OWN_STEP], [STD]),
    ("steps/*/*.cu*", ["core/*", "ptx/*", "steps/chunk.cuh", OWN_STEP], [STD, CUDA]),
    ("xla/*_abi.h", [], [STD]),
    ("xla/*", ["groupgemm_fp8/*.h", "core/status.h", "xla/xla_*"], [STD]),
    ("backends/amx/*", [PUBLIC, "core/*", "host/*", "select/backend.h", OWN], [STD, SYSTEM]),
    ("backends/cpu/*", [PUBLIC, "core/*", "host/*", "select/backend.h", OWN], [STD, SYSTEM]),
    ("backends/*/*_config.*", ["core/*", *OWN_PURE], [STD]),
    ("backends/*/*_column_scales.*", ["core/*"], [STD]),
    ("backends/*/*_last_wave.*", ["core/*"], [STD]),
    ("backends/*/*_rasterization.*", ["core/*", *OWN_PURE], [STD]),
    ("backends/*/*_shared_storage.*", ["core/*", *OWN_PURE], [STD]),
    ("backends/*/*_tile.h", ["core/*", *OWN_PURE], [STD]),
    ("backends/*/*_tile_schedule.*", ["core/*", *OWN_PURE], [STD]),
    ("backends/*/*_params.*", ["core/*", *OWN_PURE], [STD, re.escape("cuda.h")]),
    ("backends/*/*_heuristics.*", ["core/*", *OWN_PURE], [STD]),
    ("backends/*/*_time_model.*", ["core/*", *OWN_PURE], [STD]),
    (
        "backends/*/*_backend.*",
        [PUBLIC, "core/*", "cuda/*", "select/backend.h", OWN],
        [STD, CUDA],
    ),
    ("backends/sm100/*", ["core/*", "ptx/*", "device/*", OWN], [STD, CUDA, CUTLASS]),
    ("backends/*", ["core/*", "ptx/*", "device/*", OWN], [STD, CUDA]),
]


def rule_for(name):
    for pattern, project, system in RULES:
        if fnmatch.fnmatch(name, pattern):
            own = name.split("/")[1] if name.startswith(("backends/", "steps/")) else ""
            return [p.replace("{own}", own) for p in project], system
    return None


def check_file(path, name):
    rule = rule_for(name)
    if rule is None:
        yield f"{name}: no include rule covers this file"
        return
    project, system = rule
    is_device_code = path.suffix in {".cu", ".cuh"}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        bracket, header = found.groups()
        if bracket == '"':
            allowed = any(fnmatch.fnmatch(header, pattern) for pattern in project)
            allowed = allowed and (is_device_code or not header.endswith(".cuh"))
        else:
            allowed = any(re.fullmatch(pattern, header) for pattern in system)
        if not allowed:
            yield f"{name}:{number}: may not include {header}"


def stale_rules(names):
    """Yields the patterns of RULES that match none of the files, headers among them."""
    headers = [name.removeprefix("../include/") for name in names]
    for pattern, project, _ in RULES:
        if not fnmatch.filter(names, pattern):
            yield f"RULES: no file matches {pattern}"
        for header in project:
            if not fnmatch.filter(headers, header.replace("{own}", "*")):
                yield f"RULES: {pattern} may include {header}, which matches no file"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    src = root / "cpp" / "src"
    suffixes = {".h", ".c", ".cpp", ".cu", ".cuh"}
    files = sorted(p for p in (root / "cpp").rglob("*") if p.suffix in suffixes)
    names = {}
    for path in files:
        inside = path.is_relative_to(src)
        names[path] = str(path.relative_to(src) if inside else f"../{path.relative_to(src.parent)}")
    errors = [error for path, name in names.items() for error in check_file(path, name)]
    errors += stale_rules(names.values())
    print(*errors, sep="\n", end="\n" if errors else "")
    print(f"check_includes: {len(files)} files, {len(errors)} errors")
    return 1 if errors or not files else 0


if __name__ == "__main__":
    sys.exit(main())
