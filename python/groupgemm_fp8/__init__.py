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
    moe_ffn                       an experts' layer: the product and the four steps around it
    quantize_groupwise            FP8 arrays and scales from bfloat16, float16 or float32
    silu_mul_quantize_groupwise   silu(gate) * up, quantised in the same pass
    route, combine                from tokens to rows sorted by expert, and back
    plan, workspace_size          what a call would run, and the bytes it needs
    supports, backends            which backends there are, and whether one takes a call
    configurations                the kernel configurations that a call may ask of a backend
    device_count, device_info     the machine
    GroupGemmError                a failing driver, launch or allocation

FP8 experts of Hugging Face models: groupgemm_fp8.transformers. FlashInfer's grouped products under
their names: groupgemm_fp8.flashinfer. Inside torch.compile, torch.export and function transforms:
groupgemm_fp8.torch. Inside jax.jit, jax.vmap and jax.shard_map: groupgemm_fp8.jax. On the command
line: python -m groupgemm_fp8.
"""

from . import _ffi
from .devices import DeviceInfo, device_count, device_info
from .errors import GroupGemmError
from .moe import moe_ffn
from .ops import group_gemm_fp8_nt_groupwise
from .queries import Plan, backends, configurations, plan, supports, workspace_size
from .steps import Routing, combine, quantize_groupwise, route, silu_mul_quantize_groupwise

__version__ = f"{_ffi.VERSION_MAJOR}.{_ffi.VERSION_MINOR}.{_ffi.VERSION_PATCH}"

__all__ = [
    "DeviceInfo",
    "GroupGemmError",
    "Plan",
    "Routing",
    "__version__",
    "backends",
    "combine",
    "configurations",
    "device_count",
    "device_info",
    "group_gemm_fp8_nt_groupwise",
    "moe_ffn",
    "plan",
    "quantize_groupwise",
    "route",
    "silu_mul_quantize_groupwise",
    "supports",
    "workspace_size",
]
