"""Arrays that describe themselves by an array interface: NumPy's, and CUDA's.

An interface's typestr cannot tell FP8 types apart, so an array's dtype says the type where there
is one. All else is taken from the interface, since an object need have nothing but that.
"""

import ctypes
import functools
import operator
import re
import struct

from .. import _library
from .._dtypes import dense_strides, dlpack_type, dlpack_types, named_dlpack_type
from .._ffi import DEVICE_CPU, DEVICE_CUDA, SUCCESS, TENSOR, TENSOR_LAYOUTS, capsule_pointer
from ..errors import UnreadableError

_CPU = (DEVICE_CPU, 0)

_C_CONTIGUOUS, _WRITEABLE = 0x1, 0x400  # NPY_ARRAY_*


class _ArrayInterface(ctypes.Structure):
    """NumPy's PyArrayInterface, up to its data."""

    _fields_ = [
        ("two", ctypes.c_int),
        ("num_axes", ctypes.c_int),
        ("kind", ctypes.c_char),
        ("item_bytes", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("sizes", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
    ]


_TYPESTR = re.compile(r"([<>|=])([a-zA-Z])(\d+)")
_TYPESTR_KINDS = {"i": "int", "u": "uint", "f": "float", "c": "complex", "V": "void", "b": "bool"}


def describe_numpy(x, call, place: int) -> None:
    """An ndarray, by the C struct of the array interface, which takes a tenth of its dictionary."""
    capsule = x.__array_struct__
    interface = _ArrayInterface.from_address(capsule_pointer(id(capsule), None))
    flags, rank, data = interface.flags, interface.num_axes, interface.data
    call.is_read_only = not flags & _WRITEABLE
    code, bits = dlpack_types.get(x.dtype) or dlpack_type(x.dtype)
    if flags & _C_CONTIGUOUS and rank:
        # Fast part: dense, with the sizes where the capsule has them.
        call.owners.append(capsule)
        sizes = interface.sizes
        TENSOR.pack_into(
            call.memory, place, data or 0, DEVICE_CPU, 0, rank, code, bits, 1, sizes, 0, 0
        )
        return
    strides = element_strides(x.strides, interface.item_bytes)
    call.put(place, data or 0, _CPU, (code, bits), x.shape, strides)


def product(inputs: tuple, out, chosen):
    """The product of arrays that are NumPy's own, as the first one is, without a Call.

    Returns `out`, or a new output, or None where an array must be looked at or the call failed.

    Written for speed, as PyTorch's.
    """
    try:
        if out is not None and not out.flags.writeable:
            return None
        kind = type(inputs[0])
        return packed_product(
            inputs, out, chosen, lambda x: _packed(x, kind), empty_numpy, ordinal=0, stream=None
        )
    except Exception:
        return None


def packed_product(inputs: tuple, out, chosen, pack, empty, ordinal: int, stream):
    """The product of arrays that pack() describes; None if the call failed."""
    described = [pack(x) for x in inputs]
    if out is None:
        a, b = inputs[0], inputs[1]
        out = empty(a, (*a.shape[:-1], b.shape[1]), chosen.out_dtype or "bfloat16", ordinal)
    run = _library.load().ggfp8_group_gemm_nt_groupwise_tensors
    status = run(*described, pack(out), None, chosen.packed, stream)
    return out if status == SUCCESS else None


def _packed(x, kind: type) -> bytes:
    """The ggfp8_tensor of x with its sizes and strides; any error means that describe() must do."""
    if type(x) is not kind:
        raise TypeError("not an array of NumPy itself")
    capsule = x.__array_struct__
    data = _ArrayInterface.from_address(capsule_pointer(id(capsule), None)).data
    return packed(data or 0, x.shape, x.strides, x.dtype, *_CPU)


def packed(address: int, shape, byte_strides, dtype, device_type: int, ordinal: int) -> bytes:
    """A ggfp8_tensor with its sizes and strides."""
    return _address(address) + _layout(shape, byte_strides, dtype, device_type, ordinal)


_address = struct.Struct("@P").pack  # the first member of a ggfp8_tensor


@functools.lru_cache(maxsize=1024)
def _layout(shape, byte_strides, dtype, device_type: int, ordinal: int) -> bytes:
    """All but the address of a ggfp8_tensor. A model has few layouts, and asks for them again."""
    code, bits = dlpack_type(dtype)
    rank, strides = len(shape), element_strides(byte_strides, bits // 8)
    numbers = (0, device_type, ordinal, rank, code, bits, 1, 0, 0, 0, *shape, *strides)
    return TENSOR_LAYOUTS[rank].pack(*numbers)[len(_address(0)) :]


def describe_host(x, call, place: int) -> None:
    """Any other object with __array_interface__."""
    interface = x.__array_interface__
    call.owners.append(interface)
    _put(x, interface, lambda address: _CPU, call, place)


def describe_cuda(x, call, place: int) -> None:
    """Any object with __cuda_array_interface__."""
    interface = x.__cuda_array_interface__
    call.owners.append(interface)

    def device_of(address: int) -> tuple[int, int]:
        ordinal = _ordinal(x)
        if ordinal is None and address:
            device = call.pointer_device(address)
            if device[0] != DEVICE_CUDA:
                raise UnreadableError(
                    f"got a CUDA array at {address:#x}, which is no address of a CUDA device"
                )
            return device
        return DEVICE_CUDA, ordinal or 0

    _put(x, interface, device_of, call, place)


def _put(x, interface: dict, device_of, call, place: int) -> None:
    if interface.get("mask") is not None:
        raise UnreadableError("got a masked array, wanted one without a mask", TypeError)
    if interface.get("data") is None:
        raise UnreadableError("got an array interface without data, wanted an address")
    (address, read_only), shape = interface["data"], tuple(interface["shape"])
    call.is_read_only = bool(read_only)
    address = address or 0
    if not 0 <= address < 1 << 63:
        raise UnreadableError(
            f"got an array interface with the address {address}, wanted one of memory"
        )
    dtype, size = _type(x, interface["typestr"])
    strides = interface.get("strides")
    strides = dense_strides(shape) if strides is None else element_strides(strides, size)
    call.put(place, address, device_of(address), dtype, shape, strides)


def _type(x, typestr: str) -> tuple[tuple[int, int], int]:
    """DLPack's code and bits, and the bytes of an element."""
    match = _TYPESTR.fullmatch(typestr)
    if match is None:
        raise UnreadableError(f"got typestr {typestr!r}, wanted a number type", TypeError)
    order, kind, size = match[1], match[2], int(match[3])
    dtype = getattr(x, "dtype", None)
    if dtype is not None:
        return dlpack_type(dtype), size
    if order == ">" and size > 1:
        raise UnreadableError(
            f"got byte-swapped typestr {typestr!r}, wanted little endian", TypeError
        )
    name = "bool" if kind == "b" else f"{_TYPESTR_KINDS.get(kind, kind)}{8 * size}"
    return named_dlpack_type(name), size


def element_strides(byte_strides, size: int):
    if size == 1:
        return byte_strides
    if any(stride % size for stride in byte_strides):
        raise UnreadableError(
            f"got byte strides {tuple(byte_strides)}, wanted multiples of the element size {size}"
        )
    return [stride // size for stride in byte_strides]


def _ordinal(x) -> int | None:
    """The CUDA ordinal that x tells, which the interface does not carry: CuPy's way, or ours."""
    ordinal = getattr(getattr(x, "device", None), "id", None)
    ordinal = getattr(x, "device_id", None) if ordinal is None else ordinal
    return ordinal if type(ordinal) is int else None


def current_stream(x, ordinal: int) -> int:
    """The interface's stream is the framework's current one; without it, the legacy default."""
    try:
        handle = operator.index(x.__cuda_array_interface__.get("stream") or 0)
    except Exception:
        handle = -1
    if not 0 <= handle < 1 << 64:
        raise ValueError(
            f"stream: got a {type(x).__name__} whose interface has no handle of a stream, wanted "
            "an integer there; pass stream="
        )
    return handle


@functools.cache
def numpy_dtype(name: str):
    """The NumPy dtype of that name; bfloat16 and FP8 belong to ml_dtypes."""
    import numpy

    if not hasattr(numpy, name):
        import ml_dtypes

        return numpy.dtype(getattr(ml_dtypes, name))
    return numpy.dtype(name)


def empty_numpy(like, shape: tuple[int, ...], dtype: str, ordinal: int):
    import numpy

    return numpy.empty(shape, numpy_dtype(dtype))


def empty_by_protocol(like, shape: tuple[int, ...], dtype: str, ordinal: int):
    return type(like).__ggfp8_empty__(shape, dtype, ordinal)
