"""Puts this library's functions in place of those of flashinfer.gemm.

    import flashinfer_name

    flashinfer_name.install()
    from flashinfer.gemm import group_gemm_fp8_nt_groupwise  # this library's

A program whose imports may change needs one line instead:

    from groupgemm_fp8.flashinfer import group_gemm_fp8_nt_groupwise

Code written for FlashInfer's names then runs unchanged, also where FlashInfer is not installed. To
run a program or tests so:

    python python/examples/flashinfer_name.py SCRIPT.py [ARGUMENT ...]
    python python/examples/flashinfer_name.py -m pytest TEST_FILE.py

Tests of FlashInfer skip these functions on other devices than Blackwell. With `--capability 10.0`
before the rest (in a program: install(capability=(10, 0))) flashinfer.utils says that the device is
one.
"""

import importlib
import runpy
import sys
import types
from typing import Any

from groupgemm_fp8 import flashinfer as functions

CAPABILITY = "get_compute_capability"


def install(capability: tuple[int, int] | None = None) -> None:
    """Replaces the names in flashinfer.gemm and wherever FlashInfer itself exports them.

    Without FlashInfer, modules of those names are made that hold the functions alone. A capability
    is what flashinfer.utils.get_compute_capability answers from now on, for every device.
    """
    _module("flashinfer")
    gemm = _module("flashinfer.gemm")
    for name in functions.__all__:
        _replace(gemm, name, getattr(functions, name))
    if capability is not None:
        _replace(_module("flashinfer.utils"), CAPABILITY, lambda device: capability)


def _replace(home: types.ModuleType, name: str, value: Any) -> None:
    """In `home`, and in every other module of FlashInfer that has it."""
    for module_name, module in list(sys.modules.items()):
        is_part = module_name == "flashinfer" or module_name.startswith("flashinfer.")
        if module is home or (is_part and hasattr(module, name)):
            setattr(module, name, value)


def _module(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise  # FlashInfer is there and misses something else
    module = sys.modules[name] = types.ModuleType(name, __doc__)
    module.__path__ = []
    package, _, own_name = name.rpartition(".")
    if package:
        setattr(sys.modules[package], own_name, module)
    return module


def main(arguments: list[str]) -> None:
    capability = None
    if arguments[:1] == ["--capability"] and len(arguments) > 1:
        major, _, minor = arguments[1].partition(".")
        capability = int(major), int(minor or 0)
        arguments = arguments[2:]
    if not arguments or arguments == ["-m"]:
        raise SystemExit(__doc__)
    install(capability)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
