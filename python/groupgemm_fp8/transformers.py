"""The FP8 experts of Hugging Face transformers, computed by this library.

    import groupgemm_fp8.transformers

    groupgemm_fp8.transformers.register()
    model.set_experts_implementation("groupgemm_fp8")

The experts of models in fine-grained FP8 (FineGrainedFP8Config: FP8 weights with a scale per block)
then run here, on CUDA and on the CPU, in eager mode, under torch.compile(fullgraph=True) and in
CUDA graphs. Other modules of the model are not touched. Written for transformers 5.17.
"""

from __future__ import annotations

import torch

from ._layer import BLOCK
from .moe import moe_ffn
from .ops import group_gemm_fp8_nt_groupwise
from .steps import combine, quantize_groupwise, route

__all__ = ["experts_forward", "register"]

_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
_UE8M0 = getattr(torch, "float8_e8m0fnu", None)


def register(name: str = "groupgemm_fp8") -> None:
    """Makes this library an experts implementation of transformers, under the given name."""
    from transformers.integrations import finegrained_fp8

    from . import torch as _operators  # noqa: F401  so that torch.compile knows them

    finegrained_fp8.ALL_FP8_EXPERTS_FUNCTIONS.register(name, experts_forward)


def experts_forward(
    self: torch.nn.Module,
    hidden_states: torch.Tensor,
    top_k_index: torch.Tensor,
    top_k_weights: torch.Tensor,
) -> torch.Tensor:
    """The forward function of an FP8Experts module.

    Args:
        self: the module, with its weights and scales.
        hidden_states: (T, hidden).
        top_k_index: (T, top_k); entries equal to the number of experts are not here.
        top_k_weights: (T, top_k).

    Returns:
        (T, hidden) of the type of hidden_states.

    Raises:
        ValueError: weights in FP4, static activation scales, a bias, or other blocks than
            128 x 128.
    """
    _refuse_others(self)
    up, up_scale = _weights(self, "gate_up_proj" if self.has_gate else "up_proj")
    down, down_scale = _weights(self, "down_proj")
    # Weights with UE8M0 scales come from models whose activations have such scales, too.
    power_of_two = self.down_proj_scale_inv.dtype == _UE8M0
    if self.has_gate and _is_silu(self.act_fn):
        return moe_ffn(
            hidden_states,
            up,
            up_scale,
            down,
            down_scale,
            top_k_index,
            top_k_weights,
            limit=self.swiglu_limit,
            alpha=self.swiglu_alpha,
            power_of_two_scales=power_of_two,
        )
    activate = self._apply_gate if self.has_gate else self.act_fn
    common = {"scale_major_mode": "K"}
    quantised = common | {"power_of_two_scales": power_of_two}
    _, position, m_indptr = route(top_k_index, self.num_experts)
    a, a_scale = quantize_groupwise(hidden_states, (1, BLOCK), position=position, **quantised)
    h = group_gemm_fp8_nt_groupwise(a, up, a_scale, up_scale, m_indptr, **common)
    a, a_scale = quantize_groupwise(activate(h), (1, BLOCK), **quantised)
    y = group_gemm_fp8_nt_groupwise(a, down, a_scale, down_scale, m_indptr, **common)
    return combine(y, position, top_k_weights, out_dtype=hidden_states.dtype)


def _weights(module: torch.nn.Module, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A projection's weights and their scales in float32, of which UE8M0 scales are a part."""
    scale = getattr(module, f"{name}_scale_inv")
    return getattr(module, name).detach(), scale.detach().to(torch.float32)


def _is_silu(function) -> bool:
    return isinstance(function, torch.nn.SiLU) or type(function).__name__ == "SiLUActivation"


def _refuse_others(module: torch.nn.Module) -> None:
    if module.down_proj.dtype not in _FP8:
        raise ValueError(f"experts: got weights of {module.down_proj.dtype}, wanted FP8")
    if module.activation_scheme != "dynamic":
        raise ValueError(
            f"experts: got activation_scheme {module.activation_scheme!r}, wanted 'dynamic'"
        )
    if module.has_bias:
        raise ValueError("experts: got a bias, wanted none")
    if module.block_size is None or tuple(module.block_size) != (BLOCK, BLOCK):
        raise ValueError(f"experts: got block_size {module.block_size}, wanted ({BLOCK}, {BLOCK})")
