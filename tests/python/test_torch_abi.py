"""The library's own declarations of DLPack, compared with the header in PyTorch."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from numeric.process import REPOSITORY

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

INCLUDE = Path(torch.__file__).parent / "include"
if "DLPackExchangeAPI" not in (INCLUDE / "ATen" / "dlpack.h").read_text():
    pytest.skip("this PyTorch has a DLPack from before 1.3", allow_module_level=True)

SOURCES = REPOSITORY / "cpp" / "src"
COMPARISON = REPOSITORY / "tests" / "cpp" / "dlpack_abi_check.cpp"


@pytest.fixture
def check(tmp_path):
    """A function that compiles the comparison against one declaration of ours: (ok, errors)."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")

    def run(declarations: str):
        ours = tmp_path / "dlpack" / "dlpack_abi.h"
        ours.parent.mkdir(exist_ok=True)
        ours.write_text(declarations)
        folders = [f"-I{tmp_path}", f"-I{INCLUDE}"]
        command = [compiler, "-std=c++20", "-fsyntax-only", *folders, str(COMPARISON)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stderr

    return run


@pytest.fixture
def declarations():
    return (SOURCES / "dlpack" / "dlpack_abi.h").read_text()


def test_layouts_and_codes(check, declarations):
    ok, errors = check(declarations)
    assert ok, errors


@pytest.mark.parametrize(
    "ours, wrong",
    [
        ("void* unused[3];", "void* unused[4];"),
        ("uint64_t byte_offset;", "uint32_t byte_offset;"),
        ("kFloat8E4m3fn = {10, 8, 1}", "kFloat8E4m3fn = {11, 8, 1}"),
        ("int32_t id;", "int64_t id;"),
    ],
)
def test_a_difference_is_found(check, declarations, ours, wrong):
    assert declarations.count(ours) == 1
    ok, errors = check(declarations.replace(ours, wrong))
    assert not ok
    assert "static assertion failed" in errors or "static_assert" in errors
