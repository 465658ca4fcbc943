"""Every kernel configuration of a backend: each is exact, and all give a row the same bits.

A backend chooses its configuration from the sizes, and may pick a tile for each group on the
device. Here every configuration is asked for by its name; the groups have sizes to either side of
what a tile may be, alone and mixed in one call.
"""

from typing import NamedTuple

import numpy as np
import pytest

from numeric.arena import Layout
from numeric.cases import Case, exact_problem, random_problem, rows_for
from numeric.compare import assert_exact, assert_same_bits
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES
from numeric.problem import Problem

GROUP_SIZES = {
    "decode": (13, 0, 3),
    "middle": (70, 129, 20, 3, 30),
    "large": (1500, 1027),
    "mixed": (1, 700, 0, 17, 64, 130, 2, 33, 257, 0, 8),
}
E4M3 = ("float8_e4m3fn", "float8_e4m3fn")
E5M2 = ("float8_e5m2", "float8_e5m2")
E4M3_BY_E5M2 = ("float8_e4m3fn", "float8_e5m2")
E5M2_BY_E4M3 = ("float8_e5m2", "float8_e4m3fn")

DENSE = Layout()
# The strides of rows are multiples of 16 bytes.
PADDED = Layout(a_row_pad=16, b_row_pad=32, b_group_pad=48, out_row_pad=8, out_shift=8)
# No store of 16 bytes fits the rows of out, and no load of 16 bytes fits the scales.
UNALIGNED = Layout(out_row_pad=3, out_shift=1, a_scale_pad=1, b_scale_pad=1, scale_shift=1)


class Form(NamedTuple):
    pair: tuple[str, str]
    granularity: tuple[int, int, int]
    scale_major: str
    layout: Layout


FORMS = {
    "scales of rows, dense": Form(E4M3, (1, 128, 128), "MN", DENSE),
    "scales of rows, padded": Form(E5M2, (1, 128, 128), "MN", PADDED),
    "scales of blocks, padded": Form(E4M3_BY_E5M2, (128, 128, 128), "K", PADDED),
    "scales of blocks, unaligned": Form(E5M2_BY_E4M3, (128, 128, 128), "K", UNALIGNED),
    "scales of columns, unaligned": Form(E4M3, (1, 1, 128), "MN", UNALIGNED),
    "scales of small blocks, dense": Form(E4M3_BY_E5M2, (1, 64, 96), "K", DENSE),
    "scales of 64, dense": Form(E4M3, (1, 64, 64), "MN", DENSE),
    "scales of 64, unaligned": Form(E5M2_BY_E4M3, (1, 64, 64), "K", UNALIGNED),
    "scales of blocks by 64, padded": Form(E4M3, (128, 128, 64), "MN", PADDED),
}

SHORT_TAILS = (136, 336)  # (n, k), not multiples of what a tile has
MANY_TILES = (1408, 192)
ONE_TILE = (8, 2048)
MANY_K_BLOCKS = (264, 5264)  # more than any ring of stages holds
WIDTHS = (SHORT_TAILS, MANY_TILES, ONE_TILE, MANY_K_BLOCKS)

# Scale granularities. sm90 has configurations of their own for scale blocks of 64 k.
GRANULARITIES = [(1, 128, 128), (1, 64, 64)]


@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", GROUP_SIZES)
def test_group_sizes_are_exact(backend, size, form, out_dtype):
    pair, granularity, scale_major, layout = FORMS[form]
    case = Case(
        rows_for(granularity[0], GROUP_SIZES[size]), *SHORT_TAILS, granularity, *pair, out_dtype,
        scale_major, lead=granularity[0],
    )  # fmt: skip
    problem = exact_problem(backend.fit(case), seed=3)
    for runner in backend.configured(problem):
        assert_exact(problem, runner.run(problem, layout))


@pytest.mark.parametrize("scale_major", ["MN", "K"])
@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
@pytest.mark.parametrize("width", [SHORT_TAILS, MANY_TILES])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
def test_every_configuration_is_exact(backend, granularity, width, pair, out_dtype, scale_major):
    rows = GROUP_SIZES["mixed"] * 2
    case = backend.fit(Case(rows, *width, granularity, *pair, out_dtype, scale_major))
    problem = exact_problem(case, seed=8)
    for runner in backend.configured(problem):
        assert_exact(problem, runner.run(problem))


