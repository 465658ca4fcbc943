"""The steps around the product and moe_ffn inside JAX, against the functions for NumPy arrays."""

import numpy as np
import pytest

from small_problem import same_bits

jax = pytest.importorskip("jax", reason="JAX is not installed")

import jax.numpy as jnp  # noqa: E402
import ml_dtypes  # noqa: E402

import groupgemm_fp8 as gg  # noqa: E402
import groupgemm_fp8.jax as ggjax  # noqa: E402
from groupgemm_fp8 import _jax_steps, _library  # noqa: E402

TOKENS, EXPERTS, HIDDEN, INTER, TOP_K = 9, 5, 256, 128, 2
RUNTIME_ERROR = (RuntimeError, ValueError)  # what JAX makes of an error that a call raises


def gpu():
    try:
        return jax.local_devices(backend="cuda")[0]
    except RuntimeError:
        pytest.skip("needs a GPU and JAX with CUDA")


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    found = jax.devices("cpu")[0] if request.param == "cpu" else gpu()
    with jax.default_device(found):
        yield found


@pytest.fixture(params=["eager", "jit"])
def call(request, device):
    """Calls a function with NumPy arrays and static options, eagerly or compiled."""

    def run(function, *arrays, **options):
        placed = [None if x is None else jax.device_put(x, device) for x in arrays]

        def step(*arrays):
            return function(*arrays, **options)

        return (jax.jit(step) if request.param == "jit" else step)(*placed)

    return run


