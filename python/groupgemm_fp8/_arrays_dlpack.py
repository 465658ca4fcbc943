"""Arrays read through the DLPack protocol: JAX, and everything without a reader of its own.

Called by _arrays. The capsule is peeked at, not consumed: its name stays as it is, the View
keeps it alive, and the producer's own destructor releases the memory. The structs are those of
dlpack.h, from before version 1 (capsule "dltensor") and of version 1 ("dltensor_versioned").
"""

import ctypes
import struct

from ._ffi import capsule_pointer
from ._view import CPU, View, dense_strides

_MAX_VERSION = (1, 3)
_READ_ONLY = 1  # bit 0 of the flags of a versioned capsule

# DLManagedTensorVersioned up to its DLTensor: version, context, deleter, flags
_VERSIONED_HEADER = struct.Struct("@IIPPQ")
# DLTensor: data, device (type, ordinal), ndim, dtype (code, bits, lanes), shape, strides, offset
_TENSOR = struct.Struct("@PiiiBBHPPQ")

_KINDS = {0: "int", 1: "uint", 2: "float", 3: "void", 4: "bfloat", 5: "complex", 6: "bool"}
_FLOAT8 = {10: "float8_e4m3fn", 12: "float8_e5m2"}

# Device types whose memory the host or a CUDA device can address, pinned and managed included.
_CPU_TYPES = (1, 3)
_CUDA_TYPES = (2, 13)

_LEGACY_STREAM = 1  # how DLPack writes the legacy default stream, whose handle is 0

# A prototype of our own: attributes of ctypes.pythonapi belong to the whole process.
_capsule_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)


def read(argument: str, x, stream_of) -> View:
    """The view of x, which a CUDA producer makes ready on the stream stream_of(ordinal)."""
    device_type, ordinal = _ask(argument, x.__dlpack_device__)
    if device_type in _CPU_TYPES:
        device, options = CPU, {}
        if hasattr(x, "block_until_ready"):  # JAX computes in the background
            _ask(argument, x.block_until_ready)
    elif device_type in _CUDA_TYPES:
        device, options = (2, ordinal), {"stream": stream_of(ordinal) or _LEGACY_STREAM}
    else:
        raise ValueError(f"{argument}: got DLPack device type {device_type}, wanted cpu or cuda")
    return _peek(argument, _ask(argument, lambda: _export(x, options)), device)


def _ask(argument: str, question):
    """The producer's answer, or its refusal with the argument's name in front."""
    try:
        return question()
    except Exception as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{argument}: cannot be read through DLPack: {error}") from error


def _export(x, options: dict):
    try:
        return x.__dlpack__(max_version=_MAX_VERSION, **options)
    except TypeError:  # a producer from before version 1
        return x.__dlpack__(**options)


def _peek(argument: str, capsule, device: tuple[int, int]) -> View:
    readonly = False
    if _capsule_is_valid(capsule, b"dltensor_versioned"):
        address = capsule_pointer(capsule, b"dltensor_versioned")
        header = ctypes.string_at(address, _VERSIONED_HEADER.size)
        major, _, _, _, flags = _VERSIONED_HEADER.unpack(header)
        if major != _MAX_VERSION[0]:
            raise ValueError(f"{argument}: got DLPack version {major}, wanted {_MAX_VERSION[0]}")
        readonly = bool(flags & _READ_ONLY)
        address += _VERSIONED_HEADER.size
    else:
        address = capsule_pointer(capsule, b"dltensor")
    tensor = _TENSOR.unpack(ctypes.string_at(address, _TENSOR.size))
    data, _, _, ndim, code, bits, lanes, shape_at, strides_at, offset = tensor
    shape = _read_int64s(shape_at, ndim)
    if data == 0 and 0 not in shape:
        raise ValueError(f"{argument}: got an array without memory (its DLPack data is NULL)")
    strides = _read_int64s(strides_at, ndim) if strides_at else dense_strides(shape)
    return View(data + offset, shape, strides, _dtype(code, bits, lanes), device, readonly, capsule)


def _read_int64s(address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"@{count}q", ctypes.string_at(address, 8 * count))


def _dtype(code: int, bits: int, lanes: int) -> str:
    """The type's name. Float with 8 bits names no format, so no argument accepts it."""
    if code in _FLOAT8:
        name = _FLOAT8[code]
    elif code in _KINDS:
        name = f"{_KINDS[code]}{bits}"
    else:
        name = f"DLPack code {code} with {bits} bits"
    return name if lanes == 1 else f"{name}x{lanes}"
