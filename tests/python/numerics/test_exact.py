"""Exact integers, zero tolerance: every type, granularity, scale major, shape and memory layout.

The problems are such that every backend must be exact (the comparer asserts the certificate), and
scales differ between neighbouring indices, so that any mis-indexing shows.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given

from numeric.arena import Layout
from numeric.cases import GRANULARITIES, Case, exact_problem, rows_for
from numeric.compare import assert_exact
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES
from numeric.strategies import cases, layouts, seeds

MAJORS = ("MN", "K")
TAIL_COLUMNS = (8, 24, 136, 200)
TAIL_DEPTHS = (16, 48, 144, 208, 320)
RAGGED_ROWS = ((1, 0, 9, 33), (40,), (0, 17, 2), (5, 64, 1, 0, 0, 3))


def check(backend, case, layout=None, seed=0, **options):
    problem = exact_problem(case, seed)
    bits = backend.run(problem, layout or Layout(), seed, **options)
    assert_exact(problem, bits)


def check_fitted(backend, case, layout=None, seed=0, **options):
    """For tests whose subject is neither the granularity nor the alignment of a and b."""
    check(backend, backend.fit(case), backend.fit_layout(layout or Layout()), seed, **options)


@pytest.mark.parametrize("scale_major", MAJORS)
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
def test_formats(backend, pair, out_dtype, granularity, scale_major):
    """The full product of types, granularities and majors; shapes rotate through the tails."""
    turn = GRANULARITIES.index(granularity) + MAJORS.index(scale_major)
    turn += OUT_DTYPES.index(out_dtype) + DTYPE_PAIRS.index(pair)
    rows = rows_for(granularity[0], RAGGED_ROWS[turn % len(RAGGED_ROWS)][:4])
    case = Case(
        rows, TAIL_COLUMNS[turn % len(TAIL_COLUMNS)], TAIL_DEPTHS[turn % len(TAIL_DEPTHS)],
        granularity, *pair, out_dtype, scale_major, lead=granularity[0], trail=2,
    )  # fmt: skip
    check(backend, case, seed=turn)


@pytest.mark.parametrize("scale_major", MAJORS)
@pytest.mark.parametrize("k", TAIL_DEPTHS)
@pytest.mark.parametrize("n", TAIL_COLUMNS)
def test_tails(backend, n, k, scale_major):
    """Short last blocks of n and k together, where ceil and floor of the block count differ."""
    for granularity in ((1, 128, 128), (1, 64, 96), (1, 64, 64), (128, 128, 128)):
        rows = rows_for(granularity[0], (3, 0, 18))
        check_fitted(backend, Case(rows, n, k, granularity, scale_major=scale_major))


@pytest.mark.parametrize(
    "granularity", [(1, 128, 128), (128, 128, 128), (1, 64, 64), (128, 128, 64)], ids=str
)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
def test_deep(backend, pair, granularity):
    """A depth of real models: 56 k blocks."""
    check(backend, Case(rows_for(granularity[0], (2, 7)), 136, 7168, granularity, *pair))


@pytest.mark.parametrize(
    "rows",
    [
        (1,), (0, 0, 1, 0), (128,), (127, 129), (255, 1, 257), (63, 64, 65), (1,) * 40,
        (0,) * 100 + (3,) + (0,) * 100 + (2, 0), (0,) * 3, (300, 0, 1, 500),
    ],
    ids=lambda rows: f"{len(rows)}groups-{sum(rows)}rows",
)  # fmt: skip
def test_ragged_groups(backend, rows):
    for lead, trail in ((0, 0), (5, 7)):
        check_fitted(backend, Case(rows, 72, 160, (1, 64, 128), lead=lead, trail=trail))


def skewed_rows(num_groups: int, total: int) -> tuple[int, ...]:
    """Zipf's law: some groups get most of the rows and many get none, in any order."""
    share = 1 / np.arange(1, num_groups + 1)
    rows = (total * share / share.sum()).astype(int)
    rows[0] += total - rows.sum()
    return tuple(np.random.default_rng(num_groups).permutation(rows).tolist())


