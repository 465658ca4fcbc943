"""The grouped product inside JAX: under jax.jit, jax.vmap and jax.shard_map, on CPU and CUDA.

    from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise

XLA allocates the output, calls the C library on its own stream and may record the call into a
command buffer. Shapes and types are checked when the call is traced, everything else when it runs.
The handlers are registered at the first call: XLA must have started, since one that it refused
earlier would keep it from starting.
"""

import functools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import _ffi, _library, ops
from ._call import Call
from ._dtypes import dtype_name
from ._groups import INPUT_NAMES
from ._options import Options, options
from .errors import GroupGemmError

__all__ = ["group_gemm_fp8_nt_groupwise"]

_INPUT_NAMES = INPUT_NAMES["indptr"]

# The names of the targets in a program of XLA, and their handlers by platform.
_TARGET, _VALIDATING_TARGET = "groupgemm_fp8", "groupgemm_fp8_validate"
_HANDLERS = {
    "cpu": {_TARGET: "ggfp8_xla_ffi_cpu", _VALIDATING_TARGET: "ggfp8_xla_ffi_cpu_validate"},
    "CUDA": {_TARGET: "ggfp8_xla_ffi_cuda", _VALIDATING_TARGET: "ggfp8_xla_ffi_cuda_validate"},
}


