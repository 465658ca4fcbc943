"""Puts this library's function in place of flashinfer.gemm.group_gemm_fp8_nt_groupwise.

    import flashinfer_name

    flashinfer_name.install()
    from flashinfer.gemm import group_gemm_fp8_nt_groupwise  # this library's

Code and tests written for that name then run unchanged, also where FlashInfer is not installed. To
run a program or FlashInfer's own tests so:

    python python/examples/flashinfer_name.py SCRIPT.py [ARGUMENT ...]
    python python/examples/flashinfer_name.py -m pytest TEST_FILE.py
"""

import importlib
import runpy
import sys
import types

from groupgemm_fp8 import group_gemm_fp8_nt_groupwise

NAME = "group_gemm_fp8_nt_groupwise"


def install() -> None:
    """Replaces the name in flashinfer.gemm and wherever FlashInfer itself exports it.

    Without FlashInfer, modules of those names are made that hold the function alone.
    """
    package = _module("flashinfer")
    gemm = _module("flashinfer.gemm")
    package.gemm = gemm
    for name, module in list(sys.modules.items()):
        if name == gemm.__name__ or (name.startswith("flashinfer.") and hasattr(module, NAME)):
            setattr(module, NAME, group_gemm_fp8_nt_groupwise)
    if hasattr(package, NAME):
        setattr(package, NAME, group_gemm_fp8_nt_groupwise)


def _module(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise  # FlashInfer is there and misses something else
    module = sys.modules[name] = types.ModuleType(name, __doc__)
    module.__path__ = []
    return module


def main(arguments: list[str]) -> None:
    if not arguments or arguments == ["-m"]:
        raise SystemExit(__doc__)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
