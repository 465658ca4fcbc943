"""Device arrays whose memory is used again: what calls that allocate need inside a graph capture.

A capture allows neither cudaMalloc nor cudaFree. The same calls made once before the capture leave
blocks of the sizes that they ask for, and the captured calls get those blocks.
"""

from __future__ import annotations

import math
from typing import ClassVar

from .device import DeviceArray, as_dtype


class PooledArray(DeviceArray):
    """A DeviceArray on which the package makes new arrays from the pool.

    A block goes back to the pool with the last reference to its array, also while work on the block
    is enqueued: all work on pooled arrays belongs on one stream.
    """

    _blocks: ClassVar[dict[tuple[int, int], list[DeviceArray]]] = {}  # by device and bytes

    @classmethod
    def of(cls, array):
        """Returns the memory of a DeviceArray as a pooled array, which does not go to the pool."""
        return cls(array.ptr, array.shape, array.dtype, array.device_id, array)

    @classmethod
    def __ggfp8_empty__(cls, shape, dtype_name, device_id):
        num_bytes = math.prod(shape) * as_dtype(dtype_name).itemsize
        blocks = cls._blocks.setdefault((device_id, num_bytes), [])
        block = blocks.pop() if blocks else DeviceArray.empty((num_bytes,), "uint8", device_id)
        array = cls(block.ptr, shape, dtype_name, device_id, block)
        array._is_from_pool = True
        return array

    def __del__(self):
        if getattr(self, "_is_from_pool", False):
            self._blocks.setdefault((self.device_id, self.nbytes), []).append(self._base)

    @classmethod
    def release(cls):
        """Frees the blocks that no array uses."""
        cls._blocks.clear()
