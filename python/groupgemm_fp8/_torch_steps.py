"""PyTorch operators of the steps around the product; groupgemm_fp8.torch offers them.

Each operator has the name of the step in torch.ops.groupgemm_fp8, returns new tensors, and has a
fake implementation for tracers. Tensors that require grad are refused unless grad mode is off.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from . import _steps

_SCHEMAS = {
    "quantize_groupwise": (
        "(Tensor x, int[] granularity, str dtype='float8_e4m3fn', str scale_major_mode='MN', *, "
        "Tensor? row_index=None, Tensor? position=None, bool power_of_two_scales=False) "
        "-> (Tensor, Tensor)"
    ),
    "silu_mul_quantize_groupwise": (
        "(Tensor gate_up, int[] granularity=[1, 128], str dtype='float8_e4m3fn', "
        "str scale_major_mode='MN', *, Tensor? m_indptr=None, float? limit=None, "
        "float? alpha=None, bool power_of_two_scales=False) -> (Tensor, Tensor)"
    ),
    "route": "(Tensor top_k_index, int batch_size) -> (Tensor, Tensor, Tensor)",
    "combine": (
        "(Tensor x, Tensor position, Tensor weight, *, ScalarType? out_dtype=None) -> Tensor"
    ),
}


def quantize_groupwise(x, granularity: Sequence[int], *arguments, **keywords):
    return torch.ops.groupgemm_fp8.quantize_groupwise(x, granularity, *arguments, **keywords)


def silu_mul_quantize_groupwise(gate_up, granularity: Sequence[int], *arguments, **keywords):
    operator = torch.ops.groupgemm_fp8.silu_mul_quantize_groupwise
    return operator(gate_up, granularity, *arguments, **keywords)


def route(top_k_index, batch_size: int):
    return torch.ops.groupgemm_fp8.route(top_k_index, batch_size)


def combine(x, position, weight, *, out_dtype: torch.dtype | str | None = None):
    if isinstance(out_dtype, str):
        out_dtype = getattr(torch, out_dtype)
    return torch.ops.groupgemm_fp8.combine(x, position, weight, out_dtype=out_dtype)


def _fake_quantize(
    x,
    granularity,
    dtype="float8_e4m3fn",
    scale_major_mode="MN",
    *,
    row_index=None,
    position=None,
    power_of_two_scales=False,
):
    shape = list(x.shape)
    if row_index is not None:
        shape[-2] = row_index.shape[0]
    elif position is not None:
        shape[-2] = position.shape[0] * position.shape[1]
    return _quantised(x, shape, granularity, dtype, scale_major_mode)


def _fake_silu_mul_quantize(
    gate_up,
    granularity=(1, 128),
    dtype="float8_e4m3fn",
    scale_major_mode="MN",
    *,
    m_indptr=None,
    limit=None,
    alpha=None,
    power_of_two_scales=False,
):
    shape = [gate_up.shape[0], gate_up.shape[1] // 2]
    return _quantised(gate_up, shape, granularity, dtype, scale_major_mode)


def _quantised(like, shape, granularity, dtype, scale_major_mode):
    scales = _steps.scale_shape(shape, granularity, scale_major_mode)
    fp8 = like.new_empty(shape, dtype=getattr(torch, dtype))
    return fp8, like.new_empty(scales, dtype=torch.float32)


def _fake_route(top_k_index, batch_size):
    tokens, top_k = top_k_index.shape
    shapes = ((tokens * top_k,), (tokens, top_k), (batch_size + 1,))
    return tuple(top_k_index.new_empty(shape, dtype=torch.int32) for shape in shapes)


def _fake_combine(x, position, weight, *, out_dtype=None):
    dtype = x.dtype if out_dtype is None else out_dtype
    return x.new_empty((position.shape[0], x.shape[1]), dtype=dtype)


def register(library: torch.library.Library, tags) -> None:
    """Defines the operators in the library of groupgemm_fp8.torch."""
    fakes = {
        "quantize_groupwise": _fake_quantize,
        "silu_mul_quantize_groupwise": _fake_silu_mul_quantize,
        "route": _fake_route,
        "combine": _fake_combine,
    }
    for name, schema in _SCHEMAS.items():
        library.define(name + schema, tags=tags)
        for device in ("CPU", "CUDA"):
            library.impl(name, _steps.kernels[name], device)
        torch.library.register_fake(f"groupgemm_fp8::{name}", fakes[name], lib=library)
