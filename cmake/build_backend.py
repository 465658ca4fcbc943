"""The PEP 517 build backend: scikit-build-core, plus what the CUDA backends take.

pip calls it, as pyproject.toml names it. The CUDA backends need nvcc; on a machine without a recent
one, the toolkit's wheels become build requirements, so that `pip install .` needs only Python and
a C++ compiler. The environment variable GGFP8_CUDA_TOOLCHAIN (system or wheels) decides instead
of the search, and `-C cmake.define.GGFP8_ENABLE_CUDA=OFF` builds without CUDA. cuda_toolchain.cmake
makes the same choice when it looks for nvcc. cutlass.cmake fetches CUTLASS with pip, which an
isolated build has only where it is a requirement.
"""

import os
import platform
import re
import shutil
import subprocess

from scikit_build_core import build as _scikit_build
from scikit_build_core.build import *  # noqa: F403  the hooks that stay as they are

MINIMUM_NVCC = (12, 8)
TOOLCHAIN_WHEELS = ["cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==13.0.2"]


def get_requires_for_build_wheel(config_settings=None):
    return [
        *_scikit_build.get_requires_for_build_wheel(config_settings),
        *_toolchain_requirements(config_settings or {}),
    ]


def get_requires_for_build_editable(config_settings=None):
    return [
        *_scikit_build.get_requires_for_build_editable(config_settings),
        *_toolchain_requirements(config_settings or {}),
    ]


def _toolchain_requirements(config_settings):
    if _is_off(config_settings, "GGFP8_ENABLE_CUDA"):
        return []
    fetcher = [] if _is_off(config_settings, "GGFP8_ENABLE_SM100") else ["pip"]
    return fetcher + _nvcc_requirements()


def _is_off(config_settings, option):
    wanted = str(config_settings.get(f"cmake.define.{option}", "AUTO")).upper()
    return wanted in ("OFF", "0", "FALSE", "NO")


def _nvcc_requirements():
    source = os.environ.get("GGFP8_CUDA_TOOLCHAIN", "auto").lower()
    has_wheels = platform.system() == "Linux" and platform.machine() in ("x86_64", "aarch64")
    if source == "system" or not has_wheels:
        return []
    if source != "wheels" and _has_recent_nvcc():
        return []
    return TOOLCHAIN_WHEELS


def _has_recent_nvcc():
    roots = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    candidates = [os.environ.get("CUDACXX"), shutil.which("nvcc")]
    candidates += [os.path.join(root, "bin", "nvcc") for root in roots if root]
    nvcc = next((path for path in candidates if path and os.path.exists(path)), None)
    if nvcc is None:
        return False
    report = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False)
    release = re.search(r"release (\d+)\.(\d+)", report.stdout)
    return release is not None and tuple(map(int, release.groups())) >= MINIMUM_NVCC
