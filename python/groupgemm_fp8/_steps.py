"""The steps around the product on described arrays: checked options in, one call of the C library.

steps calls these functions, and so do the kernels of PyTorch's operators, below all tracers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from . import _ffi, _ffi_moe, _library
from ._call import Call
from ._dtypes import OUTPUTS, argument_dtype_name, output_names
from ._options import checked_batch_size, checked_flag, scale_major_code


def quantize(
    x,
    granularity,
    dtype="float8_e4m3fn",
    scale_major_mode="MN",
    *,
    row_index=None,
    position=None,
    power_of_two_scales=False,
    out=None,
    out_scale=None,
    stream=None,
):
    """quantize_groupwise of checked options, without a look at tracers."""
    rows, k = granularity
    call = Call((x, out, row_index, position, out_scale), stream)
    inputs = [call.describe("x", x)]
    inputs += [_optional(call, "row_index", row_index), _optional(call, "position", position)]
    result = _Outputs(call, x)
    shape = _quantised_shape(call, *inputs)
    result.add_quantised(out, out_scale, shape, dtype, (rows, k), scale_major_mode)
    flags = _flags(power_of_two_scales)
    packed = _ffi_moe.QUANTIZE_OPTIONS.pack(
        _ffi_moe.QUANTIZE_OPTIONS.size,
        rows,
        k,
        scale_major_code(scale_major_mode),
        0,
        flags | result.read_only,
        0,
    )
    function = _library.load().ggfp8_quantize_groupwise_tensors
    _library.check(function(*inputs, *result.described, packed, call.stream_handle()))
    return result.finish()


def _quantised_shape(call, x, row_index, position) -> tuple[int, ...]:
    """The shape of x, with the rows that it is gathered to."""
    shape = call.shape(x)
    *batch, rows, k = _last(shape, 3 if len(shape) == 3 else 2)
    if row_index is not None:
        (rows,) = _last(call.shape(row_index), 1)
    elif position is not None:
        tokens, top_k = _last(call.shape(position), 2)
        rows = tokens * top_k
    return *batch, rows, k


def _last(shape: tuple[int, ...], num_axes: int) -> tuple[int, ...]:
    """The last sizes of an argument, 0 where it has none: the C function refuses such a shape."""
    return tuple(max(size, 0) for size in (*(0,) * num_axes, *shape)[-num_axes:])


def silu_mul_quantize(
    gate_up,
    granularity=(1, 128),
    dtype="float8_e4m3fn",
    scale_major_mode="MN",
    *,
    m_indptr=None,
    limit=None,
    alpha=None,
    power_of_two_scales=False,
    out=None,
    out_scale=None,
    stream=None,
):
    """silu_mul_quantize_groupwise of checked options, without a look at tracers."""
    block_k = granularity[1]
    call = Call((gate_up, out, m_indptr, out_scale), stream)
    inputs = [call.describe("gate_up", gate_up), _optional(call, "m_indptr", m_indptr)]
    rows, columns = _last(call.shape(inputs[0]), 2)
    result = _Outputs(call, gate_up)
    shape = (rows, columns // 2)
    result.add_quantised(out, out_scale, shape, dtype, (1, block_k), scale_major_mode)
    flags = _flags(power_of_two_scales)
    packed = _ffi_moe.SILU_OPTIONS.pack(
        _ffi_moe.SILU_OPTIONS.size,
        positive("limit", limit),
        positive("alpha", alpha),
        block_k,
        scale_major_code(scale_major_mode),
        0,
        flags | result.read_only,
    )
    function = _library.load().ggfp8_silu_mul_quantize_groupwise_tensors
    _library.check(function(*inputs, *result.described, packed, call.stream_handle()))
    return result.finish()


def _flags(power_of_two_scales) -> int:
    is_set = checked_flag("power_of_two_scales", power_of_two_scales)
    return _ffi_moe.FLAG_POWER_OF_TWO_SCALES if is_set else 0


def route(top_k_index, batch_size, stream=None):
    """The arrays of route(), without a look at tracers."""
    batch_size = checked_batch_size(batch_size)
    call = Call((top_k_index,), stream)
    described = call.describe("top_k_index", top_k_index)
    tokens, top_k = _last(call.shape(described), 2)
    result = _Outputs(call, top_k_index)
    result.add("row_index", None, (tokens * top_k,), "int32")
    result.add("position", None, (tokens, top_k), "int32")
    result.add("m_indptr", None, (batch_size + 1,), "int32")
    function, handle = _library.load().ggfp8_route_tensors, call.stream_handle()
    status = function(described, *result.described, None, 0, handle)
    if status == _ffi.ERROR_INVALID_WORKSPACE:
        num_bytes = route_workspace_bytes(tokens, top_k, batch_size, call.device[0])
        num_bytes += _library.load().ggfp8_workspace_alignment()
        # The array may be dropped after the call: it was made for work on the call's stream.
        _array, space = call.empty("workspace", top_k_index, (num_bytes,), "uint8")
        status = function(described, *result.described, space, 0, handle)
    _library.check(status)
    return result.finish()


def combine(x, position, weight, *, out=None, out_dtype=None, stream=None):
    """combine() without a look at tracers."""
    name = None if out_dtype is None else argument_dtype_name("out_dtype", out_dtype, OUTPUTS)
    call = Call((x, out, position, weight), stream)
    inputs = [call.describe("x", x), call.describe("position", position)]
    inputs.append(call.describe("weight", weight))
    result = _Outputs(call, x)
    tokens, _ = _last(call.shape(inputs[1]), 2)
    _, columns = _last(call.shape(inputs[0]), 2)
    # NOTE: the C function refuses an x of another type.
    dtype = name or output_names.get(call.dtype(inputs[0]), "float32")
    result.add("out", out, (tokens, columns), dtype)
    own_name = output_names.get(call.dtype(result.described[0]))
    if name is not None and own_name not in (None, name):
        raise TypeError(f"out_dtype: got {name}, but out has dtype {own_name}")
    function = _library.load().ggfp8_combine_tensors
    flags = result.read_only
    _library.check(function(*inputs, *result.described, flags, call.stream_handle()))
    (summed,) = result.finish()
    return summed


# The kernels of PyTorch's operators, by the names of the steps.
kernels = {
    "quantize_groupwise": quantize,
    "silu_mul_quantize_groupwise": silu_mul_quantize,
    "route": route,
    "combine": combine,
}


class _Outputs:
    """The arrays that a call writes, given or new, in the order of the C function."""

    _FLAGS = (_ffi.FLAG_OUT_READ_ONLY, _ffi_moe.FLAG_OUT_SCALE_READ_ONLY)

    def __init__(self, call: Call, like: Any):
        self._call, self._like = call, like
        self._arrays: list[tuple[Any, Any]] = []  # what was given, or None, and what is written
        self.described: list[int] = []
        self.read_only = 0

    def add(self, name: str, given: Any, shape: Sequence[int], dtype: str) -> None:
        if given is None:
            array, described = self._call.empty(name, self._like, tuple(shape), dtype)
        else:
            array = given
            described, is_read_only = self._call.describe_output(name, given)
            if is_read_only:
                self.read_only |= self._FLAGS[len(self._arrays)]
        self._arrays.append((given, array))
        self.described.append(described)

    def add_quantised(self, out, out_scale, shape, dtype: str, block, scale_major_mode) -> None:
        """The FP8 array of that shape, and its scales."""
        self.add("out", out, shape, dtype)
        own_shape = _last(self._call.shape(self.described[-1]), len(shape))
        scales = scale_shape(own_shape, block, scale_major_mode)
        self.add("out_scale", out_scale, scales, "float32")

    def finish(self) -> tuple:
        for given, _ in self._arrays:
            if given is not None:
                self._call.written(given)
        return tuple(
            self._call.finish(self._like, array) if given is None else given
            for given, array in self._arrays
        )


def _optional(call: Call, name: str, x: Any) -> int | None:
    return None if x is None else call.describe(name, x)


def scale_shape(shape: Sequence[int], block: Sequence[int], major: str) -> tuple[int, ...]:
    """The shape of the scales of an array of that shape; sizes are numbers or symbols."""
    *batch, rows, k = shape
    row_blocks = rows if block[0] == 1 else -(-rows // block[0])  # a symbol stays simple
    blocks = (row_blocks, -(-k // block[1]))
    return (*batch, *(blocks[::-1] if major == "MN" else blocks))


def positive(name: str, value: float | None) -> float:
    if value is None:
        return 0.0
    sentence = f"{name}: got {value!r}, wanted None or a positive number"
    try:
        is_positive, number = value > 0, float(value)
    except Exception:
        raise TypeError(sentence) from None
    if not is_positive:
        raise ValueError(sentence)
    return number


def route_workspace_bytes(tokens: int, top_k: int, batch_size: int, device_type: int) -> int:
    """The size follows from the sizes alone; the addresses only have to be aligned."""
    anywhere = 1 << 12
    args = _ffi_moe.RouteArgs(
        top_k_index=anywhere,
        row_index=anywhere,
        position=anywhere,
        m_indptr=anywhere,
        num_tokens=tokens,
        top_k=top_k,
        batch_size=batch_size,
        device_type=_ffi.DEVICE_CPU if device_type in _ffi.HOST_TYPES else _ffi.DEVICE_CUDA,
    )
    size = ctypes.c_size_t()
    _library.check(_library.load().ggfp8_route_workspace_size(args, ctypes.byref(size)))
    return size.value
