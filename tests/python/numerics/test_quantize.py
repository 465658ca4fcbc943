"""quantize_groupwise: scales, rounding, saturation, tails, layouts, errors."""

import ml_dtypes
import numpy as np
import pytest

from groupgemm_fp8 import quantize_groupwise

MAX_FINITE = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}
# Distance of neighbours relative to the value, for normal numbers.
STEP = {"float8_e4m3fn": 2.0**-3, "float8_e5m2": 2.0**-2}


def reference(x, granularity, name, major):
    """Block by block, by the definition."""
    fp8 = np.dtype(getattr(ml_dtypes, name))
    x = np.asarray(x, np.float32)
    batch = x.reshape(-1, *x.shape[-2:])
    rows, k = batch.shape[1:]
    row_step, k_step = granularity
    scale = np.empty((len(batch), -(-rows // row_step), -(-k // k_step)), np.float32)
    quantized = np.empty(batch.shape, fp8)
    for g, i, j in np.ndindex(scale.shape):
        block = (g, slice(i * row_step, (i + 1) * row_step), slice(j * k_step, (j + 1) * k_step))
        amax = np.abs(batch[block]).max()
        scale[g, i, j] = amax / np.float32(MAX_FINITE[name]) if amax > 0 else 1
        quotient = batch[block] / scale[g, i, j]
        quantized[block] = np.clip(quotient, -MAX_FINITE[name], MAX_FINITE[name]).astype(fp8)
    if major == "MN":
        scale = scale.swapaxes(1, 2)
    return quantized.reshape(x.shape), scale.reshape(*x.shape[:-2], *scale.shape[1:])


@pytest.mark.parametrize("name", MAX_FINITE)
@pytest.mark.parametrize("major", ["MN", "K"])
@pytest.mark.parametrize("granularity", [(1, 128), (128, 128), (64, 32), (1, 1)])
@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (130, 128), (3, 70, 130), (2, 128, 256)])
def test_against_the_definition(name, major, granularity, shape):
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    x_fp8, scale = quantize_groupwise(x, granularity, name, major)
    wanted_x, wanted_scale = reference(x, granularity, name, major)
    assert x_fp8.dtype.name == name
    assert x_fp8.shape == shape
    assert scale.dtype == np.float32
    assert scale.flags.c_contiguous
    assert np.array_equal(scale, wanted_scale)
    assert x_fp8.tobytes() == wanted_x.tobytes()


@pytest.mark.parametrize("name", MAX_FINITE)
def test_relative_error(name):
    x = np.random.default_rng(4).uniform(1, 2, (8, 256)).astype(np.float32)
    x_fp8, scale = quantize_groupwise(x, (1, 128), name, "K")
    restored = x_fp8.astype(np.float32) * np.repeat(scale, 128, axis=1)
    assert np.abs(restored / x - 1).max() <= STEP[name] / 2 * 1.0001


@pytest.mark.parametrize("name", MAX_FINITE)
def test_largest_magnitude_becomes_the_largest_finite_value(name):
    x = np.random.default_rng(5).standard_normal((64, 128)).astype(np.float32)
    x_fp8, _ = quantize_groupwise(x, (1, 128), name)
    assert (np.abs(x_fp8.astype(np.float32)).max(axis=1) == MAX_FINITE[name]).all()


def test_ties_to_even():
    # Scale 1, and values half way between neighbours of e4m3fn.
    x = np.array([[448, 17, 19, -17, -19, 2.0**-10, 3 * 2.0**-10, 0]], np.float32)
    x_fp8, scale = quantize_groupwise(x, (1, 128))
    assert scale.item() == 1
    wanted = [448, 16, 20, -16, -20, 0, 2.0**-8, 0]
    assert x_fp8.astype(np.float32).tolist() == [wanted]


@pytest.mark.parametrize("name", MAX_FINITE)
def test_zero_block_has_scale_one(name):
    x = np.zeros((2, 256), np.float32)
    x[0, 0] = 3
    x_fp8, scale = quantize_groupwise(x, (1, 128), name, "K")
    assert scale.tolist() == [[np.float32(3) / np.float32(MAX_FINITE[name]), 1], [1, 1]]
    assert not x_fp8[0, 1:].astype(np.float32).any()


# Quotients of 9.3e-43 and 1e-40 pass the largest value of a type, because their scale is rounded
# to the smallest number. NumPy computes blocks of 100.
@pytest.mark.parametrize("block_k", [128, 100])
@pytest.mark.parametrize("magnitude", [1e-45, 9.3e-43, 1e-40, 1e-38, 3e38])
@pytest.mark.parametrize("name", MAX_FINITE)
def test_extreme_magnitudes_stay_finite(name, magnitude, block_k):
    x = np.full((2, 128), magnitude, np.float32)
    x_fp8, scale = quantize_groupwise(x, (1, block_k), name)
    assert (scale > 0).all()
    assert np.isfinite(scale).all()
    assert np.isfinite(x_fp8.astype(np.float32)).all()


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.float32, bool]
)
def test_input_types(dtype):
    x = np.arange(-4, 4).reshape(2, 4).astype(dtype)
    x_fp8, scale = quantize_groupwise(x, (1, 4))
    wanted_x, wanted_scale = quantize_groupwise(x.astype(np.float32), (1, 4))
    assert x_fp8.tobytes() == wanted_x.tobytes()
    assert np.array_equal(scale, wanted_scale)


