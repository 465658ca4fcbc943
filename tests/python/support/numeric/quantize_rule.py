"""The rule of quantisation in NumPy, with what quantize_groupwise refuses: NaN and infinities.

An infinity counts as the largest float32, a NaN becomes 0x7F and does not count in a block's
largest magnitude. For finite values this is the package's NumPy form, which knows blocks of any
size and is plain enough to be read.
"""

import numpy as np

from groupgemm_fp8.quantize import host_array, quantize_on_host
from numeric.formats import numpy_dtype
from numeric.problem import ceil_div

MAX_FINITE = {"float8_e4m3fn": np.float32(448), "float8_e5m2": np.float32(57344)}
MAX_FLOAT32 = np.finfo(np.float32).max
FP8_CANONICAL_NAN = 0x7F


def next_power_of_two(scale: np.ndarray) -> np.ndarray:
    """Scales rounded up to a power of two, from 2^-127 on."""
    mantissa, exponent = np.frexp(scale.astype(np.float64))
    exponent = np.where(mantissa == 0.5, exponent - 1, exponent)
    return np.ldexp(1.0, np.clip(exponent, -127, 127)).astype(np.float32)


def spread(scale: np.ndarray, block, shape) -> np.ndarray:
    """The scale (..., rb, kb) of every element."""
    wide = np.repeat(np.repeat(scale, block[0], axis=-2), block[1], axis=-1)
    return wide[..., : shape[-2], : shape[-1]]


def quantize(x, dtype, block, major, power_of_two=False):
    """Returns (codes, scale) of x, any float array of two or three axes."""
    with np.errstate(all="ignore"):
        values = np.clip(x.astype(np.float32), -MAX_FLOAT32, MAX_FLOAT32)
        finite = host_array(np.nan_to_num(values), check_finite=True)
        codes, scale = quantize_on_host(finite, block, dtype, "K")
        if power_of_two:
            amax = scale_amax(np.nan_to_num(values), block)
            scale = np.where(amax > 0, next_power_of_two(scale), np.float32(1))
            quotient = np.nan_to_num(values) / spread(scale, block, x.shape)
            limit = MAX_FINITE[dtype]
            codes = np.clip(quotient, -limit, limit).astype(numpy_dtype(dtype))
    codes = codes.view(np.uint8).copy()
    codes[np.isnan(values)] = FP8_CANONICAL_NAN
    if major == "MN":
        scale = scale.swapaxes(-1, -2)
    return codes, np.ascontiguousarray(scale)


def scale_amax(values, block) -> np.ndarray:
    """The largest magnitude of every block."""
    rows, k = values.shape[-2:]
    blocks = (ceil_div(rows, block[0]), ceil_div(k, block[1]))
    padded = np.zeros((*values.shape[:-2], blocks[0] * block[0], blocks[1] * block[1]), np.float32)
    padded[..., :rows, :k] = np.abs(values)
    shape = (*values.shape[:-2], blocks[0], block[0], blocks[1], block[1])
    return padded.reshape(shape).max(axis=(-3, -1))
