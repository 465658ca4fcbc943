"""ggfp8_silu_mul_quantize_groupwise against float64: at most one FP8 value away, and exact where
silu is exact."""

import numpy as np
import pytest

from numeric.formats import FP8_DTYPES, decode, numpy_dtype
from numeric.quantize_rule import MAX_FINITE, quantize, scale_amax, spread
from numeric.steps import FLOAT_DTYPES

MAJORS = ("MN", "K")
SCALE_TOLERANCE = 1e-5  # of exp, of the float32 products and of the division


def random_gate_up(rows, k, dtype, seed=0):
    values = np.random.default_rng(seed).standard_normal((rows, 2 * k)) * 4
    return values.astype(numpy_dtype(dtype))


def activated(gate_up, limit=0.0, alpha=0.0):
    """h in float64."""
    gate, up = np.split(gate_up.astype(np.float64), 2, axis=1)
    if limit > 0:
        gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
    with np.errstate(over="ignore", invalid="ignore"):
        h = gate / (1 + np.exp(-(alpha or 1.0) * gate)) * (up + 1 if alpha > 0 else up)
    return h


def neighbours(dtype):
    """The place of every FP8 code among the finite values in ascending order."""
    values = decode(np.arange(256, dtype=np.uint8), dtype)
    return np.searchsorted(np.unique(values[np.isfinite(values)]), values)


def assert_close(step, h, dtype, block_k, major, rows=slice(None)):
    codes, scale = step.run()
    scale = scale.T if major == "MN" else scale
    wanted_scale = scale_amax(h, (1, block_k)).astype(np.float64) / float(MAX_FINITE[dtype])
    np.testing.assert_allclose(scale[rows], wanted_scale[rows], rtol=SCALE_TOLERANCE)
    quotient = (h / spread(scale, (1, block_k), h.shape)).astype(np.float32)
    limit = MAX_FINITE[dtype]
    wanted = np.clip(quotient, -limit, limit).astype(numpy_dtype(dtype)).view(np.uint8)
    place = neighbours(dtype)
    distance = np.abs(place[codes].astype(np.int64) - place[wanted])[rows]
    assert distance.max(initial=0) <= 1
    assert (distance == 0).mean() > 0.999


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("block_k", [32, 64, 96, 128])
@pytest.mark.parametrize("dtype", FP8_DTYPES)
@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
def test_every_form(steps, x_dtype, dtype, block_k, major):
    gate_up = random_gate_up(70, 272, x_dtype)
    step = steps.silu_mul_quantize(gate_up, dtype, block_k, major)
    assert_close(step, activated(gate_up), dtype, block_k, major)


@pytest.mark.parametrize("limit, alpha", [(0, 0), (2.5, 0), (7.0, 1.702), (0, 1.702), (1.0, 0.5)])
def test_limit_and_alpha(steps, limit, alpha):
    gate_up = random_gate_up(33, 256, "bfloat16")
    step = steps.silu_mul_quantize(gate_up, limit=limit, alpha=alpha)
    assert_close(step, activated(gate_up, limit, alpha), "float8_e4m3fn", 128, "MN")


@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
def test_a_limit_that_nothing_reaches_changes_nothing(steps, x_dtype):
    """Also where a tile's gates are all moderate in one row, and just beyond that in the next."""
    gate_up = random_gate_up(64, 1408, x_dtype)
    largest = np.linspace(78, 82, 64).astype(gate_up.dtype)
    gate_up[:, 5] = largest
    gate_up[::2, 7] = -largest[::2]
    gate_up[9, 1300] = np.nan
    plain = steps.silu_mul_quantize(gate_up).run()
    limited = steps.silu_mul_quantize(gate_up, limit=6e4).run()
    for one, other in zip(plain, limited, strict=True):
        np.testing.assert_array_equal(one.view(np.uint8), other.view(np.uint8))


