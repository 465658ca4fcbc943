"""Packed scales of DeepGEMM and FlashInfer: the exponents of four k-blocks in an int32.

    packed[..., row, w] = byte of k-block 4 w, in the lowest bits, to byte of k-block 4 w + 3

A byte is a scale of UE8M0, 2^(byte - 127), or NaN where it is 255. Rows of weights that share a
scale repeat it. Scales in float32 are made by the array's own framework, on the device.
"""

import sys
from collections.abc import Sequence
from typing import Any

from ._dtypes import UE8M0_BITS_OF_0, UE8M0_BITS_OF_255

_BLOCK = 128
_PER_WORD = 4
_GRANULARITY = (1, _BLOCK, _BLOCK)


def as_float32(scale: Any, name: str, values: Any, rows_per_scale: int, granularity: Any) -> Any:
    """K-major scales in float32 of a or b, `values`; scales that are not packed as they are."""
    shape = getattr(values, "shape", ())
    if not shape or str(getattr(scale, "dtype", "")).removeprefix("torch.") != "int32":
        return scale  # the product says what else is wrong
    if not isinstance(granularity, Sequence) or tuple(granularity) != _GRANULARITY:
        raise ValueError(
            f"{name}: got packed scales (int32) with scale_granularity_mnk {granularity!r}, "
            f"wanted {_GRANULARITY}"
        )
    *rest, k = shape
    wanted = (*rest, -(-k // (_BLOCK * _PER_WORD)))
    if tuple(scale.shape) != wanted:
        raise ValueError(
            f"{name}: got shape {tuple(scale.shape)}, wanted {wanted} for packed scales (int32), "
            f"four k-blocks in each"
        )
    words = scale[..., ::rows_per_scale, :]
    torch = sys.modules.get("torch")
    is_torch = torch is not None and isinstance(scale, torch.Tensor)
    bits = _bits_by_torch(torch, words) if is_torch else _bits_by_arrays(words)
    return bits.view(torch.float32 if is_torch else "float32")[..., : -(-k // _BLOCK)]


def _bits_by_torch(torch: Any, words: Any) -> Any:
    exponents = words.contiguous().view(torch.uint8).to(torch.int32)
    bits = (exponents << 23).clamp_min(UE8M0_BITS_OF_0)
    return bits.masked_fill(exponents == 255, UE8M0_BITS_OF_255)


def _bits_by_arrays(words: Any) -> Any:
    """By functions that NumPy and CuPy share."""
    xp = sys.modules[type(words).__module__.partition(".")[0]]
    exponents = xp.ascontiguousarray(words).view("uint8").astype("int32")
    bits = xp.maximum(exponents << 23, UE8M0_BITS_OF_0)
    return xp.where(exponents == 255, UE8M0_BITS_OF_255, bits).astype("int32")
