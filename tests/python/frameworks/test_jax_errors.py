"""Errors of groupgemm_fp8.jax: while it is traced, when it runs, and for other programs that call
its target.
"""

import numpy as np
import pytest

import small_problem
from small_problem import CUM_M, NAMES, N, expected, same_bits

jax = pytest.importorskip("jax", reason="JAX is not installed")

import jax.numpy as jnp  # noqa: E402

import groupgemm_fp8  # noqa: E402
from groupgemm_fp8 import _library  # noqa: E402
from groupgemm_fp8.jax import _product, group_gemm_fp8_nt_groupwise  # noqa: E402

# JaxRuntimeError is a RuntimeError under every name it had; an error that JAX meets only when it
# waits for the result may become a ValueError.
RUNTIME_ERROR = (RuntimeError, ValueError)


pytestmark = pytest.mark.usefixtures("jax_on_cpu")


@pytest.fixture
def arrays():
    return small_problem.inputs()


def traced(arrays, options):
    return jax.jit(lambda arrays: group_gemm_fp8_nt_groupwise(**arrays, **options))(arrays)


def eager(arrays, options):
    return group_gemm_fp8_nt_groupwise(**arrays, **options)


# Each entry changes one thing in a good call: an array by a function, or an option.
WRONG = {
    "a dtype": ("a", lambda x: x.astype(np.float32)),
    "a rank": ("a", lambda x: x[0]),
    "a bytes": ("a", lambda x: x.view(np.uint8)),
    "b dtype": ("b", lambda x: x.astype(np.float16)),
    "b rank": ("b", lambda x: x[0]),
    "b k": ("b", lambda x: x[:, :, :128]),
    "a_scale dtype": ("a_scale", lambda x: x.astype(np.float16)),
    "a_scale shape": ("a_scale", lambda x: x.T),
    "b_scale shape": ("b_scale", lambda x: x[:, :1]),
    "m_indptr dtype": ("m_indptr", lambda x: x.astype(np.int16)),
    "m_indptr shape": ("m_indptr", lambda x: x[:-1]),
    "granularity": ("scale_granularity_mnk", (1, 128, 100)),
    "granularity type": ("scale_granularity_mnk", (1, 128, "x")),
    "scale major": ("scale_major_mode", "N"),
    "scale major type": ("scale_major_mode", ["MN"]),
    "mma_sm": ("mma_sm", 3),
    "out_dtype": ("out_dtype", "float64"),
    "a_dtype": ("a_dtype", "float8_e5m2"),
    "backend": ("backend", "none"),
    "backend type": ("backend", [1]),
    "validate": ("validate", 1),
}


@pytest.mark.parametrize("run", [eager, traced])
@pytest.mark.parametrize("what", WRONG)
def test_sentences_of_the_plain_function(arrays, run, what):
    name, change = WRONG[what]
    options = {}
    if name in arrays:
        arrays[name] = np.ascontiguousarray(change(arrays[name]))
    else:
        options[name] = change
    with pytest.raises((TypeError, ValueError)) as plain:
        groupgemm_fp8.group_gemm_fp8_nt_groupwise(**arrays, **options)
    assert str(plain.value).startswith(name)
    with pytest.raises(plain.type) as error:
        run(arrays, options)
    assert str(error.value) == str(plain.value)


@pytest.mark.parametrize("run", [eager, traced])
def test_multiples(arrays, run):
    """Faults that the C library alone knows are found while tracing, too."""
    arrays["b"] = arrays["b"][:, :132]
    with pytest.raises(ValueError, match="b: got shape .* n a multiple of 8"):
        run(arrays, {})


@pytest.mark.parametrize("x", [[1.0], None, 3, "a"])
def test_no_array(arrays, x):
    with pytest.raises(TypeError, match="a_scale: got builtins.* wanted a JAX or NumPy array"):
        eager(arrays | {"a_scale": x}, {})


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_deleted_arrays(arrays, name):
    arrays = {key: jax.numpy.asarray(x) for key, x in arrays.items()}
    eager(arrays, {})
    arrays[name].delete()
    with pytest.raises(ValueError, match=f"^{name}: got a deleted or donated JAX array"):
        eager(arrays, {})


def test_deleted_arrays_of_a_step():
    x = jax.numpy.ones((4, 256))
    x.delete()
    with pytest.raises(ValueError, match="^x: got a deleted or donated JAX array"):
        groupgemm_fp8.jax.quantize_groupwise(x, (1, 128))


def test_numpy_int64(arrays):
    # Outside of the 64-bit mode JAX would turn it into int32 without a word.
    arrays["m_indptr"] = arrays["m_indptr"].astype(np.int64)
    with pytest.raises(TypeError, match="m_indptr: got dtype int64, wanted int32"):
        eager(arrays, {})


