"""Comparers: accept or reject a computed result, strongest first.

Each takes the problem and the output's bit patterns and raises AssertionError that counts the wrong
elements and shows the first. test_planted.py proves that they reject wrong results.
"""

import numpy as np

from numeric import wgmma
from numeric.formats import out_bits, out_values, round_to
from numeric.problem import Problem
from numeric.reference import assert_certificate, reference

# Error of a backend's inner products as a fraction of the magnitude T: for `cpu` the bound of 127
# float32 additions, for `amx` that of 19 (15 of even or of odd k, their sum, 3 of steps), for `mma`
# what FP8 operands give on compute capability 9.0.
INNER_ERROR = {"amx": 1.2e-6, "cpu": 7.6e-6, "mma": 4.8e-6}


def inner_error(problem: Problem, magnitude: np.ndarray, backend: str) -> np.ndarray:
    """The error allowed to a backend's inner products; T times the largest known if unknown."""
    if backend == "sm90":
        return wgmma.inner_error(problem)
    return INNER_ERROR.get(backend, max(INNER_ERROR.values())) * magnitude


def assert_exact(problem: Problem, bits: np.ndarray) -> None:
    """Zero tolerance, for problems whose certificate shows that every backend is exact."""
    ref = reference(problem)
    assert_certificate(problem, ref)
    value = ref.value + 0.0  # an exact zero sum is +0
    assert_same_bits(problem, bits, out_bits(value, problem.out_dtype), "exact result")


def assert_same_bits(
    problem: Problem,
    bits: np.ndarray,
    wanted: np.ndarray,
    what: str,
    rows: np.ndarray | None = None,
) -> None:
    """Bit for bit on the covered rows (or on `rows`); any NaN equals any NaN."""
    rows = problem.covered() if rows is None else rows
    got_value = out_values(bits[rows], problem.out_dtype)
    wanted_value = out_values(wanted[rows], problem.out_dtype)
    both_nan = np.isnan(got_value) & np.isnan(wanted_value)
    wrong = (bits[rows] != wanted[rows]) & ~both_nan
    _report(problem, wrong, rows, got_value, wanted_value, wanted_value, what)


def assert_within_interval(problem: Problem, bits: np.ndarray, backend: str) -> None:
    """Criterion for any finite data: RNE(R - E) <= out <= RNE(R + E).

    The rounded product of two scales is off by up to 2^-24 of itself, or by 2^-150 where it is
    subnormal, and a block multiplies that by its sum.
    """
    ref = reference(problem)
    rows = problem.covered()
    value, magnitude = ref.value[rows], ref.magnitude[rows]
    num_blocks = sum(1 for _ in problem.k_blocks())
    bound = inner_error(problem, ref.magnitude, backend)[rows]
    bound += (num_blocks + 2) * 2.0**-24 * 1.01 * magnitude + num_blocks * 2.0**-149
    bound += 2.0**-150 * 1.01 * ref.subnormal[rows]
    low = round_to(value - bound, problem.out_dtype)
    high = round_to(value + bound, problem.out_dtype)
    got = out_values(bits[rows], problem.out_dtype)
    wrong = ~((low <= got) & (got <= high))
    _report(problem, wrong, rows, got, low, high, f"interval of {backend}")


def assert_one_nan_pattern(problem: Problem, bits: np.ndarray) -> None:
    """All NaNs of one output are the same bit pattern."""
    bits = bits[problem.covered()]
    patterns = np.unique(bits[np.isnan(out_values(bits, problem.out_dtype))])
    assert patterns.size <= 1, f"NaN patterns {[hex(p) for p in patterns]}"


def _report(problem, wrong, rows, got, low, high, what):
    if not wrong.any():
        return
    row_of = np.flatnonzero(rows)
    row, column = np.argwhere(wrong)[0]
    wanted = repr(low[row, column])
    if low is not high:
        wanted = f"[{low[row, column]!r}, {high[row, column]!r}]"
    raise AssertionError(
        f"{int(wrong.sum())} of {wrong.size} elements in {int(wrong.any(axis=1).sum())} rows "
        f"differ from the {what}; first at row {row_of[row]}, column {column}: got "
        f"{got[row, column]!r}, wanted {wanted}; {problem.describe()}"
    )
