"""View: what the library needs to know about one array. Made by the _arrays_* readers."""

from typing import NamedTuple

CPU = (1, 0)  # a device is its DLPack type and its ordinal

_ALIGNED_ADDRESS = 256


class View(NamedTuple):
    """A borrowed array: valid while the array and the View are alive."""

    data: int  # address of the first element; may be 0 where there is none
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements
    dtype: str
    device: tuple[int, int]
    readonly: bool = False
    owner: object = None  # what must stay alive besides the array, such as a DLPack capsule


def unallocated(shape, dtype: str, device: tuple[int, int]) -> View:
    """A contiguous array that does not exist yet, at an address as allocators give it."""
    return View(_ALIGNED_ADDRESS, shape, dense_strides(shape), dtype, device)


def dense_strides(shape) -> tuple[int, ...]:
    """The strides of a contiguous array in row-major order, in elements."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def device_name(device: tuple[int, int]) -> str:
    """The name of a device for people: "cpu" or "cuda:0"."""
    return "cpu" if device == CPU else f"cuda:{device[1]}"