def test_numpy_types_that_jax_lacks(arrays):
    with pytest.raises(TypeError, match=r"a: got dtype void8.*pass its \.view\('uint8'\)"):
        eager(arrays | {"a": arrays["a"].view("V1")}, {"a_dtype": "float8_e4m3fn"})
    swapped = arrays["a_scale"].astype(np.dtype(np.float32).newbyteorder())
    with pytest.raises(TypeError, match="a_scale: got dtype byte-swapped float32"):
        eager(arrays | {"a_scale": swapped}, {})


@pytest.mark.parametrize("run", [eager, traced])
def test_validation_when_it_runs(arrays, run):
    arrays["m_indptr"] = np.array([0, 3, 2, CUM_M], np.int32)
    with pytest.raises(RUNTIME_ERROR, match=r"m_indptr\[2\]: got 2, wanted 3 to cum_m"):
        run(arrays, {"validate": True}).block_until_ready()
    arrays["m_indptr"] = np.array([0, 2, 2, CUM_M], np.int32)
    assert same_bits(np.asarray(run(arrays, {"validate": True})), expected(arrays))


def test_backend_of_the_environment(arrays, set_variable):
    """The environment is read when the call is traced, and again when it runs."""
    product = jax.jit(group_gemm_fp8_nt_groupwise)
    product(**arrays).block_until_ready()
    set_variable("GGFP8_BACKEND", "none")
    with pytest.raises(RUNTIME_ERROR, match='backend: got "none", wanted one of'):
        product(**arrays).block_until_ready()
    with pytest.raises(ValueError, match='backend: got "none", wanted one of'):
        eager(arrays, {})
    assert same_bits(np.asarray(eager(arrays, {"backend": "cpu"})), expected(arrays))


def test_the_environment_counts_as_the_library_has_read_it(arrays, monkeypatch, set_variable):
    """A variable that the library has not read yet changes no call, and makes no product anew."""
    set_variable("GGFP8_BACKEND", "")
    eager(arrays, {})
    num_products = _product.cache_info().misses
    monkeypatch.setenv("GGFP8_BACKEND", "none")
    assert same_bits(np.asarray(eager(arrays, {})), expected(arrays))
    assert _product.cache_info().misses == num_products
    # Read in C, without a word to Python.
    _library.check(_library.load().ggfp8_reload_environment())
    monkeypatch.delenv("GGFP8_BACKEND")
    with pytest.raises(ValueError, match='backend: got "none", wanted one of'):
        eager(arrays, {})


def test_gradient_is_refused(arrays):
    def loss(scale):
        out = group_gemm_fp8_nt_groupwise(**arrays | {"a_scale": scale}, out_dtype="float32")
        return out.sum()

    scale = jnp.asarray(arrays["a_scale"])
    for derive in (jax.grad(loss), jax.jit(jax.grad(loss)), jax.jacfwd(loss)):
        with pytest.raises(TypeError, match="got a gradient to compute.*stop_gradient"):
            derive(scale)

    def stopped(x):
        return x * loss(jax.lax.stop_gradient(x * scale))

    assert jax.grad(stopped)(1.0) == loss(scale)


def call_target(arrays, out=("bfloat16", (CUM_M, N)), **attributes):
    """Calls the target as another program could, without the checks in Python."""
    result = jax.ShapeDtypeStruct(out[1], out[0])
    call = jax.ffi.ffi_call("groupgemm_fp8", result, vmap_method="sequential")
    return call(*(jnp.asarray(arrays[name]) for name in NAMES), **attributes)


def test_target_checks_by_itself(arrays):
    """No array past whose end the library would read or write gets past the handler."""
    eager(arrays, {})  # registers the target
    assert same_bits(np.asarray(call_target(arrays)), expected(arrays))
    longer = np.zeros((CUM_M, 160), arrays["a"].dtype)
    for wrong, sentence in (
        ({"a": longer}, r"b: got shape \(3, 136, 144\), wanted \(batch_size, n, 160\)"),
        (
            {"a_scale": arrays["a_scale"].T},
            r"a_scale: got shape \(6, 2\), that is the layout of .*'K', wanted \(2, 6\)",
        ),
        ({"b_scale": arrays["b_scale"][:2]}, "b_scale: got shape"),
        (
            {"a_scale": arrays["a_scale"].astype(np.float16)},
            "a_scale: got dtype float16, wanted float32",
        ),
        ({"m_indptr": arrays["m_indptr"][:2]}, r"m_indptr: got shape \(2,\), wanted \(4,\)"),
    ):
        with pytest.raises(RUNTIME_ERROR, match=sentence):
            call_target(arrays | wrong).block_until_ready()
    with pytest.raises(RUNTIME_ERROR, match=r"out: got shape \(6, 128\), wanted \(6, 136\)"):
        call_target(arrays, out=("bfloat16", (CUM_M, 128))).block_until_ready()
    with pytest.raises(RUNTIME_ERROR, match="out: got dtype uint8, wanted bfloat16"):
        call_target(arrays, out=("uint8", (CUM_M, N))).block_until_ready()
    with pytest.raises(RUNTIME_ERROR, match="mma_sm: got another type, wanted an int32"):
        call_target(arrays, mma_sm="1").block_until_ready()
