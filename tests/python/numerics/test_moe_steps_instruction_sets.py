"""The steps on the CPU give the same bits with every instruction set."""

import hashlib

import ml_dtypes
import numpy as np
import pytest

from groupgemm_fp8 import combine, quantize_groupwise, route, silu_mul_quantize_groupwise
from numeric.process import run_python

WIDTH = 2 * 1408  # whole tiles of blocks, and blocks that fill no tile
DTYPES = (ml_dtypes.bfloat16, np.float16, np.float32)


def inputs(dtype):
    """Rows with NaN, infinities, zeros, small elements, and gates at the edge of the short exp."""
    x = (np.random.default_rng(0).standard_normal((50, WIDTH)) * 6).astype(dtype)
    x[3, 5], x[4, 1500], x[7, 100] = np.nan, np.inf, -np.inf
    x[9] = 0
    x[11] = (x[11].astype(np.float32) * 1e-4).astype(dtype)
    x[12, 7], x[13, 9], x[14, 9] = 79.5, -80, 81
    return x


def digest():
    state = hashlib.sha256()
    rng = np.random.default_rng(1)
    for dtype in DTYPES:
        x = inputs(dtype)
        results = []
        for options in ({}, {"limit": 3.0}, {"alpha": 1.7}, {"power_of_two_scales": True}):
            results += silu_mul_quantize_groupwise(x, **options)
        index = rng.integers(-1, 9, (50, 20)).astype(np.int32)
        weight = rng.uniform(0, 1, index.shape).astype(np.float32)
        for top_k in (3, 8, 20):
            routing = route(index[:, :top_k].copy(), 8)
            rows = np.concatenate([x] * top_k)
            results += [*routing, combine(rows, routing.position, weight[:, :top_k].copy())]
        codes = np.zeros((50 * 20, WIDTH), ml_dtypes.float8_e4m3fn)
        scale = np.zeros((WIDTH // 128, 50 * 20), np.float32)
        target = {"position": routing.position, "out": codes, "out_scale": scale}
        results += quantize_groupwise(x, (1, 128), check_finite=False, **target)
        for result in results:
            state.update(np.ascontiguousarray(result).tobytes())
    return state.hexdigest()


@pytest.mark.parametrize("isa", ["portable", "neon", "avx2", "avx512"])
def test_same_bits(isa):
    program = (
        "import test_moe_steps_instruction_sets as t; "
        "from numeric.page_probe import has_instruction_set; "
        "print(t.digest() if has_instruction_set() else '')"
    )
    answer = run_python("-c", program, GGFP8_CPU_ISA=isa)
    if not answer:
        pytest.skip(f"this processor has no {isa}")
    assert answer == digest()
