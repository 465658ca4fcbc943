"""Sizes of experts' layers: those of published models, by name."""

from __future__ import annotations

from dataclasses import dataclass

from . import CommandError


@dataclass(frozen=True)
class LayerSizes:
    """The sizes of one experts' layer."""

    label: str
    experts: int
    hidden: int
    intermediate: int
    top_k: int  # experts of each token


MODELS = {
    "deepseek-v3": LayerSizes("DeepSeek-V3, 32 experts", 32, 7168, 2048, 8),
    "qwen3-235b": LayerSizes("Qwen3-235B, 128 experts", 128, 4096, 1536, 8),
    "qwen3-30b": LayerSizes("Qwen3-30B, 128 experts", 128, 2048, 768, 8),
}
TOKENS = (1, 16, 256, 4096, 16384)


def choose_models(names):
    """Returns the layers of a comma-separated list of names; "all" means every one."""
    chosen = list(MODELS) if names == "all" else names.split(",")
    for name in chosen:
        if name not in MODELS:
            raise CommandError(f"--layer: got {name!r}, wanted {', '.join(MODELS)} or all")
    return [MODELS[name] for name in chosen]
