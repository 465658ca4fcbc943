"""The grouped product inside JAX: under jax.jit, jax.vmap and jax.shard_map, on CPU and CUDA.

    from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise

XLA allocates the output, calls the C library on its own stream and may record the call into a
command buffer. Shapes and types are checked when the call is traced, everything else when it runs.
The handlers are registered at the first call: XLA must have started, since one that it refused
earlier would keep it from starting.
"""

import functools
import os
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import _arguments, _arrays, _ffi, _library, _shapes, ops
from ._dtypes import FP8, OUTPUT, argument_dtype_name, array_dtype_name
from ._view import CPU, View, unallocated
from .errors import GroupGemmError

__all__ = ["group_gemm_fp8_nt_groupwise"]

# What each target is called in a program of XLA, and its handlers by platform.
_TARGET, _VALIDATING_TARGET = "groupgemm_fp8", "groupgemm_fp8_validate"
_HANDLERS = {
    "cpu": {_TARGET: "ggfp8_xla_ffi_cpu", _VALIDATING_TARGET: "ggfp8_xla_ffi_cpu_validate"},
    "CUDA": {_TARGET: "ggfp8_xla_ffi_cuda", _VALIDATING_TARGET: "ggfp8_xla_ffi_cuda_validate"},
}


def group_gemm_fp8_nt_groupwise(
    a,
    b,
    a_scale,
    b_scale,
    m_indptr,
    scale_granularity_mnk=(1, 128, 128),
    scale_major_mode="MN",
    mma_sm=1,
    *,
    out_dtype=None,
    a_dtype=None,
    b_dtype=None,
    backend=None,
    validate=False,
):
    """Grouped FP8 matrix product with groupwise scales, as groupgemm_fp8's function of that name.

    Args:
        a, b, a_scale, b_scale, m_indptr: JAX or NumPy arrays of the shapes and types given there.
            Under jax.vmap the calls run one after another.
        scale_granularity_mnk, scale_major_mode, mma_sm: as there; static, like all that follow.
        out_dtype: bfloat16 (the default), float16 or float32, as a dtype or its name.
        a_dtype, b_dtype: the FP8 type of a or b where that is an array of bytes.
        backend: name of a backend; by default the environment variable GGFP8_BACKEND as it is
            when the call runs, and without it the first backend that supports the call.
        validate: check the contents of m_indptr when the call runs. On CUDA this waits for the
            stream and keeps the call out of command buffers.

    Returns:
        (cum_m, n) JAX array. Rows of no group are unspecified: mask them before they are used.

    Raises:
        TypeError: an argument has a wrong type or dtype; the call is differentiated.
        ValueError: a wrong shape or value, or a call that no device of this process supports.
        ImportError: the C library cannot be loaded.
        jax.errors.JaxRuntimeError: the library refused the call or failed when it ran; the
            message has its sentence. Where JAX finds out only when the result is waited for, it
            may raise ValueError.

    A workspace is allocated by XLA where a backend needs one.
    """
    arrays = (a, b, a_scale, b_scale, m_indptr)
    specs = tuple(_spec(name, x) for name, x in zip(_shapes.INPUT_NAMES, arrays, strict=True))
    _arguments.scale_major(scale_major_mode)
    _arguments.flags(validate)
    if backend is not None:
        _arguments.backend_string(backend)
    options = _Options(
        _arguments.granularity(scale_granularity_mnk),
        scale_major_mode,
        _arguments.mma_sm(mma_sm),
        argument_dtype_name("out_dtype", "bfloat16" if out_dtype is None else out_dtype, OUTPUT),
        None if a_dtype is None else argument_dtype_name("a_dtype", a_dtype, FP8),
        None if b_dtype is None else argument_dtype_name("b_dtype", b_dtype, FP8),
        backend,
        validate,
    )
    product = _product(specs, options, os.environ.get("GGFP8_BACKEND"))
    return product(*arrays)


class _Spec(NamedTuple):
    """An array as the checks see it: without memory, on a device that may run the call."""

    shape: tuple[int, ...]
    dtype: str
    device: tuple[int, int] = CPU


class _Options(NamedTuple):
    """The checked arguments that are no arrays, by the names of the plain function."""

    scale_granularity_mnk: tuple[int, int, int]
    scale_major_mode: str
    mma_sm: int
    out_dtype: str
    a_dtype: str | None
    b_dtype: str | None
    backend: str | None
    validate: bool


def _spec(argument: str, x) -> _Spec:
    if not isinstance(x, (jax.Array, np.ndarray)):
        raise TypeError(
            f"{argument}: got {type(x).__module__}.{type(x).__qualname__}, "
            "wanted a JAX or NumPy array"
        )
    dtype = array_dtype_name(x.dtype)
    if dtype.startswith("void"):
        raise TypeError(f"{argument}: got dtype {dtype}, unknown to JAX; pass its .view('uint8')")
    return _Spec(tuple(x.shape), dtype)


