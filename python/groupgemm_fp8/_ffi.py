"""The C header groupgemm_fp8.h for ctypes, in the header's order.

_library binds a loaded library with bind(); everything else takes constants and layouts from
here. A public struct may only grow at its end, so these layouts fit every later library.
"""

import ctypes
import struct
from ctypes import c_char_p, c_int32, c_int64, c_size_t, c_void_p

# version
VERSION_MAJOR = 0
VERSION_MINOR = 1
VERSION_PATCH = 0

# status
SUCCESS = 0
ERROR_INVALID_DTYPE = 110
ERROR_INVALID_WORKSPACE = 160
ERROR_UNKNOWN_BACKEND = 200
ERROR_UNSUPPORTED = 201
FIRST_SYSTEM_ERROR = 300
ERROR_NO_DRIVER = 300

# constants
DTYPE_FLOAT8_E4M3FN = 1
DTYPE_FLOAT8_E5M2 = 2
DTYPE_BFLOAT16 = 3
DTYPE_FLOAT16 = 4
DTYPE_FLOAT32 = 5

SCALE_MAJOR_MN = 1
SCALE_MAJOR_K = 2

DEVICE_CPU = 1
DEVICE_CUDA = 2

FLAG_VALIDATE_M_INDPTR = 1

# arguments: ggfp8_group_gemm_args, native alignment
ARGS_FIELDS = (
    ("struct_size", "N"),
    ("a", "P"),
    ("b", "P"),
    ("a_scale", "P"),
    ("b_scale", "P"),
    ("m_indptr", "P"),
    ("out", "P"),
    ("cum_m", "q"),
    ("n", "q"),
    ("k", "q"),
    ("batch_size", "q"),
    ("a_row_stride", "q"),
    ("b_row_stride", "q"),
    ("b_group_stride", "q"),
    ("out_row_stride", "q"),
    ("a_scale_stride", "q"),
    ("b_scale_stride", "q"),
    ("b_scale_group_stride", "q"),
    ("a_dtype", "i"),
    ("b_dtype", "i"),
    ("out_dtype", "i"),
    ("scale_granularity_m", "i"),
    ("scale_granularity_n", "i"),
    ("scale_granularity_k", "i"),
    ("scale_major", "i"),
    ("mma_sm", "i"),
    ("device_type", "i"),
    ("device_id", "i"),
    ("flags", "I"),
    ("reserved", "I"),
    ("backend", "P"),
)
ARGS = struct.Struct("@" + "".join(code for _, code in ARGS_FIELDS))


# introspection
class PlanInfo(ctypes.Structure):
    """ggfp8_plan_info"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("backend", c_char_p),
        ("config", c_char_p),
        ("workspace_bytes", c_size_t),
        ("num_workers", c_int32),
        ("reserved", c_int32),
    ]


class DeviceInfo(ctypes.Structure):
    """ggfp8_device_info"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", ctypes.c_char * 256),
        ("compute_major", c_int32),
        ("compute_minor", c_int32),
        ("num_processors", c_int32),
        ("reserved", c_int32),
        ("l2_bytes", c_int64),
    ]


# DLPack: ggfp8_dlpack_options, native alignment
DLPACK_OPTIONS_FIELDS = (
    ("struct_size", "N"),
    ("exchange_api", "P"),
    ("backend", "P"),
    ("scale_granularity_m", "i"),
    ("scale_granularity_n", "i"),
    ("scale_granularity_k", "i"),
    ("scale_major", "i"),
    ("mma_sm", "i"),
    ("a_dtype", "i"),
    ("b_dtype", "i"),
    ("out_dtype", "i"),
)
DLPACK_OPTIONS = struct.Struct("@" + "".join(code for _, code in DLPACK_OPTIONS_FIELDS))

# Packed arguments travel as bytes: an immutable object of this call alone needs no lock.
_ARGS_POINTER = c_char_p

# name: (result type, argument types)
FUNCTIONS = {
    "ggfp8_version": (c_int32, ()),
    "ggfp8_status_string": (c_char_p, (c_int32,)),
    "ggfp8_last_error": (c_char_p, ()),
    "ggfp8_max_cum_m": (c_int64, ()),
    "ggfp8_max_n": (c_int64, ()),
    "ggfp8_max_k": (c_int64, ()),
    "ggfp8_max_batch_size": (c_int64, ()),
    "ggfp8_workspace_alignment": (c_size_t, ()),
    "ggfp8_group_gemm_args_size": (c_size_t, ()),
    "ggfp8_group_gemm_nt_groupwise": (c_int32, (_ARGS_POINTER, c_void_p, c_size_t, c_void_p)),
    "ggfp8_group_gemm_workspace_size": (c_int32, (_ARGS_POINTER, ctypes.POINTER(c_size_t))),
    "ggfp8_group_gemm_plan": (c_int32, (_ARGS_POINTER, ctypes.POINTER(PlanInfo))),
    "ggfp8_num_backends": (c_int32, ()),
    "ggfp8_backend_name": (c_char_p, (c_int32,)),
    "ggfp8_backend_supports": (c_int32, (c_char_p, _ARGS_POINTER)),
    "ggfp8_device_count": (c_int32, (c_int32, ctypes.POINTER(c_int32))),
    "ggfp8_device_query": (c_int32, (c_int32, c_int32, ctypes.POINTER(DeviceInfo))),
    "ggfp8_xla_ffi_cpu": (c_void_p, (c_void_p,)),
    "ggfp8_xla_ffi_cpu_validate": (c_void_p, (c_void_p,)),
    "ggfp8_xla_ffi_cuda": (c_void_p, (c_void_p,)),
    "ggfp8_xla_ffi_cuda_validate": (c_void_p, (c_void_p,)),
    "ggfp8_dlpack_function": (c_void_p, (ctypes.py_object,)),
}

# Prototypes of our own: attributes of ctypes.pythonapi belong to the whole process.
capsule_pointer = ctypes.PYFUNCTYPE(c_void_p, ctypes.py_object, c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_give_back = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_DecRef", ctypes.pythonapi))


def bind(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declares every function's types; AttributeError if one is missing."""
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def dlpack_function(library: ctypes.CDLL, constants: tuple):
    """The builtin function of ggfp8_dlpack_function, or None if there is none."""
    result, arguments = FUNCTIONS["ggfp8_dlpack_function"]
    # With the interpreter's lock, unlike what bind() declares.
    make = ctypes.PYFUNCTYPE(result, *arguments)(("ggfp8_dlpack_function", library))
    address = make(constants)
    if address is None:
        return None
    function = ctypes.cast(address, ctypes.py_object).value
    _give_back(function)  # the reference that came with the address; `function` has its own
    return function
