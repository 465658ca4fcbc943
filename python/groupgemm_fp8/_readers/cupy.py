"""CuPy arrays, described by their attributes.

The array interface would do, but making its dictionary takes several times as long, and its stream
is that of the current device, which need not be the array's. CuPy's DLPack refuses or mislabels
FP8.
"""

from contextlib import contextmanager, nullcontext

import cupy
from cupy import ndarray

from .._dtypes import FP8, dlpack_type
from .._ffi import DEVICE_CUDA
from .interface import element_strides, numpy_dtype, packed, packed_product


def describe(x, call, place: int) -> None:
    memory, dtype = x.data, dlpack_type(x.dtype)
    strides = element_strides(x.strides, dtype[1] // 8)
    call.put(place, memory.ptr, (DEVICE_CUDA, memory.device_id), dtype, x.shape, strides)


def product(inputs: tuple, out, chosen):
    """The product of CuPy's own arrays on the current stream, without a Call.

    Returns `out`, or a new output, or None where an array must be looked at or the call failed.

    Written for speed, as PyTorch's.
    """
    try:
        ordinal = inputs[0].data.device_id
        stream = current_stream(inputs[0], ordinal)
        return packed_product(inputs, out, chosen, _packed, empty, ordinal, stream)
    except Exception:
        return None


def _packed(x) -> bytes:
    """The ggfp8_tensor of x with its sizes and strides; any error means that describe() must do."""
    if type(x) is not ndarray:
        raise TypeError("not an array of CuPy itself")
    memory = x.data
    return packed(memory.ptr, x.shape, x.strides, x.dtype, DEVICE_CUDA, memory.device_id)


def empty(like, shape: tuple[int, ...], dtype: str, ordinal: int):
    if cupy.cuda.runtime.getDevice() == ordinal:
        return _empty(shape, dtype)
    with cupy.cuda.Device(ordinal):
        return _empty(shape, dtype)


def _empty(shape: tuple[int, ...], dtype: str):
    if dtype in FP8:  # CuPy does not make them, but views bytes as such
        return ndarray(shape, "uint8").view(numpy_dtype(dtype))
    return ndarray(shape, numpy_dtype(dtype))  # what cupy.empty returns, in nine tenths of the time


def current_stream(x, ordinal: int) -> int:
    return cupy.cuda.get_current_stream(ordinal).ptr


def on_stream(like, ordinal: int, handle: int):
    """A context in which CuPy's allocator serves the stream."""
    if handle == current_stream(like, ordinal):
        return nullcontext()
    return _on_stream(ordinal, handle)


@contextmanager
def _on_stream(ordinal: int, handle: int):
    if hasattr(cupy.cuda.Stream, "from_external"):
        stream = cupy.cuda.Stream.from_external(_Handle(handle))
    else:  # before CuPy 14
        stream = cupy.cuda.ExternalStream(handle, ordinal)
    # A stream can only become current on its own device.
    with cupy.cuda.Device(ordinal), stream:
        yield


class _Handle:
    """A stream in CUDA Python's protocol."""

    def __init__(self, handle: int):
        self._handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._handle
