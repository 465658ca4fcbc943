"""The model of wgmma against the instruction itself, bit for bit. Needs a Hopper GPU and nvcc.

tests/gpu/wgmma_probe.cu runs one to four instructions on the operands of each problem; the model
predicts every sum, special values included.
"""

import ctypes

import numpy as np
import pytest

import groupgemm_fp8 as gg
from groupgemm_fp8._cli.device import device_unavailable_reason
from numeric import wgmma
from numeric.formats import DECODE, DTYPE_PAIRS, FP8_DTYPES, FP8_NAN, decode
from numeric.gpu_build import load_gpu_program

TILE_M, TILE_K, STEP_K = 64, 128, 32
SIZES = tuple(range(8, 264, 8))
NUM_SEEDS = 25
HARDWARE_NAN = 0x7FFFFFFF


class Probe:
    """The loaded program."""

    def __init__(self):
        self._library = load_gpu_program("wgmma_probe", "90a")
        self._library.wgmma_probe_run.restype = ctypes.c_char_p
        self.sizes = [n for n in SIZES if self._library.wgmma_probe_knows(n)]

    def run(self, a, b, pair, num_steps):
        """Bits of the sums (problems, 64, n) of a (problems, 64, 128) and b (problems, n, 128)."""
        out = np.empty((a.shape[0], TILE_M, b.shape[1]), np.uint32)
        types = [1 + FP8_DTYPES.index(dtype) for dtype in pair]
        arrays = [np.ascontiguousarray(array) for array in (a, b)] + [out]
        error = self._library.wgmma_probe_run(
            self._library.wgmma_probe_pair(*types), b.shape[1], a.shape[0], num_steps,
            *(array.ctypes.data_as(ctypes.c_void_p) for array in arrays),
        )  # fmt: skip
        assert error is None, error.decode()
        return out


@pytest.fixture(scope="module")
def probe():
    reason = device_unavailable_reason()
    if reason is not None:
        pytest.skip(f"needs a Hopper GPU: {reason}")
    info = gg.device_info("cuda", 0)
    if (info.compute_major, info.compute_minor) != (9, 0):
        pytest.skip(f"needs another GPU, one of Hopper: this is {info.name}")
    return Probe()


def codes_in(dtype, low, high):
    """The codes of the finite numbers with low <= |value| <= high."""
    size = np.abs(DECODE[dtype])
    return np.flatnonzero((low <= size) & (size <= high)).astype(np.uint8)


def finite(rng, dtype, shape):
    """Every finite code equally often: exponents spread as widely as the type allows."""
    return rng.choice(codes_in(dtype, 0, 1e9), shape)


def quantised(rng, dtype, shape):
    """Normal data scaled to the type's range, as a quantised model has it."""
    values = rng.normal(size=shape) * np.nanmax(DECODE[dtype][:0x7B]) / 4
    codes = codes_in(dtype, 0, 1e9)
    codes = codes[np.argsort(DECODE[dtype][codes], kind="stable")]
    ordered = DECODE[dtype][codes]
    return codes[np.searchsorted((ordered[1:] + ordered[:-1]) / 2, values)]


def subnormal(rng, dtype, shape):
    """Subnormals, zeros of both signs and the smallest normal numbers."""
    return rng.choice(codes_in(dtype, 0, 2.0 ** (wgmma.SMALLEST_EXPONENT[dtype] + 1)), shape)


def large_and_subnormal(rng, dtype, shape):
    """Mostly subnormals beside a few numbers of middle and large size."""
    small, any_size = subnormal(rng, dtype, shape), finite(rng, dtype, shape)
    return np.where(rng.random(shape) < 0.1, any_size, small)


def largest(rng, dtype, shape):
    """Numbers of the top binade."""
    top = np.nanmax(np.where(np.isfinite(DECODE[dtype]), DECODE[dtype], 0))
    return rng.choice(codes_in(dtype, top / 2, top), shape)


def carrying(rng, dtype, shape):
    """Positive, mostly large: sums carry past the largest exponent and are cut once more."""
    any_size = rng.random(shape) < 0.3
    return np.where(any_size, finite(rng, dtype, shape), largest(rng, dtype, shape)) & 0x7F


def at_the_cut(rng, dtype, shape):
    """One number of a row is 2^11 to 2^15 times the others, whose last bits are cut."""
    smallest = 2.0 ** wgmma.SMALLEST_EXPONENT[dtype]
    codes = rng.choice(codes_in(dtype, smallest, 4 * smallest), shape)
    position = rng.integers(0, shape[-1], (*shape[:-1], 1))
    ratio = 2.0 ** (12 + rng.integers(0, 2)) * smallest
    big = rng.choice(codes_in(dtype, ratio, 4 * ratio), position.shape)
    np.put_along_axis(codes, position, big, axis=-1)
    return codes


def beside_a_subnormal(rng, dtype, shape):
    """A subnormal where beside_a_large has its large number: the product's nominal exponent, which
    is above its true one, decides where the others are cut."""
    codes = rng.choice(codes_in(dtype, 2.0**-6, 2.0**-4), shape)
    small = codes_in(dtype, 1e-9, 2.0 ** wgmma.SMALLEST_EXPONENT[dtype] * 0.99)
    codes[..., 5::STEP_K] = rng.choice(small, codes[..., 5::STEP_K].shape)
    return codes


