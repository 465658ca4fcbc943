"""From Python arguments to a checked Request with the packed ggfp8_group_gemm_args.

ops calls build() with the arguments of a product. Checked here is what the C library cannot see
(frameworks, dtypes, one array's shape against another's, devices, write access) and what C would
take for a default (zeros). Sizes, strides, alignment and the rest are left to the C library.
Nothing has an effect besides the allocation of `out`.
"""

import ctypes
from typing import NamedTuple

from . import _arguments, _arrays, _ffi, _shapes, _streams
from ._arrays import readers
from ._dtypes import BYTES, OUTPUT, argument_dtype_name
from ._view import CPU, View, device_name, unallocated


class Request(NamedTuple):
    """What the C library is called with, and what must live as long as the call."""

    args: bytes
    workspace: int  # address, 0 without one
    workspace_bytes: int
    stream: int  # handle, 0 on the CPU
    device: tuple[int, int]
    out: object  # the array that is written, or None if it was not to be allocated
    owners: tuple  # of the memory behind args: views with DLPack capsules, the backend's name


def build(
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
    stream=None,
    backend=None,
    workspace=None,
    validate=False,
    allocate=False,
) -> Request:
    """The checked call. Without `out`, one is allocated if `allocate` says so."""
    handle = None if stream is None else _streams.handle_of(stream)
    granularity = _arguments.granularity(scale_granularity_mnk)
    major = _arguments.scale_major(scale_major_mode)
    mma_sm = _arguments.mma_sm(mma_sm)
    flags = _arguments.flags(validate)
    backend = None if backend is None else _arguments.backend_string(backend)

    def stream_of(ordinal: int) -> int:
        if handle is not None:
            return handle
        return _streams.current_handle((a, out, b, a_scale, b_scale, m_indptr), ordinal)

    view_a = readers[type(a)]("a", a, stream_of)
    view_b = readers[type(b)]("b", b, stream_of)
    view_a_scale = readers[type(a_scale)]("a_scale", a_scale, stream_of)
    view_b_scale = readers[type(b_scale)]("b_scale", b_scale, stream_of)
    view_m_indptr = readers[type(m_indptr)]("m_indptr", m_indptr, stream_of)
    inputs = (view_a, view_b, view_a_scale, view_b_scale, view_m_indptr)
    device = view_a.device
    for view in inputs:
        if view.device != device:
            _refuse_devices(inputs)
    fp8_codes = (
        _arguments.fp8_code("a", view_a.dtype, a_dtype),
        _arguments.fp8_code("b", view_b.dtype, b_dtype),
    )
    sizes = _shapes.sizes(view_a, view_b, view_m_indptr)
    _shapes.check_scales(view_a_scale, view_b_scale, sizes, granularity, major)

    if out is None and allocate:
        result, result_view = _new_output(a, out_dtype, sizes[:2], device, stream_of, handle)
    else:
        result, result_view = _output(out, out_dtype, sizes[:2], device, stream_of)
    space = _workspace(workspace, device, stream_of)
    modes = (*granularity, major, mma_sm, *device, flags)
    args = _pack(inputs, result_view, sizes, fp8_codes, modes, backend)
    handle = 0 if device == CPU else stream_of(device[1])
    owners = (inputs, result_view, space, backend)
    return Request(args, space.data, space.shape[0], handle, device, result, owners)


def _pack(inputs, out: View, sizes, fp8_codes, modes, backend) -> bytes:
    """ggfp8_group_gemm_args, in the order of its members."""
    a, b, a_scale, b_scale, m_indptr = inputs
    b_group_stride, b_row_stride = _shapes.strides_3d("b", b)
    b_scale_group_stride, b_scale_stride = _shapes.strides_3d("b_scale", b_scale)
    return _ffi.ARGS.pack(
        _ffi.ARGS.size,
        a.data,
        b.data,
        a_scale.data,
        b_scale.data,
        m_indptr.data,
        out.data,
        *sizes,
        _shapes.stride_2d("a", a),
        b_row_stride,
        b_group_stride,
        _shapes.stride_2d("out", out),
        _shapes.stride_2d("a_scale", a_scale),
        b_scale_stride,
        b_scale_group_stride,
        *fp8_codes,
        OUTPUT[out.dtype],
        *modes,
        0,  # reserved
        0 if backend is None else ctypes.addressof(backend),
    )


def _refuse_devices(inputs) -> None:
    for name, view in zip(_shapes.INPUT_NAMES, inputs, strict=True):
        if view.device != inputs[0].device:
            _refuse_device(name, view, inputs[0].device)


def _refuse_device(argument: str, view: View, device: tuple[int, int]) -> None:
    raise ValueError(
        f"{argument}: got an array on {device_name(view.device)}, "
        f"wanted {device_name(device)} like a"
    )


def _new_output(a, out_dtype, shape, device, stream_of, handle) -> tuple[object, View]:
    """A fresh array of the framework of a, for work on the stream of the handle."""
    dtype = _output_dtype(out_dtype) or "bfloat16"
    out = _arrays.empty("out", a, shape, dtype, device, handle)
    return out, readers[type(out)]("out", out, stream_of)


def _output_dtype(out_dtype) -> str | None:
    return None if out_dtype is None else argument_dtype_name("out_dtype", out_dtype, OUTPUT)


def _output(out, out_dtype, shape, device, stream_of) -> tuple[object, View]:
    """The array to write and its view; without one, the view of an array that could be made."""
    dtype = _output_dtype(out_dtype)
    if out is None:
        return None, unallocated(shape, dtype or "bfloat16", device)
    view = _arrays.read_writable("out", out, stream_of)
    if view.dtype not in OUTPUT:
        raise TypeError(f"out: got dtype {view.dtype}, wanted {' or '.join(OUTPUT)}")
    if dtype is not None and dtype != view.dtype:
        raise TypeError(f"out_dtype: got {dtype}, but out has dtype {view.dtype}")
    if view.shape != shape:
        raise ValueError(f"out: got shape {tuple(view.shape)}, wanted {shape}")
    if view.device != device:
        _refuse_device("out", view, device)
    return out, view


_NO_WORKSPACE = View(0, (0,), (1,), "uint8", CPU)


def _workspace(workspace, device, stream_of) -> View:
    if workspace is None:
        return _NO_WORKSPACE
    view = _arrays.read_writable("workspace", workspace, stream_of)
    if view.dtype not in BYTES:
        raise TypeError(f"workspace: got dtype {view.dtype}, wanted uint8")
    if len(view.shape) != 1 or (view.shape[0] > 1 and view.strides[0] != 1):
        raise ValueError(
            f"workspace: got shape {tuple(view.shape)} and strides {tuple(view.strides)}, "
            "wanted one contiguous axis"
        )
    if view.device != device:
        _refuse_device("workspace", view, device)
    return view
