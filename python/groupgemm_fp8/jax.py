"""The grouped product inside JAX: under jax.jit, jax.vmap and jax.shard_map, on CPU and CUDA.

    from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise

The steps around the product and moe_ffn are here, too. XLA allocates outputs, calls the C library
on its own stream and may record the call into a command buffer. Shapes and types are checked when
the call is traced, everything else when it runs.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import _library, _xla, ops
from ._call import Call
from ._dtypes import UE8M0
from ._groups import INPUT_NAMES
from ._jax_steps import combine, quantize_groupwise, route, silu_mul_quantize_groupwise
from ._layer import BLOCK, COMBINE_NAMES, DOWN_NAMES, ROUTE_NAMES, UP_NAMES, num_experts
from ._options import Options, options
from ._xla import Spec as _Spec
from ._xla import devices as _devices
from ._xla import spec_of as _spec
from .errors import GroupGemmError, under_other_names

__all__ = [
    "combine",
    "group_gemm_fp8_nt_groupwise",
    "moe_ffn",
    "quantize_groupwise",
    "ragged_dot",
    "route",
    "silu_mul_quantize_groupwise",
]

_SCALES = (2, 3)  # among the arrays of a call

_NO_GRADIENT = (
    "an FP8 product has none; wrap its inputs in jax.lax.stop_gradient, or define your own with "
    "jax.custom_vjp"
)


def group_gemm_fp8_nt_groupwise(
    a: Any,
    b: Any,
    a_scale: Any,
    b_scale: Any,
    m_indptr: Any = None,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    scale_major_mode: str = "MN",
    mma_sm: int = 1,
    *,
    out_dtype: Any = None,
    a_dtype: Any = None,
    b_dtype: Any = None,
    backend: str | None = None,
    validate: bool = False,
    m_ends: Any = None,
    m_counts: Any = None,
    group_alignment: int = 1,
    expected_m: int | None = None,
    b_scale_major_mode: str | None = None,
) -> jax.Array:
    """Grouped FP8 matrix product with groupwise scales, as groupgemm_fp8's function of that name.

    Args:
        a, b, a_scale, b_scale, and m_indptr, m_ends or m_counts: JAX or NumPy arrays of the shapes
            and types given there. Scales may be float8_e8m0fnu, too: the program makes float32 of
            them. Under jax.vmap the calls run one after another.
        scale_granularity_mnk, scale_major_mode, mma_sm: as there; static, like all that follow.
        out_dtype: bfloat16 (the default), float16 or float32, as a dtype or its name.
        a_dtype, b_dtype: the FP8 type of a or b where that is an array of bytes.
        backend: as there; by default the environment variable GGFP8_BACKEND, as the library has
            read it, and without it the first backend that supports the call.
        validate: check the contents of m_indptr, m_ends or m_counts when the call runs. On CUDA
            this waits for the stream and keeps the call out of command buffers.
        group_alignment, expected_m, b_scale_major_mode: as there.

    Returns:
        (cum_m, n) JAX array, (batch_size, T, n) with slabs. Rows of no group are unspecified: mask
        them before they are used.

    Raises:
        TypeError: an argument has a wrong type or dtype; the call is differentiated.
        ValueError: a wrong shape or value, or a call that no device of this process supports.
        ImportError: the C library cannot be loaded.
        jax.errors.JaxRuntimeError: the library refused the call or failed when it ran; the
            message has its sentence. Where JAX finds out only when the result is waited for, it
            may raise ValueError.

    A workspace is allocated by XLA where a backend needs one. Sizes may be symbols of jax.export.
    """
    group_layout, groups = ops.find_groups(a, m_indptr, m_ends, m_counts)
    chosen = options(
        scale_granularity_mnk,
        scale_major_mode,
        mma_sm,
        out_dtype,
        backend,
        a_dtype=a_dtype,
        b_dtype=b_dtype,
        validate=validate,
        b_scale_major_mode=b_scale_major_mode,
        group_layout=group_layout,
        group_alignment=group_alignment,
        expected_m=expected_m,
    )
    return _run((a, b, a_scale, b_scale, groups), chosen)


def ragged_dot(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    lhs_scale: Any,
    rhs_scale: Any,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    *,
    preferred_element_type: Any = None,
    backend: str | None = None,
    validate: bool = False,
) -> jax.Array:
    """The grouped product with the shapes of jax.lax.ragged_dot.

    Args:
        lhs: (m, k), the rows of all groups. lhs_scale is (ceil(m / gm), ceil(k / gk)).
        rhs: (g, k, n). rhs_scale is (g, ceil(k / gk), ceil(n / gn)).
        group_sizes: (g,) int32: the rows of each group, one group after the other from row 0 on.
        preferred_element_type: bfloat16 (the default), float16 or float32.
        scale_granularity_mnk, backend, validate: as in group_gemm_fp8_nt_groupwise.

    Returns:
        (m, n) JAX array. Rows past the last group are unspecified.

    Raises as group_gemm_fp8_nt_groupwise, whose names the arrays have in errors: b is rhs with its
    last two axes swapped.

    The product reads rhs with k as the contiguous axis. XLA copies nothing where rhs lies so in
    memory: where it is an argument of that layout (jax.experimental.layout), or an intermediate
    result of a program. It transposes any other rhs in every call.
    """
    chosen = options(
        scale_granularity_mnk,
        "K",
        1,
        preferred_element_type,
        backend,
        validate=validate,
        b_scale_major_mode="MN",
        group_layout="counts",
    )
    return _run((lhs, rhs, lhs_scale, rhs_scale, group_sizes), chosen, swaps_b=True)


def _run(arrays: tuple, chosen: Options, swaps_b: bool = False) -> jax.Array:
    """The product. swaps_b: the array of b is (batch_size, k, n)."""
    names = INPUT_NAMES[chosen.group_layout]
    specs = [_spec(name, x) for name, x in zip(names, arrays, strict=True)]
    for idx in _SCALES:
        if specs[idx].dtype == UE8M0:
            specs[idx] = specs[idx]._replace(dtype="float32")
    if swaps_b:
        shape = specs[1].shape
        specs[1] = specs[1]._replace(shape=(*shape[:-2], *shape[:-3:-1]))
    environment_backend = _library.load().ggfp8_environment_backend()
    product = _product(tuple(specs), chosen, environment_backend, swaps_b)
    try:
        return product(*arrays)
    except RuntimeError:
        for name, x in zip(names, arrays, strict=True):
            _xla.refuse_deleted(name, x)
        raise


# The steps whose arguments have other names in the layer: their errors say the layer's.
_route = under_other_names(route, ROUTE_NAMES)
_up = under_other_names(group_gemm_fp8_nt_groupwise, UP_NAMES)
_down = under_other_names(group_gemm_fp8_nt_groupwise, DOWN_NAMES)
_combine = under_other_names(combine, COMBINE_NAMES)


def moe_ffn(
    x: Any,
    gate_up: Any,
    gate_up_scale: Any,
    down: Any,
    down_scale: Any,
    top_k_index: Any,
    top_k_weights: Any,
    scale_major_mode: str = "K",
    *,
    limit: float | None = None,
    alpha: float | None = None,
    power_of_two_scales: bool = False,
) -> jax.Array:
    """An experts' layer, as groupgemm_fp8.moe_ffn: two grouped products and the steps around them.

    Args:
        x, gate_up, gate_up_scale, down, down_scale, top_k_index, top_k_weights: JAX or NumPy arrays
            of the shapes and types given there.
        scale_major_mode, limit, alpha, power_of_two_scales: as there; static.

    Returns:
        (T, hidden) JAX array of the type of x.

    Raises:
        TypeError, ValueError, jax.errors.JaxRuntimeError: as the product does.
    """
    common = {"scale_major_mode": scale_major_mode}
    quantised = common | {"power_of_two_scales": power_of_two_scales}
    experts = num_experts(_spec("gate_up", gate_up).shape)
    _, position, m_indptr = _route(top_k_index, experts)
    a, a_scale = quantize_groupwise(x, (1, BLOCK), position=position, **quantised)
    h = _up(a, gate_up, a_scale, gate_up_scale, m_indptr, **common)
    a, a_scale = silu_mul_quantize_groupwise(
        h, (1, BLOCK), m_indptr=m_indptr, limit=limit, alpha=alpha, **quantised
    )
    y = _down(a, down, a_scale, down_scale, m_indptr, **common)
    return _combine(y, position, top_k_weights, out_dtype=x.dtype)


@functools.lru_cache(maxsize=4096)
def _product(
    specs: tuple[_Spec, ...], chosen: Options, environment_backend: bytes, swaps_b: bool
) -> Any:
    """The compiled function of checked arrays.

    The backend that the library read from the environment is a key: it decides the workspace.
    """
    workspace_bytes = max(_workspace_bytes(sized, chosen) for sized in _with_numbers(specs, chosen))
    if workspace_bytes:  # XLA aligns to less than the library wants
        workspace_bytes += _library.load().ggfp8_workspace_alignment()
    return _compile(chosen, workspace_bytes, swaps_b)


def _with_numbers(specs: tuple[_Spec, ...], chosen: Options) -> list[tuple[_Spec, ...]]:
    """The specs with numbers in place of jax.export's symbols: small ones, and large ones.

    The value of a symbol is not known while it is traced; how the sizes depend on each other is.
    """
    a, b, *_ = specs
    is_symbolic = any(not isinstance(size, int) for spec in specs for size in spec.shape)
    if not is_symbolic or len(a.shape) not in (2, 3) or len(b.shape) != 3:
        return [specs]  # a wrong rank is for the library to refuse
    names = INPUT_NAMES[chosen.group_layout]
    return [
        _substitute(names, specs, _known_sizes(a, b, chosen, number)) for number in (128, 1 << 16)
    ]


def _known_sizes(a: _Spec, b: _Spec, chosen: Options, number: int) -> dict[Any, int]:
    """Symbol -> number, for the symbols of a and b and for the sizes that follow from them."""
    gm, gn, gk = chosen.scale_granularity_mnk
    (num_rows, k), (batch_size, n, _) = a.shape[-2:], b.shape
    known = {}
    for symbol, step in ((num_rows, gm), (n, gn), (k, gk), (batch_size, 1)):
        if not isinstance(symbol, int):
            known[symbol] = number
            known[-(-symbol // step)] = -(-number // step)
            known[symbol + 1] = number + 1
    return known


def _substitute(
    names: tuple[str, ...], specs: tuple[_Spec, ...], known: dict[Any, int]
) -> tuple[_Spec, ...]:
    return tuple(
        _Spec(tuple(_number(name, size, known) for size in spec.shape), spec.dtype)
        for name, spec in zip(names, specs, strict=True)
    )


def _number(name: str, size: Any, known: dict[Any, int]) -> int:
    if isinstance(size, int):
        return size
    if size not in known:
        raise ValueError(f"{name}: got {size} elements along an axis, wanted one of {list(known)}")
    return known[size]


def _workspace_bytes(specs: tuple[_Spec, ...], chosen: Options) -> int:
    """Returns the bytes of workspace that suffice on every device that supports the call.

    Raises if no device does. The device that will run the call is not known while it is traced.
    """
    sizes, refusals = [], []
    for device in _devices():
        call = Call(())
        described = [
            call.describe_shape(name, spec.shape, spec.dtype, device)
            for name, spec in zip(INPUT_NAMES[chosen.group_layout], specs, strict=True)
        ]
        try:
            sizes.append(ops.workspace_bytes(described, chosen))
        except (ValueError, GroupGemmError) as error:
            refusals.append(error)
    if not sizes:
        raise refusals[0]
    return max(sizes)


@functools.lru_cache(maxsize=4096)
def _compile(chosen: Options, workspace_bytes: int, swaps_b: bool) -> Any:
    """The function of five arrays for one set of options, compiled by JAX per shape."""
    target = _xla.VALIDATING_TARGET if chosen.validate else _xla.TARGET
    attributes = {
        name: value if isinstance(value, str) else np.int32(value)
        for name, value in chosen.attributes().items()
    }

    # XLA brings every array into the order of axes that is named here, slowest first.
    orders = None
    if swaps_b:
        attributes["b_has_swapped_axes"] = np.int32(1)
        orders = (None, (0, 2, 1), None, None, None)

    # JAX shows the names of the function and of its arguments.
    def group_gemm_fp8_nt_groupwise(a, b, a_scale, b_scale, groups):
        a, b = _as_fp8(a, chosen.a_dtype), _as_fp8(b, chosen.b_dtype)
        a_scale, b_scale = _xla.as_float32(a_scale), _xla.as_float32(b_scale)
        arrays = (a, b, a_scale, b_scale, groups)
        n = b.shape[2] if swaps_b else b.shape[1]
        results = [_xla.result((*a.shape[:-1], n), chosen.out_dtype or "bfloat16", arrays)]
        if workspace_bytes:
            results.append(_xla.result((workspace_bytes,), "uint8", arrays))
        call = jax.ffi.ffi_call(target, results, vmap_method="sequential", input_layouts=orders)
        return call(*arrays, **attributes)[0]

    return _xla.compiled(group_gemm_fp8_nt_groupwise, _NO_GRADIENT)


def _as_fp8(x, dtype: str | None):
    return x if dtype is None else jax.lax.bitcast_convert_type(x, jnp.dtype(dtype))
