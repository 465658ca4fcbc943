"""CUDA memory, streams, events and graphs without an array framework.

The command line and the tests use it to reach a GPU where neither torch, CuPy nor JAX is there.
It stands on cuda-python, which is imported at the first use and not before. Every CUDA call's
status is checked; a failure raises CudaError with the name of the call.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np

_LEGACY_STREAM = 1  # cudaStreamLegacy, as a handle and as the array interface writes it


class CudaError(RuntimeError):
    """A CUDA runtime call failed, or the CUDA runtime cannot be reached.

    Attributes:
        status_name: the runtime's name of the failure, "" where the runtime was not reached.
    """

    def __init__(self, message, status_name=""):
        super().__init__(message)
        self.status_name = status_name


def _runtime():
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise CudaError(f"cuda-python is not usable ({error}); pip install cuda-python") from None
    return runtime


def _call(name, *arguments):
    """Calls one function of the CUDA runtime and returns its results without the status."""
    runtime = _runtime()
    status, *results = getattr(runtime, name)(*arguments)
    if status != runtime.cudaError_t.cudaSuccess:
        text = runtime.cudaGetErrorString(status)[1].decode()
        raise CudaError(f"{name}: {status.name}: {text}", status.name)
    return results[0] if len(results) == 1 else tuple(results)


@contextmanager
def _on_device(device_id):
    """Makes device_id current inside the block and restores the caller's device after it."""
    previous = _call("cudaGetDevice")
    _call("cudaSetDevice", device_id)
    try:
        yield
    finally:
        _call("cudaSetDevice", previous)


def device_unavailable_reason():
    """Returns None if a CUDA device can be used from here, otherwise the reason in words."""
    try:
        count = _call("cudaGetDeviceCount")
    except CudaError as error:
        return str(error)
    return None if count > 0 else "cudaGetDeviceCount: no CUDA device"


def free_bytes(device_id=0):
    """Returns the device memory that is free now."""
    with _on_device(device_id):
        return _call("cudaMemGetInfo")[0]


def as_dtype(dtype):
    """Returns a NumPy dtype, also for a name that ml_dtypes owns ("bfloat16")."""
    try:
        return np.dtype(dtype)
    except TypeError:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, dtype))


