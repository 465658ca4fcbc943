"""PyTorch operators for torch.compile, torch.export and CUDA graphs; importing registers them.

    import groupgemm_fp8.torch

    torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise      returns a new tensor
    torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise.out  writes to its argument `out`

The steps around the product (quantize_groupwise, silu_mul_quantize_groupwise, route, combine) are
operators of the same namespace that return new tensors.

group_gemm_fp8_nt_groupwise() of this module calls the one or the other. So does the package's
function of that name wherever PyTorch traces, transforms or takes over operators (torch.compile,
make_fx, torch.jit.trace, torch.func, dispatch modes, wrapper subclasses), and imports this module
for it. Needs PyTorch 2.4 or later.
"""

from collections.abc import Sequence

import torch

from . import _torch_steps, ops
from ._dtypes import FP8, OUTPUTS, dtype_name
from ._groups import LAYOUTS
from ._options import Options, options
from ._readers.torch import HAS_TANGENT, WANTS_GRAD, has_tangent
from ._torch_steps import combine, quantize_groupwise, route, silu_mul_quantize_groupwise

__all__ = [
    "combine",
    "group_gemm_fp8_nt_groupwise",
    "quantize_groupwise",
    "route",
    "silu_mul_quantize_groupwise",
]

if not hasattr(torch.library, "register_fake"):
    raise ImportError(f"groupgemm_fp8.torch: got PyTorch {torch.__version__}, wanted 2.4 or later")

_NAMESPACE, _OPERATOR = "groupgemm_fp8", "group_gemm_fp8_nt_groupwise"
_INPUTS = (
    "Tensor a, Tensor b, Tensor a_scale, Tensor b_scale, Tensor? m_indptr=None, "
    "int[] scale_granularity_mnk=[1, 128, 128], str scale_major_mode='MN', int mma_sm=1"
)
_OPTIONS = (
    "ScalarType? a_dtype=None, ScalarType? b_dtype=None, str? backend=None, "
    "Tensor? m_ends=None, Tensor? m_counts=None, int group_alignment=1, int? expected_m=None, "
    "str? b_scale_major_mode=None"
)

# Kernels take the strides that eager mode gives them: a compiler must not choose others.
_TAGS = (
    torch.Tag.pt2_compliant_tag,
    getattr(torch.Tag, "needs_exact_strides", torch.Tag.needs_fixed_stride_order),
)


def group_gemm_fp8_nt_groupwise(
    a: torch.Tensor,
    b: torch.Tensor,
    a_scale: torch.Tensor,
    b_scale: torch.Tensor,
    m_indptr: torch.Tensor | None = None,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    scale_major_mode: str = "MN",
    mma_sm: int = 1,
    out: torch.Tensor | None = None,
    out_dtype: torch.dtype | str | None = None,
    backend: str | None = None,
    segment_alignment: int = 1,
    *,
    a_dtype: torch.dtype | str | None = None,
    b_dtype: torch.dtype | str | None = None,
    skip_check: bool = False,
    m_ends: torch.Tensor | None = None,
    m_counts: torch.Tensor | None = None,
    group_alignment: int = 1,
    expected_m: int | None = None,
    b_scale_major_mode: str | None = None,
) -> torch.Tensor:
    """groupgemm_fp8.group_gemm_fp8_nt_groupwise as an operator, on tensors and the current stream.

    Arguments, result and errors are the same. There is no derivative: a tensor that requires grad
    is refused unless grad mode is off, and so is one that a transform of torch.func derives.
    """
    arguments = (
        a,
        b,
        a_scale,
        b_scale,
        m_indptr,
        scale_granularity_mnk,
        scale_major_mode,
        mma_sm,
    )
    keywords = {
        "a_dtype": _dtype(a_dtype),
        "b_dtype": _dtype(b_dtype),
        "backend": backend,
        "m_ends": m_ends,
        "m_counts": m_counts,
        "group_alignment": group_alignment,
        "expected_m": expected_m,
        "b_scale_major_mode": b_scale_major_mode,
    }
    out_dtype = _dtype(out_dtype)
    if out is None:
        return _new_output()(*arguments, out_dtype=out_dtype, **keywords)
    if out_dtype is not None and out_dtype != out.dtype:
        raise TypeError(f"out_dtype: got {out_dtype}, but out has dtype {out.dtype}")
    _given_output()(*arguments, out=out, **keywords)
    return out


