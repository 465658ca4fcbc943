"""Builds the small GPU programs of tests/gpu as shared libraries for ctypes.

They take the compiler that is there: nvcc of PATH or of /usr/local/cuda. A test that needs one
skips, with the reason, where there is none.
"""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from numeric.process import REPOSITORY

INCLUDES = (REPOSITORY / "cpp" / "src", REPOSITORY / "cpp" / "include")


@functools.cache
def load_gpu_program(name: str, architecture: str) -> ctypes.CDLL:
    """The library of tests/gpu/<name>.cu, compiled for one architecture ("90a", for example).

    Its files are removed as soon as it is loaded.
    """
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if nvcc is None:
        pytest.skip(f"tests/gpu/{name}.cu is compiled with nvcc, which is not on PATH")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / f"{name}.so"
        command = [
            nvcc, "-std=c++20", "-O2", "-shared", "-Xcompiler=-fPIC", "--expt-relaxed-constexpr",
            f"-gencode=arch=compute_{architecture},code=sm_{architecture}",
            *(f"-I{path}" for path in INCLUDES),
            REPOSITORY / "tests" / "gpu" / f"{name}.cu", "-o", library,
        ]  # fmt: skip
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        return ctypes.CDLL(str(library))
