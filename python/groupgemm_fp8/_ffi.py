"""The C headers groupgemm_fp8.h and xla.h for ctypes, in their order.

_library binds a loaded library with bind(); everything else takes constants and layouts from
here. A public struct may only grow at its end, so these layouts fit every later library.
"""

import ctypes
import struct
from ctypes import c_char_p, c_int32, c_int64, c_size_t, c_uint64, c_void_p, py_object

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

GROUPS_INDPTR = 0
GROUPS_ENDS = 1
GROUPS_COUNTS = 2
GROUPS_MASKED = 3

DEVICE_CPU = 1
DEVICE_CUDA = 2

FLAG_VALIDATE_M_INDPTR = 1
FLAG_OUT_READ_ONLY = 2
FLAG_WORKSPACE_READ_ONLY = 4

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
    ("b_scale_major", "i"),
    ("group_layout", "i"),
    ("groups", "P"),
    ("group_dtype", "i"),
    ("group_alignment", "i"),
    ("a_group_stride", "q"),
    ("out_group_stride", "q"),
    ("a_scale_group_stride", "q"),
    ("expected_m", "q"),
)
ARGS = struct.Struct("@" + "".join(code for _, code in ARGS_FIELDS))

# tensors: ggfp8_tensor, whose sizes and strides follow it in memory; and the DLPack codes in it
DLPACK_CUDA_HOST = 3
HOST_TYPES = (DEVICE_CPU, DLPACK_CUDA_HOST)
DLPACK_CUDA_MANAGED = 13

TENSOR_FIELDS = (
    ("data", "P"),
    ("device_type", "i"),
    ("device_id", "i"),
    ("ndim", "i"),
    ("dtype_code", "B"),
    ("dtype_bits", "B"),
    ("dtype_lanes", "H"),
    ("shape", "P"),
    ("strides", "P"),
    ("byte_offset", "Q"),
)
TENSOR = struct.Struct("@" + "".join(code for _, code in TENSOR_FIELDS))

# A described array: ggfp8_tensor with room for the sizes and strides of so many axes after it.
MAX_RANK = 8
TENSOR_LAYOUTS = [struct.Struct(f"{TENSOR.format}{2 * rank}q") for rank in range(MAX_RANK + 1)]
TENSOR_BYTES = TENSOR_LAYOUTS[MAX_RANK].size


# objects
class ObjectReader(ctypes.Structure):
    """ggfp8_object_reader: addresses of functions of a framework, and the functions of Python."""

    _fields_ = [
        ("describe", c_void_p),
        ("item", c_void_p),
        ("current_stream", c_void_p),
        ("unlock", c_void_p),
        ("lock", c_void_p),
        ("lowest_data", c_uint64),
    ]

    def __init__(self, describe: int, current_stream: int, lowest_data: int):
        item, unlock, lock = (
            ctypes.cast(ctypes.pythonapi[name], c_void_p) for name in _READER_FUNCTIONS
        )
        super().__init__(describe, item, current_stream, unlock, lock, lowest_data)


_READER_FUNCTIONS = ("PyTuple_GetItem", "PyEval_SaveThread", "PyEval_RestoreThread")


# options of a product of tensors: ggfp8_group_gemm_options, native alignment
OPTIONS_FIELDS = (
    ("struct_size", "N"),
    ("backend", "P"),
    ("scale_granularity_m", "i"),
    ("scale_granularity_n", "i"),
    ("scale_granularity_k", "i"),
    ("scale_major", "i"),
    ("mma_sm", "i"),
    ("a_dtype", "i"),
    ("b_dtype", "i"),
    ("out_dtype", "i"),
    ("flags", "I"),
    ("b_scale_major", "i"),
    ("group_layout", "i"),
    ("group_alignment", "i"),
    ("expected_m", "q"),
)
OPTIONS = struct.Struct("@" + "".join(code for _, code in OPTIONS_FIELDS))


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
        ("group_layout", c_char_p),
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


# Packed structs travel as bytes, which need no lock, or by the address of a call's own memory.
_STRUCT = c_void_p

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
    "ggfp8_group_gemm_options_size": (c_size_t, ()),
    "ggfp8_group_gemm_nt_groupwise": (c_int32, (_STRUCT, c_void_p, c_size_t, c_void_p)),
    "ggfp8_group_gemm_workspace_size": (c_int32, (_STRUCT, ctypes.POINTER(c_size_t))),
    # six arrays, the workspace, options, stream
    "ggfp8_group_gemm_nt_groupwise_tensors": (c_int32, (*(_STRUCT,) * 8, c_void_p)),
    # reader, tuple of six arrays, options
    "ggfp8_group_gemm_nt_groupwise_objects": (c_int32, (_STRUCT, py_object, _STRUCT)),
    # six arrays, options, args
    "ggfp8_group_gemm_args_from_tensors": (c_int32, (_STRUCT,) * 8),
    "ggfp8_group_gemm_plan": (c_int32, (_STRUCT, ctypes.POINTER(PlanInfo))),
    "ggfp8_reload_environment": (c_int32, ()),
    "ggfp8_environment_backend": (c_char_p, ()),
    "ggfp8_num_backends": (c_int32, ()),
    "ggfp8_backend_name": (c_char_p, (c_int32,)),
    "ggfp8_backend_config_name": (c_char_p, (c_int32, c_int32)),
    "ggfp8_backend_supports": (c_int32, (c_char_p, _STRUCT)),
    "ggfp8_device_count": (c_int32, (c_int32, ctypes.POINTER(c_int32))),
    "ggfp8_device_query": (c_int32, (c_int32, c_int32, ctypes.POINTER(DeviceInfo))),
    "ggfp8_pointer_device": (
        c_int32,
        (c_void_p, ctypes.POINTER(c_int32), ctypes.POINTER(c_int32)),
    ),
}
XLA_FUNCTIONS = {
    "ggfp8_xla_ffi_cpu": (c_void_p, (c_void_p,)),
    "ggfp8_xla_ffi_cuda": (c_void_p, (c_void_p,)),
    "ggfp8_xla_ffi_cpu_validate": (c_void_p, (c_void_p,)),
    "ggfp8_xla_ffi_cuda_validate": (c_void_p, (c_void_p,)),
    **{
        f"ggfp8_xla_ffi_{step}_{platform}": (c_void_p, (c_void_p,))
        for step in ("quantize_groupwise", "silu_mul_quantize_groupwise", "route", "combine")
        for platform in ("cpu", "cuda")
    },
}
# Functions that are called with the lock of the interpreter, because they look at its objects.
_LOCKED = ("ggfp8_group_gemm_nt_groupwise_objects",)

# Prototypes of our own: attributes of ctypes.pythonapi belong to the whole process. A capsule is
# given by its id(), which in CPython is its address: that takes half the time of a py_object.
capsule_pointer = ctypes.PYFUNCTYPE(c_void_p, c_void_p, c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
capsule_is_valid = ctypes.PYFUNCTYPE(c_int32, c_void_p, c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)


def bind(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declares every function's types; AttributeError if one is missing."""
    for name, (result, arguments) in {**FUNCTIONS, **XLA_FUNCTIONS}.items():
        if name in _LOCKED:
            setattr(library, name, ctypes.PYFUNCTYPE(result, *arguments)((name, library)))
            continue
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
