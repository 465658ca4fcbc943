"""The steps around the product in a mixture-of-experts layer, on arrays of any framework.

Each function describes its arrays, makes one call of the C library (groupgemm_fp8/moe.h) on the
arrays' own device, and returns arrays of their framework. On CUDA a call returns at once, waits for
nothing and may be captured in a graph; streams follow the rule of group_gemm_fp8_nt_groupwise.
Where PyTorch traces, a call becomes an operator of groupgemm_fp8.torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _steps, ops
from ._dtypes import FP8, argument_dtype_name
from ._frameworks import framework_of
from ._layer import Routing
from ._options import checked_block, checked_scale_major_mode
from .errors import OperatorNeededError


def quantize_groupwise(
    x: Any,
    granularity: Sequence[int],
    dtype: Any = "float8_e4m3fn",
    scale_major_mode: str = "MN",
    *,
    row_index: Any = None,
    position: Any = None,
    power_of_two_scales: bool = False,
    check_finite: bool | None = None,
    out: Any = None,
    out_scale: Any = None,
    stream: Any = None,
) -> tuple[Any, Any]:
    """Quantises x to FP8 with one float32 scale per block of its last two axes.

    A block's scale is its largest magnitude divided by the largest finite value of the FP8 type,
    or 1 for a block of zeros; its elements are x / scale, rounded to nearest even and saturated
    to finite values. Hence x is about x_fp8 * scale. The last blocks may be cut off by the edge.
    An infinity counts as the largest float32; a NaN becomes an FP8 NaN and does not count.

    Args:
        x: (rows, k) or (batch_size, n, k) bfloat16, float16 or float32. NumPy also takes what it
            can make a real array of; other types are converted to float32 first.
        granularity: (rows, k) elements of a block: (1, 128) for `a`, (128, 128) for `b` with
            the scale granularity (1, 128, 128). Rows 1 or 128, k 32, 64, 96 or 128; NumPy arrays
            also take other sizes.
        dtype: "float8_e4m3fn" or "float8_e5m2", or such a dtype of any framework.
        scale_major_mode: layout of the scales, as in group_gemm_fp8_nt_groupwise.
        row_index: (rows of out,) int32 or int64: row i comes from row row_index[i] of x. Where that
            is no row of x, row i and its scale are left alone. Blocks then have one row.
        position: (rows of x, top_k) int32, in place of row_index: row i of x is quantised once and
            goes to rows position[i, j]; those outside of out are skipped. A new out has
            rows * top_k rows.
        power_of_two_scales: round scales up to powers of two, which UE8M0 can hold.
        check_finite: refuse NaN and infinity, which reads all of x. By default NumPy arrays are
            checked and others are not.
        out, out_scale: arrays to write, of the shapes below; by default new ones.
        stream: CUDA stream, as in group_gemm_fp8_nt_groupwise.

    Returns:
        x_fp8: of the shape of x, with row_index or position with the rows of out.
        scale: float32, with rb = ceil(rows / granularity[0]) and kb = ceil(k / granularity[1]):
            (..., kb, rb) for "MN", (..., rb, kb) for "K".

    Raises:
        TypeError: a wrong type or dtype, or a masked array.
        ValueError: a wrong shape, granularity or major mode; a NaN or infinity where it is checked.
        GroupGemmError: the driver, a launch or a host allocation failed.

    Source of the rule: per-block amax scaling as in the DeepSeek-V3 report, section 3.3.
    """
    fp8 = argument_dtype_name("dtype", dtype, FP8)
    checked_scale_major_mode("scale_major_mode", scale_major_mode)
    # NOTE: dynamo traces a look at frameworks, which not every PyTorch can: is_traced is first.
    is_traced = ops.is_traced(x)
    if not is_traced and _is_for_numpy(x):
        from .quantize import host_array, quantize_on_host

        plain = all(argument is None for argument in (row_index, position, out, out_scale))
        x = host_array(x, check_finite is not False)
        if plain and not power_of_two_scales and not _has_c_block(granularity):
            return quantize_on_host(x, granularity, fp8, scale_major_mode)
    elif check_finite:
        raise ValueError(
            "check_finite: got True, wanted it for NumPy arrays alone: others would wait"
        )
    rows, k = checked_block(granularity)
    arguments = (x, (rows, k), fp8, scale_major_mode)
    keywords = {
        "row_index": row_index,
        "position": position,
        "power_of_two_scales": power_of_two_scales,
    }
    needed = None
    if not is_traced:
        try:
            return _steps.quantize(
                *arguments, **keywords, out=out, out_scale=out_scale, stream=stream
            )
        except OperatorNeededError as error:
            needed = error
    _refuse_in_operator(out=out, out_scale=out_scale, stream=stream)
    from . import torch as operators

    return ops.call_operator(needed, operators.quantize_groupwise, *arguments, **keywords)


def silu_mul_quantize_groupwise(
    gate_up: Any,
    granularity: Sequence[int] = (1, 128),
    dtype: Any = "float8_e4m3fn",
    scale_major_mode: str = "MN",
    *,
    m_indptr: Any = None,
    limit: float | None = None,
    alpha: float | None = None,
    power_of_two_scales: bool = False,
    out: Any = None,
    out_scale: Any = None,
    stream: Any = None,
) -> tuple[Any, Any]:
    """Computes silu(gate) * up from the halves of each row, and quantises it, in one pass.

    With gate = gate_up[:, :k] and up = gate_up[:, k:], in float32 throughout:

        limit:       gate = min(gate, limit), up = min(max(up, -limit), limit)
        no alpha:    h = gate / (1 + exp(-gate)) * up
        with alpha:  h = gate / (1 + exp(-alpha * gate)) * (up + 1)

    h is quantised as by quantize_groupwise.

    Args:
        gate_up: (rows, 2 * k) bfloat16, float16 or float32.
        granularity: (1, k) elements of a block; k 32, 64, 96 or 128.
        dtype, scale_major_mode, power_of_two_scales, stream: as in quantize_groupwise.
        m_indptr: (batch_size + 1,) int32: rows before its first value and from its last value on
            are left alone.
        limit, alpha: see above; positive.
        out, out_scale: arrays to write; by default new ones.

    Returns:
        h_fp8: (rows, k).
        scale: float32, (kb, rows) for "MN", (rows, kb) for "K", with kb = ceil(k / granularity[1]).

    Raises:
        TypeError, ValueError, GroupGemmError: as quantize_groupwise.
    """
    fp8 = argument_dtype_name("dtype", dtype, FP8)
    checked_scale_major_mode("scale_major_mode", scale_major_mode)
    rows, block_k = checked_block(granularity)
    if rows != 1:
        raise ValueError(f"granularity: got {(rows, block_k)}, wanted (1, k)")
    arguments = (gate_up, (rows, block_k), fp8, scale_major_mode)
    keywords = {
        "m_indptr": m_indptr,
        "limit": limit,
        "alpha": alpha,
        "power_of_two_scales": power_of_two_scales,
    }
    needed = None
    if not ops.is_traced(gate_up):
        try:
            return _steps.silu_mul_quantize(
                *arguments, **keywords, out=out, out_scale=out_scale, stream=stream
            )
        except OperatorNeededError as error:
            needed = error
    _refuse_in_operator(out=out, out_scale=out_scale, stream=stream)
    from . import torch as operators

    return ops.call_operator(needed, operators.silu_mul_quantize_groupwise, *arguments, **keywords)


def route(top_k_index: Any, batch_size: int, *, stream: Any = None) -> Routing:
    """Sorts the pairs of token and expert by expert; inside one the order of tokens stays.

    Args:
        top_k_index: (T, top_k) int32 or int64: the groups of each token. A value outside
            [0, batch_size) stands for a group that is not here.
        batch_size: the number of groups.
        stream: CUDA stream, as in group_gemm_fp8_nt_groupwise.

    Returns:
        Routing(row_index, position, m_indptr), see there. The sort is stable, and its result is
        the same in every run.

    Raises:
        TypeError, ValueError, GroupGemmError: as group_gemm_fp8_nt_groupwise.
    """
    needed = None
    if not ops.is_traced(top_k_index):
        try:
            return Routing(*_steps.route(top_k_index, batch_size, stream))
        except OperatorNeededError as error:
            needed = error
    _refuse_in_operator(stream=stream)
    from . import torch as operators

    return Routing(*ops.call_operator(needed, operators.route, top_k_index, batch_size))


def combine(
    x: Any,
    position: Any,
    weight: Any,
    *,
    out: Any = None,
    out_dtype: Any = None,
    stream: Any = None,
) -> Any:
    """Sums each token's rows with weights: out[t] = sum over j of weight[t, j] * x[position[t, j]].

    The sum is one fused multiply-add per choice in float32, in the order of j, with one rounding at
    the end. A position that is no row of x adds nothing.

    Args:
        x: (rows, k) bfloat16, float16 or float32.
        position: (T, top_k) int32, as route() returns it.
        weight: (T, top_k) bfloat16, float16 or float32.
        out: (T, k) array to write; by default a new one.
        out_dtype: type of a new out, by default that of x.
        stream: CUDA stream, as in group_gemm_fp8_nt_groupwise.

    Returns:
        `out`, or a new array of the framework of x.

    Raises:
        TypeError, ValueError, GroupGemmError: as group_gemm_fp8_nt_groupwise.
    """
    arguments = (x, position, weight)
    needed = None
    if not ops.is_traced(x):
        try:
            return _steps.combine(*arguments, out=out, out_dtype=out_dtype, stream=stream)
        except OperatorNeededError as error:
            needed = error
    _refuse_in_operator(out=out, stream=stream)
    from . import torch as operators

    return ops.call_operator(needed, operators.combine, *arguments, out_dtype=out_dtype)


def _is_for_numpy(x: Any) -> bool:
    """Whether x is what NumPy can make an array of, and nothing else can allocate for."""
    framework = framework_of(x)
    return framework.is_host or (framework.empty is None and hasattr(type(x), "__array__"))


def _has_c_block(granularity: Any) -> bool:
    try:
        checked_block(granularity)
    except (TypeError, ValueError):
        return False
    return True


def _refuse_in_operator(**arguments: Any) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise OperatorNeededError(
            f"{', '.join(given)}: wanted the default inside torch.compile and wherever else "
            "PyTorch needs an operator"
        )
