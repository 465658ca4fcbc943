"""Generators of problems: exact integers, quantised random data, and their shapes.

Rows that no group covers, and their scales, are NaN, so that a kernel that reads them shows it.
"""

from dataclasses import dataclass

import numpy as np

from numeric.formats import DECODE, FP8_NAN, encode, quantize
from numeric.problem import Problem, ceil_div

ROW_GRANULARITIES = (1, 128)
COLUMN_GRANULARITIES = (1, 64, 128)
K_GRANULARITIES = (32, 64, 96, 128)
GRANULARITIES = tuple(
    (gm, gn, gk)
    for gm in ROW_GRANULARITIES
    for gn in COLUMN_GRANULARITIES
    for gk in K_GRANULARITIES
)

# Exponents of the scales that meet in one output span this many values on each side.
SCALE_EXPONENTS = 5


@dataclass(frozen=True)
class Case:
    """Sizes and types of a problem. Rows are per group; lead and trail rows belong to none."""

    rows: tuple[int, ...]
    n: int
    k: int
    granularity: tuple[int, int, int] = (1, 128, 128)
    a_dtype: str = "float8_e4m3fn"
    b_dtype: str = "float8_e4m3fn"
    out_dtype: str = "bfloat16"
    scale_major: str = "MN"
    lead: int = 0
    trail: int = 0

    def m_indptr(self) -> np.ndarray:
        return (self.lead + np.cumsum([0, *self.rows])).astype(np.int32)

    def problem(self, a, b, a_scale, b_scale) -> Problem:
        """Puts arrays into a Problem and poisons the rows that no group covers."""
        problem = Problem(
            a, b, a_scale.astype(np.float32), b_scale.astype(np.float32), self.m_indptr(),
            self.granularity, self.a_dtype, self.b_dtype, self.out_dtype, self.scale_major,
        )  # fmt: skip
        a[~problem.covered()] = FP8_NAN
        used = np.zeros(problem.a_scale.shape[0], dtype=bool)
        for _, begin, end in problem.groups():
            used[problem.scale_rows(begin, end)] = True
        problem.a_scale[~used] = np.nan
        return problem

    def sizes(self) -> tuple[int, int, int, int]:
        """cum_m, row blocks, column blocks, k blocks."""
        gm, gn, gk = self.granularity
        cum_m = self.lead + sum(self.rows) + self.trail
        return cum_m, ceil_div(cum_m, gm), ceil_div(self.n, gn), ceil_div(self.k, gk)


def rows_for(row_granularity: int, rows: tuple[int, ...]) -> tuple[int, ...]:
    """Group sizes legal for a row granularity: rounded up to its multiples."""
    return tuple(ceil_div(count, row_granularity) * row_granularity for count in rows)


def power_of_two_scales(rng: np.random.Generator, exponents: np.ndarray) -> np.ndarray:
    """Signed powers of two whose exponent differs between neighbours along every axis.

    The last axis is k. Exponents along k stay within SCALE_EXPONENTS values, which bounds the
    range inside one output; a further exponent that is constant along k varies freely.
    """
    spread = exponents % SCALE_EXPONENTS
    free = rng.integers(-3, 3, size=(*exponents.shape[:-1], 1))
    sign = rng.choice([-1.0, 1.0], size=exponents.shape)
    return np.ldexp(sign, spread + free - 4)


def exact_problem(case: Case, seed: int = 0) -> Problem:
    """Small integers and power-of-two scales: every backend must be exact to the last bit."""
    rng = np.random.default_rng(seed)
    cum_m, row_blocks, column_blocks, k_blocks = case.sizes()
    groups = len(case.rows)
    largest = 8 if case.k <= 512 else 3
    values = np.arange(-largest, largest + 1)
    a = encode(rng.choice(values, size=(cum_m, case.k)), case.a_dtype)
    b = encode(rng.choice(values, size=(groups, case.n, case.k)), case.b_dtype)
    row, block = np.ogrid[:row_blocks, :k_blocks]
    a_scale = power_of_two_scales(rng, 2 * row + block)
    group, column, block = np.ogrid[:groups, :column_blocks, :k_blocks]
    b_scale = power_of_two_scales(rng, 3 * group + column + 2 * block)
    return case.problem(a, b, a_scale, b_scale)


def random_problem(case: Case, seed: int = 0, magnitude: float = 1.0) -> Problem:
    """Normal data, quantised block by block as a model would do it."""
    rng = np.random.default_rng(seed)
    cum_m, _, _, _ = case.sizes()
    gm, gn, gk = case.granularity
    weights = rng.normal(size=(len(case.rows), case.n, case.k)) * 0.02
    activations = rng.normal(size=(cum_m, case.k)) * magnitude
    a, a_scale = _quantize_blocks(activations, gm, gk, case.a_dtype)
    b, b_scale = _quantize_blocks(weights, gn, gk, case.b_dtype)
    return case.problem(a, b, a_scale, b_scale)


def _quantize_blocks(values, rows_per_block, k_per_block, dtype):
    """Codes and float32 scales (amax / largest finite value) of blocks of the last two axes."""
    *lead, rows, k = values.shape
    row_blocks, k_blocks = ceil_div(rows, rows_per_block), ceil_div(k, k_per_block)
    padded = np.zeros((*lead, row_blocks * rows_per_block, k_blocks * k_per_block))
    padded[..., :rows, :k] = values
    blocks = padded.reshape(*lead, row_blocks, rows_per_block, k_blocks, k_per_block)
    largest = np.abs(blocks).max(axis=(-3, -1), initial=0.0)
    scale = np.where(largest > 0, largest / np.nanmax(_finite(dtype)), 1.0).astype(np.float32)
    codes = quantize(blocks / scale[..., :, None, :, None].astype(np.float64), dtype)
    return np.ascontiguousarray(codes.reshape(padded.shape)[..., :rows, :k]), scale


def _finite(dtype: str) -> np.ndarray:
    table = DECODE[dtype]
    return table[np.isfinite(table)]
