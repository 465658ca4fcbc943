"""Ceilings: the most that the machine can do, measured in the same run as the cases.

Two figures: read bandwidth, and dense FP8 operations per second (float32 ones on a CPU). Each
says how it was measured; one that cannot be measured is None and bounds nothing.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from . import device as _device
from .power import Energy
from .timing import Contender, TorchContender

_GPU_READ_BYTES = 4 << 30
_CPU_READ_BYTES = 256 << 20
_CPU_GEMM_SIZE = 1024
_DENSE_SHAPES = ((32768, 4096, 7168), (32768, 7168, 2048), (32768, 3072, 4096))  # m, n, k


@dataclass(frozen=True)
class Ceilings:
    """The two ceilings of a machine, and how each was found."""

    operations_per_second: float | None
    operations_source: str
    bytes_per_second: float | None
    bytes_source: str
    energy: Energy | None = None


def measure_ceilings(machine, seconds, tflops=None, meter=None):
    """Measures both ceilings for about `seconds` each; tflops, if given, replaces the first.

    With a PowerMeter the energy of operations and of bytes is measured, too.
    """
    on_cpu = machine.device_type == "cpu"
    clock = _Clock(machine, seconds, meter)
    idle_watts = meter.mean_watts(lambda: time.sleep(0.005), seconds) if meter else None
    bandwidth, bandwidth_source = (_cpu_read if on_cpu else _gpu_read)(machine, clock)
    read_watts = clock.watts
    if tflops is not None:
        return Ceilings(tflops * 1e12, "given", bandwidth, bandwidth_source)
    operations, source = (_cpu_gemm if on_cpu else _gpu_gemm)(machine, clock)
    energy = None
    if meter and operations:
        energy = Energy(
            joules_per_operation=(clock.watts - idle_watts) / operations,
            joules_per_byte=(read_watts - idle_watts) / bandwidth,
            watts=meter.limit_watts - idle_watts,
        )
    return Ceilings(operations, source, bandwidth, bandwidth_source, energy)


class _Clock:
    """Times contenders one by one; watts is what the last one drew, or None without a meter."""

    def __init__(self, machine, seconds, meter):
        self._machine, self._seconds, self._meter = machine, seconds, meter
        self.watts = None

    def __call__(self, contender):
        """Returns the seconds of one run."""
        timing = self._machine.time([contender], self._seconds)[contender.name]
        if self._meter:
            work = self._machine.repeated(contender)
            self.watts = self._meter.mean_watts(work, self._seconds)
        return timing.seconds


def cuda_torch():
    """Returns torch if it is installed and reaches a GPU, otherwise None."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def _cpu_read(machine, clock):
    num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    parts = np.array_split(np.ones(_CPU_READ_BYTES // 4, np.float32), num_threads)
    with ThreadPoolExecutor(num_threads) as pool:
        reader = Contender("read", lambda _: list(pool.map(np.sum, parts)))
        return _CPU_READ_BYTES / clock(reader), "numpy.sum of 256 MiB, threaded"


def _cpu_gemm(machine, clock):
    size = _CPU_GEMM_SIZE
    x = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    out = np.empty_like(x)
    gemm = Contender("gemm", lambda _: np.matmul(x, x, out=out))
    return 2 * size**3 / clock(gemm), f"numpy float32 matmul of {size} cubed"


def _gpu_read(machine, clock):
    torch = cuda_torch()
    num_bytes = min(_GPU_READ_BYTES, _device.free_bytes(machine.device_id) // 4)
    num_bytes -= num_bytes % 4096
    size = f"{num_bytes / 2**30:.1f} GiB"
    if torch is None:
        source = machine.filled((num_bytes // 2,), "uint8", np.arange(256, dtype=np.uint8))
        target = machine.empty((num_bytes // 2,), "uint8")
        copy = Contender("copy", lambda _: machine.cuda_stream.copy(target, source))
        return num_bytes / clock(copy), f"device copy, {size} read and written"
    rate = _torch_read(torch, machine, num_bytes, clock)
    torch.cuda.empty_cache()
    return rate, f"torch.sum of {size}"


def _torch_read(torch, machine, num_bytes, clock):
    device = f"cuda:{machine.device_id}"
    values = torch.rand(num_bytes // 4, device=device, dtype=torch.float32)
    torch.cuda.synchronize(device)
    read = TorchContender("read", lambda _: values.sum())
    return num_bytes / clock(read)


def _gpu_gemm(machine, clock):
    """Returns the best rate of torch._scaled_mm over a few large shapes of random values."""
    torch = cuda_torch()
    if torch is None:
        return None, "torch with CUDA is not installed: give --ceiling-tflops"
    best, source, watts = None, "torch._scaled_mm failed", None
    for m, n, k in _DENSE_SHAPES:
        try:
            rate = 2 * m * n * k / clock(_scaled_mm(torch, machine, m, n, k))
        except (RuntimeError, AttributeError) as error:
            source = f"torch._scaled_mm: {str(error).splitlines()[0]}"
            continue
        if best is None or rate > best:
            best, source = rate, f"torch._scaled_mm, per-tensor scales, {m} x {n} x {k}"
            watts = clock.watts
    clock.watts = watts  # of the best one
    torch.cuda.empty_cache()
    return best, source


def _scaled_mm(torch, machine, m, n, k):
    device = f"cuda:{machine.device_id}"

    def values(rows):
        return (torch.randn(rows, k, device=device) * 100).clamp(-448, 448).to(torch.float8_e4m3fn)

    a, b = values(m), values(n).t()
    one = torch.ones((), device=device)
    options = {"out_dtype": torch.bfloat16, "use_fast_accum": True}
    torch.cuda.synchronize(device)
    return TorchContender(
        "dense", lambda _: torch._scaled_mm(a, b, scale_a=one, scale_b=one, **options)
    )
