"""ggfp8_quantize_groupwise against NumPy's rule, bit by bit, on the CPU and on a GPU."""

import numpy as np
import pytest

from numeric.formats import FP8_DTYPES, numpy_dtype
from numeric.quantize_rule import quantize
from numeric.steps import FLOAT_DTYPES

BLOCKS = tuple((rows, k) for rows in (1, 128) for k in (32, 64, 96, 128))
MAJORS = ("MN", "K")


def random_values(shape, dtype, seed=0, spread=8.0):
    """Values of both signs whose magnitudes span many powers of two."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape) * np.exp2(rng.uniform(-spread, spread, shape))
    return values.astype(numpy_dtype(dtype))


def assert_quantized(step, x, dtype, block, major, power_of_two=False):
    codes, scale = step.run()
    wanted_codes, wanted_scale = quantize(x, dtype, block, major, power_of_two)
    np.testing.assert_array_equal(scale.view(np.uint32), wanted_scale.view(np.uint32))
    np.testing.assert_array_equal(codes, wanted_codes)


@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("dtype", FP8_DTYPES)
@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
def test_every_form(steps, x_dtype, dtype, block, major, power_of_two):
    x = random_values((131, 272), x_dtype)
    step = steps.quantize(x, dtype, block, major, power_of_two=power_of_two)
    assert_quantized(step, x, dtype, block, major, power_of_two)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 127, 128, 129, 300])
@pytest.mark.parametrize("k", [1, 7, 16, 48, 127, 128, 136, 1000, 2176])
def test_sizes(steps, rows, k):
    x = random_values((rows, k), "bfloat16", rows * k)
    for block in ((1, 128), (128, 128), (1, 96), (128, 32)):
        assert_quantized(steps.quantize(x, block=block), x, "float8_e4m3fn", block, "MN")


@pytest.mark.parametrize("shape, block", [((66000, 1, 16), (1, 32)), ((128 * 65537, 1), (128, 32))])
def test_more_than_a_grid_has(steps, shape, block):
    """More matrices, and more blocks of rows, than an axis of a grid has CTAs."""
    x = random_values(shape, "bfloat16")
    assert_quantized(steps.quantize(x, block=block), x, "float8_e4m3fn", block, "MN")


@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("block", [(1, 128), (128, 128)])
def test_different_blocks_side_by_side(steps, x_dtype, block):
    """A row of 65 blocks and a half: usual ones beside zeros, small values, NaN and infinity."""
    x = random_values((130, 65 * 128 + 64), x_dtype)
    x[:, 128:256] = 0
    x[:, 3 * 128 : 5 * 128] *= numpy_dtype(x_dtype).type(0 if x_dtype == "float16" else 1e-36)
    x[7, 6 * 128 + 5] = np.nan
    x[8, 64 * 128 + 5] = np.inf
    x[129, 65 * 128 + 63] = -np.inf
    for power_of_two in (False, True):
        step = steps.quantize(x, "float8_e5m2", block, "K", power_of_two=power_of_two)
        assert_quantized(step, x, "float8_e5m2", block, "K", power_of_two)


@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("block", [(1, 128), (128, 64)])
@pytest.mark.parametrize("major", MAJORS)
def test_batches_strides_and_addresses(steps, x_dtype, block, major):
    """Three axes, gaps between rows and matrices, first elements anywhere."""
    x = random_values((3, 130, 152), x_dtype)
    for pad, shift in ((0, 0), (8, 8), (3, 1), (16, 5)):
        step = steps.quantize(
            x, "float8_e5m2", block, major, x_pads=(2 * pad, pad), out_pads=(pad, 2 * pad),
            scale_pads=(pad, pad), x_shift=shift, out_shift=shift, seed=pad,
        )  # fmt: skip
        assert_quantized(step, x, "float8_e5m2", block, major)


@pytest.mark.parametrize("dtype", FP8_DTYPES)
@pytest.mark.parametrize("amax", [448.0, 1.0, 0.3, 3.1e38, 1e-20, 2e-36, 1e-39])
def test_every_bfloat16(steps, dtype, amax):
    """Every bfloat16 value as an element, in blocks that all have the same largest magnitude."""
    every = np.arange(1 << 16, dtype=np.uint16).view(numpy_dtype("bfloat16"))
    values = np.zeros((4096, 32), numpy_dtype("bfloat16"))
    values[:, :16] = every.reshape(4096, 16)
    values[:, 31] = amax
    with np.errstate(invalid="ignore"):
        within = np.abs(values.astype(np.float32)) <= np.float32(values[0, 31])
        values[:, :16] = np.where(within | ~np.isfinite(values), values, 0)[:, :16]
    for power_of_two in (False, True):
        step = steps.quantize(values, dtype, (1, 32), power_of_two=power_of_two)
        assert_quantized(step, values, dtype, (1, 32), "MN", power_of_two)


@pytest.mark.parametrize("dtype", FP8_DTYPES)
@pytest.mark.parametrize("block", [(1, 128), (128, 128)])
def test_quotients_next_to_halves(steps, dtype, block):
    """float32 elements whose quotients lie at and next to the middle of two FP8 values."""
    rng = np.random.default_rng(1)
    rows = 512
    amax = np.exp2(rng.uniform(-100, 100, rows)).astype(np.float32)
    limit = 448.0 if dtype == "float8_e4m3fn" else 57344.0
    scale = (amax / np.float32(limit)).astype(np.float64)
    significand = rng.integers(8, 32, (rows, 256))
    halves = significand * np.exp2(rng.integers(-20, 4, (rows, 256)))
    x = (np.minimum(halves, limit) * scale[:, None]).astype(np.float32)
    ulps = rng.integers(-2, 3, x.shape).astype(np.int32)
    x = np.minimum((x.view(np.int32) + ulps).view(np.float32), amax[:, None])
    x = np.where(rng.random(x.shape) < 0.5, -x, x)
    x[:, ::128] = amax[:, None]
    assert_quantized(steps.quantize(x, dtype, block), x, dtype, block, "MN")


@pytest.mark.parametrize("dtype", FP8_DTYPES)
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("block", [(1, 32), (128, 32)])
def test_small_and_zero_blocks(steps, dtype, power_of_two, block):
    """Subnormal elements and scales, scales that underflow, zeros of both signs."""
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 1 << 23, (256, 64), dtype=np.uint32) >> rng.integers(
        0, 24, (256, 64), dtype=np.uint32
    )
    bits[::3] = 0
    bits[1::3, 0] = rng.integers(0, 0x21800000, bits[1::3, 0].shape, dtype=np.uint32)
    bits |= rng.integers(0, 2, bits.shape, dtype=np.uint32) << 31
    x = bits.view(np.float32)
    step = steps.quantize(x, dtype, block, power_of_two=power_of_two)
    assert_quantized(step, x, dtype, block, "MN", power_of_two)


@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("dtype", FP8_DTYPES)
@pytest.mark.parametrize("block", [(1, 64), (128, 64)])
def test_nan_and_infinity(steps, x_dtype, dtype, block):
    """They change their own block alone, by the documented rule; all-NaN blocks have scale 1."""
    x = random_values((256, 256), x_dtype)
    rng = np.random.default_rng(3)
    x[rng.random(x.shape) < 0.001] = np.nan
    x[rng.random(x.shape) < 0.0005] = np.inf
    x[rng.random(x.shape) < 0.0005] = -np.inf
    x[:128, :64] = np.nan
    x[7, 64:128] = -np.inf
    x[9, 64:128] = 0
    x[9, 70] = np.nan
    step = steps.quantize(x, dtype, block)
    assert_quantized(step, x, dtype, block, "MN")
    assert_quantized(
        steps.quantize(x, dtype, block, power_of_two=True), x, dtype, block, "MN", True
    )


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
def test_gather(steps, index_dtype, major, x_dtype):
    """Rows in any order, several times or never; rows and scales of negative indices stay."""
    x = random_values((37, 272), x_dtype)
    index = np.random.default_rng(4).integers(-8, 37, 301).astype(index_dtype)
    step = steps.quantize(x, major=major, row_index=index, seed=5)
    codes, scale = step.run()
    present = index >= 0
    wanted_codes, wanted_scale = quantize(x[np.maximum(index, 0)], "float8_e4m3fn", (1, 128), "K")
    scale = scale.T if major == "MN" else scale
    np.testing.assert_array_equal(codes[present], wanted_codes[present])
    np.testing.assert_array_equal(scale[present], wanted_scale[present])


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("num_rows, k", [(700, 4096), (1500, 272), (36000, 1152)])
def test_gather_of_rows_that_repeat(steps, major, num_rows, k):
    """Rows many times or never, words that are no row; also an output beyond the caches."""
    x = random_values((600, k), "bfloat16")
    index = np.random.default_rng(3).integers(-2, 602, num_rows).astype(np.int32)
    index[index == 17] = 18
    codes, scale = steps.quantize(x, major=major, row_index=index, seed=5).run()
    wanted_codes, wanted_scale = quantize(x, "float8_e4m3fn", (1, 128), "K")
    scale = scale.T if major == "MN" else scale
    rows = np.flatnonzero((index >= 0) & (index < 600))
    np.testing.assert_array_equal(codes[rows], wanted_codes[index[rows]])
    np.testing.assert_array_equal(scale[rows], wanted_scale[index[rows]])


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_hostile_row_index(steps, index_dtype):
    """Words that are no row of x lead nowhere."""
    limits = np.iinfo(index_dtype)
    x = random_values((5, 128), "bfloat16")
    index = np.array([limits.min, -1, 0, 4, 5, 6, 1 << 30, limits.max, 2], index_dtype)
    codes, _ = steps.quantize(x, row_index=index).run()
    wanted, _ = quantize(x, "float8_e4m3fn", (1, 128), "MN")
    np.testing.assert_array_equal(codes[[2, 3, 8]], wanted[[0, 4, 2]])


@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("k, top_k", [(272, 5), (100, 5), (100, 40), (1536, 5), (2064, 40)])
def test_scatter(steps, x_dtype, major, k, top_k):
    """Each row of x goes to its positions; rows of out without one, and their scales, stay."""
    rng = np.random.default_rng(7)
    x = random_values((37, k), x_dtype)
    position = np.full((37, top_k), -1, np.int32)
    out_rows = position.size + 15
    targets = rng.permutation(out_rows)[: position.size - 60].astype(np.int32)
    position.reshape(-1)[rng.permutation(position.size)[: targets.size]] = targets
    step = steps.quantize(x, major=major, position=position, out_rows=out_rows, seed=5)
    codes, scale = step.run()
    wanted_codes, wanted_scale = quantize(x, "float8_e4m3fn", (1, 128), "K")
    scale = scale.T if major == "MN" else scale
    for row, choice in np.argwhere(position >= 0):
        np.testing.assert_array_equal(codes[position[row, choice]], wanted_codes[row])
        np.testing.assert_array_equal(scale[position[row, choice]], wanted_scale[row])


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("rows, k", [(3, 131104), (2060, 64)])
def test_scatter_of_long_and_of_many_rows(steps, rows, k, major):
    """Rows with more scales than are kept at once, and more rows than a grid has CTAs at once."""
    x = random_values((rows, k), "bfloat16")
    position = np.random.default_rng(1).permutation(2 * rows).reshape(rows, 2).astype(np.int32)
    step = steps.quantize(x, block=(1, 32), major=major, position=position, out_rows=2 * rows)
    codes, scale = step.run()
    wanted_codes, wanted_scale = quantize(x, "float8_e4m3fn", (1, 32), "K")
    scale = scale.T if major == "MN" else scale
    for choice in range(2):
        np.testing.assert_array_equal(codes[position[:, choice]], wanted_codes)
        np.testing.assert_array_equal(scale[position[:, choice]], wanted_scale)


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("block_k", [32, 64, 96, 128])
@pytest.mark.parametrize("k", [1024, 1056, 1160])
def test_scatter_in_blocks(steps, block_k, k, major):
    """Parts of a row that fill a store of many columns, and parts that do not."""
    x = random_values((9, k), "float16")
    position = np.random.default_rng(2).permutation(27).reshape(9, 3).astype(np.int32)
    options = {"block": (1, block_k), "major": major}
    step = steps.quantize(x, "float8_e5m2", position=position, out_rows=27, **options)
    codes, scale = step.run()
    wanted_codes, wanted_scale = quantize(x, "float8_e5m2", (1, block_k), "K")
    scale = scale.T if major == "MN" else scale
    for choice in range(3):
        np.testing.assert_array_equal(codes[position[:, choice]], wanted_codes)
        np.testing.assert_array_equal(scale[position[:, choice]], wanted_scale)


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize(
    "rows, k, block_k", [(2100, 128, 128), (131100, 32, 128), (8301, 64, 32), (9003, 64, 64)]
)
def test_many_rows(steps, rows, k, block_k, major):
    """Rows in all numbers per CTA; more rows than the second axis of a grid has CTAs for."""
    x = random_values((rows, k), "bfloat16")
    step = steps.quantize(x, block=(1, block_k), major=major)
    assert_quantized(step, x, "float8_e4m3fn", (1, block_k), major)


def test_hostile_position(steps):
    """Words that are no row of out lead nowhere, and a row that is named twice is written."""
    limits = np.iinfo(np.int32)
    x = random_values((3, 256), "bfloat16")
    position = np.array([[0, 0, -1], [limits.min, 6, limits.max], [5, 7, 6]], np.int32)
    position[2, 2] = 2
    codes, _ = steps.quantize(x, position=position, out_rows=6).run()
    wanted, _ = quantize(x, "float8_e4m3fn", (1, 128), "MN")
    np.testing.assert_array_equal(codes[[0, 5, 2]], wanted[[0, 2, 2]])


def test_same_bits_in_every_run_and_batch(steps):
    """A row's result does not depend on the rows beside it."""
    x = random_values((64, 640), "bfloat16")
    first, _ = steps.quantize(x).run()
    again, _ = steps.quantize(x).run()
    np.testing.assert_array_equal(first, again)
    for row in (0, 13, 63):
        alone, _ = steps.quantize(x[row : row + 1]).run()
        np.testing.assert_array_equal(alone[0], first[row])
