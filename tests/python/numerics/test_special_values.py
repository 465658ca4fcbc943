"""NaN, infinity, overflow, subnormals and signed zeros, against tables and IEEE rules."""

import numpy as np
import pytest

from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_one_nan_pattern, assert_same_bits
from numeric.formats import (
    DECODE,
    DTYPE_PAIRS,
    E5M2_INF,
    FP8_NAN,
    OUT_DTYPES,
    decode,
    encode,
    out_bits,
    out_values,
)
from numeric.problem import Problem

ONE = {"float8_e4m3fn": 0x38, "float8_e5m2": 0x3C}


def single_group(a, b, a_scale=1.0, b_scale=1.0, **types) -> Problem:
    """One group, one scale for all of a and one for all of b."""
    blocks = -(-a.shape[1] // 128)
    return Problem(
        a, b[None],
        np.full((a.shape[0], blocks), a_scale, np.float32),
        np.full((1, -(-b.shape[0] // 128), blocks), b_scale, np.float32),
        np.array([0, a.shape[0]], np.int32), **types,
    )  # fmt: skip


def check(backend, problem, value):
    """The output equals value (float64), rounded once, and has one NaN pattern."""
    bits = backend.run(problem)
    wanted = out_bits(np.asarray(value, dtype=np.float64), problem.out_dtype)
    assert_same_bits(problem, bits, np.broadcast_to(wanted, bits.shape), "IEEE rules")
    assert_one_nan_pattern(problem, bits)


@pytest.mark.parametrize("position, k", [(0, 16), (15, 16), (77, 144), (143, 144)])
@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
def test_every_pair_of_bytes(backend, pair, out_dtype, position, k):
    """All 256 x 256 products, alone in their sum, against the definition of the formats."""
    a = np.zeros((256, k), np.uint8)
    b = np.zeros((256, k), np.uint8)
    a[:, position] = b[:, position] = np.arange(256)
    problem = single_group(a, b, a_dtype=pair[0], b_dtype=pair[1], out_dtype=out_dtype)
    with np.errstate(invalid="ignore"):
        product = np.multiply.outer(DECODE[pair[0]], DECODE[pair[1]])
    check(backend, problem, product + 0.0)


@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
def test_every_pair_of_bytes_under_a_subnormal_scale(backend, pair):
    """The product of the scales is subnormal; results are kept, and rounded once."""
    a = np.zeros((256, 16), np.uint8)
    b = np.zeros((256, 16), np.uint8)
    a[:, 3] = b[:, 3] = np.arange(256)
    types = {"a_dtype": pair[0], "b_dtype": pair[1], "out_dtype": "float32"}
    problem = single_group(a, b, 2.0**-100, 3 * 2.0**-45, **types)
    with np.errstate(invalid="ignore"):
        value = np.multiply.outer(DECODE[pair[0]], DECODE[pair[1]]) * (3 * 2.0**-145)
    check(backend, problem, value + 0.0)


CONTAINMENT = Case((20, 0, 33, 7), 200, 272, (1, 64, 64), lead=3, trail=2)


def assert_only_nan(backend, dirty, clean, expected):
    """Exactly the expected elements are NaN; all others are as without the NaN."""
    before, after = backend.run(clean), backend.run(dirty)
    covered = clean.covered()
    is_nan = np.isnan(out_values(after, clean.out_dtype))
    assert np.array_equal(is_nan[covered], expected[covered])
    keep = ~expected & covered[:, None]
    assert np.array_equal(after[keep], before[keep])
    assert_one_nan_pattern(dirty, after)


@pytest.mark.parametrize("out_dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("granularity", [(1, 128, 128), (1, 64, 64)], ids=str)
@pytest.mark.parametrize("k", [16, 80, 144, 272])
@pytest.mark.parametrize("n", [136, 1416])
def test_a_sum_that_underflows_is_minus_zero(backend, n, k, granularity, out_dtype):
    """Adding anything for k past the end would make it plus zero; in every configuration."""
    pair = ("float8_e4m3fn", "float8_e4m3fn")
    case = backend.fit(Case((1, 20, 70, 200), n, k, granularity, *pair, out_dtype))
    clean = exact_problem(case)
    tiny = [
        encode(np.where(np.arange(k) == k - 1, value, 0.0), pair[0])
        for value in (2.0**-9, -(2.0**-9))
    ]
    problem = clean.with_(
        a=np.broadcast_to(tiny[0], clean.a.shape).copy(),
        b=np.broadcast_to(tiny[1], clean.b.shape).copy(),
        a_scale=np.full_like(clean.a_scale, 2.0**-75),
        b_scale=np.full_like(clean.b_scale, 2.0**-74),
    )
    for runner in backend.configured(problem):
        bits = runner.run(problem)
        assert (bits == 1 << (8 * bits.itemsize - 1)).all()


@pytest.mark.parametrize("nan", [0x7F, 0xFF])
@pytest.mark.parametrize("k", [0, 63, 64, 271])
@pytest.mark.parametrize("row", [3, 22, 23, 55, 62])
def test_nan_in_a_makes_its_row_nan(backend, row, k, nan):
    clean = random_problem(backend.fit(CONTAINMENT))
    dirty = clean.with_(a=clean.a.copy())
    dirty.a[row, k] = nan
    expected = np.zeros((clean.cum_m, clean.n), bool)
    expected[row] = True
    assert_only_nan(backend, dirty, clean, expected)


@pytest.mark.parametrize("nan", [0x7F, 0xFF])
@pytest.mark.parametrize("k", [0, 100, 271])
@pytest.mark.parametrize("group, column", [(0, 0), (1, 5), (2, 127), (3, 199)])
def test_nan_in_b_makes_its_column_of_the_group_nan(backend, group, column, k, nan):
    clean = random_problem(backend.fit(CONTAINMENT))
    dirty = clean.with_(b=clean.b.copy())
    dirty.b[group, column, k] = nan
    expected = np.zeros((clean.cum_m, clean.n), bool)
    expected[clean.m_indptr[group] : clean.m_indptr[group + 1], column] = True
    assert_only_nan(backend, dirty, clean, expected)


@pytest.mark.parametrize("scale_major", ["MN", "K"])
@pytest.mark.parametrize("row, block", [(3, 0), (22, 4), (40, 2), (62, 4)])
def test_nan_in_a_scale_makes_its_row_nan(backend, row, block, scale_major):
    clean = random_problem(backend.fit(CONTAINMENT)).with_(scale_major=scale_major)
    dirty = clean.with_(a_scale=clean.a_scale.copy())
    dirty.a_scale[row, min(block, clean.a_scale.shape[1] - 1)] = np.nan
    expected = np.zeros((clean.cum_m, clean.n), bool)
    expected[row] = True
    assert_only_nan(backend, dirty, clean, expected)


def test_nan_in_a_scale_of_128_rows_makes_them_nan(backend):
    clean = random_problem(Case((128, 0, 256), 24, 144, (128, 128, 128), lead=128, trail=9))
    dirty = clean.with_(a_scale=clean.a_scale.copy())
    dirty.a_scale[3, 1] = np.nan
    expected = np.zeros((clean.cum_m, clean.n), bool)
    expected[384:512] = True
    assert_only_nan(backend, dirty, clean, expected)


@pytest.mark.parametrize("scale_major", ["MN", "K"])
@pytest.mark.parametrize("group, column_block, block", [(0, 0, 0), (2, 3, 4), (3, 1, 2), (1, 0, 0)])
def test_nan_in_b_scale_makes_its_block_nan(backend, group, column_block, block, scale_major):
    clean = random_problem(backend.fit(CONTAINMENT)).with_(scale_major=scale_major)
    dirty = clean.with_(b_scale=clean.b_scale.copy())
    _, column_blocks, blocks = clean.b_scale.shape
    column_block, block = min(column_block, column_blocks - 1), min(block, blocks - 1)
    dirty.b_scale[group, column_block, block] = np.nan
    expected = np.zeros((clean.cum_m, clean.n), bool)
    rows = slice(clean.m_indptr[group], clean.m_indptr[group + 1])
    gn = clean.granularity[1]
    expected[rows, gn * column_block : gn * column_block + gn] = True
    assert_only_nan(backend, dirty, clean, expected)


@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("k", [16, 160])
def test_infinity_follows_ieee(backend, k, out_dtype):
    """+-Inf in a times positive, negative, zero and infinite elements of b."""
    one = ONE["float8_e5m2"]
    a = np.full((3, k), one, np.uint8)
    a[0, 5], a[1, 5] = E5M2_INF, E5M2_INF | 0x80
    a[2, 5], a[2, 9] = E5M2_INF, E5M2_INF | 0x80
    b = np.full((8, k), one, np.uint8)
    b[1, 5], b[2, 5], b[3, 5], b[4, 5] = one | 0x80, 0, 0x80, E5M2_INF
    b[5, 5], b[6, 9] = FP8_NAN, E5M2_INF
    types = {"a_dtype": "float8_e5m2", "b_dtype": "float8_e5m2", "out_dtype": out_dtype}
    with np.errstate(invalid="ignore"):
        products = decode(a, "float8_e5m2")[:, None, :] * decode(b, "float8_e5m2")[None]
        value = products.sum(axis=-1)
    check(backend, single_group(a, b, **types), value)


@pytest.mark.parametrize(
    "a_scale, b_scale, total, value",
    [
        (np.inf, 1.0, 3, np.inf), (-np.inf, 1.0, 3, -np.inf), (1.0, np.inf, -3, -np.inf),
        (np.inf, 1.0, 0, np.nan), (1.0, -np.inf, 0, np.nan), (np.inf, 0.0, 3, np.nan),
        (np.inf, -np.inf, 3, -np.inf), (2.0**100, 2.0**100, 3, np.inf),
        (2.0**100, 2.0**100, 0, np.nan), (2.0**100, -(2.0**100), 3, -np.inf),
        (0.0, 1.0, -3, 0.0), (-0.0, 1.0, 3, 0.0), (2.0**-100, 2.0**-100, -3, 0.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
def test_scales_follow_ieee(backend, a_scale, b_scale, total, value, out_dtype):
    """Infinite, overflowing, zero and vanishing products of scales."""
    a, b = dot(total, 16)
    check(backend, single_group(a, b, a_scale, b_scale, out_dtype=out_dtype), value)


def dot(total: int, k: int):
    """a (1, k) and b (8, k) of small integers whose inner product is total, |total| <= 64 k."""
    left, right = np.zeros(k), np.zeros(k)
    count, rest = divmod(abs(total), 64)
    left[:count], right[:count] = 8, 8
    if rest:
        left[count], right[count] = rest // 8, 8
        left[count + 1], right[count + 1] = rest % 8, 1
    a = encode(np.copysign(1, total) * left[None] + 0.0, "float8_e4m3fn")
    return a, encode(np.repeat(right[None], 8, axis=0), "float8_e4m3fn")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "out_dtype, total, exponent",
    [
        ("float16", 4094, 4), ("float16", 4095, 4), ("float16", 8189, 3), ("float16", 8191, 3),
        ("bfloat16", 510, 119), ("bfloat16", 511, 119), ("bfloat16", 1021, 118),
        ("bfloat16", 1023, 118), ("float32", 511, 119), ("float32", 512, 119),
    ],
)  # fmt: skip
def test_overflow_goes_to_infinity(backend, out_dtype, total, exponent, sign):
    """Around the largest finite value and the tie above it; no saturation."""
    a, b = dot(sign * total, 144)
    half = 2.0 ** (exponent // 2)
    problem = single_group(a, b, half, 2.0**exponent / half, out_dtype=out_dtype)
    check(backend, problem, sign * total * 2.0**exponent)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "out_dtype, total, exponents",
    [
        ("float32", 3, (-149, 0)), ("float32", 3, (0, -149)), ("float32", 1, (-75, -74)),
        ("float32", 1001, (-130, -10)), ("float32", 5, (-126, 0)),
        ("bfloat16", 1, (-100, -33)), ("bfloat16", 3, (-100, -34)), ("bfloat16", 1, (-100, -34)),
        ("bfloat16", 257, (-100, -34)), ("bfloat16", 1, (-149, 0)),
        ("float16", 1, (-12, -12)), ("float16", 3, (-12, -13)), ("float16", 1, (-12, -13)),
        ("float16", 1023, (-12, -12)), ("float16", 2047, (-12, -13)), ("float16", 5, (-12, -14)),
        ("float16", 1, (-70, -70)),
    ],
)  # fmt: skip
def test_subnormals_are_kept(backend, out_dtype, total, exponents, sign):
    """Subnormal scales, products of scales and outputs, with ties of the cast to even."""
    a, b = dot(sign * total, 144)
    a_scale, b_scale = 2.0 ** exponents[0], 2.0 ** exponents[1]
    problem = single_group(a, b, a_scale, b_scale, out_dtype=out_dtype)
    check(backend, problem, sign * total * a_scale * b_scale)


@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
def test_an_exact_zero_sum_is_positive(backend, out_dtype):
    """Negative zeros, cancellation inside a block and between blocks, negative scales."""
    k = 256
    a = np.zeros((4, k), np.uint8)
    b = np.full((8, k), ONE["float8_e4m3fn"], np.uint8)
    a[0] = 0x80
    a[1, 0], a[1, 40] = 0x38, 0xB8
    a[2, 0], a[2, 200] = 0x38, 0xB8
    b[1] = 0x80
    b[2] = 0
    for a_scale in (1.0, -1.0, -0.0):
        bits = backend.run(single_group(a, b, a_scale, -1.0, out_dtype=out_dtype))
        assert not bits.any()


def test_rounding_is_to_nearest_even(backend):
    """Every tie of bfloat16 in one binade, and its neighbours, through integer sums."""
    totals = np.arange(512, 1024)
    pairs = [dot(int(total), 32) for total in totals]
    a = np.concatenate([a for a, _ in pairs])
    rights = np.stack([b[0] for _, b in pairs])
    for column in np.unique(rights, axis=0):
        rows = (rights == column).all(axis=1)
        problem = single_group(a[rows], np.repeat(column[None], 8, axis=0))
        check(backend, problem, totals[rows][:, None].astype(np.float64))


def test_poison_everywhere_outside_the_groups(backend):
    """NaN rows, scales and weights of groups without rows change nothing."""
    clean = exact_problem(Case((4, 0, 30, 0), 72, 144, lead=2, trail=40))
    dirty = clean.with_(b=clean.b.copy(), b_scale=clean.b_scale.copy())
    dirty.b[[1, 3]], dirty.b_scale[[1, 3]] = FP8_NAN, np.nan
    assert_same_bits(clean, backend.run(dirty), backend.run(clean), "clean result")
