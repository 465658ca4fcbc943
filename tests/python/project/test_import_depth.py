"""Modules of the package form layers: no cycle, and few of them below a call."""

import ast
import functools
from pathlib import Path

import groupgemm_fp8

PACKAGE = Path(groupgemm_fp8.__file__).parent
NAME = PACKAGE.name

# Modules that compose the steps around the product, and those of frameworks, which hold both.
OF_LAYERS = ("moe", "transformers", "jax", "torch", "flashinfer")


def modules() -> dict[str, Path]:
    """Module -> file, without the command line."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ("_cli", "__main__", "__init__"):
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imports_of(module: str) -> set[str]:
    """The modules of the package that a module imports when it is imported."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.parse(MODULES[module].read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package if node.level == 1 else package.rpartition(".")[0]
            origin = ".".join(filter(None, (base, node.module)))
            names = {".".join(filter(None, (origin, alias.name))) for alias in node.names}
            found |= {name if name in MODULES else origin for name in names}
    return found & set(MODULES)


@functools.cache
def depth(module: str) -> int:
    return 1 + max(map(depth, imports_of(module)), default=0)


def test_imports_are_found():
    assert {"errors", "_ffi"} <= imports_of("_library")
    assert {"_library", "_options", "_call"} <= imports_of("ops")
    assert "_readers.interface" in imports_of("_readers.dlpack")


def test_no_cycle():
    """Python would import a cycle of modules, too; depth() would not end."""
    assert all(depth(module) for module in MODULES)


def test_the_product_stands_on_few_modules():
    deep = {module: depth(module) for module in MODULES if module not in OF_LAYERS}
    assert max(deep.values()) <= 5, deep
    assert depth("ops") <= 4


def test_layers_stand_on_the_product():
    assert max(map(depth, OF_LAYERS)) <= 7


def test_an_option_is_in_five_modules():
    """The member of the C struct, the checked option, and three signatures."""
    known = {module for module, path in MODULES.items() if "mma_sm" in path.read_text()}
    assert known == {"_ffi", "_options", "ops", "jax", "torch"}
