"""The library's own declarations of others' interfaces, compared with the headers that these bring.

DLPack's comes with PyTorch and is met by the public header, that of XLA's calls with jaxlib.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from numeric.process import REPOSITORY

# name: our declarations
DECLARATIONS = {
    "dlpack": "cpp/include/groupgemm_fp8/groupgemm_fp8.h",
    "xla": "cpp/src/xla/xla_abi.h",
}

# name: parts of our declarations, each with a wrong one
WRONG = {
    "dlpack": {
        "uint64_t byte_offset;": "uint32_t byte_offset;",
        "uint16_t dtype_lanes;": "uint8_t dtype_lanes;",
        "int32_t ndim;": "int64_t ndim;",
        "GGFP8_DLPACK_FLOAT8_E4M3FN 10u": "GGFP8_DLPACK_FLOAT8_E4M3FN 11u",
        "int (*describe)(void* object, ggfp8_tensor* tensor);": "int (*describe)(void* object);",
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
    if "kDLFloat8_e4m3fn" not in (include / "ATen" / "dlpack.h").read_text():
        pytest.skip("this PyTorch has a DLPack from before 1.1")
    return include


def our_declarations(name: str) -> str:
    return (REPOSITORY / DECLARATIONS[name]).read_text()


@pytest.fixture
def compare(tmp_path):
    """A function that compiles the comparison of a name with declarations: (ok, errors)."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")

    def run(name: str, declarations: str):
        path = Path(DECLARATIONS[name])
        ours = tmp_path / path.parent.name / path.name
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
