"""Options: the arguments of a product that are no arrays, checked, as one immutable object.

options() makes it from the keyword arguments; equal arguments get the same object. To add an
option: a member of ggfp8_group_gemm_options (_ffi), a field here, and the signatures of ops, jax
and torch.
"""

import ctypes
import functools
import itertools
import operator
from typing import NamedTuple

from . import _ffi, _library
from ._dtypes import FP8, OUTPUTS, argument_dtype_name
from ._groups import LAYOUTS

_FP8_CODES = {
    None: 0,
    "float8_e4m3fn": _ffi.DTYPE_FLOAT8_E4M3FN,
    "float8_e5m2": _ffi.DTYPE_FLOAT8_E5M2,
}
_OUT_CODES = {
    None: 0,
    "bfloat16": _ffi.DTYPE_BFLOAT16,
    "float16": _ffi.DTYPE_FLOAT16,
    "float32": _ffi.DTYPE_FLOAT32,
}
_SCALE_MAJORS = {"MN": _ffi.SCALE_MAJOR_MN, "K": _ffi.SCALE_MAJOR_K}
_MAX_INT32 = (1 << 31) - 1

# Every (m, n, k) that some backend knows.
_GRANULARITIES = frozenset(itertools.product((1, 128), (1, 64, 128), (32, 64, 96, 128)))

# FlashInfer's names of its own backends: to callers of this library they mean "automatic".
_FOREIGN_BACKENDS = ("trtllm", "cutile")


class Options(NamedTuple):
    """Checked options by the names of the public functions; `packed` is their C struct."""

    scale_granularity_mnk: tuple[int, int, int]
    scale_major_mode: str
    mma_sm: int
    out_dtype: str | None
    backend: str | None
    a_dtype: str | None
    b_dtype: str | None
    validate: bool
    b_scale_major_mode: str  # that of scale_major_mode where the caller says none
    group_layout: str  # a key of _groups.LAYOUTS
    group_alignment: int
    expected_m: int | None
    takes_bytes: bool  # whether a or b is an array of bytes
    packed: bytes

    def pack(self, flags: int = 0) -> bytes:
        """ggfp8_group_gemm_options with further flags."""
        validate = _ffi.FLAG_VALIDATE_M_INDPTR if self.validate else 0
        return _ffi.OPTIONS.pack(
            _ffi.OPTIONS.size,
            0 if self.backend is None else _address_of(self.backend),
            *self.scale_granularity_mnk,
            _SCALE_MAJORS[self.scale_major_mode],
            self.mma_sm,
            _FP8_CODES[self.a_dtype],
            _FP8_CODES[self.b_dtype],
            _OUT_CODES[self.out_dtype],
            flags | validate,
            _SCALE_MAJORS[self.b_scale_major_mode],
            LAYOUTS[self.group_layout].code,
            self.group_alignment,
            self.expected_m or 0,
        )

    def attributes(self) -> dict:
        """Returns what XLA's handlers take: name -> integer, or the backend."""
        names = [name for name, _ in _ffi.OPTIONS_FIELDS]
        values = dict(zip(names, _ffi.OPTIONS.unpack(self.packed), strict=True))
        integers = {name: values[name] for name in _XLA_INTEGERS}
        return {**integers, "backend": self.backend or ""}


_XLA_INTEGERS = (
    "scale_granularity_m",
    "scale_granularity_n",
    "scale_granularity_k",
    "scale_major",
    "mma_sm",
    "b_scale_major",
    "group_layout",
    "group_alignment",
    "expected_m",
)


