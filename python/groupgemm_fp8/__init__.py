"""Grouped FP8 matrix products with groupwise scales, for arrays of any framework.

    import numpy as np
    from groupgemm_fp8 import group_gemm_fp8_nt_groupwise, quantize_groupwise

    a, a_scale = quantize_groupwise(np.ones((6, 256)), (1, 128))           # rows of all groups
    b, b_scale = quantize_groupwise(np.ones((2, 64, 256)), (128, 128))     # one matrix per group
    m_indptr = np.array([0, 2, 6], np.int32)                               # rows 0-1 and 2-5
    out = group_gemm_fp8_nt_groupwise(a, b, a_scale, b_scale, m_indptr)    # (6, 64) bfloat16

PyTorch, CuPy, JAX and NumPy arrays are taken as they are and no framework is imported. The C
library is loaded at the first call that needs it.

    group_gemm_fp8_nt_groupwise   the product
    quantize_groupwise            FP8 arrays and scales from NumPy arrays
    plan, workspace_size          what a call would run, and the bytes it needs
    supports, backends            which backends there are, and whether one takes a call
    device_count, device_info     the machine
    GroupGemmError                a failing driver, launch or allocation

Inside torch.compile, torch.export and function transforms: groupgemm_fp8.torch. Inside jax.jit,
jax.vmap and jax.shard_map: groupgemm_fp8.jax. On the command line: python -m groupgemm_fp8.
"""

from typing import TYPE_CHECKING, Any

from . import _ffi
from .devices import DeviceInfo, device_count, device_info
from .errors import GroupGemmError
from .ops import (
    Plan,
    backends,
    group_gemm_fp8_nt_groupwise,
    plan,
    supports,
    workspace_size,
)

if TYPE_CHECKING:
    from .quantize import quantize_groupwise

__version__ = f"{_ffi.VERSION_MAJOR}.{_ffi.VERSION_MINOR}.{_ffi.VERSION_PATCH}"

__all__ = [
    "DeviceInfo",
    "GroupGemmError",
    "Plan",
    "__version__",
    "backends",
    "device_count",
    "device_info",
    "group_gemm_fp8_nt_groupwise",
    "plan",
    "quantize_groupwise",
    "supports",
    "workspace_size",
]


def __getattr__(name: str) -> Any:
    # NumPy is imported only by those who quantise with it.
    if name == "quantize_groupwise":
        from .quantize import quantize_groupwise

        return quantize_groupwise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