def random_rows(rows, k, dtype, seed=0):
    values = np.random.default_rng(seed).standard_normal((rows, k)).astype(np.float32)
    values[rows // 2 :, : k // 2] = 0  # blocks of zeros
    return values.astype(getattr(ml_dtypes, dtype, dtype))


def top_k_index(tokens=TOKENS, dtype=np.int32, seed=0):
    return np.random.default_rng(seed).integers(-1, EXPERTS + 1, (tokens, TOP_K)).astype(dtype)


def layer(tokens=TOKENS, dtype="bfloat16"):
    """The arrays of moe_ffn, with weights that are FP8."""
    rng = np.random.default_rng(1)
    gate_up = 0.1 * rng.standard_normal((EXPERTS, 2 * INTER, HIDDEN), dtype=np.float32)
    down = 0.1 * rng.standard_normal((EXPERTS, HIDDEN, INTER), dtype=np.float32)
    weights = [
        part
        for matrix in (gate_up, down)
        for part in gg.quantize_groupwise(matrix, (128, 128), scale_major_mode="K")
    ]
    weight = rng.uniform(0, 1, (tokens, TOP_K)).astype(np.float32)
    return random_rows(tokens, HIDDEN, dtype), *weights, top_k_index(tokens), weight


def assert_same(got, wanted):
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert isinstance(one, jax.Array)
        assert same_bits(np.asarray(one), other)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("block", [(1, 128), (128, 128), (1, 32), (128, 96)])
@pytest.mark.parametrize("major", ["MN", "K"])
def test_quantize(call, dtype, block, major):
    x = random_rows(130, 272, dtype)
    options = {"granularity": block, "scale_major_mode": major, "dtype": "float8_e5m2"}
    assert_same(call(ggjax.quantize_groupwise, x, **options), gg.quantize_groupwise(x, **options))


def test_quantize_matrices_with_power_of_two_scales(call):
    x = random_rows(3 * 40, 128, "float32").reshape(3, 40, 128)
    options = {"granularity": (128, 128), "power_of_two_scales": True}
    assert_same(call(ggjax.quantize_groupwise, x, **options), gg.quantize_groupwise(x, **options))


def test_quantize_keeps_nan_to_its_element(call):
    x = random_rows(4, 256, "float32")
    x[1, 7] = np.nan
    wanted = gg.quantize_groupwise(x, (1, 128), check_finite=False)
    assert_same(call(ggjax.quantize_groupwise, x, granularity=(1, 128)), wanted)


def test_gather_and_scatter(call):
    """All rows of out are written here; those that are not are unspecified."""
    x = random_rows(6, 256, "bfloat16")
    row_index = np.array([5, 0, 0, 3], np.int32)
    position = np.random.default_rng(0).permutation(12).astype(np.int32).reshape(6, 2)
    for name, indices in (("row_index", row_index), ("position", position)):

        def step(x, indices, name=name):
            return ggjax.quantize_groupwise(x, (1, 128), **{name: indices})

        wanted = gg.quantize_groupwise(x, (1, 128), **{name: indices})
        assert_same(call(step, x, indices), wanted)


@pytest.mark.parametrize("gate", [{}, {"limit": 1.5}, {"limit": 1.5, "alpha": 1.7}])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_silu_mul_quantize(call, dtype, gate):
    if call_device(call).platform != "cpu":
        pytest.skip("exp of a GPU may differ in the last place")
    x = random_rows(20, 512, dtype)
    wanted = gg.silu_mul_quantize_groupwise(x, **gate)
    assert_same(call(ggjax.silu_mul_quantize_groupwise, x, **gate), wanted)


def call_device(call):
    return next(iter(call(jnp.negative, np.zeros(1, np.float32)).devices()))


def test_silu_mul_quantize_of_groups(call):
    x = random_rows(20, 512, "bfloat16")
    m_indptr = np.array([0, 4, 15], np.int32)

    def step(x, m_indptr):
        return ggjax.silu_mul_quantize_groupwise(x, scale_major_mode="K", m_indptr=m_indptr)

    got = call(step, x, m_indptr)
    whole = call(ggjax.silu_mul_quantize_groupwise, x, scale_major_mode="K")
    assert_same([part[:15] for part in got], [np.asarray(part)[:15] for part in whole])


@pytest.mark.parametrize("tokens", [0, 1, 300])
def test_route(call, tokens):
    index = top_k_index(tokens)
    got = call(ggjax.route, index, batch_size=EXPERTS)
    assert isinstance(got, gg.Routing)
    assert_same(got, gg.route(index, EXPERTS))


@pytest.mark.parametrize("sizes", [(10, 30), (30, 10)])
def test_workspace_of_route_suffices_on_every_device(monkeypatch, sizes):
    """Nobody knows while tracing which device runs the program."""
    asked, results = iter(sizes), []

    def see(name, attributes, wanted, arrays):
        results.extend(wanted)
        return wanted

    monkeypatch.setattr(_jax_steps._xla, "devices", lambda: ((2, 0), (1, 0)))
    monkeypatch.setattr(_jax_steps._steps, "route_workspace_bytes", lambda *sizes: next(asked))
    monkeypatch.setattr(_jax_steps, "_call", see)
    ggjax.route(top_k_index(), EXPERTS)
    num_bytes = 30 + _library.load().ggfp8_workspace_alignment()
    assert results[3] == ((num_bytes,), "uint8")


def test_route_of_int64(call):
    index = top_k_index(40, np.int64)
    index[0, 0] = 1 << 32  # would be group 0 as an int32
    with pytest.raises(TypeError, match="top_k_index: got dtype int64, wanted int32, which JAX"):
        ggjax.route(index, EXPERTS)
    with jax.enable_x64() if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        assert_same(call(ggjax.route, index, batch_size=EXPERTS), gg.route(index, EXPERTS))


@pytest.mark.parametrize("out_dtype", [None, "float32", jnp.float16])
def test_combine(call, out_dtype):
    x = random_rows(30, 136, "bfloat16")
    position = np.random.default_rng(0).integers(-1, 31, (7, 3)).astype(np.int32)
    weight = np.random.default_rng(1).uniform(0, 1, (7, 3)).astype(np.float32)
    wanted = gg.combine(x, position, weight, out_dtype=out_dtype)
    assert_same([call(ggjax.combine, x, position, weight, out_dtype=out_dtype)], [wanted])


@pytest.mark.parametrize("tokens", [1, 9, 130])
@pytest.mark.parametrize("options", [{}, {"limit": 1.5, "alpha": 1.7, "power_of_two_scales": True}])
def test_layer(call, tokens, options):
    arrays = layer(tokens)
    wanted = gg.moe_ffn(*arrays, **options)
    got = call(ggjax.moe_ffn, *arrays, **options)
    assert (got.shape, got.dtype) == ((tokens, HIDDEN), jnp.bfloat16)
    if call_device(call).platform == "cpu":
        assert_same([got], [wanted])
    error = np.linalg.norm(np.asarray(got, np.float32) - wanted.astype(np.float32))
    assert error < 0.03 * np.linalg.norm(wanted.astype(np.float32))


def test_layer_in_a_program(device):
    """Inputs that exist inside of XLA alone, in a loop; the product runs between the steps."""
    x, *rest = layer()

    @jax.jit
    def program(x, *rest):
        def step(x, _):
            return x + ggjax.moe_ffn(x * 2, *rest), None

        return jax.lax.scan(step, x, None, length=2)[0]

    got, wanted = program(x, *rest), jnp.asarray(x)
    for _ in range(2):
        wanted = wanted + ggjax.moe_ffn(wanted * 2, *rest)
    assert same_bits(np.asarray(got), np.asarray(wanted))
    assert np.isfinite(np.asarray(got, np.float32)).all()


def test_vmap(device):
    x = np.stack([random_rows(4, 128, "float32", seed) for seed in range(3)])
    got = jax.vmap(lambda x: ggjax.quantize_groupwise(x, (1, 128)))(x)
    for idx in range(3):
        assert_same([part[idx] for part in got], gg.quantize_groupwise(x[idx], (1, 128)))


def test_abstract_evaluation():
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in layer()]
    out = jax.eval_shape(ggjax.moe_ffn, *shapes)
    assert (out.shape, out.dtype) == ((TOKENS, HIDDEN), jnp.bfloat16)


