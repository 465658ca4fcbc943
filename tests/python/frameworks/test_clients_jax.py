"""Tokamax's ragged_dot with groupgemm_fp8.jax.ragged_dot as its implementation, under jax.jit."""

import importlib

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed")

import jax.numpy as jnp  # noqa: E402

from groupgemm_fp8 import jax as ggjax  # noqa: E402

BLOCK = 128
# By device: inner products of tensor cores keep fewer bits than float32.
MAX_ERRORS = {"cpu": 1e-6, "cuda": 1e-3}


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """New arrays are on the device; skips without one."""
    try:
        device = jax.local_devices(backend=request.param)[0]
    except RuntimeError as error:
        pytest.skip(f"JAX has no {request.param} device: {error}")
    with jax.default_device(device):
        yield request.param


def product(
    lhs,
    rhs,
    *,
    group_sizes,
    ragged_dot_dimension_numbers,
    precision=None,
    preferred_element_type=None,
    activation=None,
):
    """An implementation as Tokamax calls it, for arrays that Qwix has quantised."""
    if activation is not None or lhs.zero_point is not None or rhs.zero_point is not None:
        raise NotImplementedError("an activation or a zero point")
    sizes = getattr(group_sizes, "value", group_sizes)
    arrays = (lhs.qvalue, rhs.qvalue, sizes, lhs.scale, rhs.scale)
    return ggjax.ragged_dot(*arrays, preferred_element_type=preferred_element_type)


@pytest.mark.parametrize("sizes", [(5, 0, 15), (20, 0, 0), (1, 2, 17)])
def test_tokamax(device, sizes):
    tokamax = pytest.importorskip("tokamax", reason="Tokamax is not installed")
    qwix = pytest.importorskip("qwix", reason="Qwix is not installed")
    # Tokamax would read its options from the command line, which is that of pytest.
    importlib.import_module("absl.flags").FLAGS.mark_as_parsed()
    rows = jax.random.normal(jax.random.key(0), (sum(sizes), 2 * BLOCK))
    weights = jax.random.normal(jax.random.key(1), (len(sizes), 2 * BLOCK, 3 * BLOCK))
    fp8 = "float8_e4m3fn"
    lhs = qwix.quantize(rows, fp8, channelwise_axes=[0], tiled_axes={1: BLOCK})
    rhs = qwix.quantize(weights, fp8, channelwise_axes=[0], tiled_axes={1: BLOCK, 2: BLOCK})
    group_sizes = jnp.array(sizes, jnp.int32)

    def run(implementation):
        def dot(lhs, rhs, group_sizes):
            return tokamax.ragged_dot(
                lhs,
                rhs,
                group_sizes,
                precision=jax.lax.Precision.HIGHEST,
                preferred_element_type=jnp.float32,
                implementation=implementation,
            )

        return np.asarray(jax.jit(dot)(lhs, rhs, group_sizes))

    got, wanted = run(product), run("xla")
    error = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
    assert error < MAX_ERRORS[device], error