def options(
    scale_granularity_mnk=(1, 128, 128),
    scale_major_mode="MN",
    mma_sm=1,
    out_dtype=None,
    backend=None,
    segment_alignment=1,
    a_dtype=None,
    b_dtype=None,
    validate=False,
    skip_check=False,
    b_scale_major_mode=None,
    group_layout="indptr",
    group_alignment=1,
    expected_m=None,
) -> Options:
    """The checked options, which the documentation of group_gemm_fp8_nt_groupwise explains."""
    others = (
        scale_major_mode,
        mma_sm,
        out_dtype,
        backend,
        segment_alignment,
        a_dtype,
        b_dtype,
        validate,
        skip_check,
        b_scale_major_mode,
        group_layout,
        group_alignment,
        expected_m,
    )
    # Fast part: arguments of the same values and types as in an earlier call.
    try:
        gm, gn, gk = scale_granularity_mnk
        return _known(gm, gn, gk, *others)
    except Exception:  # wrong, or of no type that can be a key
        return _check(scale_granularity_mnk, *others)


@functools.lru_cache(maxsize=1024, typed=True)
def _known(gm, gn, gk, *others) -> Options:
    return _check((gm, gn, gk), *others)


def _check(
    scale_granularity_mnk,
    scale_major_mode,
    mma_sm,
    out_dtype,
    backend,
    segment_alignment,
    a_dtype,
    b_dtype,
    validate,
    skip_check,
    b_scale_major_mode,
    group_layout,
    group_alignment,
    expected_m,
) -> Options:
    integer_of("segment_alignment", segment_alignment, 1)
    checked_flag("skip_check", skip_check)
    checked = Options(
        _granularity(scale_granularity_mnk),
        checked_scale_major_mode("scale_major_mode", scale_major_mode),
        _mma_sm(mma_sm),
        None if out_dtype is None else argument_dtype_name("out_dtype", out_dtype, OUTPUTS),
        _backend(backend),
        None if a_dtype is None else argument_dtype_name("a_dtype", a_dtype, FP8),
        None if b_dtype is None else argument_dtype_name("b_dtype", b_dtype, FP8),
        checked_flag("validate", validate),
        scale_major_mode
        if b_scale_major_mode is None
        else checked_scale_major_mode("b_scale_major_mode", b_scale_major_mode),
        group_layout,
        _group_alignment(group_alignment, group_layout),
        _expected_m(expected_m, group_layout),
        a_dtype is not None or b_dtype is not None,
        b"",
    )
    return checked._replace(packed=checked.pack())


def _granularity(value) -> tuple[int, int, int]:
    gm, gn, gk = sizes_of("scale_granularity_mnk", value, "three integers (m, n, k)", 3)
    sizes = tuple(integer_of("scale_granularity_mnk", size) for size in (gm, gn, gk))
    if sizes not in _GRANULARITIES:
        raise ValueError(
            f"scale_granularity_mnk: got {sizes}, wanted m in {{1, 128}}, "
            "n in {1, 64, 128} and k in {32, 64, 96, 128}"
        )
    return sizes


def sizes_of(argument: str, value, wanted: str, count: int) -> list:
    """The elements of a sequence of so many."""
    sentence = f"{argument}: got {value!r}, wanted {wanted}"
    try:
        sizes = list(itertools.islice(iter(value), count + 1))
    except Exception:
        raise TypeError(sentence) from None
    if len(sizes) != count:
        raise ValueError(sentence)
    return sizes


def checked_scale_major_mode(argument: str, value) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{argument}: got {value!r}, wanted 'MN' or 'K'")
    if value not in _SCALE_MAJORS:
        raise ValueError(f"{argument}: got {value!r}, wanted 'MN' or 'K'")
    return value


def scale_major_code(value: str) -> int:
    return _SCALE_MAJORS[value]


def checked_block(value) -> tuple[int, int]:
    """The (rows, k) elements that share a scale where arrays are quantised."""
    rows, k = sizes_of("granularity", value, "two integers (rows, k)", 2)
    rows, k = integer_of("granularity", rows), integer_of("granularity", k)
    if rows not in (1, 128) or k not in (32, 64, 96, 128):
        raise ValueError(
            f"granularity: got {(rows, k)}, wanted rows in {{1, 128}} and k in {{32, 64, 96, 128}}"
        )
    return rows, k


