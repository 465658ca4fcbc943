"""PyTorch operators for torch.compile, torch.export and CUDA graphs; importing registers them.

    import groupgemm_fp8.torch

    torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise      returns a new tensor
    torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise.out  writes to its argument `out`

group_gemm_fp8_nt_groupwise() of this module calls the one or the other. Once the module has been
imported, the package's function of that name may be compiled too: it becomes the operator. Needs
PyTorch 2.4 or later.
"""

import torch

from . import _arguments, _shapes, ops
from ._arrays_torch import check_no_grad
from ._dtypes import OUTPUT, argument_dtype_name, array_dtype_name

_NAME = "groupgemm_fp8::group_gemm_fp8_nt_groupwise"
_INPUTS = (
    "Tensor a, Tensor b, Tensor a_scale, Tensor b_scale, Tensor m_indptr, "
    "int[] scale_granularity_mnk=[1, 128, 128], str scale_major_mode='MN', int mma_sm=1"
)
_OPTIONS = "ScalarType? a_dtype=None, ScalarType? b_dtype=None, str? backend=None"

# The registration lasts as long as this object.
_library = torch.library.Library("groupgemm_fp8", "DEF")

# Kernels take the strides that eager mode gives them: a compiler must not choose others.
_TAGS = (
    torch.Tag.pt2_compliant_tag,
    getattr(torch.Tag, "needs_exact_strides", torch.Tag.needs_fixed_stride_order),
)


def group_gemm_fp8_nt_groupwise(
    a,
    b,
    a_scale,
    b_scale,
    m_indptr,
    scale_granularity_mnk=(1, 128, 128),
    scale_major_mode="MN",
    mma_sm=1,
    out=None,
    out_dtype=None,
    *,
    a_dtype=None,
    b_dtype=None,
    backend=None,
):
    """groupgemm_fp8.group_gemm_fp8_nt_groupwise as an operator, on tensors and the current stream.

    Arguments, result and errors are the same, except that dtypes are torch's own. There is no
    gradient: a tensor that requires grad is refused unless grad mode is off.
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
    options = {"a_dtype": a_dtype, "b_dtype": b_dtype, "backend": backend}
    if out is None:
        return _new_output(*arguments, out_dtype=out_dtype, **options)
    if out_dtype is not None and out_dtype != out.dtype:
        raise TypeError(f"out_dtype: got {out_dtype}, but out has dtype {out.dtype}")
    _given_output(*arguments, out=out, **options)
    return out


def _run(a, b, a_scale, b_scale, m_indptr, scale_granularity_mnk=(1, 128, 128), *modes, **options):
    """The operator's kernel, on the CPU and on CUDA. The granularity arrives as a list."""
    granularity = tuple(scale_granularity_mnk)
    tensors = (a, b, a_scale, b_scale, m_indptr)
    return ops.group_gemm_fp8_nt_groupwise(*tensors, granularity, *modes, **options)


def _run_out(*arguments, **options) -> None:
    _run(*arguments, **options)


def _fake(
    a,
    b,
    a_scale,
    b_scale,
    m_indptr,
    scale_granularity_mnk=(1, 128, 128),
    scale_major_mode="MN",
    mma_sm=1,
    *,
    out=None,
    out_dtype=None,
    a_dtype=None,
    b_dtype=None,
    backend=None,
):
    """What a tracer learns: the result's shape and type, and errors that need no memory."""
    granularity = _arguments.granularity(scale_granularity_mnk)
    major = _arguments.scale_major(scale_major_mode)
    _arguments.mma_sm(mma_sm)
    if backend is not None:
        _arguments.backend_string(backend)
    _arguments.fp8_code("a", array_dtype_name(a.dtype), a_dtype)
    _arguments.fp8_code("b", array_dtype_name(b.dtype), b_dtype)
    for name, x, rank, dtype in (
        ("a", a, 2, a.dtype),
        ("b", b, 3, b.dtype),
        ("a_scale", a_scale, 2, torch.float32),
        ("b_scale", b_scale, 3, torch.float32),
        ("m_indptr", m_indptr, 1, torch.int32),
    ):
        _check_fake(name, x, rank, dtype, a.device)

    (cum_m, k), (batch_size, n, _) = a.shape, b.shape
    sizes = (cum_m, n, k, batch_size)
    a_scale_shape, b_scale_shape = _shapes.scale_shapes(sizes, granularity, major)
    _check_sizes("b", b.shape, (batch_size, n, k))
    _check_sizes("m_indptr", m_indptr.shape, (batch_size + 1,))
    _check_sizes("a_scale", a_scale.shape, a_scale_shape)
    _check_sizes("b_scale", b_scale.shape, b_scale_shape)
    if out is None:
        dtype = torch.bfloat16 if out_dtype is None else out_dtype
        argument_dtype_name("out_dtype", dtype, OUTPUT)
        return a.new_empty((cum_m, n), dtype=dtype)
    argument_dtype_name("out", out.dtype, OUTPUT)
    _check_fake("out", out, 2, out.dtype, a.device)
    _check_sizes("out", out.shape, (cum_m, n))
    return None


def _check_fake(name: str, x, rank: int, dtype, device) -> None:
    if x.dim() != rank:
        raise ValueError(f"{name}: got {x.dim()} axes, wanted {rank}")
    if x.dtype != dtype:
        raise TypeError(f"{name}: got dtype {x.dtype}, wanted {dtype}")
    if x.device != device:
        raise ValueError(f"{name}: got a tensor on {x.device}, wanted {device} like a")
    if x.requires_grad:
        check_no_grad(name)


def _check_sizes(name: str, got, wanted) -> None:
    """Also for sizes that are symbols: torch then checks when their values are there."""
    for axis, (size, wanted_size) in enumerate(zip(got, wanted, strict=True)):
        torch._check_value(
            size == wanted_size,
            lambda axis=axis, size=size, wanted_size=wanted_size: (
                f"{name}: got {size} elements along axis {axis}, wanted {wanted_size}"
            ),
        )


def _register() -> None:
    name = _NAME.partition("::")[2]
    _library.define(
        f"{name}({_INPUTS}, *, ScalarType? out_dtype=None, {_OPTIONS}) -> Tensor", tags=_TAGS
    )
    _library.define(f"{name}.out({_INPUTS}, *, Tensor(a!) out, {_OPTIONS}) -> ()", tags=_TAGS)
    for device in ("CPU", "CUDA"):
        _library.impl(name, _run, device)
        _library.impl(f"{name}.out", _run_out, device)
    torch.library.register_fake(_NAME, _fake, lib=_library)
    torch.library.register_fake(f"{_NAME}.out", _fake, lib=_library)


_register()
_new_output = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise.default
_given_output = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise.out
ops.set_operator(ops.Operator(torch.compiler.is_dynamo_compiling, group_gemm_fp8_nt_groupwise))
