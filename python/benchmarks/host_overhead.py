"""The host's time of one call, per framework, beside torch._scaled_grouped_mm in the same run.

    python python/benchmarks/host_overhead.py
    python python/benchmarks/host_overhead.py --device cpu

The contenders (JAX's for themselves) take turns in bursts of calls on a small problem; after each
burst the device is waited for, outside of the measured time. The table has the median and the 10th
percentile of microseconds per call. On a GPU that is the time until the call returns.

On the CPU a call computes, so the problem there has rows but no groups that own them: what is left
is the call's path and one wake-up of the library. torch._scaled_grouped_mm runs on CUDA alone; an
addition in place stands for torch's own path.

Needs numpy, ml_dtypes and PyTorch; CuPy and JAX are measured if they are there.
"""

import argparse
import os
import statistics
import time

import ml_dtypes
import numpy as np
import torch

import groupgemm_fp8.torch  # registers the operators
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise as product

GROUPS, ROWS, N, K = 8, 16, 512, 512
BURST_CALLS = 100
PEER = "torch._scaled_grouped_mm"


def host_arrays(on_cpu: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    cum_m = GROUPS * ROWS
    codes = [rng.integers(0, 0x7F, shape, np.uint8) for shape in ((cum_m, K), (GROUPS, N, K))]
    a, b = (array.view(ml_dtypes.float8_e4m3fn) for array in codes)
    a_scale = np.ones((K // 128, cum_m), np.float32)
    b_scale = np.ones((GROUPS, K // 128, N // 128), np.float32)
    m_indptr = np.arange(0, cum_m + 1, ROWS, dtype=np.int32)
    return [a, b, a_scale, b_scale, m_indptr * 0 if on_cpu else m_indptr]


def torch_contenders(arrays, device: str) -> dict:
    fp8 = torch.float8_e4m3fn
    a, b = (torch.from_numpy(x.view(np.uint8)).to(device).view(fp8) for x in arrays[:2])
    rest = [torch.from_numpy(x).to(device) for x in arrays[2:]]
    call = (a, b, *rest)
    out = torch.empty(a.shape[0], N, dtype=torch.bfloat16, device=device)
    operator = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise
    contenders = {
        "plain call, new output": lambda: product(*call),
        "plain call, out=": lambda: product(*call, out=out),
        "operator, new output": lambda: operator(*call),
        "operator, out=": lambda: operator.out(*call, out=out),
        "groupgemm_fp8.torch, new output": (
            lambda: groupgemm_fp8.torch.group_gemm_fp8_nt_groupwise(*call)
        ),
        "torch.empty of the output": (
            lambda: torch.empty(a.shape[0], N, dtype=torch.bfloat16, device=device)
        ),
        "torch add_ in place": lambda: out.add_(1),
    }
    if device != "cpu":
        contenders[PEER] = scaled_grouped_mm(a, b, device)
    return contenders


def scaled_grouped_mm(a, b, device: str):
    """torch's grouped product with a scale per row and column, an easier problem."""
    a_scale = torch.ones(a.shape[0], device=device)
    b_scale = torch.ones(GROUPS, N, device=device)
    ends = torch.arange(ROWS, a.shape[0] + 1, ROWS, dtype=torch.int32, device=device)
    b = b.transpose(-2, -1)

    def call():
        torch._scaled_grouped_mm(
            a, b, a_scale, b_scale, offs=ends, out_dtype=torch.bfloat16, use_fast_accum=True
        )

    return call


def cupy_contenders(arrays) -> dict:
    try:
        import cupy
    except ImportError as error:
        print(f"cupy: not measured: {error}")
        return {}
    call = [cupy.asarray(x.view(np.uint8)).view(x.dtype) for x in arrays]
    out = product(*call)
    return {
        "cupy: plain call, new output": lambda: product(*call),
        "cupy: plain call, out=": lambda: product(*call, out=out),
    }


def jax_contenders(arrays, device: str) -> dict:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        import jax

        from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise as product_in_xla

        call = [jax.device_put(x, jax.devices(device)[0]) for x in arrays]
    except (ImportError, RuntimeError) as error:  # JAX may be there without CUDA
        print(f"jax: not measured: {error}")
        return {}
    compiled = jax.jit(product_in_xla)
    return {
        "groupgemm_fp8.jax, eager": lambda: product_in_xla(*call),
        "groupgemm_fp8.jax, in jax.jit": lambda: compiled(*call),
    }


def numpy_contenders(arrays) -> dict:
    out = product(*arrays)
    return {
        "numpy: plain call, new output": lambda: product(*arrays),
        "numpy: plain call, out=": lambda: product(*arrays, out=out),
    }


def measure(contenders: dict, synchronize, seconds: float) -> dict[str, list[float]]:
    """Microseconds per call of every burst; a quarter of the bursts at the start is dropped."""
    samples = {name: [] for name in contenders}
    for call in contenders.values():
        call()
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(samples[next(iter(samples))]) < 8:
        for name, call in contenders.items():
            synchronize()
            start = time.perf_counter()
            for _ in range(BURST_CALLS):
                out = call()
            samples[name].append((time.perf_counter() - start) / BURST_CALLS * 1e6)
            if hasattr(out, "block_until_ready"):  # JAX is asynchronous on the CPU, too
                out.block_until_ready()
    synchronize()
    return {name: values[len(values) // 4 :] for name, values in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"

    on_cpu = device == "cpu"
    arrays = host_arrays(on_cpu)
    contenders = torch_contenders(arrays, device)
    contenders |= numpy_contenders(arrays) if on_cpu else cupy_contenders(arrays)
    synchronize = (lambda: None) if on_cpu else torch.cuda.synchronize
    samples = measure(contenders, synchronize, options.seconds)
    # XLA's threads would disturb the others: JAX is imported and measured after them.
    if contenders := jax_contenders(arrays, device):
        samples |= measure(contenders, synchronize, options.seconds)

    where = "the CPU, where no row is computed" if on_cpu else torch.cuda.get_device_name()
    print(f"torch {torch.__version__} on {where}")
    print(f"{'us per call':34} {'median':>8} {'10 %':>8}")
    medians = {name: statistics.median(values) for name, values in samples.items()}
    for name, values in samples.items():
        print(f"{name:34} {medians[name]:8.2f} {statistics.quantiles(values, n=10)[0]:8.2f}")
    if PEER in medians:
        share = medians["plain call, new output"] / medians[PEER]
        print(f"plain call, new output: {share:.0%} of {PEER}")
    else:
        print(f"{PEER}: not measured: it runs on CUDA alone")


if __name__ == "__main__":
    main()