def _dtype(dtype):
    """PyTorch's dtype of that name; what is no name stays."""
    return getattr(torch, dtype, dtype) if isinstance(dtype, str) else dtype


def _new_output():
    return torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise.default


def _given_output():
    return torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise.out


def _run(
    a,
    b,
    a_scale,
    b_scale,
    m_indptr=None,
    scale_granularity_mnk=(1, 128, 128),
    scale_major_mode="MN",
    mma_sm=1,
    *,
    out=None,
    m_ends=None,
    m_counts=None,
    **keywords,
):
    """The operator's kernel, on the CPU and on CUDA."""
    group_layout, groups = ops.find_groups(a, m_indptr, m_ends, m_counts)
    keywords["group_layout"] = group_layout
    chosen = options(scale_granularity_mnk, scale_major_mode, mma_sm, **keywords)
    return ops.run((a, b, a_scale, b_scale, groups), out, chosen)


def _run_out(*arguments, **keywords) -> None:
    _run(*arguments, **keywords)


def _autograd_kernel(operator):
    """The kernel that stands before all others: it refuses what would need a derivative."""

    def refuse_derivatives(keys, *arguments, **keywords):
        tensors = zip(("a", "b", "a_scale", "b_scale"), arguments, strict=False)
        for name, x in (*tensors, ("out", keywords.get("out"))):
            if x is None:
                continue
            if x.requires_grad and torch.is_grad_enabled():
                raise ValueError(f"{name}: {WANTS_GRAD}")
            if has_tangent(x):
                raise ValueError(f"{name}: {HAS_TANGENT}")
        with torch._C._AutoDispatchBelowAutograd():
            return operator.redispatch(
                keys & torch._C._after_autograd_keyset, *arguments, **keywords
            )

    return refuse_derivatives


def _fake(
    a,
    b,
    a_scale,
    b_scale,
    m_indptr=None,
    scale_granularity_mnk=(1, 128, 128),
    scale_major_mode="MN",
    mma_sm=1,
    *,
    out=None,
    m_ends=None,
    m_counts=None,
    **keywords,
):
    """Tells a tracer the result's shape and type, and raises errors that need no memory."""
    group_layout, groups = ops.find_groups(a, m_indptr, m_ends, m_counts)
    keywords["group_layout"] = group_layout
    chosen = options(tuple(scale_granularity_mnk), scale_major_mode, mma_sm, **keywords)
    _check_fp8("a", a, chosen.a_dtype)
    _check_fp8("b", b, chosen.b_dtype)
    rank = 3 if group_layout == "masked" else 2
    if a.dim() == 3 > rank:
        name = LAYOUTS[group_layout].argument
        raise ValueError(f"a: got 3 axes with {name}, wanted 2; slabs of rows go with m_counts")
    _check_tensor("a", a, rank, (a.dtype,), a.device)
    _check_tensor("b", b, 3, (b.dtype,), a.device)
    _check_tensor("a_scale", a_scale, rank, (torch.float32,), a.device)
    _check_tensor("b_scale", b_scale, 3, (torch.float32,), a.device)
    groups_name = LAYOUTS[group_layout].argument
    _check_tensor(groups_name, groups, 1, (torch.int32, torch.int64), a.device)

    *slabs, num_rows, k = a.shape
    batch_size, n = slabs[0] if slabs else b.shape[0], b.shape[1]
    a_scale_shape, b_scale_shape = _scale_shapes(num_rows, n, k, batch_size, chosen)
    _check_sizes("b", b.shape, (batch_size, n, k))
    num_values = batch_size + 1 if group_layout == "indptr" else batch_size
    _check_sizes(groups_name, groups.shape, (num_values,))
    _check_sizes("a_scale", a_scale.shape, (*slabs, *a_scale_shape))
    _check_sizes("b_scale", b_scale.shape, b_scale_shape)
    wanted = (*slabs, num_rows, n)
    if out is None:
        return a.new_empty(wanted, dtype=getattr(torch, chosen.out_dtype or "bfloat16"))
    if dtype_name(out.dtype) not in OUTPUTS:
        raise TypeError(f"out: got dtype {dtype_name(out.dtype)}, wanted {' or '.join(OUTPUTS)}")
    _check_tensor("out", out, rank, (out.dtype,), a.device)
    _check_sizes("out", out.shape, wanted)
    return None