def _read_spec(argument: str, spec: _Spec, stream_of) -> View:
    return unallocated(*spec)


_arrays.readers[_Spec] = _read_spec


@functools.lru_cache(maxsize=4096)
def _product(specs: tuple[_Spec, ...], options: _Options, environment_backend: str | None):
    """The compiled function of checked arrays. The environment is a key, since checks read it."""
    workspace_bytes = _workspace_bytes(specs, options)
    if workspace_bytes:  # XLA aligns to less than the library wants
        workspace_bytes += _library.load().ggfp8_workspace_alignment()
    return _compile(options, workspace_bytes)


def _workspace_bytes(specs: tuple[_Spec, ...], options: _Options) -> int:
    """What suffices on every device that supports the call; raises if none does.

    Which device will run it is not known while it is traced.
    """
    sizes, refusals = [], []
    for device in _devices():
        on_device = [spec._replace(device=device) for spec in specs]
        try:
            sizes.append(ops.workspace_size(*on_device, stream=0, **options._asdict()))
        except (ValueError, GroupGemmError) as error:
            refusals.append(error)
    if not sizes:
        raise refusals[0]
    return max(sizes)


@functools.cache
def _devices() -> tuple[tuple[int, int], ...]:
    """Starts XLA, registers the handlers, and returns the devices that have one, CUDA first."""
    try:
        ordinals = [device.local_hardware_id for device in jax.local_devices(backend="cuda")]
    except RuntimeError:  # JAX has no such backend here
        ordinals = []
    for platform in ["CUDA", "cpu"] if ordinals else ["cpu"]:
        for target, symbol in _HANDLERS[platform].items():
            handler = jax.ffi.pycapsule(getattr(_library.load(), symbol))
            jax.ffi.register_ffi_target(target, handler, platform=platform)
    return (*((_ffi.DEVICE_CUDA, ordinal) for ordinal in ordinals), CPU)


@functools.lru_cache(maxsize=4096)
def _compile(options: _Options, workspace_bytes: int):
    """The function of five arrays for one set of options, compiled by JAX per shape."""
    target = _VALIDATING_TARGET if options.validate else _TARGET
    attributes = _attributes(options)

    # JAX shows the names of the function and of its arguments.
    def group_gemm_fp8_nt_groupwise(a, b, a_scale, b_scale, m_indptr):
        a, b = _as_fp8(a, options.a_dtype), _as_fp8(b, options.b_dtype)
        arrays = (a, b, a_scale, b_scale, m_indptr)
        results = [_result((a.shape[0], b.shape[1]), options.out_dtype, arrays)]
        if workspace_bytes:
            results.append(_result((workspace_bytes,), "uint8", arrays))
        call = jax.ffi.ffi_call(target, results, vmap_method="sequential")
        return call(*arrays, **attributes)[0]

    group_gemm_fp8_nt_groupwise.__qualname__ = group_gemm_fp8_nt_groupwise.__name__
    product = jax.custom_jvp(group_gemm_fp8_nt_groupwise)
    product.defjvp(_refuse_gradient)
    return jax.jit(product)


def _attributes(options: _Options) -> dict:
    """The attributes that the handlers read, see groupgemm_fp8.h."""
    gm, gn, gk = options.scale_granularity_mnk
    return {
        "scale_granularity_m": np.int32(gm),
        "scale_granularity_n": np.int32(gn),
        "scale_granularity_k": np.int32(gk),
        "scale_major": np.int32(_arguments.scale_major(options.scale_major_mode)),
        "mma_sm": np.int32(options.mma_sm),
        "backend": options.backend or "",
    }


def _as_fp8(x, dtype: str | None):
    return x if dtype is None else jax.lax.bitcast_convert_type(x, jnp.dtype(dtype))


def _result(shape: tuple[int, ...], dtype: str, arrays) -> jax.ShapeDtypeStruct:
    """A result that varies over the same axes of a jax.shard_map as any of the arrays.

    JAX derives that for its own operations: of this one only the type is taken.
    """

    def like(*arrays):
        parts = (jnp.sum(x.astype(dtype), dtype=dtype) for x in arrays)
        return sum(parts, jnp.zeros(shape, dtype))

    return jax.eval_shape(like, *arrays)


def _refuse_gradient(primals, tangents):
    raise TypeError(
        "group_gemm_fp8_nt_groupwise: got a gradient to compute, but an FP8 product has none; "
        "wrap its inputs in jax.lax.stop_gradient, or define your own with jax.custom_vjp"
    )
