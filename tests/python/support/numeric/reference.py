"""The result in float64 from the decoded bytes, with the bounds that judge a computed result.

Called by the comparers. Invariant: rows outside the groups are NaN in every array.
"""

from typing import NamedTuple

import numpy as np

from numeric.formats import decode
from numeric.problem import Problem


class Reference(NamedTuple):
    """Arrays of shape (cum_m, n)."""

    value: np.ndarray  # R: the result, before the cast
    magnitude: np.ndarray  # T: sum over blocks of |a_scale b_scale| sum |a||b|
    subnormal: np.ndarray  # sum |a||b| of blocks whose a_scale b_scale is subnormal in float32
    quantum: np.ndarray  # smallest |a_scale b_scale| of the output
    block_magnitude: np.ndarray  # largest sum |a||b| of one block


def reference(problem: Problem) -> Reference:
    """Exact where the certificate holds; else within about k * 2^-53 of the true sum."""
    shape = (problem.cum_m, problem.n)
    result = Reference(*(np.full(shape, np.nan) for _ in Reference._fields))
    columns = problem.scale_columns()
    for group, begin, end in problem.groups():
        rows = slice(begin, end)
        for sums in (result.value, result.magnitude, result.subnormal, result.block_magnitude):
            sums[rows] = 0.0
        result.quantum[rows] = np.inf
        scale_rows = problem.scale_rows(begin, end)
        for block, ks in problem.k_blocks():
            a = decode(problem.a[rows, ks], problem.a_dtype)
            b = decode(problem.b[group, :, ks], problem.b_dtype)
            a_scale = problem.a_scale[scale_rows, block].astype(np.float64)
            b_scale = problem.b_scale[group, columns, block].astype(np.float64)
            scale = np.outer(a_scale, b_scale)
            magnitude = np.abs(a) @ np.abs(b).T
            result.value[rows] += scale * (a @ b.T)
            result.magnitude[rows] += np.abs(scale) * magnitude
            result.subnormal[rows] += (np.abs(scale) < 2.0**-126) * magnitude
            np.minimum(result.quantum[rows], np.abs(scale), out=result.quantum[rows])
            np.maximum(result.block_magnitude[rows], magnitude, out=result.block_magnitude[rows])
    return result


def assert_certificate(problem: Problem, ref: Reference) -> None:
    """Asserts that every backend computes this problem exactly.

    All partial sums of an output are integer multiples of its quantum below 2^24 quanta, and every
    block sum is below 2^14, which even a tensor core with 13 fraction bits adds without loss.
    """
    covered = problem.covered()
    if not covered.any() or problem.k == 0:
        return
    assert (ref.magnitude[covered] / ref.quantum[covered]).max(initial=0.0) < 2**24
    assert ref.block_magnitude[covered].max(initial=0.0) < 2**14
    mantissa, _ = np.frexp(ref.quantum[covered])
    assert (mantissa == 0.5).all(), "a scale is not a power of two"
