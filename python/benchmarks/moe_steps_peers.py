"""Kernels of other libraries for the steps around the product, where they can be imported.

torchao has Triton kernels that quantise blocks of 1 x 128 and of 128 x 128. They multiply by the
reciprocal of a scale, where the library divides, so last bits may differ. No library that is known
to this file has one of the other steps as a kernel of its own.
"""

import torch


def find_peers(step):
    """Returns {name: function of x} for a step of moe_steps.py. Each returns codes and scales."""
    if step == "quantize":
        return torchao_rows()
    if step == "weights":
        return torchao_weights()
    return {}


def torchao_rows():
    try:
        from torchao.prototype.blockwise_fp8_training.kernels import (
            triton_fp8_blockwise_act_quant_lhs,
        )
    except ImportError:
        return {}
    return {"torchao": triton_fp8_blockwise_act_quant_lhs}


def torchao_weights():
    try:
        from torchao.kernel.blockwise_quantization import fp8_blockwise_weight_quant
    except ImportError:
        return {}
    return {"torchao": fp8_blockwise_weight_quant}


def check_peer(name, quantise, x, block_rows):
    """Raises where a peer's result is further from x than FP8 values are apart."""
    codes, scale = quantise(x)
    block = x.shape[1] // scale.shape[1]
    wide = scale.repeat_interleave(block_rows, 0)[: len(x)].repeat_interleave(block, 1)
    error = (codes.float() * wide - x.float()).norm() / x.float().norm()
    if not torch.isfinite(error) or error > 0.05:
        raise RuntimeError(f"{name}: got a relative error of {error:.3f}, wanted at most 0.05")
