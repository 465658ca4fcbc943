"""Grouped FP8 matrix products with groupwise scales, for arrays of any framework.

    out = group_gemm_fp8_nt_groupwise(a, b, a_scale, b_scale, m_indptr)

PyTorch, CuPy, JAX and NumPy arrays are taken as they are and no framework is imported. The C
library is loaded at the first call that needs it.
"""

from . import _ffi
from .errors import GroupGemmError
from .ops import (
    DeviceInfo,
    Plan,
    backends,
    device_count,
    device_info,
    group_gemm_fp8_nt_groupwise,
    plan,
    supports,
    workspace_size,
)

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


def __getattr__(name: str):
    # NumPy is imported for those alone who quantise with it.
    if name == "quantize_groupwise":
        from .quantize import quantize_groupwise

        return quantize_groupwise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
