"""Judges the output of an experts' layer against float64 of the same weights, for some tokens.

Activations are not rounded to FP8 there. Two roundings to E4M3 cost about 4 per cent; a wrong row,
expert or weight costs far more.
"""

from __future__ import annotations

import numpy as np

from .check import decode

ERROR_LIMIT = 0.08


def layer_error(layer, num_tokens):
    """Returns the relative error of layer.out, which is complete, over evenly spaced tokens."""
    spread = np.linspace(0, len(layer.index) - 1, min(num_tokens, len(layer.index)))
    tokens = np.unique(spread.round().astype(int)).tolist()
    wanted = np.stack([_expected(layer, token) for token in tokens])
    got = np.concatenate([_row(layer, layer.out, token) for token in tokens])
    norm = np.linalg.norm(wanted)
    return float(np.linalg.norm(got - wanted) / norm)


def _expected(layer, token):
    """Returns the exact output of one token."""
    (x,) = _row(layer, layer.x, token)
    (weights,) = _row(layer, layer.top_k_weights, token)
    total = np.zeros(layer.sizes.hidden)
    for expert, weight in zip(layer.index[token].tolist(), weights, strict=True):
        gate, up = np.split(_dequantised(layer, layer.up, expert) @ x, 2)
        h = gate / (1 + np.exp(-gate)) * up
        total += weight * (_dequantised(layer, layer.down, expert) @ h)
    return total


def _row(layer, array, row):
    return layer.machine.download(array[row : row + 1]).astype(np.float64)


def _dequantised(layer, product, expert):
    """Returns the float64 weights (n, k) of one expert."""
    download = layer.machine.download
    scale = download(product.b_scale[0][expert : expert + 1])[0]
    spread = scale.repeat(128, axis=0)[: product.n].repeat(128, axis=1)[:, : product.k]
    return decode(download(product.b[0][expert : expert + 1])[0]) * spread
