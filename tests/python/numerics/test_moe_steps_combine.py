"""ggfp8_combine against a loop of fused float32 sums in order, bit by bit."""

import numpy as np
import pytest

from numeric.formats import OUT_FORMATS, numpy_dtype, out_bits
from numeric.steps import FLOAT_DTYPES


def fused(weight, x, acc):
    """fma in float32: the product is exact in float64, and the sum is rounded to odd there, so that
    the rounding to float32 sees on which side of a middle it lies."""
    product = weight.astype(np.float64) * x.astype(np.float64)
    acc = acc.astype(np.float64)
    total = product + acc
    with np.errstate(invalid="ignore"):
        part = total - product
        error = (product - (total - part)) + (acc - part)
        bits = total.view(np.int64)
        inexact = np.isfinite(total) & (error != 0) & (bits & 1 == 0)
        toward = np.where((error > 0) == (total > 0), 1, -1)
        return np.where(inexact, (bits + toward).view(np.float64), total).astype(np.float32)


def expected(x, position, weight, out_dtype):
    tokens, top_k = position.shape
    acc = np.zeros((tokens, x.shape[1]), np.float32)
    x, weight = x.astype(np.float32), weight.astype(np.float32)
    for j in range(top_k):
        rows = position[:, j]
        present = (rows >= 0) & (rows < len(x))
        with np.errstate(all="ignore"):
            acc[present] = fused(weight[present, j, None], x[rows[present]], acc[present])
    return out_bits(acc.astype(np.float64), out_dtype)


def random_case(rows, tokens, top_k, k, x_dtype="bfloat16", weight_dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((rows, k)) * np.exp2(rng.uniform(-6, 6, (rows, 1)))).astype(
        numpy_dtype(x_dtype)
    )
    weight = rng.uniform(0, 1, (tokens, top_k)).astype(numpy_dtype(weight_dtype))
    position = rng.integers(-1, rows, (tokens, top_k)).astype(np.int32)
    return x, position, weight


def assert_combined(steps, x, position, weight, out_dtype=None, **options):
    out_dtype = out_dtype or x.dtype.name
    (out,) = steps.combine(x, position, weight, out_dtype=out_dtype, **options).run()
    wanted = expected(x, position, weight, out_dtype)
    np.testing.assert_array_equal(out.view(OUT_FORMATS[out_dtype].bits), wanted)


@pytest.mark.parametrize("out_dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("weight_dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
def test_every_type(steps, x_dtype, weight_dtype, out_dtype):
    x, position, weight = random_case(90, 37, 8, 200, x_dtype, weight_dtype)
    assert_combined(steps, x, position, weight, out_dtype)


@pytest.mark.parametrize("tokens, top_k, k", [
    (1, 1, 1), (1, 8, 7168), (3, 2, 8), (5, 3, 2056), (64, 8, 2048), (7, 9, 4100), (200, 6, 33),
    (4, 0, 16), (0, 8, 16), (600, 3, 40), (2, 70, 1160), (530, 37, 24),
])  # fmt: skip
def test_sizes(steps, tokens, top_k, k):
    x, position, weight = random_case(50, tokens, top_k, k, seed=k)
    assert_combined(steps, x, position, weight)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_strides_and_addresses(steps, dtype):
    x, position, weight = random_case(50, 21, 4, 264, dtype)
    for pad, shift in ((8, 8), (3, 1), (16, 3)):
        assert_combined(steps, x, position, weight, pads=(pad,), shift=shift, seed=pad)


def test_hostile_positions(steps):
    """Positions that are no row add nothing, whatever their weights are."""
    x, position, weight = random_case(20, 30, 6, 128)
    limits = np.iinfo(np.int32)
    hostile = np.array([-1, -2, 20, 21, 1 << 30, limits.min, limits.max], np.int32)
    away = np.random.default_rng(1).random(position.shape) < 0.5
    position[away] = np.random.default_rng(2).choice(hostile, int(away.sum()))
    position[3] = -1
    weight[(position < 0) | (position >= 20)] = np.nan
    assert_combined(steps, x, position, weight)


def test_special_values(steps):
    """NaN and infinity follow IEEE arithmetic, in their own column alone; NaN has one pattern."""
    x, position, weight = random_case(20, 30, 6, 128, "float32")
    rng = np.random.default_rng(3)
    for value in (np.nan, np.inf, -np.inf, 3e38, 1e-45):
        x[rng.random(x.shape) < 0.02] = value
    weight[0, 0] = np.inf
    for out_dtype in FLOAT_DTYPES:
        (out,) = steps.combine(x, position, weight, out_dtype=out_dtype).run()
        bits = out.view(OUT_FORMATS[out_dtype].bits)
        wanted = expected(x, position, weight, out_dtype)
        nan = np.isnan(wanted.view(numpy_dtype(out_dtype)).astype(np.float32))
        np.testing.assert_array_equal(bits[~nan], wanted[~nan])
        pattern = 0x7FFFFFFF if out_dtype == "float32" else 0x7FFF
        assert (bits[nan] == pattern).all()


def test_a_token_alone(steps):
    """A token's result does not depend on the tokens beside it."""
    x, position, weight = random_case(200, 64, 8, 640)
    (out,) = steps.combine(x, position, weight).run()
    for token in (0, 17, 63):
        rows = slice(token, token + 1)
        (alone,) = steps.combine(x, position[rows], weight[rows]).run()
        np.testing.assert_array_equal(alone[0].view(np.uint16), out[token].view(np.uint16))
