"""Intake of JAX arrays on the CPU: inputs by DLPack, outputs through NumPy memory."""

import numpy as np
import pytest

import small_problem
from group_calls import LAYOUTS, call_of
from small_problem import CUM_M, N, assert_no_leak_with_out, expected, same_bits

jax = pytest.importorskip("jax", reason="JAX is not installed")

from groupgemm_fp8 import group_gemm_fp8_nt_groupwise  # noqa: E402

pytestmark = pytest.mark.usefixtures("jax_on_cpu")


@pytest.fixture
def arrays():
    return small_problem.inputs()


@pytest.fixture
def jax_arrays(arrays):
    cpu = jax.devices("cpu")[0]
    return {name: jax.device_put(array, cpu) for name, array in arrays.items()}


@pytest.mark.parametrize("a_dtype", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("b_dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_fp8_pairs(a_dtype, b_dtype):
    arrays = small_problem.inputs(a_dtype, b_dtype)
    out = group_gemm_fp8_nt_groupwise(**{k: jax.numpy.asarray(v) for k, v in arrays.items()})
    assert isinstance(out, jax.Array)
    assert same_bits(np.asarray(out), expected(arrays))


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_out_dtype(arrays, jax_arrays, name):
    out = group_gemm_fp8_nt_groupwise(**jax_arrays, out_dtype=getattr(jax.numpy, name))
    assert out.devices() == jax_arrays["a"].devices()
    assert same_bits(np.asarray(out), expected(arrays, name))


def test_numpy_out(arrays, jax_arrays):
    out = np.zeros((CUM_M, N), np.float32)
    assert group_gemm_fp8_nt_groupwise(**jax_arrays, out=out) is out
    assert same_bits(out, expected(arrays, "float32"))


def test_jax_out_is_refused(jax_arrays):
    out = jax.numpy.zeros((CUM_M, N))
    with pytest.raises(TypeError, match="out: got ArrayImpl, but JAX arrays are immutable"):
        group_gemm_fp8_nt_groupwise(**jax_arrays, out=out)
    assert not out.any()


def test_bytes(arrays, jax_arrays):
    call = {**jax_arrays, "a": jax.numpy.asarray(arrays["a"].view(np.uint8))}
    out = group_gemm_fp8_nt_groupwise(**call, a_dtype=jax.numpy.float8_e4m3fn)
    assert same_bits(np.asarray(out), expected(arrays))


def test_unfinished_computation(arrays, jax_arrays):
    # Dispatch is asynchronous: the scale may still be under way when it is passed.
    @jax.jit
    def slow_copy(scale):
        return jax.lax.fori_loop(0, 20000, lambda i, x: x * 1.0, scale)

    call = {**jax_arrays, "a_scale": slow_copy(jax_arrays["a_scale"])}
    assert same_bits(np.asarray(group_gemm_fp8_nt_groupwise(**call)), expected(arrays))


def test_traced(jax_arrays):
    def call(a):
        return group_gemm_fp8_nt_groupwise(**{**jax_arrays, "a": a})

    with pytest.raises(TypeError, match="a: got a value that JAX is tracing.*groupgemm_fp8.jax"):
        jax.jit(call)(jax_arrays["a"])


def test_deleted(jax_arrays):
    jax_arrays["b"].delete()
    with pytest.raises(ValueError, match="b: got a deleted or donated JAX array"):
        group_gemm_fp8_nt_groupwise(**jax_arrays)


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_mixed_with_numpy(arrays, jax_arrays, name):
    call = {**arrays, name: jax_arrays[name]}
    out = group_gemm_fp8_nt_groupwise(**call)
    assert same_bits(np.asarray(out), expected(arrays))


def test_no_leak(arrays, jax_arrays):
    jax_arrays["m_indptr"] = jax.numpy.zeros(4, "int32")
    assert_no_leak_with_out(jax_arrays, np.zeros((CUM_M, N), np.float32))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_group_layouts(layout):
    cpu = jax.devices("cpu")[0]
    arrays = {name: jax.device_put(x, cpu) for name, x in call_of(layout).items()}
    out = group_gemm_fp8_nt_groupwise(**arrays)
    assert isinstance(out, jax.Array)
    rows = np.asarray(out)
    if layout == "masked":
        rows = np.concatenate([rows[0, :2], rows[2, :4]])
    assert same_bits(rows, expected(small_problem.inputs()))
