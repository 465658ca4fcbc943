"""Each scale belongs to its rows, columns and k block and to nothing else; and its special values.

One scale at a time is changed: exactly the outputs it belongs to must change, and to the right
bits. A kernel that takes a neighbour's scale (row, column block, k block, group) fails.
"""

import numpy as np
import pytest

from numeric import planted
from numeric.cases import Case, exact_problem, rows_for
from numeric.compare import assert_exact, assert_one_nan_pattern, assert_same_bits
from numeric.emulator import ascending_float32, emulate
from numeric.problem import Problem

# Groups for every size of tile, a large one after a small one, with rows that no group covers.
ROWS = {
    "decode": (3, 0, 18, 1),
    "middle": (40, 70, 0, 129),
    "large": (300, 0, 515),
    "mixed": (1, 260, 9, 0, 33, 66),
}
# Rows before the first group, and of groups that begin and end inside blocks of 128 rows.
UNEVEN_ROWS = {
    "decode": (5, (3, 0, 18, 150)),
    "middle": (77, (195, 100, 0, 129)),
    "large": (1, (640, 1, 515)),
}
NUM_SAMPLES = 8
SPECIAL = np.array(
    [
        np.inf, -np.inf, np.nan, 0.0, -0.0, 2.0**-149, -(2.0**-130), 2.0**-126, -1.5, 3.0,
        2.0**100, -(2.0**120), 1e-30, 2.0**127,
    ],
    np.float32,
)  # fmt: skip


# k is 400: the last scale block of 64 k is the first half of a k-block of 128.
GRANULARITIES = ((1, 128, 128), (128, 128, 128), (1, 64, 64), (128, 64, 64), (1, 64, 128))


def problem_of(backend, rows, granularity, scale_major) -> Problem:
    case = Case(
        rows_for(granularity[0], rows), 264, 400, granularity,
        out_dtype="float32", scale_major=scale_major, lead=granularity[0], trail=3,
    )  # fmt: skip
    problem = exact_problem(backend.fit(case))
    return problem


def owned_by_a_scale(problem, row_block, _) -> np.ndarray:
    """The outputs that a_scale[row_block, :] belongs to."""
    owned = np.zeros((problem.cum_m, problem.n), bool)
    for _, begin, end in problem.groups():
        owned[begin:end][problem.scale_rows(begin, end) == row_block] = True
    return owned


def owned_by_b_scale(problem, group, column_block) -> np.ndarray:
    """The outputs that b_scale[group, column_block, :] belongs to."""
    owned = np.zeros((problem.cum_m, problem.n), bool)
    begin, end = problem.m_indptr[group : group + 2]
    owned[begin:end] = problem.scale_columns() == column_block
    return owned


def assert_change_is_its_own(backend, problem, before, name, index, owned):
    """Negates one scale: its outputs alone change, and to the right bits."""
    scales = getattr(problem, name).copy()
    scales[index] *= -1
    changed = problem.with_(**{name: scales})
    after = backend.run(changed)
    covered = problem.covered()
    strays = (after != before) & ~owned
    assert not strays[covered].any(), (
        f"{name}{index} changed {strays[covered].sum()} outputs that are not its own; first at "
        f"{np.argwhere(strays & covered[:, None])[0]}; {problem.describe()}"
    )
    assert_exact(changed, after)
    # An inner product may be zero, but most are not.
    assert (after != before)[owned].sum() >= owned.sum() / 2


@pytest.mark.parametrize("scale_major", ["MN", "K"])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_scale_changes_its_own_outputs(backend, rows, granularity, scale_major):
    problem = problem_of(backend, rows, granularity, scale_major)
    before = backend.run(problem)
    rng = np.random.default_rng(1)
    for _ in range(NUM_SAMPLES):
        row = int(rng.choice(np.flatnonzero(np.isfinite(problem.a_scale[:, 0]))))
        index = (row, int(rng.integers(problem.a_scale.shape[1])))
        owned = owned_by_a_scale(problem, *index)
        assert_change_is_its_own(backend, problem, before, "a_scale", index, owned)
        index = tuple(int(rng.integers(size)) for size in problem.b_scale.shape)
        owned = owned_by_b_scale(problem, *index[:2])
        assert_change_is_its_own(backend, problem, before, "b_scale", index, owned)


