"""The short way of a call on PyTorch tensors. Called by ops before it takes the long way.

A model calls with the same weights and options again and again. The first such call goes the long
way, through _request, which checks everything; remember() then keeps what b, b_scale, m_indptr
and the options imply. attempt() reads each attribute of a tensor once, compares, and packs. What
is not as it was goes the long way again, which also words every error.
"""

import struct
import sys

from . import _arrays, _arrays_torch, _ffi
from ._view import CPU

# ggfp8_group_gemm_args up to its codes: the size, six addresses, four sizes, seven strides
_HEAD = struct.Struct("@N6P11q")
_NAMES = [name for name, _ in _ffi.ARGS_FIELDS]

_MAX_KNOWN = 1024  # then all are forgotten

# (shape of b, scale_major_mode, dtype of the output) -> _Known
_known: dict = {}


class _Known:
    """What one call told about all calls with its weights and options."""

    def __init__(self, tensors, options, request):
        a, b, _, b_scale, m_indptr = tensors
        torch = sys.modules["torch"]
        self.empty, self.is_grad_enabled = torch.empty, torch.is_grad_enabled
        self.increment_version = torch.autograd.graph.increment_version
        self.current_stream = _arrays_torch.stream_function()
        self.granularity, self.mma_sm, self.a_fp8, self.b_fp8, self.backend = options
        self.out_dtype, self.device, self.view_device = request.out.dtype, a.device, request.device
        self.on_cpu, self.ordinal = request.device == CPU, request.device[1]
        self.types = tuple(type(x) for x in tensors)
        self.dtypes = tuple(x.dtype for x in tensors)
        self.devices = (a.device,) * 5
        self.layouts = (
            b.stride(),
            b_scale.shape,
            b_scale.stride(),
            m_indptr.shape,
            m_indptr.stride(),
        )

        fields = dict(zip(_NAMES, _ffi.ARGS.unpack(request.args), strict=True))
        self.n, self.k, self.batch_size = fields["n"], fields["k"], fields["batch_size"]
        self.b_row_stride = fields["b_row_stride"]
        self.b_group_stride = fields["b_group_stride"]
        self.b_scale_stride = fields["b_scale_stride"]
        self.b_scale_group_stride = fields["b_scale_group_stride"]
        self.rows_per_scale = fields["scale_granularity_m"]
        self.k_blocks = -(-self.k // fields["scale_granularity_k"])
        self.mn_major = fields["scale_major"] == _ffi.SCALE_MAJOR_MN
        self.codes = request.args[_HEAD.size :]


def remember(tensors, options, scale_major_mode, out, out_dtype, request) -> None:
    """Keeps what a call that went the long way told, if all its arrays are PyTorch tensors.

    tensors are the five inputs; options are scale_granularity_mnk, mma_sm, a_dtype, b_dtype and
    backend.
    """
    arrays = (*tensors, request.out)
    if not all(_arrays.is_torch(type(x)) and x.numel() for x in arrays):
        return
    if type(options[0]) is not tuple:  # a list may change
        return
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    key = (tensors[1].shape, scale_major_mode, out_dtype if out is None else out.dtype)
    _known[key] = _Known(tensors, options, request)


def attempt(
    a, b, a_scale, b_scale, m_indptr, options, scale_major_mode, out, out_dtype, stream
) -> tuple | None:
    """The call, if it is a known one: packed arguments, stream, device and `out`.

    `stream` is a handle, or None for the current stream.
    """
    try:
        known = _known.get((b.shape, scale_major_mode, out_dtype if out is None else out.dtype))
        if known is None or not _has_options(known, options):
            return None
        if (type(a), type(b), type(a_scale), type(b_scale), type(m_indptr)) != known.types:
            return None  # a subclass may have no memory, and warn when it is asked for it
        rows = _checked_rows(known, a, b, a_scale, b_scale, m_indptr)
        if rows is None:
            return None
        cum_m, a_row_stride, a_scale_stride = rows
        if out is not None:
            out_row_stride = _checked_row_stride(known, out, out_dtype, cum_m)
            known.increment_version(out)
        elif stream is None or known.on_cpu:
            # Sizes one by one: PyTorch reads a tuple more slowly.
            out = known.empty(cum_m, known.n, dtype=known.out_dtype, device=known.device)
            out_row_stride = known.n
        else:
            return None  # the memory of `out` belongs to another stream
        addresses = (
            a.data_ptr(),
            b.data_ptr(),
            a_scale.data_ptr(),
            b_scale.data_ptr(),
            m_indptr.data_ptr(),
            out.data_ptr(),
        )
        if known.on_cpu:
            stream = 0
        elif stream is None:
            stream = known.current_stream(known.ordinal)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None  # no tensor, or one without plain memory
    if 0 in addresses or not out_row_stride:
        return None
    head = _HEAD.pack(
        _ffi.ARGS.size,
        *addresses,
        cum_m,
        known.n,
        known.k,
        known.batch_size,
        a_row_stride,
        known.b_row_stride,
        known.b_group_stride,
        out_row_stride if cum_m != 1 else 0,  # one row has no stride: 0 is dense
        a_scale_stride,
        known.b_scale_stride,
        known.b_scale_group_stride,
    )
    return head + known.codes, stream, known.view_device, out


def _has_options(known: _Known, options) -> bool:
    """By identity: an equal value of another type, True for 1, is not the one that was checked."""
    granularity, mma_sm, a_fp8, b_fp8, backend = options
    if not (
        mma_sm is known.mma_sm
        and a_fp8 is known.a_fp8
        and b_fp8 is known.b_fp8
        and backend == known.backend
    ):
        return False
    if granularity is known.granularity:
        return True
    return granularity == known.granularity and all(type(size) is int for size in granularity)


def _checked_rows(known: _Known, a, b, a_scale, b_scale, m_indptr) -> tuple | None:
    """cum_m and the strides of a and a_scale, if the inputs are as known but for cum_m."""
    cum_m, k = a.shape
    a_row_stride, a_inner_stride = a.stride()
    a_scale_stride, a_scale_inner_stride = a_scale.stride()
    m_blocks, k_blocks = -(-cum_m // known.rows_per_scale), known.k_blocks
    blocks = (k_blocks, m_blocks) if known.mn_major else (m_blocks, k_blocks)
    if not (
        k == known.k
        and a_row_stride > 0
        and a_inner_stride == 1
        and a_scale.shape == blocks
        and a_scale_stride > 0
        and a_scale_inner_stride == 1
        and (a.dtype, b.dtype, a_scale.dtype, b_scale.dtype, m_indptr.dtype) == known.dtypes
        and (a.device, b.device, a_scale.device, b_scale.device, m_indptr.device) == known.devices
        and (b.stride(), b_scale.shape, b_scale.stride(), m_indptr.shape, m_indptr.stride())
        == known.layouts
        and not a_scale.is_neg()
        and not b_scale.is_neg()
    ):
        return None
    if (
        a.requires_grad or b.requires_grad or a_scale.requires_grad or b_scale.requires_grad
    ) and known.is_grad_enabled():
        return None
    # One row has no stride: 0 is dense.
    return cum_m, a_row_stride if cum_m != 1 else 0, a_scale_stride if blocks[0] != 1 else 0


def _checked_row_stride(known: _Known, out, out_dtype, cum_m: int) -> int:
    """The row stride of a given `out`, 0 if the long way has to judge it."""
    row_stride, inner_stride = out.stride()
    fits = (
        (out_dtype is None or out_dtype is known.out_dtype)
        and out.shape == (cum_m, known.n)
        and inner_stride == 1
        and row_stride > 0
        and out.device == known.device
        and not out.is_neg()
        and not (out.requires_grad and known.is_grad_enabled())
    )
    return row_stride if fits else 0
