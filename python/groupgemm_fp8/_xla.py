"""Code that functions of groupgemm_fp8.jax share: checked arrays, the handlers, XLA's results.

The handlers are registered at the first call: XLA must have started, since one that it refused
earlier would keep it from starting.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import _ffi, _library
from ._dtypes import UE8M0, UE8M0_BITS_OF_0, UE8M0_BITS_OF_255, dtype_name
from .errors import DELETED

# The names of the targets in a program of XLA, and their handlers by platform.
TARGET, VALIDATING_TARGET = "groupgemm_fp8", "groupgemm_fp8_validate"
STEPS = ("quantize_groupwise", "silu_mul_quantize_groupwise", "route", "combine")
HANDLERS = {
    platform: {
        TARGET: f"ggfp8_xla_ffi_{suffix}",
        VALIDATING_TARGET: f"ggfp8_xla_ffi_{suffix}_validate",
        **{f"{TARGET}_{step}": f"ggfp8_xla_ffi_{step}_{suffix}" for step in STEPS},
    }
    for platform, suffix in (("cpu", "cpu"), ("CUDA", "cuda"))
}


class Spec(NamedTuple):
    """An array as the checks see it: without memory, on a device that may run the call."""

    shape: tuple
    dtype: str


def spec_of(argument: str, x: Any) -> Spec:
    """The spec of a JAX or NumPy array; raises TypeError for what JAX would not take as it is."""
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
    return Spec(tuple(x.shape), dtype)


def refuse_deleted(argument: str, x: Any) -> None:
    """Raises where an array has been deleted or donated; JAX does not say which it is."""
    if isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer) and x.is_deleted():
        raise ValueError(f"{argument}: {DELETED}")


@functools.cache
def devices() -> tuple[tuple[int, int], ...]:
    """Starts XLA, registers the handlers, and returns the devices that have one, CUDA first."""
    try:
        ordinals = [device.local_hardware_id for device in jax.local_devices(backend="cuda")]
    except RuntimeError:  # JAX has no such backend here
        ordinals = []
    for platform in ["CUDA", "cpu"] if ordinals else ["cpu"]:
        for target, symbol in HANDLERS[platform].items():
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


def as_float32(scale: jax.Array) -> jax.Array:
    """The scales in float32; those of UE8M0 are made from their bits.

    UE8M0 is the exponent of a float32. Its smallest value, 2^-127, is no normal number of float32,
    and XLA may flush such numbers where it converts.
    """
    if dtype_name(scale.dtype) != UE8M0:
        return scale
    exponent = jax.lax.bitcast_convert_type(scale, jnp.uint8).astype(jnp.uint32)
    bits = jnp.where(exponent == 0, jnp.uint32(UE8M0_BITS_OF_0), exponent << 23)
    bits = jnp.where(exponent == 255, jnp.uint32(UE8M0_BITS_OF_255), bits)
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


def result(shape: tuple[int, ...], dtype: str, arrays) -> jax.ShapeDtypeStruct:
    """A result that varies over the same axes of a jax.shard_map as any of the arrays.

    JAX derives that for its own operations: of this one only the type is taken.
    """

    def like(*arrays):
        parts = (jnp.sum(x.astype(dtype), dtype=dtype) for x in arrays)
        return sum(parts, jnp.zeros(shape, dtype))

    return jax.eval_shape(like, *arrays)


def compiled(function, refusal: str) -> Any:
    """A function of arrays, compiled by JAX per shape; it refuses to be differentiated."""
    function.__qualname__ = function.__name__
    guarded = jax.custom_jvp(function)

    def refuse_gradient(primals, tangents):
        raise TypeError(f"{function.__name__}: got a gradient to compute, but {refusal}")

    guarded.defjvp(refuse_gradient)
    return jax.jit(guarded)
