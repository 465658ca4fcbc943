"""One small problem with an exact result, for the tests of arrays and arguments.

Small integers and scales that are powers of two: every partial sum is exact in float32, so each
result is the rounded exact product, bit for bit.
"""

import gc
import os
import sys
from pathlib import Path

import ml_dtypes
import numpy as np

from groupgemm_fp8 import group_gemm_fp8_nt_groupwise

CUM_M, N, K, BATCH_SIZE = 6, 136, 144, 3
K_BLOCKS, N_BLOCKS = 2, 2  # of 128, the last ones cut off
NAMES = ("a", "b", "a_scale", "b_scale", "m_indptr")


def inputs(a_dtype="float8_e4m3fn", b_dtype="float8_e4m3fn") -> dict[str, np.ndarray]:
    """NumPy arrays by argument name, for the default granularity and scale major mode."""
    rng = np.random.default_rng(20)
    return {
        "a": rng.integers(-4, 5, (CUM_M, K)).astype(np.float32).astype(fp8(a_dtype)),
        "b": rng.integers(-4, 5, (BATCH_SIZE, N, K)).astype(np.float32).astype(fp8(b_dtype)),
        "a_scale": powers_of_two(rng, (K_BLOCKS, CUM_M)),
        "b_scale": powers_of_two(rng, (BATCH_SIZE, K_BLOCKS, N_BLOCKS)),
        "m_indptr": np.array([0, 2, 2, CUM_M], np.int32),
    }


def fp8(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name))


def powers_of_two(rng, shape) -> np.ndarray:
    return np.exp2(rng.integers(-3, 4, shape)).astype(np.float32)


def expected(arrays: dict[str, np.ndarray], dtype="bfloat16") -> np.ndarray:
    """The exact result, rounded once."""
    a, b = arrays["a"].astype(np.float64), arrays["b"].astype(np.float64)
    exact = np.zeros((CUM_M, N))
    rows = arrays["m_indptr"]
    for group in range(BATCH_SIZE):
        for row in range(rows[group], rows[group + 1]):
            for block in range(K_BLOCKS):
                columns = slice(128 * block, 128 * (block + 1))
                partial = b[group, :, columns] @ a[row, columns]
                b_scale = np.repeat(arrays["b_scale"][group, block], 128)[:N]
                exact[row] += arrays["a_scale"][block, row] * b_scale * partial
    dtype = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    return exact.astype(np.float32).astype(dtype)


def same_bits(got, wanted: np.ndarray) -> bool:
    """Whether two NumPy arrays have the same dtype, shape and bytes."""
    return (
        got.dtype == wanted.dtype
        and got.shape == wanted.shape
        and np.ascontiguousarray(got).tobytes() == wanted.tobytes()
    )


def assert_no_leak_with_out(arrays: dict, out, call=group_gemm_fp8_nt_groupwise) -> None:
    """assert_no_leak() for calls with a given and with a fresh output."""

    def call_both():
        call(**arrays, out=out)
        call(**arrays)

    assert_no_leak((*arrays.values(), out), call_both)


def assert_no_leak(arrays, call_both) -> None:
    """10^4 calls, two at a time, leave references, Python's blocks and the memory as they were."""

    def call(count):
        for _ in range(count):
            call_both()
        gc.collect()

    def references():
        return [sys.getrefcount(array) for array in arrays]

    call(500)
    references_before, blocks_before = references(), sys.getallocatedblocks()
    resident_before = resident_bytes()
    call(5000)
    assert references() == references_before
    assert sys.getallocatedblocks() - blocks_before < 500
    assert resident_bytes() - resident_before < 4 << 20


def resident_bytes() -> int:
    """Physical memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
