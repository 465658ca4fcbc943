"""Arrays read through the DLPack protocol: JAX, and everything without a reader of its own.

The capsule is peeked at, not consumed: its name stays as it is, the Call keeps it alive, and the
producer's own destructor releases the memory. The structs are those of dlpack.h, from before
version 1 (capsule "dltensor") and of version 1 ("dltensor_versioned"). The DLTensor itself goes to
the C library as it is.
"""

import ctypes
import struct

from .._ffi import (
    DEVICE_CPU,
    DEVICE_CUDA,
    DLPACK_CUDA_HOST,
    DLPACK_CUDA_MANAGED,
    TENSOR,
    capsule_is_valid,
    capsule_pointer,
)
from ..errors import DELETED, UnreadableError
from .interface import numpy_dtype

_MAX_VERSION = (1, 3)
_READ_ONLY, _IS_COPIED = 1, 2  # flags of a versioned capsule

# DLManagedTensorVersioned up to its DLTensor: version, context, deleter, flags
_VERSIONED_HEADER = struct.Struct("@IIPPQ")

# Device types whose memory the host or a CUDA device can address, pinned and managed included.
_HOST_TYPES = (DEVICE_CPU, DLPACK_CUDA_HOST)
_CUDA_TYPES = (DEVICE_CUDA, DLPACK_CUDA_MANAGED)

_LEGACY_STREAM = 1  # how DLPack writes the legacy default stream, whose handle is 0
_FP8_CODES = range(7, 15)  # types of eight bits


def describe(x, call, place: int) -> None:
    """A CUDA producer makes x ready on the stream of the call."""
    device_type, ordinal = x.__dlpack_device__()
    options = {}
    if device_type in _CUDA_TYPES:
        options["stream"] = call.stream_on(ordinal) or _LEGACY_STREAM
    elif device_type not in _HOST_TYPES:
        raise UnreadableError(f"got DLPack device type {int(device_type)}, wanted cpu or cuda")
    elif hasattr(x, "block_until_ready"):  # JAX computes in the background
        x.block_until_ready()
    capsule = _export(x, options, call.writes)
    call.owners.append(capsule)
    address, flags = _peek(capsule)
    if call.writes and flags & _IS_COPIED:
        raise UnreadableError(
            "got an array that its framework exports as a copy, wanted its memory"
        )
    call.is_read_only = bool(flags & _READ_ONLY)
    tensor = ctypes.string_at(address, TENSOR.size)
    _check(TENSOR.unpack(tensor), device_type, ordinal)
    ctypes.memmove(call.address + place, tensor, TENSOR.size)


def describe_jax(x, call, place: int) -> None:
    if x.is_deleted():
        raise UnreadableError(DELETED)
    describe(x, call, place)


def describe_tracer(x, call, place: int) -> None:
    raise UnreadableError(
        "got a value that JAX is tracing, wanted an array with memory; inside jax.jit and other "
        "transforms call groupgemm_fp8.jax.group_gemm_fp8_nt_groupwise",
        TypeError,
    )


def _export(x, options: dict, writes: bool):
    """x's capsule: asked for in the terms of version 1, then in those from before it."""
    attempts = [{**options, "max_version": _MAX_VERSION}, options]
    if writes:
        attempts.insert(0, {**attempts[0], "copy": False})
    for keywords in attempts[:-1]:
        try:
            return x.__dlpack__(**keywords)
        except TypeError:  # a producer that does not know some keyword
            pass
    return x.__dlpack__(**attempts[-1])


def _peek(capsule) -> tuple[int, int]:
    """The address of a capsule's DLTensor, and its flags."""
    if not capsule_is_valid(id(capsule), b"dltensor_versioned"):
        return capsule_pointer(id(capsule), b"dltensor"), 0
    address = capsule_pointer(id(capsule), b"dltensor_versioned")
    header = ctypes.string_at(address, _VERSIONED_HEADER.size)
    major, _, _, _, flags = _VERSIONED_HEADER.unpack(header)
    if major != _MAX_VERSION[0]:
        raise UnreadableError(f"got DLPack version {major}, wanted {_MAX_VERSION[0]}")
    return address + _VERSIONED_HEADER.size, flags


def _check(tensor: tuple, device_type: int, ordinal: int) -> None:
    """Refuses a capsule that contradicts its producer or itself."""
    _, own_type, own_ordinal, ndim, code, bits, _, shape, _, _ = tensor
    if (own_type, own_ordinal) != (device_type, ordinal):
        raise UnreadableError(
            f"got a DLPack capsule on device {(own_type, own_ordinal)}, "
            f"wanted {(int(device_type), ordinal)} as __dlpack_device__ says"
        )
    if code in _FP8_CODES and bits != 8:
        raise UnreadableError(f"got DLPack code {code} with {bits} bits, wanted 8 bits", TypeError)
    if ndim < 0 or (ndim and not shape):
        raise UnreadableError(f"got a DLPack capsule of {ndim} axes without sizes")


def empty_jax(like, shape: tuple[int, ...], dtype: str, ordinal: int | None):
    """A NumPy array to write to, for JAX on the CPU: outside of XLA nothing makes JAX arrays."""
    import numpy

    if next(iter(like.devices())).platform != "cpu":
        raise UnreadableError(
            "JAX cannot allocate it on CUDA outside of XLA; call "
            "groupgemm_fp8.jax.group_gemm_fp8_nt_groupwise, or pass a writable array of another "
            "framework as out, for example a torch or CuPy array",
            TypeError,
        )
    return numpy.empty(shape, numpy_dtype(dtype))


def finish_jax(like, written):
    import jax

    return jax.device_put(written, next(iter(like.devices())))
