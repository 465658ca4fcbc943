"""Bit-exact model of a backend: its inner product inside a k block, then the published outer order.

The outer order is the same for all: acc = fma(a_scale * b_scale, block sum, acc) in float32 over
ascending k blocks, then one cast. BLOCK_SUMS holds the inner products that are known to the bit;
a backend whose inner product becomes known adds its function there.
"""

from collections.abc import Callable

import numpy as np

from numeric import wgmma
from numeric.formats import decode, out_bits
from numeric.problem import Problem

# Takes the decoded a (rows, k) and b (columns, k) of a block and their types' names.
BlockSum = Callable[[np.ndarray, np.ndarray, tuple[str, str]], np.ndarray]


def ascending_float32(a: np.ndarray, b: np.ndarray, _: tuple[str, str]) -> np.ndarray:
    """sum over ascending k of a[r, k] * b[j, k], one float32 accumulator from +0."""
    total = np.zeros((a.shape[0], b.shape[0]), dtype=np.float32)
    for a_column, b_column in zip(a.T, b.T, strict=True):
        total += np.outer(a_column, b_column)  # a product of two FP8 values is exact
    return total


def even_and_odd_float32(a: np.ndarray, b: np.ndarray, pair: tuple[str, str]) -> np.ndarray:
    """Adds as TDPBF16PS does, 32 k at a time: even k and odd k apart, each ascending from +0.

    The instruction flushes subnormal numbers, which products and sums of FP8 values never are.
    """
    total = np.zeros((a.shape[0], b.shape[0]), dtype=np.float32)
    for k in range(0, a.shape[1], 32):
        step = slice(k, k + 32)
        even, odd = (
            ascending_float32(a[:, step][:, part::2], b[:, step][:, part::2], pair)
            for part in (0, 1)
        )
        total += even + odd
    return total


BLOCK_SUMS: dict[str, BlockSum] = {
    "amx": even_and_odd_float32,
    "cpu": ascending_float32,
    "sm90": wgmma.block_sum,
}


def fma_float32(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """x * y + z of float32 arrays, rounded once.

    The product is exact in float64. The sum is rounded to odd there, which makes the second
    rounding, to float32, equal to one rounding of the exact value.
    """
    product = x.astype(np.float64) * y.astype(np.float64)
    addend = z.astype(np.float64)
    total = product + addend
    shadow = total - product
    error = (product - (total - shadow)) + (addend - shadow)
    even = (total.view(np.int64) & 1) == 0
    inexact = np.isfinite(total) & (error != 0) & even
    toward = np.where(error > 0, np.inf, -np.inf)
    return np.where(inexact, np.nextafter(total, toward), total).astype(np.float32)


def emulate(problem: Problem, block_sum: BlockSum) -> np.ndarray:
    """Output bits of the covered rows; other rows are zero bits."""
    total = np.zeros((problem.cum_m, problem.n), dtype=np.float32)
    columns = problem.scale_columns()
    pair = (problem.a_dtype, problem.b_dtype)
    with np.errstate(all="ignore"):
        for group, begin, end in problem.groups():
            scale_rows = problem.scale_rows(begin, end)
            for block, ks in problem.k_blocks():
                a = decode(problem.a[begin:end, ks], problem.a_dtype).astype(np.float32)
                b = decode(problem.b[group, :, ks], problem.b_dtype).astype(np.float32)
                scale = np.outer(
                    problem.a_scale[scale_rows, block], problem.b_scale[group, columns, block]
                )
                total[begin:end] = fma_float32(scale, block_sum(a, b, pair), total[begin:end])
    return out_bits(total.astype(np.float64), problem.out_dtype)