class DeviceArray:
    """A dense array in device memory, freed with its last reference.

    It speaks the CUDA array interface (version 3), so this package, CuPy and torch take it. Work
    on the memory is ordered by the caller's stream; from_numpy() and numpy() wait by themselves.
    Freeing waits for the device, so an array must not be dropped while a stream is captured.
    """

    def __init__(self, ptr, shape, dtype, device_id, base=None):
        self.ptr = int(ptr)
        self.shape = tuple(int(size) for size in shape)
        self.dtype = as_dtype(dtype)
        self.device_id = device_id
        self._base = base  # the array that owns the memory, or None if this one does
        self._free = None if base is not None or not ptr else _runtime().cudaFree

    @classmethod
    def empty(cls, shape, dtype, device_id=0):
        """Allocates an array with arbitrary content."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        num_bytes = math.prod(shape) * as_dtype(dtype).itemsize
        ptr = 0
        if num_bytes:
            with _on_device(device_id):
                ptr = int(_call("cudaMalloc", num_bytes))
        return cls(ptr, shape, dtype, device_id)

    @classmethod
    def from_numpy(cls, array, device_id=0):
        """Copies a host array to the device; complete on return."""
        array = np.ascontiguousarray(array)
        result = cls.empty(array.shape, array.dtype, device_id)
        result.copy_from_numpy(array)
        return result

    @classmethod
    def __ggfp8_empty__(cls, shape, dtype_name, device_id):
        return cls.empty(shape, dtype_name, device_id)

    def __del__(self):
        if getattr(self, "_free", None) is not None:
            self._free(self.ptr)

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
        return math.prod(self.shape)

    @property
    def nbytes(self):
        return self.size * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self):
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.ptr, False),
            "strides": None,
            "stream": _LEGACY_STREAM,
        }

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Returns a view of consecutive items of the first axis: array[start:stop]."""
        if not isinstance(rows, slice):
            raise TypeError(f"DeviceArray index: got {rows!r}, wanted a slice")
        start, stop, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError(f"DeviceArray slice: got step {step}, wanted 1")
        item_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        shape = (max(stop - start, 0), *self.shape[1:])
        return DeviceArray(self.ptr + start * item_bytes, shape, self.dtype, self.device_id, self)

    def view(self, dtype, shape=None):
        """Returns the same bytes under another type and shape (by default one flat axis)."""
        dtype = as_dtype(dtype)
        shape = (self.nbytes // dtype.itemsize,) if shape is None else tuple(shape)
        if math.prod(shape) * dtype.itemsize != self.nbytes:
            raise ValueError(f"DeviceArray.view: {shape} of {dtype} is not {self.nbytes} bytes")
        return DeviceArray(self.ptr, shape, dtype, self.device_id, self)

    def copy_from_numpy(self, array):
        """Overwrites the array with a host array of the same shape and type; waits."""
        array = np.ascontiguousarray(array)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(
                f"copy_from_numpy: got {array.shape} {array.dtype}, "
                f"wanted {self.shape} {self.dtype}"
            )
        self._copy(self.ptr, array.ctypes.data, self.nbytes)

    def numpy(self):
        """Waits for all work of the device and returns a copy on the host."""
        result = np.empty(self.shape, self.dtype)
        with _on_device(self.device_id):
            _call("cudaDeviceSynchronize")
        self._copy(result.ctypes.data, self.ptr, self.nbytes)
        return result

    def tile(self, block):
        """Fills the array with repetitions of the host bytes `block`; waits.

        One upload, then copies on the device that double the filled part each time.
        """
        block = np.ascontiguousarray(block).reshape(-1).view(np.uint8)
        filled = min(block.nbytes, self.nbytes)
        self._copy(self.ptr, block.ctypes.data, filled)
        while filled < self.nbytes:
            step = min(filled, self.nbytes - filled)
            self._copy(self.ptr + filled, self.ptr, step)
            filled += step

    def _copy(self, target, source, num_bytes):
        """Copies and waits: cudaMemcpy alone may return before the device has the bytes."""
        if num_bytes == 0:
            return
        kind = _runtime().cudaMemcpyKind.cudaMemcpyDefault
        with _on_device(self.device_id):
            _call("cudaMemcpy", target, source, num_bytes, kind)
            _call("cudaStreamSynchronize", _LEGACY_STREAM)


class Stream:
    """A stream that does not wait for the legacy default stream."""

    def __init__(self, device_id=0):
        self.device_id = device_id
        with _on_device(device_id):
            self._owner = _call("cudaStreamCreateWithFlags", _runtime().cudaStreamNonBlocking)
        self.handle = int(self._owner)
        self._destroy = _runtime().cudaStreamDestroy

    def __del__(self):
        if hasattr(self, "_destroy"):
            self._destroy(self.handle)

    def __cuda_stream__(self):
        return (0, self.handle)

    def synchronize(self):
        _call("cudaStreamSynchronize", self.handle)

    def copy(self, target, source):
        """Enqueues a copy between two device arrays of the same number of bytes."""
        kind = _runtime().cudaMemcpyKind.cudaMemcpyDeviceToDevice
        _call("cudaMemcpyAsync", target.ptr, source.ptr, source.nbytes, kind, self.handle)


class Event:
    """A point in a stream's work, with a time."""

    def __init__(self, device_id=0):
        with _on_device(device_id):
            self._event = _call("cudaEventCreate")
        self._destroy = _runtime().cudaEventDestroy

    def __del__(self):
        if hasattr(self, "_destroy"):
            self._destroy(self._event)

    def record(self, stream):
        _call("cudaEventRecord", self._event, stream.handle)

    def synchronize(self):
        _call("cudaEventSynchronize", self._event)

    def elapsed(self, end):
        """Returns the seconds from this event to `end`, both of which have been reached."""
        return _call("cudaEventElapsedTime", self._event, end._event) * 1e-3


class Graph:
    """Work captured from a stream, replayed with one call.

    graph = Graph()
    with graph.capture(stream):
        ...enqueue work on stream...
    graph.launch(stream)
    """

    def __init__(self):
        self._executable = None

    def __del__(self):
        if getattr(self, "_executable", None) is not None:
            self._destroy(self._executable)

    @contextmanager
    def capture(self, stream):
        """Captures what the block enqueues on `stream`, and instantiates it."""
        runtime = _runtime()
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeGlobal
        _call("cudaStreamBeginCapture", stream.handle, mode)
        try:
            yield self
        except BaseException:
            status, graph = runtime.cudaStreamEndCapture(stream.handle)
            if status == runtime.cudaError_t.cudaSuccess:
                runtime.cudaGraphDestroy(graph)
            raise
        graph = _call("cudaStreamEndCapture", stream.handle)
        try:
            self._executable = _call("cudaGraphInstantiate", graph, 0)
            self._destroy = runtime.cudaGraphExecDestroy
        finally:
            _call("cudaGraphDestroy", graph)

    def launch(self, stream):
        _call("cudaGraphLaunch", self._executable, stream.handle)
