"""CuPy arrays, read by their attributes. Called by _arrays.

The array interface would do, but making its dictionary takes several times as long, and its stream
is that of the current device, which need not be the array's.
"""

import sys
from contextlib import contextmanager

from ._arrays_interface import numpy_dtype
from ._dtypes import array_dtype_name, known_names
from ._view import View


def read(argument: str, x, stream_of) -> View:
    dtype, memory = x.dtype, x.data
    size = dtype.itemsize
    strides = tuple([stride // size for stride in x.strides])  # CuPy's are always divisible
    name = known_names.get(dtype) or array_dtype_name(dtype)
    return View(memory.ptr, x.shape, strides, name, (2, memory.device_id))


def empty(like, shape: tuple[int, ...], dtype: str, device: tuple[int, int]):
    with like.device:
        return sys.modules["cupy"].empty(shape, numpy_dtype(dtype))


class _Handle:
    """A stream in CUDA Python's protocol."""

    def __init__(self, handle: int):
        self._handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._handle


@contextmanager
def on_stream(ordinal: int, handle: int):
    """A context in which CuPy's allocator serves the stream."""
    cuda = sys.modules["cupy"].cuda
    if hasattr(cuda.Stream, "from_external"):
        stream = cuda.Stream.from_external(_Handle(handle))
    else:  # before CuPy 14
        stream = cuda.ExternalStream(handle, ordinal)
    # A stream can only become current on its own device.
    with cuda.Device(ordinal), stream:
        yield


def current_stream(x, ordinal: int) -> int:
    return sys.modules["cupy"].cuda.get_current_stream(ordinal).ptr