def test_a_gradient_is_refused(device):
    x = random_rows(2, 128, "float32")
    with pytest.raises(TypeError, match="combine: got a gradient to compute"):
        jax.grad(lambda x: ggjax.combine(x, np.zeros((2, 1), np.int32), x[:, :1]).sum())(x)


X, POSITION = random_rows(4, 128, "float32"), np.zeros((4, 2), np.int32)
WRONG = {
    "no array": (lambda: ggjax.quantize_groupwise([1.0], (1, 128)), TypeError, "x: got builtins"),
    "dtype": (
        lambda: ggjax.quantize_groupwise(X.astype(np.int8), (1, 128)),
        TypeError,
        "x: got dtype int8, wanted bfloat16 or float16 or float32",
    ),
    "rank": (
        lambda: ggjax.quantize_groupwise(X[0], (1, 128)),
        ValueError,
        r"x: got shape \(128,\), wanted \(rows, k\) or",
    ),
    "granularity": (
        lambda: ggjax.quantize_groupwise(X, (2, 128)),
        ValueError,
        "granularity: got",
    ),
    "fp8": (lambda: ggjax.quantize_groupwise(X, (1, 128), "int8"), TypeError, "dtype: got"),
    "both": (
        lambda: ggjax.quantize_groupwise(X, (1, 128), row_index=POSITION[0], position=POSITION),
        ValueError,
        "row_index, position: got both",
    ),
    "position": (
        lambda: ggjax.quantize_groupwise(X, (1, 128), position=POSITION.astype(np.int16)),
        TypeError,
        "position: got dtype int16, wanted int32",
    ),
    "silu granularity": (
        lambda: ggjax.silu_mul_quantize_groupwise(X, (128, 128)),
        ValueError,
        r"granularity: got \(128, 128\), wanted \(1, k\)",
    ),
    "limit": (
        lambda: ggjax.silu_mul_quantize_groupwise(X, limit=-1.0),
        ValueError,
        "limit: got -1.0, wanted None or a positive number",
    ),
    "route": (
        lambda: ggjax.route(POSITION.astype(np.float32), 2),
        TypeError,
        "top_k_index: got dtype float32, wanted int32 or int64",
    ),
    "weight": (
        lambda: ggjax.combine(X, POSITION, X),
        ValueError,
        r"weight: got shape \(4, 128\), wanted \(4, 2\) like position",
    ),
    "out_dtype": (
        lambda: ggjax.combine(X, POSITION, X[:, :2], out_dtype="int8"),
        TypeError,
        "out_dtype: got",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_when_traced(name, jax_on_cpu):
    function, kind, message = WRONG[name]
    for run in (function, lambda: jax.eval_shape(function)):
        with pytest.raises(kind, match=message):
            run()


def test_the_library_refuses_the_rest(call):
    """Rows of position that differ from those of x are found when the call runs."""

    def step(x, position):
        return ggjax.quantize_groupwise(x, (1, 128), position=position)

    with pytest.raises(RUNTIME_ERROR, match="position: got shape"):
        jax.block_until_ready(call(step, X, np.zeros((5, 2), np.int32)))
