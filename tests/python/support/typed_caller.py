"""A caller as strict type checkers see it. Checked by test_typing.py, never run."""

from typing import Any

import numpy as np
import numpy.typing as npt

import groupgemm_fp8
from groupgemm_fp8 import (
    DeviceInfo,
    Plan,
    Routing,
    combine,
    device_info,
    flashinfer,
    group_gemm_fp8_nt_groupwise,
    moe_ffn,
    plan,
    quantize_groupwise,
    route,
    silu_mul_quantize_groupwise,
    supports,
    workspace_size,
)

Floats = npt.NDArray[np.float32]


def product(a: Floats, b: Floats, m_indptr: npt.NDArray[np.int32], out: npt.NDArray[Any]) -> None:
    a_fp8, a_scale = quantize_groupwise(a, (1, 128))
    b_fp8, b_scale = quantize_groupwise(b, (128, 128), "float8_e5m2", scale_major_mode="MN")
    arrays = (a_fp8, b_fp8, a_scale, b_scale, m_indptr)
    new: npt.NDArray[Any] = group_gemm_fp8_nt_groupwise(*arrays)
    same: npt.NDArray[Any] = group_gemm_fp8_nt_groupwise(
        *arrays, (1, 128, 128), "K", 2, out, "float32", backend="cpu", segment_alignment=4
    )
    slabs: npt.NDArray[Any] = group_gemm_fp8_nt_groupwise(
        *arrays[:4], m_counts=m_indptr, group_alignment=8, expected_m=3, b_scale_major_mode="K"
    )
    rows: npt.NDArray[Any] = flashinfer.group_deepgemm_fp8_nt_groupwise(*arrays, out=out)
    print(new, same, slabs, rows)
    chosen: Plan = plan(*arrays, mma_sm=2)
    num_bytes: int = workspace_size(*arrays, scale_major_mode="K")
    ok, reason = supports("cpu", *arrays, out_dtype="float16")
    info: DeviceInfo = device_info("cuda", device_id=1)
    print(
        chosen.group_layout,
        chosen.backend,
        num_bytes + 1,
        ok,
        reason.upper(),
        info.name,
        groupgemm_fp8.__version__,
    )


def layer(x: Floats, up: Floats, down: Floats, scale: Floats, index: npt.NDArray[np.int64]) -> None:
    routing: Routing = route(index, 8)
    rows, position, m_indptr = routing
    h, h_scale = silu_mul_quantize_groupwise(x, (1, 128), m_indptr=m_indptr, limit=7.0)
    y: Floats = combine(h, position, scale, out_dtype="float32")
    z: Floats = moe_ffn(x, up, scale, down, scale, index, scale, "MN", alpha=1.7, out=y)
    print(rows, h_scale, z)
