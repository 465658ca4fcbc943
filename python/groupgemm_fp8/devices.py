"""Queries of the machine's devices."""

import ctypes
from typing import NamedTuple

from . import _ffi, _library
from ._options import integer_of

_DEVICE_TYPES = {"cpu": _ffi.DEVICE_CPU, "cuda": _ffi.DEVICE_CUDA}


class DeviceInfo(NamedTuple):
    """Properties of a device that the library chooses a backend by."""

    name: str  # product name; for the CPU the instruction set its backend uses
    compute_major: int  # CUDA compute capability; 0 for the CPU
    compute_minor: int
    num_processors: int  # streaming multiprocessors, or usable CPU threads
    l2_bytes: int  # 0 where unknown


def device_count(device_type: str | int) -> int:
    """Number of devices of a type, "cpu" or "cuda"; 0 without a usable CUDA driver."""
    count = ctypes.c_int32()
    code = _device_type(device_type)
    status = _library.load().ggfp8_device_count(code, ctypes.byref(count))
    if status == _ffi.ERROR_NO_DRIVER:
        return 0
    _library.check(status)
    return count.value


def device_info(device_type: str | int, device_id: int = 0) -> DeviceInfo:
    """Facts about a device of type "cpu" or "cuda".

    Raises ValueError for a device that does not exist and GroupGemmError without a driver.
    """
    info = _ffi.DeviceInfo(struct_size=ctypes.sizeof(_ffi.DeviceInfo))
    code = _device_type(device_type)
    status = _library.load().ggfp8_device_query(code, _device_id(device_id), ctypes.byref(info))
    _library.check(status)
    name = info.name.decode("utf-8", "replace")
    return DeviceInfo(
        name, info.compute_major, info.compute_minor, info.num_processors, info.l2_bytes
    )


def _device_type(value: str | int) -> int:
    """The code of a device type, "cpu" or "cuda", or the code itself."""
    code = _DEVICE_TYPES.get(value, value) if isinstance(value, str) else value
    if code not in _DEVICE_TYPES.values():
        raise ValueError(f"device_type: got {value!r}, wanted 'cpu' or 'cuda'")
    return int(code)


def _device_id(value: int) -> int:
    number = integer_of("device_id", value)
    if not 0 <= number < 1 << 31:  # ctypes would cut it
        raise ValueError(f"device_id: got {number}, wanted a device from 0 on")
    return number
