"""A mixture-of-experts feed-forward layer in FP8: the composition of the package's steps.

Read moe_ffn() as documentation of how the steps fit together. Every step is a public function and
may be called alone.
"""

from typing import Any

from ._call import Call, shape_of
from ._dtypes import output_names
from ._layer import (
    BLOCK,
    COMBINE_NAMES,
    DOWN_NAMES,
    ROUTE_NAMES,
    UP_NAMES,
    num_experts,
)
from .errors import under_other_names
from .ops import group_gemm_fp8_nt_groupwise
from .steps import combine, quantize_groupwise, route, silu_mul_quantize_groupwise

# The steps whose arguments have other names in the layer: their errors say the layer's.
_route = under_other_names(route, ROUTE_NAMES)
_up = under_other_names(group_gemm_fp8_nt_groupwise, UP_NAMES)
_down = under_other_names(group_gemm_fp8_nt_groupwise, DOWN_NAMES)
_combine = under_other_names(combine, COMBINE_NAMES)


def moe_ffn(
    x: Any,
    gate_up: Any,
    gate_up_scale: Any,
    down: Any,
    down_scale: Any,
    top_k_index: Any,
    top_k_weights: Any,
    scale_major_mode: str = "K",
    *,
    limit: float | None = None,
    alpha: float | None = None,
    power_of_two_scales: bool = False,
    out: Any = None,
    stream: Any = None,
) -> Any:
    """The experts' layer for T tokens: two grouped products and the steps around them.

    Token t goes to the experts top_k_index[t, :]. Each computes
    down @ (silu(gate @ x[t]) * (up @ x[t])), and the results are added with top_k_weights[t, :].

    Args:
        x: (T, hidden) bfloat16, float16 or float32 tokens.
        gate_up: (experts, 2 * intermediate, hidden) FP8 weights: the gate's rows, then the up
            projection's.
        gate_up_scale: float32 scales of blocks of 128 x 128 weights, (experts,
            ceil(2 * intermediate / 128), ceil(hidden / 128)) for "K", the layout of checkpoints, or
            with the last two axes swapped for "MN".
        down: (experts, hidden, intermediate) FP8 weights.
        down_scale: their scales, (experts, ceil(hidden / 128), ceil(intermediate / 128)) for "K".
        top_k_index: (T, top_k) int32 or int64. An entry outside [0, experts) stands for an expert
            that is not here and adds nothing.
        top_k_weights: (T, top_k) float32, bfloat16 or float16.
        scale_major_mode: layout of gate_up_scale and down_scale, "K" or "MN".
        limit, alpha: variants of the gate, see silu_mul_quantize_groupwise.
        power_of_two_scales: round the scales of rows up to powers of two, as models with UE8M0
            scales expect.
        out: (T, hidden) array to write; by default a new one of the type of x.
        stream: CUDA stream, as in group_gemm_fp8_nt_groupwise.

    Returns:
        `out`, or a new array of the framework of x.

    Raises:
        TypeError, ValueError, GroupGemmError: as the steps do.
    """
    common = {"scale_major_mode": scale_major_mode, "stream": stream}
    quantised = common | {"power_of_two_scales": power_of_two_scales}
    experts = num_experts(shape_of("gate_up", gate_up, stream))
    _, position, m_indptr = _route(top_k_index, experts, stream=stream)
    a, a_scale = quantize_groupwise(
        x, (1, BLOCK), position=position, check_finite=False, **quantised
    )
    h = _up(a, gate_up, a_scale, gate_up_scale, m_indptr, **common)
    a, a_scale = silu_mul_quantize_groupwise(
        h, (1, BLOCK), m_indptr=m_indptr, limit=limit, alpha=alpha, **quantised
    )
    y = _down(a, down, a_scale, down_scale, m_indptr, **common)
    out_dtype = _dtype_of(x, stream) if out is None else None
    return _combine(y, position, top_k_weights, out=out, out_dtype=out_dtype, stream=stream)


def _dtype_of(x: Any, stream: Any) -> Any:
    try:
        return x.dtype
    except Exception:  # not every array has a dtype of its own
        call = Call((x,), stream)
        return output_names.get(call.dtype(call.describe("x", x)), "float32")
