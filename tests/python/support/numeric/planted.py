"""Wrong results as plausible bugs would make them: PLANTED maps a name to a function of a problem.

Each function returns output bits. Most are the right computation of a changed problem: the bug
is in what is read, not in the arithmetic.
"""

import numpy as np

from numeric.formats import FP8_NAN, out_bits, out_values
from numeric.problem import Problem
from numeric.reference import reference


def correct(problem: Problem) -> np.ndarray:
    return out_bits(reference(problem).value, problem.out_dtype)


def neighbour_row_scale(problem: Problem) -> np.ndarray:
    return correct(problem.with_(a_scale=np.roll(problem.a_scale, 1, axis=0)))


def row_blocks_of_the_array(problem: Problem) -> np.ndarray:
    """Blocks of rows are counted from the first row of the array, not of the group."""
    _, *others = problem.granularity
    scale = problem.a_scale[np.arange(problem.cum_m) // problem.granularity[0]]
    return correct(problem.with_(a_scale=scale, granularity=(1, *others)))


def neighbour_k_scale(problem: Problem) -> np.ndarray:
    return correct(problem.with_(a_scale=np.roll(problem.a_scale, 1, axis=1)))


def neighbour_column_scale(problem: Problem) -> np.ndarray:
    return correct(problem.with_(b_scale=np.roll(problem.b_scale, 1, axis=1)))


def swapped_a_major(problem: Problem) -> np.ndarray:
    swapped = problem.a_scale.T.reshape(problem.a_scale.shape)
    return correct(problem.with_(a_scale=swapped))


def swapped_b_major(problem: Problem) -> np.ndarray:
    swapped = problem.b_scale.transpose(0, 2, 1).reshape(problem.b_scale.shape)
    return correct(problem.with_(b_scale=swapped))


def floor_of_column_blocks(problem: Problem) -> np.ndarray:
    """The last, short column block uses the scale of the block before it."""
    scale = problem.b_scale.copy()
    scale[:, -1] = scale[:, -2]
    return correct(problem.with_(b_scale=scale))


def floor_of_k_blocks(problem: Problem) -> np.ndarray:
    """The last, short k block is left out."""
    whole = problem.k // problem.granularity[2] * problem.granularity[2]
    a = problem.a.copy()
    a[:, whole:] = 0
    return correct(problem.with_(a=a))


def last_row_from_next_group(problem: Problem) -> np.ndarray:
    indptr = problem.m_indptr.copy()
    indptr[1:-1] -= 1
    return correct(problem.with_(m_indptr=indptr))


def zeroed_row(problem: Problem) -> np.ndarray:
    bits = correct(problem)
    bits[np.flatnonzero(problem.covered())[-1]] = 0
    return bits


def neighbour_group_weights(problem: Problem) -> np.ndarray:
    return correct(problem.with_(b=np.roll(problem.b, 1, axis=0)))


def neighbour_group_scales(problem: Problem) -> np.ndarray:
    return correct(problem.with_(b_scale=np.roll(problem.b_scale, 1, axis=0)))


def missing_promotion_factor(problem: Problem) -> np.ndarray:
    """The last k block is added without b's scale."""
    scale = problem.b_scale.copy()
    scale[:, :, -1] = 1.0
    return correct(problem.with_(b_scale=scale))


def scale_of_previous_block(problem: Problem) -> np.ndarray:
    """From the second k block on, promotion uses the factors of the block before."""
    scale = problem.a_scale.copy()
    scale[:, 1:] = problem.a_scale[:, :-1]
    return correct(problem.with_(a_scale=scale))


def skipped_step(problem: Problem) -> np.ndarray:
    """One step of 16 elements of k is not accumulated."""
    a = problem.a.copy()
    a[:, 16:32] = 0
    return correct(problem.with_(a=a))


def truncating_cast(problem: Problem) -> np.ndarray:
    """The cast drops the low bits instead of rounding them."""
    value = reference(problem).value
    bits = out_bits(value, problem.out_dtype)
    away = np.abs(out_values(bits, problem.out_dtype)) > np.abs(value)
    return bits - away.astype(bits.dtype)


def leaked_poison(problem: Problem) -> np.ndarray:
    """The last covered row took part of its operand from outside the group."""
    a = problem.a.copy()
    a[np.flatnonzero(problem.covered())[-1], -1] = FP8_NAN
    return correct(problem.with_(a=a))


PLANTED = {
    bug.__name__: bug
    for bug in (
        neighbour_row_scale, neighbour_k_scale, neighbour_column_scale, swapped_a_major,
        swapped_b_major, floor_of_column_blocks, floor_of_k_blocks, last_row_from_next_group,
        zeroed_row, neighbour_group_weights, neighbour_group_scales, missing_promotion_factor,
        scale_of_previous_block, skipped_step, truncating_cast, leaked_poison,
    )
}  # fmt: skip