@pytest.mark.parametrize("scale_major", ["MN", "K"])
@pytest.mark.parametrize("granularity", [(1, 128, 128), (1, 64, 64)], ids=str)
def test_every_scale_of_a_small_problem(backend, granularity, scale_major):
    problem = problem_of(backend, (3, 0, 6), granularity, scale_major)
    before = backend.run(problem)
    for index in np.argwhere(np.isfinite(problem.a_scale)):
        owned = owned_by_a_scale(problem, *index)
        assert_change_is_its_own(backend, problem, before, "a_scale", tuple(index), owned)
    for index in np.ndindex(problem.b_scale.shape):
        owned = owned_by_b_scale(problem, *index[:2])
        assert_change_is_its_own(backend, problem, before, "b_scale", index, owned)


@pytest.mark.parametrize("scale_major", ["MN", "K"])
@pytest.mark.parametrize("rows", UNEVEN_ROWS)
def test_blocks_of_rows_begin_with_their_group(backend, rows, scale_major):
    """Row r of a group from row f on has scale row f / 128 + (r - f) / 128, wherever f is."""
    lead, rows = UNEVEN_ROWS[rows]
    for granularity in ((128, 128, 128), (128, 64, 64)):
        case = Case(
            rows, 264, 400, granularity, out_dtype="float32", scale_major=scale_major, lead=lead,
            trail=3,
        )  # fmt: skip
        problem = exact_problem(backend.fit(case))
        assert_exact(problem, backend.run(problem))


class PlantedBackend:
    """Computes as a function of numeric.planted does, in place of a Runner."""

    def __init__(self, run):
        self.run = run

    @staticmethod
    def fit(case):
        return case


@pytest.mark.parametrize("granularity", [(1, 128, 128), (1, 64, 64)], ids=str)
@pytest.mark.parametrize(
    "bug",
    [
        planted.neighbour_row_scale, planted.neighbour_k_scale, planted.neighbour_column_scale,
        planted.neighbour_group_scales, planted.scale_of_previous_block,
        planted.floor_of_column_blocks, planted.missing_promotion_factor,
    ],
    ids=lambda bug: bug.__name__,
)  # fmt: skip
def test_a_wrong_scale_is_seen(bug, granularity):
    test_every_scale_of_a_small_problem(PlantedBackend(planted.correct), granularity, "MN")
    with pytest.raises(AssertionError, match="not its own|differ from the exact result"):
        test_every_scale_of_a_small_problem(PlantedBackend(bug), granularity, "MN")


@pytest.mark.parametrize("rows", UNEVEN_ROWS)
def test_a_wrong_block_of_rows_is_seen(rows):
    test_blocks_of_rows_begin_with_their_group(PlantedBackend(planted.correct), rows, "MN")
    bug = PlantedBackend(planted.row_blocks_of_the_array)
    with pytest.raises(AssertionError, match="differ from the exact result"):
        test_blocks_of_rows_begin_with_their_group(bug, rows, "MN")


@pytest.mark.parametrize("out_dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_special_scales(backend, rows, granularity, out_dtype):
    """Infinite, NaN, zero, subnormal, negative and huge scales anywhere follow IEEE rules.

    The inner products are exact integers, so the published order gives every bit.
    """
    problem = problem_of(backend, rows, granularity, "MN").with_(out_dtype=out_dtype)
    rng = np.random.default_rng(2)
    for scales, share in ((problem.a_scale, 0.05), (problem.b_scale, 0.1)):
        chosen = np.isfinite(scales) & (rng.random(scales.shape) < share)
        scales[chosen] = rng.choice(SPECIAL, chosen.sum())
    bits = backend.run(problem)
    assert_same_bits(problem, bits, emulate(problem, ascending_float32), "published order")
    assert_one_nan_pattern(problem, bits)
