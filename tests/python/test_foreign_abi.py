"""The library's own declarations of others' interfaces, compared with the headers that these bring.

DLPack's comes with PyTorch, that of XLA's calls with jaxlib.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from numeric.process import REPOSITORY

# name: lines of our declarations, each with a wrong one
WRONG = {
    "dlpack": {
        "void* unused[3];": "void* unused[4];",
        "uint64_t byte_offset;": "uint32_t byte_offset;",
        "kFloat8E4m3fn = {10, 8, 1}": "kFloat8E4m3fn = {11, 8, 1}",
        "int32_t id;": "int64_t id;",
    },
    "xla": {
        "void* unused_1[3];": "void* unused_1[4];",
        "int32_t stage;": "int64_t stage[2];",
        "kBfloat16 = 16": "kBfloat16 = 17",
        "const char* message;": "const char* message[2];",
    },
}


def their_headers(name: str) -> Path:
    if name == "xla":
        jax = pytest.importorskip("jax", reason="JAX is not installed")
        return Path(jax.ffi.include_dir())
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    include = Path(torch.__file__).parent / "include"
    if "DLPackExchangeAPI" not in (include / "ATen" / "dlpack.h").read_text():
        pytest.skip("this PyTorch has a DLPack from before 1.3")
    return include


def our_declarations(name: str) -> str:
    return (REPOSITORY / "cpp" / "src" / name / f"{name}_abi.h").read_text()


@pytest.fixture
def compare(tmp_path):
    """A function that compiles the comparison of a name with declarations: (ok, errors)."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")

    def run(name: str, declarations: str):
        ours = tmp_path / name / f"{name}_abi.h"
        ours.parent.mkdir(exist_ok=True)
        ours.write_text(declarations)
        comparison = REPOSITORY / "tests" / "cpp" / f"{name}_abi_check.cpp"
        folders = [f"-I{tmp_path}", f"-I{their_headers(name)}"]
        command = [compiler, "-std=c++20", "-fsyntax-only", *folders, str(comparison)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stderr

    return run


@pytest.mark.parametrize("name", WRONG)
def test_layouts_and_codes(compare, name):
    ok, errors = compare(name, our_declarations(name))
    assert ok, errors


@pytest.mark.parametrize("name, ours", [(name, line) for name in WRONG for line in WRONG[name]])
def test_a_difference_is_found(compare, name, ours):
    declarations = our_declarations(name)
    assert declarations.count(ours) == 1
    ok, errors = compare(name, declarations.replace(ours, WRONG[name][ours]))
    assert not ok
    assert "static assertion failed" in errors or "static_assert" in errors