def _mma_sm(value) -> int:
    value = integer_of("mma_sm", value)
    if value not in (1, 2):
        raise ValueError(f"mma_sm: got {value}, wanted 1 or 2")
    return value


def _group_alignment(value, layout: str) -> int:
    value = integer_of("group_alignment", value, 1, _MAX_INT32)
    if value > 1 and not LAYOUTS[layout].has_alignment:
        raise ValueError(
            f"group_alignment: got {value} with {LAYOUTS[layout].meaning}, wanted 1: it belongs "
            "to m_ends, and to m_counts with an a of two axes"
        )
    return value


def _expected_m(value, layout: str) -> int | None:
    if value is None:
        return None
    value = integer_of("expected_m", value, 0, _MAX_INT32)
    if layout != "masked":
        raise ValueError(
            f"expected_m: got {value} with {LAYOUTS[layout].meaning}, wanted None: it belongs to "
            "m_counts with an a of three axes, (batch_size, T, k)"
        )
    return max(value, 1)  # 0 stands for no hint in C


def _backend(name) -> str | None:
    if name is None:
        return None
    if isinstance(name, str) and name in _FOREIGN_BACKENDS:
        return None
    return backend_name(name)


def backend_name(name) -> str:
    """The name of a backend, alone or with a configuration: "sm90", "sm90/128x128"."""
    if not isinstance(name, str):
        raise TypeError(f"backend: got {name!r}, wanted None or a backend's name")
    backend, slash, config = name.partition("/")
    if backend not in _backends():
        raise ValueError(f"backend: got {name!r}, wanted one of {', '.join(_backends())}")
    known = _backends()[backend]
    if slash and not known:
        raise ValueError(
            f"backend: got {name!r}, wanted {backend}, which has no configurations to choose from"
        )
    if slash and config not in known:
        raise ValueError(
            f"backend: got {name!r}, wanted a configuration of {backend}: {', '.join(known)}"
        )
    return name


def backend_names() -> list[str]:
    return list(_backends())


def configuration_names(name) -> list[str]:
    """The configurations that calls may ask of a backend."""
    if backend_name(name) not in _backends():
        raise ValueError(f"backend: got {name!r}, wanted a backend's name alone")
    return list(_backends()[name])


@functools.cache
def _backends() -> dict[str, list[str]]:
    """Every backend's name, and the names of the configurations that calls may ask for."""
    library = _library.load()
    return {
        name: _names(functools.partial(library.ggfp8_backend_config_name, idx))
        for idx, name in enumerate(_names(library.ggfp8_backend_name))
    }


def _names(name_of) -> list[str]:
    """The names that a function of the library has for 0, 1 and so on, up to NULL."""
    return [name.decode() for name in itertools.takewhile(bool, map(name_of, itertools.count()))]


_c_strings: dict[str, ctypes.Array] = {}


def _address_of(name: str) -> int:
    """The address of a C string that lives as long as the process, as packed options may."""
    return ctypes.addressof(_c_strings.setdefault(name, ctypes.create_string_buffer(name.encode())))


def checked_batch_size(value) -> int:
    return integer_of("batch_size", value, 0, _library.load().ggfp8_max_batch_size())


def checked_flag(argument: str, value) -> bool:
    if type(value) is not bool:
        raise TypeError(f"{argument}: got {value!r}, wanted True or False")
    return value


def integer_of(argument: str, value, least: int | None = None, most: int | None = None) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{argument}: got {value!r}, wanted an integer")
    try:
        value = operator.index(value)
    except Exception:
        raise TypeError(f"{argument}: got {value!r}, wanted an integer") from None
    if least is not None and value < least:
        raise ValueError(f"{argument}: got {value}, wanted at least {least}")
    if most is not None and value > most:
        raise ValueError(f"{argument}: got {value}, wanted at most {most}")
    return value
