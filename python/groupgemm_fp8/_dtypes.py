"""Element types: a dtype object of any framework -> its name -> DLPack's code and bits.

Names are those that NumPy, ml_dtypes, PyTorch and JAX share, such as "float8_e4m3fn". A dtype's
name is asked for once and then found in a table, because asking NumPy takes longer than all the
rest of a call.
"""

import re

from .errors import UnreadableError

FP8 = ("float8_e4m3fn", "float8_e5m2")
OUTPUTS = ("bfloat16", "float16", "float32")

# A byte of UE8M0 is the exponent of a float32, but for two bytes, which have these bits in float32.
UE8M0 = "float8_e8m0fnu"
UE8M0_BITS_OF_0 = 0x0040_0000  # 2^-127, which is no normal number of float32
UE8M0_BITS_OF_255 = 0x7FC0_0000  # NaN

# DLDataTypeCode of the types that are not a kind and a number of bits.
_NAMED = {
    "bool": (6, 8),
    "float8_e3m4": (7, 8),
    "float8_e4m3": (8, 8),
    "float8_e4m3b11fnuz": (9, 8),
    "float8_e4m3fn": (10, 8),
    "float8_e4m3fnuz": (11, 8),
    "float8_e5m2": (12, 8),
    "float8_e5m2fnuz": (13, 8),
    "float8_e8m0fnu": (14, 8),
}
_KINDS = {"int": 0, "uint": 1, "float": 2, "void": 3, "bfloat": 4, "complex": 5}
_KIND_AND_BITS = re.compile(rf"({'|'.join(_KINDS)})(8|16|32|64|128)")

_names: dict = {}
# dtype objects met so far -> code and bits; dlpack_type() answers for the others, too
dlpack_types: dict = {}


def dtype_name(dtype) -> str:
    """The name of a dtype object; a foreign byte order is part of the name."""
    name = _names.get(dtype)
    if name is None:
        name = _names[dtype] = _derive_name(dtype)
    return name


def dlpack_type(dtype) -> tuple[int, int]:
    """DLPack's code and bits of an array's dtype object.

    Raises UnreadableError if DLPack has no such type.
    """
    code_and_bits = dlpack_types.get(dtype)
    if code_and_bits is None:
        code_and_bits = dlpack_types[dtype] = named_dlpack_type(dtype_name(dtype))
    return code_and_bits


def named_dlpack_type(name: str) -> tuple[int, int]:
    """DLPack's code and bits of the type of that name."""
    if name in _NAMED:
        return _NAMED[name]
    match = _KIND_AND_BITS.fullmatch(name)
    if match is None:
        raise UnreadableError(f"got dtype {name}, which no argument may have", TypeError)
    return _KINDS[match[1]], int(match[2])


# DLPack's code and bits -> name, of the types that an output may have
output_names = {named_dlpack_type(name): name for name in OUTPUTS}


def dense_strides(shape) -> list[int]:
    """The strides of a contiguous array in row-major order, in elements."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return strides[::-1]


def argument_dtype_name(argument: str, dtype, wanted: tuple[str, ...]) -> str:
    """The name a dtype argument means: a string, or a dtype or scalar class of any framework."""
    if isinstance(dtype, str):
        name = dtype
    else:
        try:
            name = dtype_name(dtype)
        except Exception:  # unhashable, hence no dtype
            name = repr(dtype)
    if name not in wanted:
        raise TypeError(f"{argument}: got {name}, wanted {' or '.join(wanted)}")
    return name


def _derive_name(dtype) -> str:
    # NumPy's dtypes have a name, scalar classes a __name__, and PyTorch's print as torch.x.
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    if not getattr(dtype, "isnative", True):
        return f"byte-swapped {name}"
    return str(name).removeprefix("torch.")