@pytest.mark.parametrize(
    "granularity", [(1, 128, 128), (128, 128, 128), (1, 64, 64), (128, 64, 128)], ids=str
)
@pytest.mark.parametrize(
    "n, k", [(8, 192), (1408, 192), (2816, 192), (2824, 128), (104, 1408), (264, 2816), (72, 720)]
)
def test_tails_of_models(backend, n, k, granularity):
    """Sizes of models that leave short last blocks or tiles, and the narrowest."""
    rows = rows_for(granularity[0], (1, 130, 0, 19, 70))
    check(backend, Case(rows, n, k, granularity, lead=granularity[0], trail=1))


@pytest.mark.parametrize(
    "num_groups", [1, 2, 3, 5, 31, 32, 33, 63, 64, 65, 100, 160, 256, 511, 512]
)
@pytest.mark.parametrize("rows_per_group", [2, 40])
def test_numbers_of_groups(backend, num_groups, rows_per_group):
    """Skewed groups, on both sides of what one thread or warp of a schedule takes."""
    rows = skewed_rows(num_groups, num_groups * rows_per_group)
    check(backend, Case(rows, 136, 192, scale_major="K", lead=1, trail=2), seed=num_groups)


def test_many_groups(backend):
    """More groups than any grid or chunk of groups, almost all of them empty."""
    rows = np.zeros(2500, dtype=int)
    rows[[0, 1, 31, 32, 1023, 1024, 1025, 2047, 2498]] = (1, 2, 3, 17, 5, 1, 130, 2, 4)
    check_fitted(backend, Case(tuple(rows), 8, 32, (1, 128, 32)))


@pytest.mark.parametrize("k_granularity", [32, 96, 128])
def test_k_zero_writes_zeros(backend, k_granularity):
    for out_dtype in OUT_DTYPES:
        case = Case((2, 0, 3), 24, 0, (1, 128, k_granularity), out_dtype=out_dtype, lead=1, trail=1)
        problem = exact_problem(case)
        bits = backend.run(problem)
        assert not bits[problem.covered()].any()


@pytest.mark.parametrize(
    "case",
    [
        Case((0,), 16, 32), Case((), 16, 32), Case((3, 4), 0, 32), Case((), 16, 32, trail=3),
        Case((0, 0), 16, 32, lead=2), Case((), 0, 0),
    ],
    ids=["no-rows", "no-groups", "no-columns", "no-groups-but-rows", "all-uncovered", "nothing"],
)  # fmt: skip
def test_empty_problems(backend, case):
    """Success, and nothing is written."""
    backend.run(exact_problem(case))


@pytest.mark.parametrize(
    "shift_a, shift_b", list(itertools.product((0, 1, 4, 8, 15), (0, 1, 4, 8, 16)))
)
def test_base_alignment(backend, shift_a, shift_b):
    """Any address is legal for a and b; the last column of bytes ends at a guard band."""
    layout = Layout(a_shift=shift_a, b_shift=shift_b, out_shift=shift_a % 3, scale_shift=shift_b)
    for k in (48, 144):
        check(backend, backend.fit(Case((3, 18, 40), 40, k, (1, 64, 128))), layout)


@pytest.mark.parametrize(
    "layout",
    [
        Layout(a_row_pad=16), Layout(b_row_pad=48), Layout(b_group_pad=80), Layout(out_row_pad=1),
        Layout(out_row_pad=8), Layout(a_scale_pad=3), Layout(b_scale_pad=5),
        Layout(b_scale_group_pad=7), Layout(out_shift=1), Layout(scale_shift=1, index_shift=1),
        Layout(16, 32, 16, 3, 1, 2, 3, 1, 4, 1, 3, 1), Layout(128, 128, 128, 128, 4, 4, 4),
    ],
    ids=lambda layout: str(hash(layout) % 10**6),
)  # fmt: skip
def test_strides(backend, layout):
    for out_dtype, scale_major in itertools.product(OUT_DTYPES, MAJORS):
        case = Case((3, 0, 70), 136, 208, (1, 64, 64), "float8_e5m2", "float8_e4m3fn", out_dtype)
        case = Case(**(vars(case) | {"scale_major": scale_major, "lead": 2, "trail": 1}))
        check_fitted(backend, case, layout)


@pytest.mark.parametrize("options", [{"mma_sm": 2}, {"validate": True}], ids=str)
def test_options_do_not_change_the_result(backend, options):
    check(backend, Case((3, 0, 70), 136, 208), **options)


@given(case=cases(), layout=layouts(), seed=seeds)
def test_anything(backend, case, layout, seed):
    check_fitted(backend, case, layout, seed)
