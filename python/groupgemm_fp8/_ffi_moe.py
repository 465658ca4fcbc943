"""The C header moe.h for ctypes, in the header's order.

A public struct may only grow at its end, so these layouts fit every later library.
"""

import ctypes
import struct
from ctypes import c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p

DTYPE_INT32 = 6
DTYPE_INT64 = 7

FLAG_OUT_SCALE_READ_ONLY = 8
FLAG_POWER_OF_TWO_SCALES = 16

# ggfp8_quantize_groupwise_options: size, block_rows, block_k, scale_major, out_dtype, flags,
# reserved
QUANTIZE_OPTIONS = struct.Struct("@NiiiiII")
# ggfp8_silu_mul_quantize_groupwise_options: size, limit, alpha, block_k, scale_major, out_dtype,
# flags
SILU_OPTIONS = struct.Struct("@NffiiiI")


class Args(ctypes.Structure):
    """A struct that begins with its size; members that are not given are 0, their default."""

    def __init__(self, **members):
        super().__init__(struct_size=ctypes.sizeof(self), **members)


class QuantizeGroupwiseArgs(Args):
    """ggfp8_quantize_groupwise_args"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("x", c_void_p),
        ("row_index", c_void_p),
        ("out", c_void_p),
        ("scale", c_void_p),
        ("batch_size", c_int64),
        ("rows", c_int64),
        ("k", c_int64),
        ("x_rows", c_int64),
        ("x_row_stride", c_int64),
        ("x_batch_stride", c_int64),
        ("out_row_stride", c_int64),
        ("out_batch_stride", c_int64),
        ("scale_stride", c_int64),
        ("scale_batch_stride", c_int64),
        ("x_dtype", c_int32),
        ("out_dtype", c_int32),
        ("row_index_dtype", c_int32),
        ("block_rows", c_int32),
        ("block_k", c_int32),
        ("scale_major", c_int32),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("position", c_void_p),
        ("top_k", c_int64),
        ("out_rows", c_int64),
        ("position_row_stride", c_int64),
    ]


class SiluMulQuantizeGroupwiseArgs(Args):
    """ggfp8_silu_mul_quantize_groupwise_args"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("gate_up", c_void_p),
        ("m_indptr", c_void_p),
        ("out", c_void_p),
        ("scale", c_void_p),
        ("rows", c_int64),
        ("k", c_int64),
        ("batch_size", c_int64),
        ("gate_up_row_stride", c_int64),
        ("out_row_stride", c_int64),
        ("scale_stride", c_int64),
        ("limit", c_float),
        ("alpha", c_float),
        ("gate_up_dtype", c_int32),
        ("out_dtype", c_int32),
        ("block_k", c_int32),
        ("scale_major", c_int32),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("flags", c_uint32),
        ("reserved", c_uint32),
    ]


class RouteArgs(Args):
    """ggfp8_route_args"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("top_k_index", c_void_p),
        ("row_index", c_void_p),
        ("position", c_void_p),
        ("m_indptr", c_void_p),
        ("num_tokens", c_int64),
        ("top_k", c_int64),
        ("batch_size", c_int64),
        ("top_k_index_row_stride", c_int64),
        ("top_k_index_dtype", c_int32),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("flags", c_uint32),
    ]


class CombineArgs(Args):
    """ggfp8_combine_args"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("x", c_void_p),
        ("position", c_void_p),
        ("weight", c_void_p),
        ("out", c_void_p),
        ("x_rows", c_int64),
        ("num_tokens", c_int64),
        ("top_k", c_int64),
        ("k", c_int64),
        ("x_row_stride", c_int64),
        ("position_row_stride", c_int64),
        ("weight_row_stride", c_int64),
        ("out_row_stride", c_int64),
        ("x_dtype", c_int32),
        ("weight_dtype", c_int32),
        ("out_dtype", c_int32),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("flags", c_uint32),
    ]


# name: argument types; all return a status
FUNCTIONS = {
    "ggfp8_quantize_groupwise": (ctypes.POINTER(QuantizeGroupwiseArgs), c_void_p),
    "ggfp8_silu_mul_quantize_groupwise": (ctypes.POINTER(SiluMulQuantizeGroupwiseArgs), c_void_p),
    "ggfp8_route": (ctypes.POINTER(RouteArgs), c_void_p, c_size_t, c_void_p),
    "ggfp8_route_workspace_size": (ctypes.POINTER(RouteArgs), ctypes.POINTER(c_size_t)),
    "ggfp8_combine": (ctypes.POINTER(CombineArgs), c_void_p),
    # the arrays, options or flags, stream
    "ggfp8_quantize_groupwise_tensors": (*(c_void_p,) * 6, c_void_p),
    "ggfp8_silu_mul_quantize_groupwise_tensors": (*(c_void_p,) * 5, c_void_p),
    "ggfp8_route_tensors": (*(c_void_p,) * 5, c_uint32, c_void_p),
    "ggfp8_combine_tensors": (*(c_void_p,) * 4, c_uint32, c_void_p),
}


def bind(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declares every function's types; AttributeError if one is missing."""
    for name, arguments in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = c_int32
        function.argtypes = arguments
    return library
