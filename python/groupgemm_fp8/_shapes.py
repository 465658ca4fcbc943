"""Shapes and strides of the inputs, compared with each other. Called by _request and torch.

Checked here is what one array says about another. Multiples, limits and the sizes of strides
are checked by the C library, to which 0 as a stride means dense: a zero never gets there by
itself.
"""

from . import _ffi
from ._view import View

INPUT_NAMES = ("a", "b", "a_scale", "b_scale", "m_indptr")


def sizes(a: View, b: View, m_indptr: View) -> tuple[int, int, int, int]:
    """cum_m, n, k, batch_size."""
    if len(a.shape) != 2:
        raise ValueError(f"a: got shape {tuple(a.shape)}, wanted (cum_m, k)")
    if len(b.shape) != 3:
        raise ValueError(f"b: got shape {tuple(b.shape)}, wanted (batch_size, n, k)")
    cum_m, k = a.shape
    batch_size, n, b_k = b.shape
    if b_k != k:
        raise ValueError(
            f"b: got shape {tuple(b.shape)}, wanted (batch_size, n, {k}) as a has k = {k}"
        )
    if m_indptr.dtype != "int32":
        raise TypeError(
            f"m_indptr: got dtype {m_indptr.dtype}, wanted int32; convert it once, for example "
            "with .to(torch.int32) or .astype('int32')"
        )
    if m_indptr.shape != (batch_size + 1,):
        raise ValueError(
            f"m_indptr: got shape {tuple(m_indptr.shape)}, wanted ({batch_size + 1},) "
            f"as b has batch_size = {batch_size}"
        )
    if m_indptr.strides[0] != 1 and batch_size > 0:
        raise ValueError(f"m_indptr: got stride {m_indptr.strides[0]}, wanted 1")
    return cum_m, n, k, batch_size


def scale_shapes(sizes, granularity, major: int) -> tuple[tuple, tuple]:
    """The shapes of a_scale and b_scale; sizes are cum_m, n, k, batch_size, numbers or symbols."""
    cum_m, n, k, batch_size = sizes
    gm, gn, gk = granularity
    m_blocks = cum_m if gm == 1 else -(-cum_m // gm)  # a symbol stays as simple as it is
    n_blocks, k_blocks = -(-n // gn), -(-k // gk)
    if major == _ffi.SCALE_MAJOR_MN:
        return (k_blocks, m_blocks), (batch_size, k_blocks, n_blocks)
    return (m_blocks, k_blocks), (batch_size, n_blocks, k_blocks)


def check_scales(a_scale: View, b_scale: View, sizes, granularity, major: int) -> None:
    wanted_a, wanted_b = scale_shapes(sizes, granularity, major)
    if a_scale.dtype != "float32" or a_scale.shape != wanted_a:
        _refuse_scale("a_scale", a_scale, wanted_a, granularity, major)
    if b_scale.dtype != "float32" or b_scale.shape != wanted_b:
        _refuse_scale("b_scale", b_scale, wanted_b, granularity, major)


def _refuse_scale(argument: str, view: View, wanted, granularity, major: int) -> None:
    if view.dtype != "float32":
        raise TypeError(f"{argument}: got dtype {view.dtype}, wanted float32")
    mode = "MN" if major == _ffi.SCALE_MAJOR_MN else "K"
    raise ValueError(
        f"{argument}: got shape {tuple(view.shape)}, wanted {wanted} for "
        f"scale_granularity_mnk {granularity} and scale_major_mode {mode!r}"
    )


def stride_2d(argument: str, view: View) -> int:
    """The row stride; 0, which is dense for C, where rows have no distance."""
    (rows, columns), (row_stride, inner_stride) = view.shape, view.strides
    if rows == 0 or columns == 0:
        return 0
    if (inner_stride != 1 and columns != 1) or (row_stride <= 0 and rows != 1):
        _refuse_strides(argument, view)
    return row_stride if rows != 1 else 0


def strides_3d(argument: str, view: View) -> tuple[int, int]:
    """The strides of groups and of rows; 0, which is dense for C, where there is no distance."""
    groups, rows, columns = view.shape
    group_stride, row_stride, inner_stride = view.strides
    if groups == 0 or rows == 0 or columns == 0:
        return 0, 0
    if (
        (inner_stride != 1 and columns != 1)
        or (row_stride <= 0 and rows != 1)
        or (group_stride <= 0 and groups != 1)
    ):
        _refuse_strides(argument, view)
    return group_stride if groups != 1 else 0, row_stride if rows != 1 else 0


def _refuse_strides(argument: str, view: View) -> None:
    raise ValueError(
        f"{argument}: got strides {tuple(view.strides)}, wanted 1 on the last axis and "
        f"positive ones before it; pass a contiguous {argument}"
    )
