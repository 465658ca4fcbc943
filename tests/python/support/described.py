"""Reads back from memory what a Call says of an array to the C library."""

import ctypes
from typing import NamedTuple

from groupgemm_fp8 import _ffi
from groupgemm_fp8._call import Call


class Description(NamedTuple):
    data: int
    device: tuple[int, int]
    dtype: tuple[int, int, int]  # DLPack's code, bits, lanes
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None  # in elements; None: dense


def described(x, stream=None, call=None) -> Description:
    """The description of one array, by its own reader."""
    call = Call((x,), stream) if call is None else call
    return read_back(call.describe("x", x))


def read_back(address: int) -> Description:
    raw = ctypes.string_at(address, _ffi.TENSOR.size)
    data, *device, ndim, code, bits, lanes, shape, strides, offset = _ffi.TENSOR.unpack(raw)
    int64s = ctypes.c_int64 * ndim
    if not shape:
        shape = address + _ffi.TENSOR.size
        strides = shape + 8 * ndim
    return Description(
        data + offset,
        tuple(device),
        (code, bits, lanes),
        tuple(int64s.from_address(shape)),
        tuple(int64s.from_address(strides)) if strides else None,
    )
