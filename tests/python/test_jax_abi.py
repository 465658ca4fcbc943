"""The library's own declarations of XLA's call interface, compared with the header in jaxlib."""

import os
import shutil
import subprocess

import pytest

from numeric.process import REPOSITORY

jax = pytest.importorskip("jax", reason="JAX is not installed")

SOURCES = REPOSITORY / "cpp" / "src"
COMPARISON = REPOSITORY / "tests" / "cpp" / "xla_abi_check.cpp"


@pytest.fixture
def check(tmp_path):
    """A function that compiles the comparison against one declaration of ours: (ok, errors)."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")

    def run(declarations: str):
        ours = tmp_path / "xla" / "xla_abi.h"
        ours.parent.mkdir(exist_ok=True)
        ours.write_text(declarations)
        folders = [f"-I{tmp_path}", f"-I{jax.ffi.include_dir()}"]
        command = [compiler, "-std=c++20", "-fsyntax-only", *folders, str(COMPARISON)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stderr

    return run


@pytest.fixture
def declarations():
    return (SOURCES / "xla" / "xla_abi.h").read_text()


def test_layouts_and_codes(check, declarations):
    ok, errors = check(declarations)
    assert ok, errors


@pytest.mark.parametrize(
    "ours, wrong",
    [
        ("void* unused_1[3];", "void* unused_1[4];"),
        ("int32_t stage;", "int64_t stage[2];"),
        ("kBfloat16 = 16", "kBfloat16 = 17"),
        ("const char* message;", "const char* message[2];"),
    ],
)
def test_a_difference_is_found(check, declarations, ours, wrong):
    assert declarations.count(ours) == 1
    ok, errors = check(declarations.replace(ours, wrong))
    assert not ok
    assert "static assertion failed" in errors or "static_assert" in errors
