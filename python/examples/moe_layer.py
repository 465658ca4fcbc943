"""An experts' layer in FP8, on what is there: PyTorch with or without a GPU, otherwise NumPy.

    python python/examples/moe_layer.py
    python python/examples/moe_layer.py --arrays numpy --tokens 256

The layer runs twice: as one call of moe_ffn, and step by step with the shapes that go from step to
step. Both have the same bits, and both are compared with the layer in float32.
"""

import argparse
import importlib.util
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from groupgemm_fp8 import (
    combine,
    group_gemm_fp8_nt_groupwise,
    moe_ffn,
    quantize_groupwise,
    route,
    silu_mul_quantize_groupwise,
)

Floats = npt.NDArray[np.float32]

LIMIT = 0.1  # of the relative error: E4M3 has 3 bits of mantissa


def step_by_step(
    x: Any,
    gate_up: Any,
    gate_up_scale: Any,
    down: Any,
    down_scale: Any,
    top_k_index: Any,
    top_k_weights: Any,
) -> Any:
    """Computes step by step what moe_ffn computes. Prints a line for each step."""
    row_index, position, m_indptr = route(top_k_index, len(gate_up))
    show("route", row_index=row_index, position=position, m_indptr=m_indptr)
    a, a_scale = quantize_groupwise(x, (1, 128), scale_major_mode="K", position=position)
    show("quantize_groupwise", a=a, a_scale=a_scale)
    h = group_gemm_fp8_nt_groupwise(
        a, gate_up, a_scale, gate_up_scale, m_indptr, scale_major_mode="K"
    )
    show("group_gemm_fp8_nt_groupwise", h=h)
    a, a_scale = silu_mul_quantize_groupwise(h, scale_major_mode="K", m_indptr=m_indptr)
    show("silu_mul_quantize_groupwise", a=a, a_scale=a_scale)
    y = group_gemm_fp8_nt_groupwise(a, down, a_scale, down_scale, m_indptr, scale_major_mode="K")
    show("group_gemm_fp8_nt_groupwise", y=y)
    out = combine(y, position, top_k_weights, out_dtype=x.dtype)
    show("combine", out=out)
    return out


def in_float32(
    x: Floats,
    gate_up: Floats,
    down: Floats,
    top_k_index: npt.NDArray[np.int64],
    top_k_weights: Floats,
) -> Floats:
    """Computes the layer on NumPy arrays, without FP8."""
    out = np.zeros_like(x)
    for expert in range(len(gate_up)):
        token, choice = np.nonzero(top_k_index == expert)
        gate, up = np.split(x[token] @ gate_up[expert].T, 2, axis=1)
        h = gate / (1 + np.exp(-gate)) * up
        out[token] += top_k_weights[token, choice, None] * (h @ down[expert].T)
    return out


def show(step: str, **arrays: Any) -> None:
    shapes = (f"{name} {tuple(x.shape)}" for name, x in arrays.items())
    print(f"  {step:28s} {', '.join(shapes)}")


def random_layer(
    tokens: int, experts: int, hidden: int, intermediate: int, top_k: int
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int64], Floats]:
    """Tokens, weights and a routing, as NumPy arrays of float32 and int64."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((tokens, hidden), np.float32)
    gate_up = rng.standard_normal((experts, 2 * intermediate, hidden), np.float32) / hidden**0.5
    down = rng.standard_normal((experts, hidden, intermediate), np.float32) / intermediate**0.5
    logits = rng.standard_normal((tokens, experts), np.float32)
    top_k_index = np.argsort(-logits, axis=1)[:, :top_k]
    chosen = np.exp(np.take_along_axis(logits, top_k_index, axis=1))
    return x, gate_up, down, top_k_index, chosen / chosen.sum(axis=1, keepdims=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--arrays", choices=("torch", "numpy"), help="torch where it is installed")
    for name, size in {"tokens": 64, "experts": 8, "hidden": 512, "intermediate": 256}.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"({size})")
    parser.add_argument("--top-k", type=int, default=2, help="experts of each token (2)")
    chosen = parser.parse_args()
    if not 0 < chosen.top_k <= chosen.experts:
        parser.error(f"--top-k: got {chosen.top_k}, wanted 1 to --experts")
    layer = random_layer(
        chosen.tokens, chosen.experts, chosen.hidden, chosen.intermediate, chosen.top_k
    )
    arrays: Any = layer
    place = "numpy, cpu"
    if chosen.arrays == "torch" or (not chosen.arrays and importlib.util.find_spec("torch")):
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        place = f"torch, {torch.cuda.get_device_name() if device == 'cuda' else device}"
        arrays = [torch.from_numpy(x).to(device) for x in layer]
    print(f"arrays  {place}")

    x, gate_up, down, top_k_index, top_k_weights = arrays
    weights = (  # once for a model; the scales of a checkpoint have this layout
        *quantize_groupwise(gate_up, (128, 128), scale_major_mode="K"),
        *quantize_groupwise(down, (128, 128), scale_major_mode="K"),
    )
    out = moe_ffn(x, *weights, top_k_index, top_k_weights)
    print(f"layer   x {tuple(x.shape)} -> out {tuple(out.shape)}; its steps:")
    steps = step_by_step(x, *weights, top_k_index, top_k_weights)
    same = bool((out == steps).all())
    wanted = in_float32(*layer)
    got = np.asarray(out if isinstance(out, np.ndarray) else out.cpu())
    error = float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))
    print(f"bits    {'the same' if same else 'DIFFERENT'} in one call and step by step")
    print(f"error   {error:.3f} relative to float32 (limit {LIMIT})")
    return 0 if same and error < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
