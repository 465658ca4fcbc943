"""Groupwise FP8 quantisation in NumPy: what steps asks of host arrays, and blocks of sizes that the
C library does not know.
"""

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy
from numpy.typing import NDArray

from ._call import Call, refusal
from ._dtypes import OUTPUTS
from ._frameworks import framework_of
from ._options import integer_of, sizes_of

# Largest finite values (OCP 8-bit floating point specification, revision 1.0).
_MAX_FINITE = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


def quantize_on_host(
    x: NDArray[Any], granularity: Sequence[int], dtype: str, scale_major_mode: str
) -> tuple[NDArray[Any], NDArray[numpy.float32]]:
    """quantize_groupwise in NumPy, for blocks of any size. x comes from host_array()."""
    fp8 = numpy.dtype(getattr(ml_dtypes, dtype))
    max_finite = numpy.float32(_MAX_FINITE[fp8.name])
    block = _block_sizes(granularity)
    x = x.astype(numpy.float32)

    amax = _block_amax(numpy.abs(x), block)
    # A quotient that underflows still has to divide, by the smallest number above zero.
    tiny = numpy.finfo(numpy.float32).smallest_subnormal
    scale = numpy.where(amax > 0, numpy.maximum(amax / max_finite, tiny), numpy.float32(1))
    scaled = x / _spread(scale, block, x.shape)
    x_fp8 = numpy.clip(scaled, -max_finite, max_finite).astype(fp8)
    if scale_major_mode == "MN":
        scale = scale.swapaxes(-1, -2)
    return x_fp8, numpy.ascontiguousarray(scale)


def _block_sizes(granularity) -> tuple[int, int]:
    sizes = sizes_of("granularity", granularity, "two integers (rows, k)", 2)
    rows, k = (integer_of("granularity", size) for size in sizes)
    if rows < 1 or k < 1:
        raise ValueError(f"granularity: got {(rows, k)}, wanted positive sizes")
    return rows, k


def host_array(x: Any, check_finite: bool) -> NDArray[Any]:
    """x as a bfloat16, float16 or float32 array of NumPy, whose last axis is contiguous."""
    if issubclass(type(x), numpy.ma.MaskedArray):
        raise TypeError("x: got a masked array, wanted one without a mask, for example x.filled(0)")
    if type(x) is not numpy.ndarray:
        x = _as_array(x)
    if x.dtype.kind in "cOSUMm" or x.dtype.type is numpy.void:
        raise TypeError(f"x: got dtype {x.dtype}, wanted real numbers")
    if x.ndim not in (2, 3):
        raise ValueError(f"x: got shape {x.shape}, wanted (rows, k) or (batch_size, n, k)")
    if x.dtype.name not in OUTPUTS or not x.dtype.isnative:
        with numpy.errstate(over="ignore"):
            x = x.astype(numpy.float32)
    if check_finite and not numpy.isfinite(x).all():
        where = tuple(int(i) for i in numpy.argwhere(~numpy.isfinite(x))[0])
        raise ValueError(f"x: got {x[where]} at {where}, wanted finite float32 values")
    has_plain_rows = x.strides[-1] == x.itemsize and min(x.strides) > 0
    return x if has_plain_rows else numpy.ascontiguousarray(x)


def _as_array(x: Any) -> NDArray[Any]:
    """x as an array of NumPy, which reads any address and whose errors do not name the argument."""
    if framework_of(x).empty is not None and not issubclass(type(x), numpy.ndarray):
        Call((x,)).describe("x", x)
    try:
        return numpy.asarray(x)
    except Exception as error:
        raise refusal("x", x, error) from error


def _block_amax(magnitude, block: tuple[int, int]) -> numpy.ndarray:
    """The largest element of every block of the last two axes, (..., rb, kb)."""
    for axis, size in ((-1, block[1]), (-2, block[0])):
        length = magnitude.shape[axis]
        if length == 0:
            continue  # no block along this axis
        magnitude = numpy.maximum.reduceat(magnitude, range(0, length, size), axis=axis)
    return magnitude


def _spread(scale, block: tuple[int, int], shape: tuple[int, ...]) -> numpy.ndarray:
    """Every element's scale, of the given shape."""
    scale = numpy.repeat(scale, block[0], axis=-2)[..., : shape[-2], :]
    return numpy.repeat(scale, block[1], axis=-1)[..., : shape[-1]]
