"""`info`: which build is installed, which devices there are, and which backend runs on each.

Nothing is computed and no framework is imported; without a GPU or a driver it says so.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform

import numpy as np

import groupgemm_fp8

from .._groups import LAYOUTS
from . import device as _device
from . import options
from .build import build_facts, build_line, cmake_dir
from .machine import cuda_unavailable_reason, library_cuda_reason
from .tested import evidence_for, gpu_code, tested

_FRAMEWORKS = ("numpy", "ml_dtypes", "torch", "cupy", "jax", "cuda-python")
_ALIASES = {"cupy": ("cupy-cuda13x", "cupy-cuda12x"), "cuda-python": ("cuda-bindings",)}

EPILOG = """\
examples:
  groupgemm_fp8 info
  groupgemm_fp8 info --json
  cmake -B build -Dgroupgemm_fp8_DIR=$(groupgemm_fp8 info --cmake-dir)
"""


def add_arguments(parser):
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--json", action="store_true", help="print one JSON object instead")
    instead.add_argument(
        "--cmake-dir",
        action="store_true",
        help="print the folder of the CMake package instead, for find_package(groupgemm_fp8)",
    )


def run(chosen):
    if chosen.cmake_dir:
        print(cmake_dir())
        return 0
    facts = collect()
    if chosen.json:
        print(json.dumps(facts, indent=2))
    else:
        print(*_lines(facts), sep="\n")
    return 0


def collect():
    """Returns everything `info` shows, as plain data."""
    devices = [_device_facts("cpu", 0)]
    build = build_facts(devices[0]["backends"])
    devices += [_device_facts("cuda", idx) for idx in range(groupgemm_fp8.device_count("cuda"))]
    return {
        "version": groupgemm_fp8.__version__,
        "python": platform.python_version(),
        "backends": groupgemm_fp8.backends(),
        "build": build,
        "gpu_code": gpu_code(build["backends"], build["architectures"]),
        "devices": devices,
        "no_cuda_reason": library_cuda_reason(),
        "command_line_gpu_reason": cuda_unavailable_reason(),
        "frameworks": {name: _installed_version(name) for name in _FRAMEWORKS},
    }


def _device_facts(device_type, device_id):
    info = groupgemm_fp8.device_info(device_type, device_id)
    facts = {"type": device_type, "id": device_id, **info._asdict(), "backends": {}}
    for backend in groupgemm_fp8.backends():
        ok, reason = groupgemm_fp8.supports(backend, **_probe(device_type, device_id))
        facts["backends"][backend] = None if ok else reason
    facts["group_layouts"] = [x for x in LAYOUTS if _takes_layout(x, device_type, device_id)]
    if device_type == "cpu":
        facts.update(name=options.cpu_name(info.name), evidence="executed")
    else:
        facts["evidence"] = evidence_for(info.name, (info.compute_major, info.compute_minor))
    return facts


def _takes_layout(layout, device_type, device_id):
    """Returns whether any backend takes groups of a layout on the device."""
    call = _probe(device_type, device_id, layout)
    return any(groupgemm_fp8.supports(name, **call)[0] for name in groupgemm_fp8.backends())


def _probe(device_type, device_id, layout="indptr"):
    """Returns the arguments of a small ordinary call; nobody reads or writes its arrays."""

    def array(shape, dtype):
        if device_type == "cpu":
            return np.empty(shape, dtype)
        return _NoMemory(shape, dtype, device_id)

    slabs = (1,) if layout == "masked" else ()
    num_values = 2 if layout == "indptr" else 1
    return {
        "a": array((*slabs, 128, 128), np.uint8),
        "b": array((1, 128, 128), np.uint8),
        "a_scale": array((*slabs, 1, 128), np.float32),
        "b_scale": array((1, 1, 1), np.float32),
        LAYOUTS[layout].argument: array((num_values,), np.int32),
        "a_dtype": "float8_e4m3fn",
        "b_dtype": "float8_e4m3fn",
    }


class _NoMemory(_device.DeviceArray):
    """A device array that only looks like one: asking about it creates no CUDA context."""

    _ADDRESS = 1 << 20  # aligned as any allocation is

    def __init__(self, shape, dtype, device_id):
        super().__init__(self._ADDRESS, shape, dtype, device_id, base=self._ADDRESS)


def _installed_version(name):
    for distribution in (name, *_ALIASES.get(name, ())):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _lines(facts):
    yield f"groupgemm_fp8 {facts['version']}, Python {facts['python']}"
    yield f"build: {build_line(facts['build'])}"
    for code in facts["gpu_code"]:
        cards = f" ({', '.join(code['cards'])})" if code["cards"] else ""
        yield f"  {code['backend']} for {code['compute_capabilities']}{cards}: {code['evidence']}"
    for device in facts["devices"]:
        yield from _device_lines(device)
    if facts["no_cuda_reason"]:
        yield f"cuda: {facts['no_cuda_reason']}"
    elif facts["command_line_gpu_reason"]:
        yield f"demo and bench cannot use the GPU: {facts['command_line_gpu_reason']}"
    versions = facts["frameworks"].items()
    yield "packages: " + ", ".join(f"{name} {version or '-'}" for name, version in versions)


def _device_lines(device):
    if device["type"] == "cpu":
        yield f"cpu: {device['name']}, {device['num_processors']} threads"
    else:
        capability = f"{device['compute_major']}.{device['compute_minor']}"
        yield (
            f"cuda:{device['id']}: {device['name']}, compute capability {capability}, "
            f"{device['num_processors']} SMs, {device['l2_bytes'] / 2**20:.0f} MiB L2"
        )
        if device["evidence"] != "executed":
            yield f"  note: {tested()['evidence'][device['evidence']]}"
    for backend, reason in device["backends"].items():
        yield f"  {backend}: {'runs' if reason is None else 'does not run: ' + reason}"
    if device["group_layouts"]:
        yield f"  groups: {', '.join(device['group_layouts'])}"
