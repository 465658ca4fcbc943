"""FlashInfer's grouped FP8 products under their names, with the parameters of its version 0.7.4.

    from groupgemm_fp8.flashinfer import batch_deepgemm_fp8_nt_groupwise

They run on every device of this library, on arrays of PyTorch, CuPy and NumPy, and return `out`.
Where FlashInfer asks for groups at multiples of 4 or 128 rows, any rows do. Errors are those of
groupgemm_fp8.group_gemm_fp8_nt_groupwise, and so is the stream.

The two functions of DeepGEMM take packed scales, too: int32, each with the UE8M0 exponents of four
k-blocks, a_scale (..., m, ceil(k / 512)) and b_scale (batch_size, n, ceil(k / 512)) whatever their
strides. A few operations of the arrays' own framework make float32 of them in every call.
"""

from collections.abc import Sequence
from typing import Any

from . import _packed_scales, _row_groups
from .ops import group_gemm_fp8_nt_groupwise, is_traced
from .queries import plan

__all__ = [
    "batch_deepgemm_fp8_nt_groupwise",
    "group_deepgemm_fp8_nt_groupwise",
    "group_gemm_fp8_nt_groupwise",
    "group_gemm_fp8_nt_groupwise_contiguous",
]

# FlashInfer's names of kernels for slabs: here they mean the default backend.
_SLAB_BACKENDS = ("deepgemm", "cake")


def group_gemm_fp8_nt_groupwise_contiguous(
    a: Any,
    b: Any,
    a_scale: Any,
    b_scale: Any,
    m_indices: Any,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    out: Any = None,
    out_dtype: Any = None,
    validate_indices: bool = False,
    *,
    skip_check: bool = False,
    group_alignment: int | None = None,
) -> Any:
    """Grouped product with a group per row, and K-major scales.

    Args:
        a, b, a_scale, b_scale, scale_granularity_mnk: as in group_gemm_fp8_nt_groupwise with
            scale_major_mode "K".
        m_indices: (m,) int32 or int64 on the device of a: the group of each row, or -1. Groups
            ascend; rows of -1 may lie anywhere.
        out: (m, n); rows of -1 are left alone.
        out_dtype: type of a new `out`, bfloat16 by default; without effect where `out` is given.
        validate_indices: check the contents of m_indices, which waits for the device. Without it
            the rows of malformed indices are unspecified, but memory stays safe.
        skip_check: leaves out the check of validate_indices.
        group_alignment: a promise that each group starts at the next multiple of it after the last
            row of the group before; 1 promises that there are no rows of -1 between groups. A
            promise saves the computation of rows of -1 and, where `out` is given, a pass over it.

    The ends of groups are found by operations of the arrays' own framework on its current stream,
    without a look at their values on the host, so that calls may be captured into a CUDA graph.
    Without a promise, rows of -1 before a group are computed as rows of it. Where `out` is given,
    they are computed into a new array, of which the rows of groups are then copied to `out`.
    """
    _row_groups.check("m_indices", m_indices, a, "a", "the group of each row of a")
    num_groups = _row_groups.first_size("b", b)
    if validate_indices and not skip_check:
        _row_groups.validate(m_indices, num_groups, group_alignment)
    ends = _row_groups.ends_of(m_indices, num_groups)
    arguments = (a, b, a_scale, b_scale, None, scale_granularity_mnk, "K")
    if out is None or group_alignment is not None:
        return group_gemm_fp8_nt_groupwise(
            *arguments,
            out=out,
            out_dtype=out_dtype if out is None else None,
            m_ends=ends,
            group_alignment=1 if group_alignment is None else group_alignment,
        )
    _row_groups.check_one_framework(a=a, m_indices=m_indices, out=out)
    if not is_traced(a):
        plan(*arguments, out=out, m_ends=ends)  # checks out before anything is computed
    rows = group_gemm_fp8_nt_groupwise(*arguments, out_dtype=out.dtype, m_ends=ends)
    _row_groups.copy_rows(m_indices, rows, out)
    return out


def group_deepgemm_fp8_nt_groupwise(
    a: Any,
    b: Any,
    a_scale: Any,
    b_scale: Any,
    m_indices: Any,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    out: Any = None,
    out_dtype: Any = None,
    *,
    skip_check: bool = False,
    group_alignment: int | None = None,
) -> Any:
    """Grouped product with a group per row: as group_gemm_fp8_nt_groupwise_contiguous.

    Scales may be packed.
    """
    return group_gemm_fp8_nt_groupwise_contiguous(
        a,
        b,
        _packed_scales.as_float32(a_scale, "a_scale", a, 1, scale_granularity_mnk),
        _packed_scales.as_float32(b_scale, "b_scale", b, 128, scale_granularity_mnk),
        m_indices,
        scale_granularity_mnk,
        out,
        out_dtype,
        skip_check=skip_check,
        group_alignment=group_alignment,
    )


def batch_deepgemm_fp8_nt_groupwise(
    a: Any,
    b: Any,
    a_scale: Any,
    b_scale: Any,
    masked_m: Any,
    expected_m: int,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    out: Any = None,
    out_dtype: Any = None,
    backend: str | None = "deepgemm",
    *,
    skip_check: bool = False,
) -> Any:
    """Product of slabs of rows: group_gemm_fp8_nt_groupwise with m_counts and K-major scales.

    Args:
        a, a_scale, out: (batch_size, m, k), (batch_size, m, ceil(k / gk)), (batch_size, m, n).
            Scales may be packed.
        masked_m: (batch_size,) int32 or int64: so many first rows of each slab are computed.
        expected_m: about how many rows a group has on average; it never changes a result.
        out_dtype: type of a new `out`, bfloat16 by default; without effect where `out` is given.
        backend: FlashInfer's "deepgemm" and "cake" mean the default; else as in
            group_gemm_fp8_nt_groupwise.
    """
    _row_groups.check("masked_m", masked_m, b, "b", "the number of rows of each group")
    return group_gemm_fp8_nt_groupwise(
        a,
        b,
        _packed_scales.as_float32(a_scale, "a_scale", a, 1, scale_granularity_mnk),
        _packed_scales.as_float32(b_scale, "b_scale", b, 128, scale_granularity_mnk),
        None,
        scale_granularity_mnk,
        "K",
        out=out,
        out_dtype=out_dtype if out is None else None,
        backend=None if backend in _SLAB_BACKENDS else backend,
        skip_check=skip_check,
        m_counts=masked_m,
        expected_m=expected_m,
    )
