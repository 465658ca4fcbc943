"""Memory of the processor under test: upload bytes, make array views of them, read them back.

Two classes with the same methods: HostMemory (NumPy views) and DeviceMemory (views that speak the
CUDA array interface). Used by arena and runner. Invariant: an allocation is aligned to 256 bytes.
"""

import os

import numpy as np

ALIGNMENT = 256
PHANTOM_ADDRESS = 1 << 46  # from here on, addresses that no array of a test has


def aligned_bytes(num_bytes: int) -> np.ndarray:
    """Uninitialised host bytes at an aligned address; pages that are never touched cost nothing."""
    buffer = np.empty(num_bytes + ALIGNMENT, dtype=np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : start + num_bytes]


class HostMemory:
    """Memory of the `cpu` backend."""

    name = "host"

    def upload(self, image: np.ndarray) -> np.ndarray:
        buffer = aligned_bytes(image.size)
        buffer[:] = image
        return buffer

    def empty(self, num_bytes: int) -> np.ndarray:
        return aligned_bytes(num_bytes)

    def capacity(self) -> int:
        """Bytes that can be allocated, not all of which may be touched."""
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def write(self, buffer: np.ndarray, offset: int, data: np.ndarray) -> None:
        data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        buffer[offset : offset + data.size] = data

    def read(self, buffer: np.ndarray, offset: int, num_bytes: int) -> np.ndarray:
        return buffer[offset : offset + num_bytes].copy()

    def view(self, buffer, offset, shape, dtype, strides=None) -> np.ndarray:
        return np.ndarray(shape, dtype, buffer=buffer, offset=offset, strides=strides)

    def phantom(self, shape, dtype) -> np.ndarray:
        """An array that must be neither read nor written, for questions about a call."""
        num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.view(self.empty(num_bytes), 0, shape, dtype)


class DeviceView:
    """A strided array inside a device allocation, which it keeps alive."""

    def __init__(self, buffer, offset, shape, dtype, strides):
        self._buffer = buffer
        self.ptr = buffer.ptr + offset
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.strides = strides
        self.device_id = buffer.device_id

    @property
    def __cuda_array_interface__(self):
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.ptr, False),
            "strides": self.strides,
            "stream": 1,
        }


class DeviceMemory:
    """Memory of the GPU backends, without an array framework."""

    name = "device"

    def __init__(self, device_id: int = 0):
        from groupgemm_fp8._cli.device import DeviceArray

        self._array = DeviceArray
        self.device_id = device_id
        self._phantom = self.empty(ALIGNMENT)
        self._next_phantom = PHANTOM_ADDRESS

    def upload(self, image: np.ndarray):
        return self._array.from_numpy(image, self.device_id)

    def capacity(self) -> int:
        from groupgemm_fp8._cli.device import free_bytes

        return free_bytes(self.device_id)

    def empty(self, num_bytes: int):
        return self._array.empty((num_bytes,), np.uint8, self.device_id)

    def write(self, buffer, offset: int, data: np.ndarray) -> None:
        data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        buffer[offset : offset + data.size].copy_from_numpy(data)

    def read(self, buffer, offset: int, num_bytes: int) -> np.ndarray:
        return buffer[offset : offset + num_bytes].numpy()

    def view(self, buffer, offset, shape, dtype, strides=None) -> DeviceView:
        return DeviceView(buffer, offset, shape, dtype, strides)

    def phantom(self, shape, dtype) -> DeviceView:
        """Returns a phantom at an address of its own: a call refuses arrays that share memory."""
        array = DeviceView(self._phantom, 0, shape, dtype, None)
        array.ptr = self._next_phantom
        num_bytes = int(np.prod(shape)) * array.dtype.itemsize
        self._next_phantom += (num_bytes // ALIGNMENT + 1) * ALIGNMENT
        return array
