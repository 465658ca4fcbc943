"""Says which build of the C library is loaded, what was left out of it, and where its CMake package
is.

The folder of the library in a wheel has build.json, with the architectures that GPU code was
compiled for; a library that comes from elsewhere is described by its backends alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from .. import _library
from . import CommandError
from .tested import gpu_architectures, gpu_backends

_MISSING = "built without it"  # in the refusal of a backend that a build left out
_CONFIG = "groupgemm_fp8-config.cmake"


def build_facts(refusals):
    """Returns the build as plain data.

    refusals maps each backend of the library to why it refuses a call on the CPU, or to None.
    """
    reasons = {name: reason or "" for name, reason in refusals.items()}
    built = [name for name, reason in reasons.items() if _MISSING not in reason]
    left_out = {
        name: reasons.get(name, "").partition(f"{_MISSING}: ")[2]
        for name in gpu_backends()
        if name not in built
    }
    return {"backends": built, "left_out": left_out, "architectures": _architectures()}


def build_line(facts):
    """Returns the line about the build, what it lacks, and how to get another."""
    left_out = ", ".join(
        f"{name} ({reason})" if reason else name for name, reason in facts["left_out"].items()
    )
    architectures = facts["architectures"]
    is_partial = architectures is not None and {*gpu_architectures()} - {*architectures}
    if not {*gpu_backends()} - {*facts["left_out"]}:
        return (
            f"CPU only, without {left_out}; for GPUs: pip install . without GGFP8_ENABLE_CUDA=OFF"
        )
    if not left_out and not is_partial:
        other = "pip install . -C cmake.define.GGFP8_ENABLE_CUDA=OFF"
        return f"everything ({', '.join(facts['backends'])}); for the CPU only: {other}"
    text = ", ".join(facts["backends"])
    text += f" for {', '.join(architectures)}" if is_partial else ""
    text += f", without {left_out}" if left_out else ""
    return f"{text}; for everything: pip install . without options"


def cmake_dir():
    """Returns the folder of the CMake package that belongs to the loaded library."""
    folder = _folder()
    if folder is not None:
        for place in (folder / "cmake", folder / "cmake" / "groupgemm_fp8"):
            if (place / _CONFIG).is_file():
                return place
    raise CommandError(
        f"--cmake-dir: got no CMake package beside {_library.load()._name}, wanted a library that "
        "pip or cmake --install installed"
    )


def _folder():
    """Returns the folder of the loaded library, or None if the system's loader chose the file."""
    path = Path(_library.load()._name)
    return path.resolve().parent if path.is_absolute() or path.exists() else None


def _architectures():
    """Returns the architectures of the GPU code, or None where nothing tells them."""
    folder = _folder()
    try:
        document = json.loads((folder / "build.json").read_text("utf-8")) if folder else {}
    except (OSError, ValueError):
        return None
    return document.get("architectures")
