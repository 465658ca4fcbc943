"""A CUDA runtime that lives in host memory, for tests of what surrounds a GPU.

It has the names and results of cuda.bindings.runtime; tests put it in place of that module.
"""

import ctypes
import enum


class Status(enum.IntEnum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815


class HostRuntime:
    """The CUDA functions that _cli.device calls, on host memory; `allocated` maps live blocks.

    Work runs at once, also during a capture, and every replay of a graph takes a millisecond.
    """

    cudaError_t = Status  # noqa: N815
    cudaMemcpyKind = enum.Enum(  # noqa: N815
        "Kind", ["cudaMemcpyDefault", "cudaMemcpyDeviceToDevice"]
    )
    cudaStreamCaptureMode = enum.Enum("Mode", ["cudaStreamCaptureModeGlobal"])  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815

    def __init__(self, limit=1 << 24):
        self.limit = limit
        self.allocated = {}
        self.current = 0
        self.milliseconds = 0.0
        self.calls = []

    def __getattr__(self, name):
        if not name.startswith("cuda"):
            raise AttributeError(name)
        self.calls.append(name)
        return lambda *arguments: (Status.cudaSuccess,)

    def cudaGetDeviceCount(self):  # noqa: N802
        return Status.cudaSuccess, 1

    def cudaGetDevice(self):  # noqa: N802
        return Status.cudaSuccess, self.current

    def cudaSetDevice(self, device_id):  # noqa: N802
        self.current = device_id
        return (Status.cudaSuccess,)

    def cudaMemGetInfo(self):  # noqa: N802
        return Status.cudaSuccess, self.limit, self.limit

    def cudaMalloc(self, num_bytes):  # noqa: N802
        if num_bytes > self.limit:
            return Status.cudaErrorMemoryAllocation, None
        block = (ctypes.c_uint8 * num_bytes)()
        self.allocated[ctypes.addressof(block)] = block
        return Status.cudaSuccess, ctypes.addressof(block)

    def cudaFree(self, ptr):  # noqa: N802
        del self.allocated[ptr]
        return (Status.cudaSuccess,)

    def cudaMemcpy(self, target, source, num_bytes, kind):  # noqa: N802
        ctypes.memmove(target, source, num_bytes)
        return (Status.cudaSuccess,)

    def cudaMemcpyAsync(self, target, source, num_bytes, kind, stream):  # noqa: N802
        return self.cudaMemcpy(target, source, num_bytes, kind)

    def cudaStreamCreateWithFlags(self, flags):  # noqa: N802
        return Status.cudaSuccess, 5

    def cudaStreamEndCapture(self, stream):  # noqa: N802
        self.calls.append("cudaStreamEndCapture")
        return Status.cudaSuccess, object()

    def cudaGraphInstantiate(self, graph, flags):  # noqa: N802
        return Status.cudaSuccess, object()

    def cudaGraphLaunch(self, graph, stream):  # noqa: N802
        self.milliseconds += 1.0
        return (Status.cudaSuccess,)

    def cudaEventCreate(self):  # noqa: N802
        return Status.cudaSuccess, []

    def cudaEventRecord(self, event, stream):  # noqa: N802
        event[:] = [self.milliseconds]
        return (Status.cudaSuccess,)

    def cudaEventElapsedTime(self, start, end):  # noqa: N802
        return Status.cudaSuccess, end[0] - start[0]

    def cudaGetErrorString(self, status):  # noqa: N802
        return Status.cudaSuccess, b"out of memory"
