"""The arguments that are no arrays: checked, and converted to what the C struct holds.

Called by _request. Each function raises an error that names its argument.
"""

import ctypes
import functools
import itertools
import operator

from . import _ffi, _library
from ._dtypes import BYTES, FP8, argument_dtype_name

_SCALE_MAJORS = {"MN": _ffi.SCALE_MAJOR_MN, "K": _ffi.SCALE_MAJOR_K}

_DEVICE_TYPES = {"cpu": _ffi.DEVICE_CPU, "cuda": _ffi.DEVICE_CUDA}

# Every (m, n, k) that some backend knows.
_GRANULARITIES = frozenset(itertools.product((1, 128), (1, 64, 128), (32, 64, 96, 128)))


def granularity(value) -> tuple[int, int, int]:
    try:
        gm, gn, gk = value
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"scale_granularity_mnk: got {value!r}, wanted three integers (m, n, k)"
        ) from None
    if not type(gm) is type(gn) is type(gk) is int:
        gm, gn, gk = (_integer("scale_granularity_mnk", size) for size in (gm, gn, gk))
    if (gm, gn, gk) not in _GRANULARITIES:
        raise ValueError(
            f"scale_granularity_mnk: got {(gm, gn, gk)}, wanted m in {{1, 128}}, "
            "n in {1, 64, 128} and k in {32, 64, 96, 128}"
        )
    return gm, gn, gk


def scale_major(value) -> int:
    if not isinstance(value, str):
        raise TypeError(f"scale_major_mode: got {value!r}, wanted 'MN' or 'K'")
    code = _SCALE_MAJORS.get(value)
    if code is None:
        raise ValueError(f"scale_major_mode: got {value!r}, wanted 'MN' or 'K'")
    return code


def mma_sm(value) -> int:
    if type(value) is not int:
        value = _integer("mma_sm", value)
    if value not in (1, 2):
        raise ValueError(f"mma_sm: got {value}, wanted 1 or 2")
    return value


def flags(validate) -> int:
    if validate is False:
        return 0
    if validate is not True:
        raise TypeError(f"validate: got {validate!r}, wanted True or False")
    return _ffi.FLAG_VALIDATE_M_INDPTR


def fp8_code(argument: str, dtype: str, declared) -> int:
    """The code of an FP8 array's dtype, which `declared` gives where the array holds bytes."""
    if declared is None:
        code = FP8.get(dtype)
        if code is None:
            hint = f"; say which FP8 type these bytes are with {argument}_dtype"
            raise TypeError(
                f"{argument}: got dtype {dtype}, wanted {' or '.join(FP8)}"
                f"{hint if dtype in BYTES else ''}"
            )
        return code
    name = argument_dtype_name(f"{argument}_dtype", declared, FP8)
    if dtype != name and dtype not in BYTES:
        raise TypeError(
            f"{argument}_dtype: got {name}, but {argument} has dtype {dtype}; "
            f"wanted an array of {name} or of bytes"
        )
    return FP8[name]


def backend_string(name):
    """A backend's name as a C string, which must live as long as its address is used."""
    if not isinstance(name, str):
        raise TypeError(f"backend: got {name!r}, wanted None or a backend's name")
    string = _backends().get(name)
    if string is None:
        raise ValueError(f"backend: got {name!r}, wanted one of {', '.join(_backends())}")
    return string


@functools.cache
def _backends() -> dict:
    """Name to C string of every backend."""
    library = _library.load()
    names = [library.ggfp8_backend_name(idx) for idx in range(library.ggfp8_num_backends())]
    return {name.decode(): ctypes.create_string_buffer(name) for name in names}


def backend_names() -> list[str]:
    return list(_backends())


def device_type(value) -> int:
    """The code of a device type, "cpu" or "cuda", or the code itself."""
    code = _DEVICE_TYPES.get(value, value)
    if code not in _DEVICE_TYPES.values():
        raise ValueError(f"device_type: got {value!r}, wanted 'cpu' or 'cuda'")
    return code


def _integer(argument: str, value) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{argument}: got {value!r}, wanted an integer")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}: got {value!r}, wanted an integer") from None