@pytest.mark.parametrize("rows", [1, 3, 5, 64])
@pytest.mark.parametrize("k", [1, 8, 20, 128, 200, 2048])
def test_sizes_strides_and_addresses(steps, rows, k):
    gate_up = random_gate_up(rows, k, "bfloat16", k)
    for pad, shift in ((0, 0), (8, 8), (3, 1)):
        step = steps.silu_mul_quantize(
            gate_up, x_pads=(pad,), out_pads=(pad,), x_shift=shift, out_shift=shift, seed=pad
        )
        assert_close(step, activated(gate_up), "float8_e4m3fn", 128, "MN")


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("x_dtype", FLOAT_DTYPES)
def test_many_rows(steps, x_dtype, major):
    gate_up = random_gate_up(2100, 160, x_dtype)
    assert_close(
        steps.silu_mul_quantize(gate_up, major=major),
        activated(gate_up),
        "float8_e4m3fn",
        128,
        major,
    )


@pytest.mark.parametrize("x_dtype", ["bfloat16", "float32"])
def test_exact_where_silu_is(steps, x_dtype):
    """silu(x) is x from 20 on, and a zero of either factor gives zero."""
    rng = np.random.default_rng(1)
    gate = rng.choice([32.0, 64.0, 200.0, 0.0], (16, 256))
    up = rng.choice([0.0, 0.5, -1.0, 1.5, 3.0], (16, 256))
    gate_up = np.concatenate([gate, up], axis=1).astype(numpy_dtype(x_dtype))
    for power_of_two in (False, True):
        step = steps.silu_mul_quantize(gate_up, power_of_two=power_of_two)
        codes, scale = step.run()
        h = (gate * up).astype(np.float32)
        wanted, wanted_scale = quantize(h, "float8_e4m3fn", (1, 128), "MN", power_of_two)
        np.testing.assert_array_equal(codes, wanted)
        np.testing.assert_array_equal(scale, wanted_scale)


BOUNDS = {
    "all": (0, 10, 40),
    "none": (0, 0, 0),
    "inner": (3, 3, 21),
    "end inside": (0, 7, 39),
    "past the end": (-4, 5, 1 << 30),
    "descending": (30, 10, 5),
}


@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
def test_rows_outside_of_groups_stay(steps, bounds):
    """Neither their elements nor their scales change, and poison in them does not show."""
    m_indptr = np.array(bounds, np.int32)
    gate_up = random_gate_up(40, 256, "bfloat16")
    rows = np.arange(40)
    inside = (rows >= m_indptr[0]) & (rows < m_indptr[-1])
    gate_up[~inside] = np.nan
    for major in MAJORS:
        step = steps.silu_mul_quantize(gate_up, major=major, m_indptr=m_indptr)
        h = np.nan_to_num(activated(gate_up))
        if inside.any():
            assert_close(step, h, "float8_e4m3fn", 128, major, inside)
        else:
            step.run()


def test_special_values(steps):
    """NaN in a factor is NaN in out; infinities count as the largest float32."""
    gate_up = np.ones((6, 256), np.float32)
    gate_up[0, 3] = np.nan
    gate_up[1, 128 + 4] = np.nan
    gate_up[2, 5] = np.inf
    gate_up[3, 128 + 6] = -np.inf
    gate_up[4, :128] = -200.0
    for limit in (0.0, 3.0):
        codes, scale = steps.silu_mul_quantize(gate_up, limit=limit).run()
        assert codes[0, 3] == codes[1, 4] == 0x7F
        assert (codes[0, :3] == 0x7E).all()
        assert (codes[1, 5:] == 0x7E).all()
        assert scale[0, 0] == scale[0, 1] == scale[0, 5]
        assert codes[2, 5] == 0x7E
        assert codes[3, 6] == 0xFE
        assert (codes[2, :5] == (0 if limit == 0 else codes[2, 0])).all()
        assert ((codes[4] & 0x7F) == 0).all()
        assert scale[0, 4] == 1