@pytest.mark.parametrize("block_k", [128, 100])
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
        lambda x: x[:, ::2],
        lambda x: x.T,
        lambda x: np.broadcast_to(x[:1], x.shape),
    ],
    ids=["rows upwards", "columns upwards", "every other column", "columns as rows", "one row"],
)
def test_strides(view, block_k):
    x = view(np.random.default_rng(6).standard_normal((256, 256)).astype(np.float32))
    x_fp8, scale = quantize_groupwise(x, (1, block_k))
    wanted_x, wanted_scale = quantize_groupwise(x.copy(), (1, block_k))
    assert x_fp8.tobytes() == wanted_x.tobytes()
    assert np.array_equal(scale, wanted_scale)


def test_input_is_not_written():
    x = np.ones((2, 4), np.float32)
    x.flags.writeable = False
    quantize_groupwise(x, (1, 4))
    assert (x == 1).all()


def test_dtype_spellings():
    x = np.ones((1, 4))
    for dtype in ("float8_e5m2", ml_dtypes.float8_e5m2, np.dtype(ml_dtypes.float8_e5m2)):
        assert quantize_groupwise(x, (1, 4), dtype)[0].dtype == ml_dtypes.float8_e5m2


@pytest.mark.parametrize(
    "shape, mn_shape", [((0, 256), (2, 0)), ((3, 0), (0, 3)), ((0, 8, 16), (0, 1, 8))]
)
def test_empty(shape, mn_shape):
    x_fp8, scale = quantize_groupwise(np.zeros(shape), (1, 128))
    assert x_fp8.shape == shape
    assert scale.shape == mn_shape
    assert quantize_groupwise(np.zeros(shape), (1, 128), scale_major_mode="K")[1].shape == (
        *mn_shape[:-2],
        *mn_shape[:-3:-1],
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_not_finite(bad):
    x = np.ones((2, 3, 4))
    x[1, 2, 3] = bad
    with pytest.raises(ValueError, match=r"x: got .* at \(1, 2, 3\), wanted finite"):
        quantize_groupwise(x, (1, 4))


def test_powers_of_two_are_for_blocks_of_the_library():
    with pytest.raises(ValueError, match=r"^granularity: got \(1, 100\), wanted"):
        quantize_groupwise(np.ones((2, 200)), (1, 100), power_of_two_scales=True)


GOOD = {"x": np.ones((2, 4)), "granularity": (1, 4)}


@pytest.mark.parametrize(
    "argument, value, error",
    [
        ("x", np.ones(4), ValueError),
        ("x", np.ones((1, 1, 1, 1)), ValueError),
        ("x", np.ones((2, 4), complex), TypeError),
        ("x", np.full((2, 4), "1"), TypeError),
        ("x", np.ones((2, 4), "V1"), TypeError),
        ("x", np.full((2, 4), None), TypeError),
        ("granularity", (0, 128), ValueError),
        ("granularity", (1, -128), ValueError),
        ("granularity", (1,), ValueError),
        ("granularity", (1, 128, 128), ValueError),
        ("granularity", 128, TypeError),
        ("granularity", (1.0, 128), TypeError),
        ("dtype", "float8_e4m3", TypeError),
        ("dtype", np.float32, TypeError),
        ("scale_major_mode", "mn", ValueError),
        ("scale_major_mode", None, TypeError),
    ],
)
def test_illegal_arguments(argument, value, error):
    with pytest.raises(error, match=f"^{argument}: got .*, wanted"):
        quantize_groupwise(**{**GOOD, argument: value})


@pytest.mark.parametrize("mask", [False, True, np.ma.nomask])
def test_a_mask_is_refused(mask):
    """Its elements have no value that could be quantised."""
    x = np.ma.masked_array(np.ones((4, 32), np.float32), mask)
    with pytest.raises(TypeError, match=r"x: got a masked array, wanted .* x\.filled\(0\)"):
        quantize_groupwise(x, (1, 32))
    quantize_groupwise(x.filled(0), (1, 32))
