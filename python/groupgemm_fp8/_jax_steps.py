"""The steps around the product inside JAX; groupgemm_fp8.jax offers them.

Each is a call of the C library that XLA makes, on the CPU and on CUDA. Ranks, types and sizes that
decide shapes are checked when a call is traced, everything else when it runs. Rows that a step
leaves alone are unspecified, because XLA's new arrays have arbitrary contents.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from . import _library, _steps, _xla
from ._dtypes import FP8, OUTPUTS, argument_dtype_name
from ._layer import Routing
from ._options import (
    checked_batch_size,
    checked_block,
    checked_flag,
    checked_scale_major_mode,
    scale_major_code,
)

_INDICES = ("int32", "int64")
_NO_GRADIENT = "this step has none here; wrap its inputs in jax.lax.stop_gradient"


def quantize_groupwise(
    x: Any,
    granularity: Sequence[int],
    dtype: Any = "float8_e4m3fn",
    scale_major_mode: str = "MN",
    *,
    row_index: Any = None,
    position: Any = None,
    power_of_two_scales: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Quantises x to FP8, as groupgemm_fp8's function of that name, without a look at its values.

    Args:
        x, row_index, position: JAX or NumPy arrays of the shapes and types given there.
        granularity: rows 1 or 128, k 32, 64, 96 or 128; static, like all that follow.
        dtype, scale_major_mode, power_of_two_scales: as there.

    Returns:
        x_fp8, scale: JAX arrays of the shapes given there. Rows that no row of x goes to are
        unspecified.

    Raises:
        TypeError, ValueError, jax.errors.JaxRuntimeError: as group_gemm_fp8_nt_groupwise does.
    """
    fp8 = argument_dtype_name("dtype", dtype, FP8)
    checked_scale_major_mode("scale_major_mode", scale_major_mode)
    block = checked_block(granularity)
    spec = _checked("x", x, OUTPUTS, "(rows, k) or (batch_size, n, k)", (2, 3))
    if row_index is not None and position is not None:
        raise ValueError("row_index, position: got both, wanted one of them")
    shape, arrays = list(spec.shape), [x]
    if row_index is not None:
        arrays.append(row_index)
        (shape[-2],) = _checked("row_index", row_index, _INDICES, "(rows of out,)", (1,)).shape
    elif position is not None:
        arrays.append(position)
        tokens, top_k = _checked("position", position, ("int32",), "(rows of x, top_k)", (2,)).shape
        shape[-2] = tokens * top_k
    attributes = _scale_attributes(block, scale_major_mode, power_of_two_scales)
    attributes |= {"block_rows": np.int32(block[0]), "scatters": np.int32(position is not None)}
    results = _quantised(shape, fp8, block, scale_major_mode)
    return tuple(_call("quantize_groupwise", attributes, results, arrays))


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
) -> tuple[jax.Array, jax.Array]:
    """Activates and quantises, as groupgemm_fp8's function of that name.

    Args:
        gate_up, m_indptr: JAX or NumPy arrays of the shapes and types given there.
        granularity, dtype, scale_major_mode, limit, alpha, power_of_two_scales: as there; static.

    Returns:
        h_fp8, scale: JAX arrays of the shapes given there. Rows of no group are unspecified.

    Raises:
        TypeError, ValueError, jax.errors.JaxRuntimeError: as group_gemm_fp8_nt_groupwise does.
    """
    fp8 = argument_dtype_name("dtype", dtype, FP8)
    checked_scale_major_mode("scale_major_mode", scale_major_mode)
    block = checked_block(granularity)
    if block[0] != 1:
        raise ValueError(f"granularity: got {block}, wanted (1, k)")
    rows, columns = _checked("gate_up", gate_up, OUTPUTS, "(rows, 2 * k)", (2,)).shape
    arrays = [gate_up]
    if m_indptr is not None:
        _checked("m_indptr", m_indptr, ("int32",), "(batch_size + 1,)", (1,))
        arrays.append(m_indptr)
    attributes = _scale_attributes(block, scale_major_mode, power_of_two_scales)
    for name, value in (("limit", limit), ("alpha", alpha)):
        attributes[name] = np.float32(_steps.positive(name, value))
    results = _quantised((rows, columns // 2), fp8, block, scale_major_mode)
    return tuple(_call("silu_mul_quantize_groupwise", attributes, results, arrays))


def route(top_k_index: Any, batch_size: int) -> Routing:
    """Sorts the pairs of token and expert by expert, as groupgemm_fp8's function of that name.

    Args:
        top_k_index: (T, top_k) JAX or NumPy array, int32 or int64.
        batch_size: the number of groups; static.

    Returns:
        Routing(row_index, position, m_indptr) of JAX arrays.

    Raises:
        TypeError, ValueError, jax.errors.JaxRuntimeError: as group_gemm_fp8_nt_groupwise does.
    """
    batch_size = checked_batch_size(batch_size)
    tokens, top_k = _checked("top_k_index", top_k_index, _INDICES, "(T, top_k)", (2,)).shape
    if not all(isinstance(size, int) for size in (tokens, top_k)):
        raise ValueError(f"top_k_index: got shape {(tokens, top_k)}, wanted numbers")
    results = [
        ((tokens * top_k,), "int32"),
        ((tokens, top_k), "int32"),
        ((batch_size + 1,), "int32"),
    ]
    # Which device will run the call is not known while it is traced.
    num_bytes = max(
        _steps.route_workspace_bytes(tokens, top_k, batch_size, device_type)
        for device_type, _ in _xla.devices()
    )
    if num_bytes:  # XLA aligns to less than the library wants
        num_bytes += _library.load().ggfp8_workspace_alignment()
        results.append(((num_bytes,), "uint8"))
    return Routing(*_call("route", {}, results, [top_k_index])[:3])


def combine(x: Any, position: Any, weight: Any, *, out_dtype: Any = None) -> jax.Array:
    """Sums each token's rows with weights, as groupgemm_fp8's function of that name.

    Args:
        x, position, weight: JAX or NumPy arrays of the shapes and types given there.
        out_dtype: type of the result, by default that of x; static.

    Returns:
        (T, k) JAX array.

    Raises:
        TypeError, ValueError, jax.errors.JaxRuntimeError: as group_gemm_fp8_nt_groupwise does.
    """
    spec = _checked("x", x, OUTPUTS, "(rows, k)", (2,))
    shape = _checked("position", position, ("int32",), "(T, top_k)", (2,)).shape
    weights = _checked("weight", weight, OUTPUTS, "(T, top_k)", (2,)).shape
    if weights != shape:
        raise ValueError(f"weight: got shape {weights}, wanted {shape} like position")
    name = spec.dtype
    if out_dtype is not None:
        name = argument_dtype_name("out_dtype", out_dtype, OUTPUTS)
    (out,) = _call("combine", {}, [((shape[0], spec.shape[1]), name)], [x, position, weight])
    return out


def _checked(name: str, x: Any, dtypes: tuple[str, ...], wanted: str, ranks: tuple) -> _xla.Spec:
    """The spec of an array of one of these types and numbers of axes."""
    spec = _xla.spec_of(name, x)
    _xla.refuse_deleted(name, x)
    if spec.dtype not in dtypes:
        raise TypeError(f"{name}: got dtype {spec.dtype}, wanted {' or '.join(dtypes)}")
    if len(spec.shape) not in ranks:
        raise ValueError(f"{name}: got shape {spec.shape}, wanted {wanted}")
    return spec


def _scale_attributes(block, scale_major_mode: str, power_of_two_scales: bool) -> dict[str, Any]:
    return {
        "block_k": np.int32(block[1]),
        "scale_major": np.int32(scale_major_code(scale_major_mode)),
        "power_of_two_scales": np.int32(checked_flag("power_of_two_scales", power_of_two_scales)),
    }


def _quantised(shape, fp8: str, block, scale_major_mode: str) -> list[tuple[tuple, str]]:
    """Shapes and types of FP8 values and their scales."""
    scales = _steps.scale_shape(shape, block, scale_major_mode)
    return [(tuple(shape), fp8), (scales, "float32")]


def _call(name: str, attributes: dict, results: list, arrays: list) -> list[jax.Array]:
    _xla.devices()
    return _compile(name, tuple(attributes.items()), tuple(results))(*arrays)


@functools.lru_cache(maxsize=4096)
def _compile(name: str, attributes: tuple, results: tuple) -> Any:
    """The function of a step's arrays for one set of options and result shapes."""

    def step(*arrays):
        outputs = [_xla.result(shape, dtype, arrays) for shape, dtype in results]
        target = f"{_xla.TARGET}_{name}"
        return jax.ffi.ffi_call(target, outputs, vmap_method="sequential")(
            *arrays, **dict(attributes)
        )

    step.__name__ = name  # which JAX shows
    return _xla.compiled(step, _NO_GRADIENT)