def group_gemm_fp8_nt_groupwise(
    a: Any,
    b: Any,
    a_scale: Any,
    b_scale: Any,
    m_indptr: Any,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    scale_major_mode: str = "MN",
    mma_sm: int = 1,
    *,
    out_dtype: Any = None,
    a_dtype: Any = None,
    b_dtype: Any = None,
    backend: str | None = None,
    validate: bool = False,
) -> jax.Array:
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

    A workspace is allocated by XLA where a backend needs one. Sizes may be symbols of jax.export.
    """
    arrays = (a, b, a_scale, b_scale, m_indptr)
    specs = tuple(_spec(name, x) for name, x in zip(_INPUT_NAMES, arrays, strict=True))
    chosen = options(
        scale_granularity_mnk,
        scale_major_mode,
        mma_sm,
        out_dtype,
        backend,
        a_dtype=a_dtype,
        b_dtype=b_dtype,
        validate=validate,
    )
    product = _product(specs, chosen, os.environ.get("GGFP8_BACKEND"))
    return product(*arrays)


class _Spec(NamedTuple):
    """An array as the checks see it: without memory, on a device that may run the call."""

    shape: tuple
    dtype: str


def _spec(argument: str, x: Any) -> _Spec:
    if not isinstance(x, (jax.Array, np.ndarray)):
        raise TypeError(
            f"{argument}: got {type(x).__module__}.{type(x).__qualname__}, "
            "wanted a JAX or NumPy array"
        )
    dtype = dtype_name(x.dtype)
    if dtype.startswith("void"):
        raise TypeError(f"{argument}: got dtype {dtype}, unknown to JAX; pass its .view('uint8')")
    if dtype == "int64" and not jax.config.jax_enable_x64:
        raise TypeError(
            f"{argument}: got dtype int64, wanted int32, which JAX would make of it; "
            "jax_enable_x64 keeps int64"
        )
    return _Spec(tuple(x.shape), dtype)


@functools.lru_cache(maxsize=4096)
def _product(specs: tuple[_Spec, ...], chosen: Options, environment_backend: str | None) -> Any:
    """The compiled function of checked arrays. The environment is a key, since checks read it."""
    workspace_bytes = max(_workspace_bytes(sized, chosen) for sized in _with_numbers(specs, chosen))
    if workspace_bytes:  # XLA aligns to less than the library wants
        workspace_bytes += _library.load().ggfp8_workspace_alignment()
    return _compile(chosen, workspace_bytes)


def _with_numbers(specs: tuple[_Spec, ...], chosen: Options) -> list[tuple[_Spec, ...]]:
    """The specs with numbers in place of jax.export's symbols: small ones, and large ones.

    What a symbol will be is not known while it is traced; how the sizes depend on each other is.
    """
    a, b, *_ = specs
    is_symbolic = any(not isinstance(size, int) for spec in specs for size in spec.shape)
    if not is_symbolic or len(a.shape) != 2 or len(b.shape) != 3:
        return [specs]  # a wrong rank is for the library to refuse
    return [_substitute(specs, _known_sizes(a, b, chosen, number)) for number in (128, 1 << 16)]


def _known_sizes(a: _Spec, b: _Spec, chosen: Options, number: int) -> dict[Any, int]:
    """Symbol -> number, for the symbols of a and b and for the sizes that follow from them."""
    gm, gn, gk = chosen.scale_granularity_mnk
    (cum_m, k), (batch_size, n, _) = a.shape, b.shape
    known = {}
    for symbol, step in ((cum_m, gm), (n, gn), (k, gk), (batch_size, 1)):
        if not isinstance(symbol, int):
            known[symbol] = number
            known[-(-symbol // step)] = -(-number // step)
            known[symbol + 1] = number + 1
    return known


def _substitute(specs: tuple[_Spec, ...], known: dict[Any, int]) -> tuple[_Spec, ...]:
    return tuple(
        _Spec(tuple(_number(name, size, known) for size in spec.shape), spec.dtype)
        for name, spec in zip(_INPUT_NAMES, specs, strict=True)
    )


def _number(name: str, size: Any, known: dict[Any, int]) -> int:
    if isinstance(size, int):
        return size
    if size not in known:
        raise ValueError(f"{name}: got {size} elements along an axis, wanted one of {list(known)}")
    return known[size]


def _workspace_bytes(specs: tuple[_Spec, ...], chosen: Options) -> int:
    """What suffices on every device that supports the call; raises if none does.

    Which device will run it is not known while it is traced.
    """
    sizes, refusals = [], []
    for device in _devices():
        call = Call(())
        described = [
            call.describe_shape(name, spec.shape, spec.dtype, device)
            for name, spec in zip(_INPUT_NAMES, specs, strict=True)
        ]
        try:
            sizes.append(ops.workspace_bytes(described, chosen))
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
            _register(target, symbol, platform)
    return (*((_ffi.DEVICE_CUDA, ordinal) for ordinal in ordinals), (_ffi.DEVICE_CPU, 0))


def _register(target: str, symbol: str, platform: str) -> None:
    handler = jax.ffi.pycapsule(getattr(_library.load(), symbol))
    try:
        jax.ffi.register_ffi_target(target, handler, platform=platform)
    except RuntimeError as error:
        # Another copy of the package or of its library was first: its handler does the same.
        if "duplicate" not in str(error).lower():
            raise


@functools.lru_cache(maxsize=4096)
def _compile(chosen: Options, workspace_bytes: int) -> Any:
    """The function of five arrays for one set of options, compiled by JAX per shape."""
    target = _VALIDATING_TARGET if chosen.validate else _TARGET
    attributes = {
        name: value if isinstance(value, str) else np.int32(value)
        for name, value in chosen.attributes().items()
    }

    # JAX shows the names of the function and of its arguments.
    def group_gemm_fp8_nt_groupwise(a, b, a_scale, b_scale, m_indptr):
        a, b = _as_fp8(a, chosen.a_dtype), _as_fp8(b, chosen.b_dtype)
        arrays = (a, b, a_scale, b_scale, m_indptr)
        results = [_result((a.shape[0], b.shape[1]), chosen.out_dtype or "bfloat16", arrays)]
        if workspace_bytes:
            results.append(_result((workspace_bytes,), "uint8", arrays))
        call = jax.ffi.ffi_call(target, results, vmap_method="sequential")
        return call(*arrays, **attributes)[0]

    group_gemm_fp8_nt_groupwise.__qualname__ = group_gemm_fp8_nt_groupwise.__name__
    product = jax.custom_jvp(group_gemm_fp8_nt_groupwise)
    product.defjvp(_refuse_gradient)
    return jax.jit(product)


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
