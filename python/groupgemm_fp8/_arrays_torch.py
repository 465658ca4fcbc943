"""PyTorch tensors, read by their attributes. Called by _arrays.

Attributes need no import, take half the time of DLPack's exchange table, and exist in every
version. The exchange table serves where it is faster: for the current stream.
"""

import ctypes
import functools
import struct
import sys

from ._dtypes import _names, array_dtype_name
from ._view import CPU, View

# DLPackExchangeAPI: version (major, minor), older table, five functions; the last one is
# current_work_stream(device_type, ordinal, void** stream)
_EXCHANGE_API = struct.Struct("@IIP5P")

# torch.device -> (DLPack type, ordinal)
_devices: dict = {}


def read(argument: str, x, stream_of) -> View:
    try:
        data = x.data_ptr()
        strides = x.stride()
    except RuntimeError as error:
        raise ValueError(
            f"{argument}: got a tensor whose memory cannot be reached (sparse, or inside a "
            f"function transform), wanted a dense one: {error}"
        ) from error
    if not data and x.numel():
        refuse_fake(argument, x, stream_of)
    if x.requires_grad:
        _check_no_grad(argument)
    dtype = _names.get(x.dtype) or array_dtype_name(x.dtype)
    # Only float32 parts of complex tensors are negated lazily.
    if dtype == "float32" and x.is_neg():
        raise ValueError(f"{argument}: got a negative view, wanted {argument}.resolve_neg()")
    device = _devices.get(x.device) or _device(argument, x.device)
    view = (data, x.shape, strides, dtype, device, False, None)
    return tuple.__new__(View, view)  # skips the keyword handling of View(...)


def refuse_fake(argument: str, x, stream_of) -> View:
    raise ValueError(f"{argument}: got a fake or meta tensor, wanted one with memory")


def _check_no_grad(argument: str) -> None:
    if sys.modules["torch"].is_grad_enabled():
        raise ValueError(
            f"{argument}: got a tensor that requires grad, but the product has no gradient; "
            f"pass {argument}.detach() or call under torch.no_grad()"
        )


def _device(argument: str, device) -> tuple[int, int]:
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"{argument}: got a tensor on {device}, wanted cpu or cuda")
    known = CPU if device.type == "cpu" else (2, device.index)
    _devices[device] = known
    return known


def empty(like, shape: tuple[int, ...], dtype: str, device: tuple[int, int]):
    return like.new_empty(shape, dtype=getattr(sys.modules["torch"], dtype))


def current_stream(x, ordinal: int) -> int:
    """PyTorch's current stream: from its exchange table, or from torch.cuda in older versions."""
    ask = _current_work_stream(type(x))
    if ask is None:
        return sys.modules["torch"].cuda.current_stream(ordinal).cuda_stream
    handle = ctypes.c_void_p()
    ask(2, ordinal, ctypes.byref(handle))  # raises PyTorch's own error
    return handle.value or 0


@functools.cache
def _current_work_stream(kind: type):
    """current_work_stream of the type's DLPackExchangeAPI (dlpack.h, version 1.3), or None."""
    capsule = getattr(kind, "__dlpack_c_exchange_api__", None)
    if capsule is None:
        return None
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    capsule_pointer = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))
    address = capsule_pointer(capsule, b"dlpack_exchange_api")
    table = _EXCHANGE_API.unpack(ctypes.string_at(address, _EXCHANGE_API.size))
    major, function = table[0], table[-1]
    if major != 1 or not function:
        return None
    return ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int32, ctypes.c_void_p)(function)