def beside_a_large(rng, dtype, shape):
    codes = rng.choice(codes_in(dtype, 2.0**-6, 2.0**-4), shape)
    codes[..., 5::STEP_K] = largest(rng, dtype, codes[..., 5::STEP_K].shape)
    return codes


def cancelling(rng, dtype, shape):
    """Pairs of opposite numbers and a small rest: what is left was below the cut."""
    codes = finite(rng, dtype, shape)
    codes[..., 1::2] = codes[..., 0::2] ^ 0x80
    rest = rng.random(shape) < 0.1
    return np.where(rest, subnormal(rng, dtype, shape), codes)


def sparse(rng, dtype, shape):
    """Few numbers among zeros of both signs."""
    zeros = rng.choice(np.array([0x00, 0x80], np.uint8), shape)
    return np.where(rng.random(shape) < 0.05, finite(rng, dtype, shape), zeros)


def special(rng, dtype, shape):
    """NaN and, where the type has it, infinity among finite numbers."""
    codes = finite(rng, dtype, shape)
    not_finite = np.flatnonzero(~np.isfinite(DECODE[dtype])).astype(np.uint8)
    return np.where(rng.random(shape) < 0.004, rng.choice(not_finite, shape), codes)


# A kind of problem: how a and how b are drawn.
KINDS = {
    "finite": (finite, finite),
    "quantised": (quantised, quantised),
    "subnormal": (subnormal, subnormal),
    "large and subnormal": (large_and_subnormal, large_and_subnormal),
    "subnormal and large": (subnormal, largest),
    "carrying": (carrying, carrying),
    "at the cut": (at_the_cut, largest),
    "beside a subnormal": (beside_a_subnormal, beside_a_large),
    "cancelling": (cancelling, largest),
    "sparse": (sparse, finite),
    "special": (special, special),
}


def operands(kind, pair, num_problems, n):
    rng = np.random.default_rng(list(KINDS).index(kind))
    draw_a, draw_b = KINDS[kind]
    a = draw_a(rng, pair[0], (num_problems, TILE_M, TILE_K))
    return a, draw_b(rng, pair[1], (num_problems, n, TILE_K))


def model_bits(a, b, pair, num_steps):
    """Returns what the model predicts for Probe.run; zero sums are +0."""
    depth = num_steps * STEP_K
    with np.errstate(all="ignore"):
        sums = [
            wgmma.block_sum(decode(x[:, :depth], pair[0]), decode(y[:, :depth], pair[1]), pair)
            for x, y in zip(a, b, strict=True)
        ]
    sums = np.stack(sums) + np.float32(0)
    return np.where(np.isnan(sums), np.uint32(HARDWARE_NAN), sums.view(np.uint32))


def assert_equal_bits(got, wanted):
    wrong = np.argwhere(got != wanted)
    assert wrong.size == 0, (
        f"{len(wrong)} of {got.size} sums differ; first at problem, row, column {wrong[0]}: got "
        f"0x{got[tuple(wrong[0])]:08X}, wanted 0x{wanted[tuple(wrong[0])]:08X}"
    )


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
def test_every_kind_of_operands(probe, pair, kind, num_steps):
    a, b = operands(kind, pair, NUM_SEEDS, 16)
    assert_equal_bits(probe.run(a, b, pair, num_steps), model_bits(a, b, pair, num_steps))


@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
@pytest.mark.parametrize("n", SIZES)
def test_every_size(probe, n, pair):
    """Rule and layout are the same for each N that the kernels may use."""
    if n not in probe.sizes:
        pytest.skip(f"ptx/wgmma.cuh has no wgmma with N = {n}")
    a, b = operands("finite", pair, 2, n)
    assert_equal_bits(probe.run(a, b, pair, 4), model_bits(a, b, pair, 4))


@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
def test_operands_can_be_swapped(probe, pair):
    """Rows of a on the N side and columns of b on the M side give the transposed sums."""
    a, b = operands("finite", pair, 4, TILE_M)
    swapped = probe.run(b, a, pair[::-1], 4)
    assert_equal_bits(swapped.transpose(0, 2, 1), probe.run(a, b, pair, 4))


def test_every_pair_of_bytes(probe):
    """All 256 x 256 products of all type pairs, alone in their sum."""
    columns = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for pair in DTYPE_PAIRS:
        for rows in np.arange(256, dtype=np.uint8).reshape(4, TILE_M):
            a, b = np.zeros((16, TILE_M, TILE_K), np.uint8), np.zeros((16, 16, TILE_K), np.uint8)
            a[:, :, 21] = rows
            b[:, :, 21] = columns
            assert_equal_bits(probe.run(a, b, pair, 1), model_bits(a, b, pair, 1))


def test_the_operands_reach_what_they_are_for():
    """Without a GPU: the kinds cut products, carry, cancel and have NaN sums, and differ."""
    pair = ("float8_e4m3fn", "float8_e5m2")
    digests = set()
    for kind in KINDS:
        a, b = operands(kind, pair, 2, 16)
        bits = model_bits(a, b, pair, 4)
        digests.add(bits.tobytes())
        with np.errstate(invalid="ignore"):
            exact = decode(a, pair[0]) @ decode(b, pair[1]).transpose(0, 2, 1)
        is_cut = bits.view(np.float32) != exact.astype(np.float32)
        assert is_cut.any() or kind.startswith("subnormal"), kind
        assert (bits == HARDWARE_NAN).any() == (kind == "special"), kind
    assert len(digests) == len(KINDS)
    assert FP8_NAN in operands("special", pair, 2, 16)[0]
