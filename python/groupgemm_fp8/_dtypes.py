"""Element types by name: "float8_e4m3fn" and so on, as NumPy, ml_dtypes, PyTorch and JAX say it.

A dtype of any framework becomes its name once and is then found in a table, because asking
NumPy for a dtype's name takes longer than all the rest of a call.
"""

from . import _ffi

FP8 = {
    "float8_e4m3fn": _ffi.DTYPE_FLOAT8_E4M3FN,
    "float8_e5m2": _ffi.DTYPE_FLOAT8_E5M2,
}
OUTPUT = {
    "bfloat16": _ffi.DTYPE_BFLOAT16,
    "float16": _ffi.DTYPE_FLOAT16,
    "float32": _ffi.DTYPE_FLOAT32,
}

# One-byte types that may hold FP8 where a_dtype or b_dtype says which.
BYTES = frozenset({"uint8", "int8", "void8"})

# dtype objects met so far -> names; array_dtype_name() answers for the others, too
known_names: dict = {}


def array_dtype_name(dtype) -> str:
    """The name of an array's dtype object; a foreign byte order is part of the name."""
    name = known_names.get(dtype)
    if name is None:
        name = known_names[dtype] = _derive_name(dtype)
    return name


def argument_dtype_name(argument: str, dtype, wanted: dict) -> str:
    """The name a dtype argument means: a string, or a dtype or scalar class of any framework."""
    if isinstance(dtype, str):
        name = dtype
    else:
        try:
            name = known_names.get(dtype) or _derive_name(dtype)
        except TypeError:  # unhashable, hence no dtype
            name = repr(dtype)
    if name not in wanted:
        raise TypeError(f"{argument}: got {name}, wanted {' or '.join(wanted)}")
    known_names[dtype] = name
    return name


def _derive_name(dtype) -> str:
    # NumPy's dtypes have a name, scalar classes a __name__, and PyTorch's print as torch.x.
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    if not getattr(dtype, "isnative", True):
        return f"byte-swapped {name}"
    return str(name).removeprefix("torch.")