def _scale_shapes(num_rows, n, k, batch_size, chosen: Options) -> tuple[tuple, tuple]:
    """The shapes of a_scale (of one slab) and b_scale; sizes are numbers or symbols."""
    gm, gn, gk = chosen.scale_granularity_mnk
    m_blocks = num_rows if gm == 1 else -(-num_rows // gm)  # a symbol stays as simple as it is
    n_blocks, k_blocks = -(-n // gn), -(-k // gk)
    is_mn, b_is_mn = chosen.scale_major_mode == "MN", chosen.b_scale_major_mode == "MN"
    a_shape = (k_blocks, m_blocks) if is_mn else (m_blocks, k_blocks)
    b_shape = (k_blocks, n_blocks) if b_is_mn else (n_blocks, k_blocks)
    return a_shape, (batch_size, *b_shape)


def _check_fp8(name: str, x, declared: str | None) -> None:
    got = dtype_name(x.dtype)
    if got == declared or (declared is None and got in FP8):
        return
    is_bytes = got in ("uint8", "int8")
    if declared is None:
        hint = f"; say which FP8 type these bytes are with {name}_dtype" if is_bytes else ""
        raise TypeError(f"{name}: got dtype {got}, wanted {' or '.join(FP8)}{hint}")
    if not is_bytes:
        raise TypeError(f"{name}_dtype: got {declared}, but {name} has dtype {got}")


def _check_tensor(name: str, x, rank: int, dtypes, device) -> None:
    if x.dim() != rank:
        raise ValueError(f"{name}: got {x.dim()} axes, wanted {rank}")
    if x.dtype not in dtypes:
        wanted = " or ".join(str(dtype) for dtype in dtypes)
        raise TypeError(f"{name}: got dtype {x.dtype}, wanted {wanted}")
    if x.device != device:
        raise ValueError(f"{name}: got a tensor on {x.device}, wanted {device} like a")


def _check_sizes(name: str, got, wanted) -> None:
    """Also for sizes that are symbols: torch then checks when their values are there."""
    for axis, (size, wanted_size) in enumerate(zip(got, wanted, strict=True)):
        torch._check_value(
            size == wanted_size,
            lambda axis=axis, size=size, wanted_size=wanted_size: (
                f"{name}: got {size} elements along axis {axis}, wanted {wanted_size}"
            ),
        )


def _register() -> torch.library.Library:
    library = torch.library.Library(_NAMESPACE, "FRAGMENT")
    library.define(
        f"{_OPERATOR}({_INPUTS}, *, ScalarType? out_dtype=None, {_OPTIONS}) -> Tensor", tags=_TAGS
    )
    library.define(f"{_OPERATOR}.out({_INPUTS}, *, Tensor(a!) out, {_OPTIONS}) -> ()", tags=_TAGS)
    for name, kernel, operator in (
        (_OPERATOR, _run, _new_output()),
        (f"{_OPERATOR}.out", _run_out, _given_output()),
    ):
        for device in ("CPU", "CUDA"):
            library.impl(name, kernel, device)
        library.impl(name, _autograd_kernel(operator), "Autograd", with_keyset=True)
        torch.library.register_fake(f"{_NAMESPACE}::{name}", _fake, lib=library)
    _torch_steps.register(library, _TAGS)
    return library


# The registration lasts as long as this object, which PyTorch keeps beside the operators: a reload
# or a second import of this module finds it there.
if not hasattr(torch.ops.groupgemm_fp8, "registration"):
    torch.ops.groupgemm_fp8.registration = _register()
