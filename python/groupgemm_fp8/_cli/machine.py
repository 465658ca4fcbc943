"""The machine that a command runs on: the host's CPU, or one CUDA device through _device.

Both machines have the same members, so that demo and bench are written once: upload, download,
empty, filled, pooled, time, synchronize, and `stream`, which goes into the package's functions.
"""

from __future__ import annotations

import pathlib
import re

import numpy as np

import groupgemm_fp8

from . import CommandError
from . import device as _device
from .pooled import PooledArray
from .timing import host_time_per_call, repeated_on_gpu, time_on_gpu, time_on_host

_DEVICE_FILES = pathlib.Path("/dev")


class HostMachine:
    """The CPU backend's machine: arrays are NumPy arrays, calls are synchronous."""

    label = "cpu"
    device_type = "cpu"
    device_id = 0
    stream = None

    def upload(self, array):
        return array

    def download(self, array):
        return np.asarray(array)

    def empty(self, shape, dtype):
        return np.empty(shape, _device.as_dtype(dtype))

    def fill(self, array, block):
        """Fills the array with repetitions of the bytes of `block`."""
        flat = array.reshape(-1).view(np.uint8)
        flat[:] = np.resize(block.reshape(-1).view(np.uint8), flat.size)

    def filled(self, shape, dtype, block):
        """Returns an array that repeats the bytes of `block`."""
        array = self.empty(shape, dtype)
        self.fill(array, block)
        return array

    def pooled(self, array):
        return array

    def release_pool(self):
        pass

    def time(self, contenders, seconds):
        return time_on_host(contenders, seconds)

    def host_time(self, contender, seconds):
        return host_time_per_call(contender, None, self.synchronize, seconds)

    def synchronize(self):
        pass


class GpuMachine:
    """One CUDA device and one stream; arrays are DeviceArray."""

    device_type = "cuda"

    def __init__(self, device_id):
        self.device_id = device_id
        self.label = f"cuda:{device_id}"
        self.cuda_stream = _device.Stream(device_id)
        self.stream = self.cuda_stream.handle

    def upload(self, array):
        return _device.DeviceArray.from_numpy(array, self.device_id)

    def download(self, array):
        return array.numpy()

    def empty(self, shape, dtype):
        return _device.DeviceArray.empty(shape, dtype, self.device_id)

    def fill(self, array, block):
        """Fills the array with repetitions of the bytes of `block`; waits."""
        array.tile(block)

    def filled(self, shape, dtype, block):
        """Returns an array that repeats the bytes of `block`."""
        array = self.empty(shape, dtype)
        self.fill(array, block)
        return array

    def pooled(self, array):
        """Returns the array as an input of calls that allocate while they are captured."""
        return PooledArray.of(array)

    def release_pool(self):
        """Frees what calls on pooled arrays allocated and no longer use."""
        self.synchronize()
        PooledArray.release()

    def time(self, contenders, seconds):
        return time_on_gpu(contenders, self.cuda_stream, seconds)

    def repeated(self, contender):
        """Returns a function that runs the contender for some milliseconds and waits."""
        return repeated_on_gpu(contender, self.cuda_stream)

    def host_time(self, contender, seconds):
        return host_time_per_call(contender, self.cuda_stream, self.synchronize, seconds)

    def synchronize(self):
        self.cuda_stream.synchronize()


def open_machine(name):
    """Returns the machine of a --device option: auto, cpu, cuda or cuda:INDEX."""
    match = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", name)
    if not match:
        raise CommandError(f"--device: got {name!r}, wanted auto, cpu, cuda or cuda:INDEX")
    if name == "cpu":
        return HostMachine()
    reason = cuda_unavailable_reason()
    if name == "auto" and reason:
        return HostMachine()
    if reason:
        raise CommandError(f"--device {name}: {reason}")
    device_id = int(match[1] or 0)
    count = groupgemm_fp8.device_count("cuda")
    if device_id >= count:
        raise CommandError(f"--device {name}: got index {device_id}, wanted less than {count}")
    return GpuMachine(device_id)


def unused_gpu_reason(machine, name):
    """Returns why --device auto fell back to the CPU although there is a GPU, or None."""
    if name != "auto" or machine.device_type != "cpu" or not _gpu_is_there():
        return None
    return cuda_unavailable_reason()


def _gpu_is_there():
    """Whether the library or the system's device files show an NVIDIA GPU."""
    return library_cuda_reason() is None or any(_DEVICE_FILES.glob("nvidia[0-9]*"))


def cuda_unavailable_reason():
    """Returns why the GPU cannot be used from here, or None: the library and cuda-python count."""
    return library_cuda_reason() or _device.device_unavailable_reason()


def library_cuda_reason():
    """Returns why the library finds no GPU, or None if it does."""
    try:
        groupgemm_fp8.device_info("cuda", 0)
    except (groupgemm_fp8.GroupGemmError, ValueError) as error:
        return str(error)
    return None