@pytest.mark.parametrize("out_dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("n, k", [(136, 336), (1416, 192)])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
def test_every_number_of_rows_is_exact(backend, granularity, n, k, out_dtype):
    """Few rows have a tile whose rows and columns may be others than those of a tile for many."""
    case = backend.fit(Case(tuple(range(1, 70)), n, k, granularity, out_dtype=out_dtype))
    problem = exact_problem(case)
    for runner in backend.configured(problem):
        assert_exact(problem, runner.run(problem))


@pytest.mark.parametrize("n", range(104, 297, 32))
@pytest.mark.parametrize(
    "rows, scale_major",
    [
        ((65, 200, 400, 129, 64, 256, 0, 350, 330), "MN"),
        ((129, 256, 500, 193, 130, 257, 0, 400, 385), "K"),
    ],
)
def test_every_width_is_exact(backend, n, rows, scale_major):
    """Tiles may be as wide as n or a part of it, and begin at any multiple of 32 columns."""
    for scale_n in (64, 128):
        case = backend.fit(Case(rows * 4, n, 336, (1, scale_n, 128), scale_major=scale_major))
        problem = exact_problem(case, seed=n)
        for runner in backend.configured(problem):
            assert_exact(problem, runner.run(problem))


def heads(base: Problem, rows: tuple[int, ...]) -> Problem:
    """Groups that all have base's weights; group i has the first rows[i] of base's rows."""
    index = np.concatenate([np.arange(count) for count in rows])
    return base.with_(
        a=base.a[index],
        a_scale=base.a_scale[index],
        b=np.repeat(base.b, len(rows), axis=0),
        b_scale=np.repeat(base.b_scale, len(rows), axis=0),
        m_indptr=np.cumsum([0, *rows]).astype(np.int32),
    )


def assert_heads_are_the_same(runner, base, expected, rows):
    problem = heads(base, rows)
    wanted = np.concatenate([expected[:count] for count in rows])
    what = f"rows of one group, by {runner.request} in groups of {rows[:12]}"
    assert_same_bits(problem, runner.run(problem), wanted, what)


@pytest.mark.parametrize("n, k", WIDTHS)
@pytest.mark.parametrize("pair", [E4M3, E5M2_BY_E4M3], ids="-".join)
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
def test_same_bits_in_every_configuration(backend, granularity, pair, n, k):
    """Batch invariance: a row alone, in groups of any size, and beside others is the same row, in
    any configuration and in those that the backend chooses.
    """
    case = backend.fit(Case((2300,), n, k, granularity, *pair, "float32"))
    base = random_problem(case, seed=5)
    expected = backend.run(base)
    for runner in backend.configured(base):
        assert_heads_are_the_same(runner, base, expected, (2300,))
        assert_heads_are_the_same(runner, base, expected, GROUP_SIZES["mixed"])
    for num_rows in (1, 7, 16, 17, 33, 64, 65, 129, 193, 257, 700, 1300):
        assert_heads_are_the_same(backend, base, expected, (num_rows,))
    assert_heads_are_the_same(backend, base, expected, (2300, *range(0, 200, 7)))


@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("last_k", [16, 80])
@pytest.mark.parametrize("num_k_blocks", range(1, 12))
def test_tiles_follow_one_another(backend, num_k_blocks, last_k, granularity):
    """Several tiles per processor of a GPU, or halves of one, in the sizes that take each kind of
    tile: what kernels keep from tile to tile is right after any number of k-blocks of 128 k, the
    last of which has one scale block of 64 k, or two.
    """
    k = (num_k_blocks - 1) * 128 + last_k
    base = exact_problem(backend.fit(Case((512,), 520, k, granularity)), num_k_blocks)
    expected = backend.run(base)
    assert_exact(base, expected)
    for rows in ((16,) * 128, (16, 70) * 32, (100,) * 48, (192,) * 32, (512,) * 16):
        assert_heads_are_the_same(backend, base, expected, rows)
    for runner in backend.configured(base):
        assert_heads_are_the_same(runner, base, expected, (16, 70, 192, 512) * 8)


@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("rows", [3, 16, 64])
def test_weights_beyond_the_caches(gpu_backend, rows, granularity):
    """Copies come later than the arithmetic that waits for them could begin."""
    base = exact_problem(gpu_backend.fit(Case((rows,), 4096, 2048, granularity)), rows)
    expected = gpu_backend.run(base)
    assert_exact(base, expected)
    for runner in gpu_backend.configured(base):
        assert_heads_are_the_same(runner, base, expected, (rows,) * 24)


@pytest.mark.parametrize("out_dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("n", [8, 96, 104, 192, 200, 288, 392, 584, 960])
def test_remainders_of_groups(backend, n, granularity, out_dtype):
    """Groups that end anywhere in a tile of 256 rows, with columns that end anywhere in one of 192:
    a remainder may be cut into other tiles.
    """
    base = exact_problem(backend.fit(Case((767,), n, 272, granularity, out_dtype=out_dtype)), n)
    expected = backend.run(base)
    assert_exact(base, expected)
    remainders = (0, 1, 64, 65, 128, 129, 192, 255)
    rows = [num_full * 256 + rest for rest in remainders for num_full in (2, 0, 1)]
    for runner in backend.configured(base):
        assert_heads_are_the_same(runner, base, expected, tuple(rows))
    for first in range(4):  # in calls of few tiles others may be chosen, or halved
        assert_heads_are_the_same(backend, base, expected, tuple(rows[first::4]))


def test_long_groups_of_long_rows(backend):
    """Groups of more row tiles than a rasterization band holds where rows are so long."""
    base = exact_problem(Case((1100,), 200, 32768), seed=7)
    expected = backend.run(base)
    assert_exact(base, expected)
    for runner in backend.configured(base):
        assert_heads_are_the_same(runner, base, expected, (1100, 30, 800, 513))


def test_same_bits_at_any_place_in_a_group(backend):
    """Rows in reverse order: each meets another place of its tile, or another tile."""
    base = random_problem(Case((300,), 136, 336), seed=6)
    order = np.arange(base.cum_m)[::-1]
    turned = base.with_(a=base.a[order], a_scale=base.a_scale[order])
    expected = backend.run(base)[order]
    for runner in backend.configured(base):
        assert_same_bits(base, runner.run(turned), expected, f"rows in order, by {runner.request}")
