"""Number formats, written from their definitions: FP8 decode tables and rounding to an output.

Used by the references and comparers. Invariant: nothing here uses the library or a cast of
another package to decide a value; ml_dtypes only gives NumPy the names of the types.
"""

from typing import NamedTuple

import ml_dtypes
import numpy as np

FP8_DTYPES = ("float8_e4m3fn", "float8_e5m2")
DTYPE_PAIRS = tuple((a, b) for a in FP8_DTYPES for b in FP8_DTYPES)
OUT_DTYPES = ("bfloat16", "float16", "float32")

FP8_NAN = 0xFF  # a NaN in both FP8 types; four of them are a float32 NaN
E5M2_INF = 0x7C


class OutFormat(NamedTuple):
    """An IEEE-like output type: significand bits, exponent range, storage."""

    significand_bits: int
    min_exponent: int  # of the smallest normal number
    max_finite: float
    bits: type


OUT_FORMATS = {
    "bfloat16": OutFormat(8, -126, 255 * 2.0**120, np.uint16),
    "float16": OutFormat(11, -14, 65504.0, np.uint16),
    "float32": OutFormat(24, -126, (2**24 - 1) * 2.0**104, np.uint32),
}


def numpy_dtype(name: str) -> np.dtype:
    """The NumPy type of that name, ml_dtypes' included."""
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def _decode_byte(code: int, exponent_bits: int, mantissa_bits: int, has_inf: bool) -> float:
    sign = -1.0 if code & 0x80 else 1.0
    exponent = (code & 0x7F) >> mantissa_bits
    mantissa = code & ((1 << mantissa_bits) - 1)
    top = (1 << exponent_bits) - 1
    if exponent == top and has_inf:
        return sign * np.inf if mantissa == 0 else np.nan
    if code & 0x7F == 0x7F:
        return np.nan
    bias = (1 << (exponent_bits - 1)) - 1
    if exponent == 0:
        return sign * mantissa * 2.0 ** (1 - bias - mantissa_bits)
    return sign * ((1 << mantissa_bits) + mantissa) * 2.0 ** (exponent - bias - mantissa_bits)


DECODE = {
    "float8_e4m3fn": np.array([_decode_byte(code, 4, 3, False) for code in range(256)]),
    "float8_e5m2": np.array([_decode_byte(code, 5, 2, True) for code in range(256)]),
}


def decode(codes: np.ndarray, dtype: str) -> np.ndarray:
    """The values of FP8 codes (uint8) as float64."""
    return DECODE[dtype][codes]


def _ordered_codes(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """The codes of the finite values, zero once, and those values, both in ascending order."""
    codes = np.flatnonzero(np.isfinite(DECODE[dtype]) & (np.arange(256) != 0x80))
    codes = codes[np.argsort(DECODE[dtype][codes])].astype(np.uint8)
    return codes, DECODE[dtype][codes]


def encode(values: np.ndarray, dtype: str) -> np.ndarray:
    """The codes of values that the FP8 type holds exactly; asserts that it does."""
    codes, finite = _ordered_codes(dtype)
    index = np.searchsorted(finite, values)
    assert np.array_equal(finite[np.minimum(index, finite.size - 1)], values)
    return codes[index]


def quantize(values: np.ndarray, dtype: str) -> np.ndarray:
    """The codes of the nearest finite FP8 values (ties to the smaller; good enough for inputs)."""
    codes, finite = _ordered_codes(dtype)
    return codes[np.searchsorted((finite[1:] + finite[:-1]) / 2, values)]


def round_to(values: np.ndarray, out_dtype: str) -> np.ndarray:
    """float64 values rounded once, to nearest even, to an output type; still as float64."""
    spec = OUT_FORMATS[out_dtype]
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    _, exponent = np.frexp(np.where(finite, values, 0.0))
    exponent = np.maximum(exponent - 1, spec.min_exponent) - (spec.significand_bits - 1)
    scaled = np.ldexp(np.where(finite, values, 0.0), -exponent)
    rounded = np.ldexp(np.rint(scaled), exponent)
    overflow = np.abs(rounded) > spec.max_finite
    rounded = np.where(overflow, np.copysign(np.inf, values), rounded)
    return np.where(finite, rounded, values)


def out_bits(values: np.ndarray, out_dtype: str) -> np.ndarray:
    """The bit patterns of float64 values after one rounding to the output type."""
    with np.errstate(all="ignore"):
        typed = round_to(values, out_dtype).astype(np.float32).astype(numpy_dtype(out_dtype))
    return typed.view(OUT_FORMATS[out_dtype].bits)


def out_values(bits: np.ndarray, out_dtype: str) -> np.ndarray:
    """The float64 values of output bit patterns."""
    with np.errstate(all="ignore"):
        return bits.view(numpy_dtype(out_dtype)).astype(np.float32).astype(np.float64)
