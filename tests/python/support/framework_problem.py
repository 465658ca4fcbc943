"""Problems of numeric.cases as the arrays of a framework, and the check of what comes back."""

import numpy as np

from groupgemm_fp8 import plan
from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_exact, assert_within_interval
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES, OUT_FORMATS, numpy_dtype

# A few shapes: rows that fill no tile, empty groups, one row, and rows of no group.
SHAPES = (
    {"rows": (40, 0, 129, 1, 17), "n": 200, "k": 400, "lead": 2, "trail": 1},
    {"rows": (1,), "n": 128, "k": 512},
    {"rows": (256, 128, 300), "n": 512, "k": 1024, "scale_major": "K"},
)
CASES = [
    Case(**shape, a_dtype=a_dtype, b_dtype=b_dtype, out_dtype=out_dtype)
    for shape in SHAPES
    for a_dtype, b_dtype in DTYPE_PAIRS
    for out_dtype in OUT_DTYPES
]


def host_arrays(problem) -> dict[str, np.ndarray]:
    """The inputs by argument name, FP8 as ml_dtypes arrays."""
    axes = (0, 1) if problem.scale_major == "K" else (1, 0)
    b_axes = (0, *(1 + axis for axis in axes))
    return {
        "a": problem.a.view(numpy_dtype(problem.a_dtype)),
        "b": problem.b.view(numpy_dtype(problem.b_dtype)),
        "a_scale": np.ascontiguousarray(problem.a_scale.transpose(axes)),
        "b_scale": np.ascontiguousarray(problem.b_scale.transpose(b_axes)),
        "m_indptr": problem.m_indptr,
    }


def options(problem) -> dict:
    return {
        "scale_granularity_mnk": problem.granularity,
        "scale_major_mode": problem.scale_major,
    }


def bits(out: np.ndarray) -> np.ndarray:
    """The bit patterns of an output on the host."""
    return np.ascontiguousarray(out).view(OUT_FORMATS[out.dtype.name].bits)


def check_case(case: Case, run) -> None:
    """run(arrays, **options) gives the output and the arrays it was called with."""
    problem = exact_problem(case)
    out, _ = run(host_arrays(problem), out_dtype=case.out_dtype, **options(problem))
    assert_exact(problem, bits(out))
    problem = random_problem(case)
    out, arrays = run(host_arrays(problem), out_dtype=case.out_dtype, **options(problem))
    backend = plan(**arrays, out_dtype=case.out_dtype, **options(problem)).backend
    assert_within_interval(problem, bits(out), backend)
