"""Arena: one array of a call inside a larger allocation whose other bytes are watched.

The runner places every argument in its own arena. The bytes around the array and in the gaps
between its rows are poison for inputs (NaN, wild indices) and arbitrary bytes for the output;
any that changed after the call is an error, even where it lies inside the allocation.
"""

from dataclasses import dataclass

import numpy as np

from numeric.formats import FP8_NAN

GUARD_BYTES = 4096
WILD_INDEX_BYTE = 0x7F  # four of them are a large int32


@dataclass(frozen=True)
class Layout:
    """How the arrays of a call lie in memory, beyond dense. Pads and shifts are in elements."""

    a_row_pad: int = 0  # multiples of 16
    b_row_pad: int = 0
    b_group_pad: int = 0
    out_row_pad: int = 0
    a_scale_pad: int = 0
    b_scale_pad: int = 0
    b_scale_group_pad: int = 0
    a_shift: int = 0  # distance of the first element from an aligned address
    b_shift: int = 0
    out_shift: int = 0
    scale_shift: int = 0
    index_shift: int = 0


DENSE = Layout()


class Arena:
    """An array at a chosen distance from alignment, with strides, between two guard bands."""

    def __init__(self, memory, name, shape, dtype, pads=(), shift=0, poison=None, seed=0):
        """pads: extra elements after each item of the axes that pads covers, slow axis first.

        poison: the byte that fills what is not the array; None fills with arbitrary bytes.
        """
        self.name = name
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.strides = self._strides(pads)
        span = self._span()
        row_bytes = self.strides[-2] if len(self.shape) > 1 else 0
        guard = max(GUARD_BYTES, 128 * row_bytes) if poison is None else GUARD_BYTES
        guard = -(-guard // GUARD_BYTES) * GUARD_BYTES
        self.offset = guard + shift * self.dtype.itemsize
        size = self.offset + span + guard
        if poison is None:
            self.image = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        else:
            self.image = np.full(size, poison, dtype=np.uint8)
        self._memory = memory
        self.buffer = None

    def _strides(self, pads):
        pads = (0,) * (len(self.shape) - 1 - len(pads)) + tuple(pads)
        strides = [self.dtype.itemsize]
        for size, pad in zip(self.shape[:0:-1], pads[::-1], strict=True):
            strides.insert(0, size * strides[0] + pad * self.dtype.itemsize)
        return tuple(strides)

    def _span(self):
        if 0 in self.shape:
            return 0
        steps = [(size - 1) * step for size, step in zip(self.shape, self.strides, strict=True)]
        return sum(steps) + self.dtype.itemsize

    def host_view(self, image=None) -> np.ndarray:
        """The array inside the host image (by default the one that is uploaded)."""
        image = self.image if image is None else image
        return np.ndarray(self.shape, self.dtype, image, self.offset, self.strides)

    def fill(self, values: np.ndarray) -> "Arena":
        view = self.host_view()
        view.view(np.uint8 if view.itemsize == 1 else view.dtype)[...] = values
        return self

    def upload(self):
        """Copies the image to the processor's memory and returns the array to pass."""
        self.buffer = self._memory.upload(self.image)
        return self.argument()

    def rewrite(self, image: np.ndarray) -> None:
        """New contents of the whole allocation, at the same address."""
        self.image = image
        self._memory.write(self.buffer, 0, image)

    def argument(self):
        return self._memory.view(self.buffer, self.offset, self.shape, self.dtype, self.strides)

    def download(self) -> np.ndarray:
        return self._memory.read(self.buffer, 0, self.image.size)

    def assert_unchanged(self, after: np.ndarray, writable: np.ndarray | None = None) -> None:
        """Asserts that only bytes of the array's rows that `writable` marks have changed."""
        changed = after != self.image
        if not changed.any():
            return
        allowed = np.zeros(self.image.size, dtype=bool)
        if writable is not None:
            mask = np.ndarray(
                (*self.shape, self.dtype.itemsize), bool, allowed, self.offset, (*self.strides, 1)
            )
            mask[writable] = True
        wrong = np.flatnonzero(changed & ~allowed)
        assert wrong.size == 0, (
            f"{self.name}: {wrong.size} bytes changed that the call must not write; first at byte "
            f"{wrong[0] - self.offset} relative to its first element, span {self._span()}"
        )


def input_arena(memory, name, values, dtype, pads=(), shift=0, poison=FP8_NAN) -> Arena:
    """An arena that holds values and is surrounded by poison."""
    return Arena(memory, name, values.shape, dtype, pads, shift, poison).fill(values)
