"""Finds, loads and checks the C library, once, at the first use of a function that needs it.

Asked in this order: the file that the environment variable GGFP8_LIBRARY names (and then no
other), the package's own directories (a wheel or an editable install puts the library there),
and the system's loader.
"""

import ctypes
import functools
import os
import sys
from pathlib import Path

from . import _ffi, _ffi_moe
from .errors import GroupGemmError

_FILE_NAME = "libgroupgemm_fp8.so"
_SYSTEM_NAMES = (f"{_FILE_NAME}.{_ffi.VERSION_MAJOR}", _FILE_NAME)


def _candidates() -> list[str]:
    """Paths and names to try, in order."""
    override = os.environ.get("GGFP8_LIBRARY")
    if override:
        return [override]
    import importlib.metadata  # slow to import, and not needed for the override

    directories = [Path(path) for path in sys.modules[__package__].__path__]
    try:
        # An editable install keeps the sources elsewhere than the library.
        installed = importlib.metadata.distribution(__package__).locate_file(__package__)
        directories.append(Path(str(installed)))
    except importlib.metadata.PackageNotFoundError:
        pass
    paths = [str(directory / _FILE_NAME) for directory in directories]
    return [*dict.fromkeys(paths), *_SYSTEM_NAMES]


def _check_version(library: ctypes.CDLL, path: str) -> None:
    wanted = (_ffi.VERSION_MAJOR, _ffi.VERSION_MINOR)
    version = library.ggfp8_version()
    got = (version // 10000, version // 100 % 100)
    if got[0] != wanted[0] or got < wanted:
        raise ImportError(
            f"{path}: got library version {got[0]}.{got[1]}, "
            f"wanted {wanted[0]}.{wanted[1]} or a later {wanted[0]}.x"
        )
    for name, size, wanted_size in (
        ("args", library.ggfp8_group_gemm_args_size(), _ffi.ARGS.size),
        ("options", library.ggfp8_group_gemm_options_size(), _ffi.OPTIONS.size),
    ):
        if size < wanted_size:
            raise ImportError(
                f"{path}: ggfp8_group_gemm_{name} has {size} bytes, wanted at least {wanted_size}"
            )


@functools.cache
def load() -> ctypes.CDLL:
    """The bound library; ImportError lists every path tried and why it failed."""
    failures = []
    for path in _candidates():
        try:
            library = _ffi_moe.bind(_ffi.bind(ctypes.CDLL(path)))
        except (OSError, AttributeError) as error:
            failures.append(f"  {path}: {error}")
            continue
        _check_version(library, path)
        return library
    raise ImportError(
        f"{_FILE_NAME} cannot be loaded; set GGFP8_LIBRARY to its path. Tried:\n"
        + "\n".join(failures)
    )


def check(status: int) -> None:
    """Raises the exception that belongs to a status other than success."""
    if status != _ffi.SUCCESS:
        raise error(status)


def error(status: int) -> Exception:
    """The exception that belongs to the failure that just happened on this thread."""
    message = last_error(status)
    if status == _ffi.ERROR_INVALID_DTYPE:
        return TypeError(message)
    if status < _ffi.FIRST_SYSTEM_ERROR:
        return ValueError(message)
    return GroupGemmError(message, status)


def last_error(status: int) -> str:
    """The library's sentence about the failure that just happened on this thread."""
    library = load()
    message = library.ggfp8_last_error() or library.ggfp8_status_string(status)
    return message.decode("utf-8", "replace")
