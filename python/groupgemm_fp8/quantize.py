"""Groupwise FP8 quantisation on the host, to make inputs for the grouped product."""

import operator
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy
from numpy.typing import NDArray

from ._dtypes import FP8, argument_dtype_name
from ._options import checked_scale_major_mode

# Largest finite values (OCP 8-bit floating point specification, revision 1.0).
_MAX_FINITE = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


def quantize_groupwise(
    x: Any,
    granularity: Sequence[int],
    dtype: Any = "float8_e4m3fn",
    scale_major_mode: str = "MN",
) -> tuple[NDArray[Any], NDArray[numpy.float32]]:
    """Quantises x to FP8 with one float32 scale per block of its last two axes.

    A block's scale is its largest magnitude divided by the largest finite value of the FP8 type,
    or 1 for a block of zeros; its elements are x / scale, rounded to nearest even and saturated
    to finite values. Hence x is about x_fp8 * scale. The last blocks may be cut off by the edge.

    Args:
        x: (rows, k) or (batch_size, n, k), any real NumPy array or what becomes one.
        granularity: (rows, k) elements of a block: (1, 128) for `a`, (128, 128) for `b` with
            the scale granularity (1, 128, 128).
        dtype: "float8_e4m3fn" or "float8_e5m2", or such a dtype of any framework.
        scale_major_mode: layout of the scales, as in group_gemm_fp8_nt_groupwise.

    Returns:
        x_fp8: of the shape of x and an ml_dtypes FP8 type.
        scale: float32, contiguous, with rb = ceil(rows / granularity[0]) and
            kb = ceil(k / granularity[1]): (..., kb, rb) for "MN", (..., rb, kb) for "K".

    Raises:
        TypeError: x is not real or has a mask, or dtype is no FP8 type.
        ValueError: a NaN or infinity in x as float32, a wrong rank, granularity or major mode.

    Source of the rule: per-block amax scaling as in the DeepSeek-V3 report, section 3.3.
    """
    fp8 = numpy.dtype(getattr(ml_dtypes, argument_dtype_name("dtype", dtype, FP8)))
    max_finite = numpy.float32(_MAX_FINITE[fp8.name])
    block = _block_sizes(granularity)
    checked_scale_major_mode(scale_major_mode)
    x = _as_float32(x)

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
    try:
        rows, k = (operator.index(size) for size in granularity)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"granularity: got {granularity!r}, wanted two integers (rows, k)"
        ) from None
    if rows < 1 or k < 1:
        raise ValueError(f"granularity: got {(rows, k)}, wanted positive sizes")
    return rows, k


def _as_float32(x) -> numpy.ndarray:
    if isinstance(x, numpy.ma.MaskedArray):
        raise TypeError("x: got a masked array, wanted one without a mask, for example x.filled(0)")
    x = numpy.asarray(x)
    if x.dtype.kind in "cOSUMm" or x.dtype.type is numpy.void:
        raise TypeError(f"x: got dtype {x.dtype}, wanted real numbers")
    if x.ndim not in (2, 3):
        raise ValueError(f"x: got shape {x.shape}, wanted (rows, k) or (batch_size, n, k)")
    with numpy.errstate(over="ignore"):
        x = x.astype(numpy.float32)
    if not numpy.isfinite(x).all():
        where = tuple(int(i) for i in numpy.argwhere(~numpy.isfinite(x))[0])
        raise ValueError(f"x: got {x[where]} at {where}, wanted finite float32 values")
    return x


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
