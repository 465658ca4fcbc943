"""The public functions of the steps, and moe_ffn, which composes them, in each framework."""

import numpy as np
import pytest

import groupgemm_fp8 as gg
from described import read_back
from groupgemm_fp8 import _ffi, _frameworks, _library, _steps
from numeric import quantize_rule
from numeric.formats import numpy_dtype

EXPERTS, HIDDEN, INTER, TOP_K = 5, 256, 128, 2


def torch_arrays(device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU and PyTorch with CUDA")
    return lambda x: torch.from_numpy(x).to(device), lambda x: x.float().cpu().numpy()


def cupy_arrays():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("needs a GPU and CuPy")
    return cupy.asarray, lambda x: cupy.asnumpy(x.view("uint16")).view(x.dtype).astype(np.float32)


@pytest.fixture(params=["numpy", "torch-cpu", "torch-cuda", "cupy"])
def arrays(request):
    """(to the framework, to NumPy float32)"""
    if request.param == "numpy":
        return lambda x: x, lambda x: np.asarray(x, np.float32)
    if request.param == "cupy":
        return cupy_arrays()
    return torch_arrays(request.param.removeprefix("torch-"))


def problem(tokens, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((tokens, HIDDEN)).astype(np.float16)
    gate_up = 0.1 * rng.standard_normal((EXPERTS, 2 * INTER, HIDDEN), dtype=np.float32)
    down = 0.1 * rng.standard_normal((EXPERTS, HIDDEN, INTER), dtype=np.float32)
    index = rng.integers(-1, EXPERTS + 1, (tokens, TOP_K))
    weight = rng.uniform(0, 1, (tokens, TOP_K)).astype(np.float32)
    return x, gate_up, down, index, weight


def dequantised(weights):
    codes, scale = gg.quantize_groupwise(weights, (128, 128), scale_major_mode="K")
    spread = scale.repeat(128, axis=1).repeat(128, axis=2)
    return codes.astype(np.float32) * spread[:, : weights.shape[1], : weights.shape[2]]


def reference(x, gate_up, down, index, weight, limit=None, alpha=None):
    gate_up, down = dequantised(gate_up), dequantised(down)
    out = np.zeros(x.shape, np.float32)
    for t, j in np.ndindex(index.shape):
        expert = index[t, j]
        if not 0 <= expert < EXPERTS:
            continue
        gate, up = np.split(gate_up[expert] @ x[t].astype(np.float32), 2)
        if limit is not None:
            gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
        up = up if alpha is None else up + 1
        h = gate / (1 + np.exp(-(alpha or 1.0) * gate)) * up
        out[t] += weight[t, j] * (down[expert] @ h)
    return out


@pytest.mark.parametrize("tokens", [1, 7, 130])
@pytest.mark.parametrize("gate", [{}, {"limit": 1.5}, {"limit": 1.5, "alpha": 1.7}])
def test_layer(arrays, tokens, gate):
    """Against float32 experts with the same weights: FP8 activations cost some per cent."""
    to, back = arrays
    x, gate_up, down, index, weight = problem(tokens)
    quantised = [
        part
        for weights in (gate_up, down)
        for part in gg.quantize_groupwise(to(weights), (128, 128), scale_major_mode="K")
    ]
    out = gg.moe_ffn(to(x), *quantised, to(index), to(weight), **gate)
    wanted = reference(x, gate_up, down, index, weight, **gate)
    assert type(out) is type(to(x))
    assert out.dtype == to(x).dtype
    assert np.linalg.norm(back(out) - wanted) <= 0.06 * np.linalg.norm(wanted)


def test_a_nan_stays_with_its_token(arrays):
    to, back = arrays
    x, gate_up, down, index, weight = problem(7)
    index[3] = 0, 1
    quantised = [
        part
        for weights in (gate_up, down)
        for part in gg.quantize_groupwise(to(weights), (128, 128), scale_major_mode="K")
    ]
    clean = back(gg.moe_ffn(to(x), *quantised, to(index), to(weight)))
    x = x.copy()
    x[3, 5] = np.nan
    out = back(gg.moe_ffn(to(x), *quantised, to(index), to(weight)))
    others = np.arange(7) != 3
    assert np.isnan(out[3]).all()
    np.testing.assert_array_equal(out[others], clean[others])


def test_layer_without_tokens():
    x, gate_up, down, index, weight = problem(0)
    quantised = [
        part
        for weights in (gate_up, down)
        for part in gg.quantize_groupwise(weights, (128, 128), scale_major_mode="K")
    ]
    assert gg.moe_ffn(x, *quantised, index, weight).shape == (0, HIDDEN)


def test_a_token_alone_has_the_same_bits():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, gate_up, down, index, weight = problem(33)
    quantised = [
        part
        for weights in (gate_up, down)
        for part in gg.quantize_groupwise(torch.tensor(weights), (128, 128), scale_major_mode="K")
    ]
    x, index, weight = (torch.from_numpy(array) for array in (x, index, weight))
    together = gg.moe_ffn(x, *quantised, index, weight)
    for t in (0, 5, 32):
        alone = gg.moe_ffn(x[t : t + 1], *quantised, index[t : t + 1], weight[t : t + 1])
        assert torch.equal(alone[0], together[t])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("major", ["MN", "K"])
def test_quantise_has_the_rule_of_numpy(arrays, dtype, major):
    to, _ = arrays
    if dtype == "bfloat16":
        x = np.random.default_rng(1).standard_normal((9, 384)).astype(np.float32)
        source = x.astype(numpy_dtype(dtype))
        if type(to(x)) is not np.ndarray:
            pytest.skip("no framework takes ml_dtypes arrays")
        given = source
    else:
        source = np.random.default_rng(1).standard_normal((9, 384)).astype(dtype)
        given = to(source)
    codes, scale = gg.quantize_groupwise(given, (1, 128), scale_major_mode=major)
    wanted_codes, wanted_scale = quantize_rule.quantize(source, "float8_e4m3fn", (1, 128), major)
    if hasattr(codes, "cpu"):
        torch = pytest.importorskip("torch")
        codes, scale = codes.view(torch.uint8).cpu().numpy(), scale.cpu().numpy()
    elif hasattr(codes, "get"):
        codes, scale = codes.view("uint8").get(), scale.get()
    else:
        codes = codes.view(np.uint8)
    np.testing.assert_array_equal(codes, wanted_codes)
    np.testing.assert_array_equal(scale, wanted_scale)


def test_given_arrays_are_written():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.randn(4, 256)
    out = torch.empty(4, 256, dtype=torch.float8_e5m2)
    scale = torch.empty(2, 4)
    version = out._version
    result = gg.quantize_groupwise(x, (1, 128), "float8_e5m2", out=out, out_scale=scale)
    assert result[0] is out
    assert result[1] is scale
    assert out._version > version
    assert torch.equal(scale, gg.quantize_groupwise(x, (1, 128), "float8_e5m2")[1])


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda t: gg.quantize_groupwise(t.randn(4, 256), (2, 128)), "granularity: got"),
        (lambda t: gg.quantize_groupwise(t.zeros(4, 256).long(), (1, 128)), "x: got dtype int64"),
        (lambda t: gg.silu_mul_quantize_groupwise(t.randn(4, 256), limit=-1.0), "limit: got -1.0"),
        (lambda t: gg.silu_mul_quantize_groupwise(t.randn(4, 256), limit=0.0), "limit: got 0.0"),
        (lambda t: gg.silu_mul_quantize_groupwise(t.randn(4, 256), alpha=0.0), "alpha: got 0.0"),
        (lambda t: gg.silu_mul_quantize_groupwise(t.randn(4, 256), alpha=np.nan), "alpha: got nan"),
        (lambda t: gg.route(t.zeros(4, 2), 3), "top_k_index: got dtype float32"),
        (
            lambda t: gg.combine(t.randn(4, 8), t.zeros(2, 2).long(), t.ones(2, 2)),
            "position: got dtype int64",
        ),
        (
            lambda t: gg.quantize_groupwise(t.randn(4, 256).requires_grad_(), (1, 128)),
            "x: got a tensor that requires grad",
        ),
        (
            lambda t: gg.quantize_groupwise(t.randn(4, 256), (1, 128), check_finite=True),
            "check_finite: got True, wanted it for NumPy arrays alone",
        ),
        (
            lambda t: gg.combine(
                t.randn(4, 8),
                t.zeros(2, 2).int(),
                t.ones(2, 2),
                out=t.empty(2, 8),
                out_dtype="float16",
            ),
            "out_dtype: got float16, but out has dtype float32",
        ),
    ],
)
def test_refusals(call, sentence):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises((TypeError, ValueError), match=sentence):
        call(torch)


@pytest.mark.parametrize("name", ["out", "out_scale"])
def test_a_read_only_output_is_named(name):
    x = np.ones((4, 256), np.float32)
    codes, scale = gg.quantize_groupwise(x, (1, 128))
    outputs = {"out": codes, "out_scale": scale}
    outputs[name].flags.writeable = False
    with pytest.raises(ValueError, match=f"^{name}: got a read-only array"):
        gg.quantize_groupwise(x, (1, 128), **outputs)


def test_a_workspace_of_routing_may_begin_anywhere(monkeypatch):
    """It is allocated where the library wants one, with room to be aligned."""
    real, sizes = _library.load(), []

    class Library:
        def __getattr__(self, name):
            return getattr(real, name)

        def ggfp8_route_tensors(self, *arguments):
            workspace = arguments[4]
            if workspace is None:
                return _ffi.ERROR_INVALID_WORKSPACE
            sizes.append(read_back(workspace).shape)
            return real.ggfp8_route_tensors(*arguments)

    monkeypatch.setattr(_library, "load", Library)
    monkeypatch.setattr(_steps, "route_workspace_bytes", lambda *sizes: 100)
    gg.route(np.zeros((3, 2), np.int32), 4)
    assert sizes == [(100 + real.ggfp8_workspace_alignment(),)]


STEPS = {
    "positions": ("quantize_groupwise", ["x", (1, 128)], {"position": "position"}),
    "row indices": ("quantize_groupwise", ["x", (1, 128)], {"row_index": "row_index"}),
    "blocks": ("quantize_groupwise", ["x", (128, 64), "float8_e5m2", "K"], {}),
    "activation": ("silu_mul_quantize_groupwise", ["x", (1, 128)], {}),
    "routing": ("route", ["index", 3], {}),
    "sum": ("combine", ["x", "position", "weight"], {}),
    "sum of another type": ("combine", ["x", "position", "weight"], {"out_dtype": "float16"}),
}


@pytest.mark.parametrize("case", STEPS)
def test_tracers_learn_shapes_and_types(case):
    """An operator tells tracers what its results are."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import groupgemm_fp8.torch as operators

    tensors = {
        "x": torch.randn(6, 256),
        "position": torch.arange(12, dtype=torch.int32).reshape(6, 2),
        "row_index": torch.tensor([0, 3, 3, 5, 1, 0, 2, 4], dtype=torch.int32),
        "index": torch.zeros(5, 2, dtype=torch.int32),
        "weight": torch.ones(6, 2),
    }
    step, arguments, options = STEPS[case]

    def results(tensors):
        given = [tensors.get(x, x) if isinstance(x, str) else x for x in arguments]
        keywords = {key: tensors.get(x, x) for key, x in options.items()}
        got = getattr(operators, step)(*given, **keywords)
        return [(x.shape, x.dtype) for x in (got if isinstance(got, tuple) else (got,))]

    with torch._subclasses.fake_tensor.FakeTensorMode() as mode:
        traced = results({name: mode.from_tensor(x) for name, x in tensors.items()})
    assert traced == results(tensors)


@pytest.mark.parametrize("major", ["K", "MN"])
def test_operators_in_one_graph(major):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, gate_up, down, index, weight = (torch.from_numpy(a) for a in problem(12))
    quantised = [
        part
        for weights in (gate_up, down)
        for part in gg.quantize_groupwise(weights, (128, 128), scale_major_mode=major)
    ]
    compiled = torch.compile(gg.moe_ffn, fullgraph=True, backend="aot_eager", dynamic=True)
    for tokens in (12, 7, 3):
        arguments = (x[:tokens], *quantised, index[:tokens], weight[:tokens], major)
        assert torch.equal(compiled(*arguments), gg.moe_ffn(*arguments))


def test_the_first_call_of_a_process_may_be_compiled(monkeypatch):
    """Dynamo never traces how a type's framework is found, which some of its versions cannot."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, gate_up, down, index, weight = (torch.from_numpy(a) for a in problem(12))
    quantised = [
        part
        for weights in (gate_up, down)
        for part in gg.quantize_groupwise(weights, (128, 128), scale_major_mode="K")
    ]
    arguments = (x, *quantised, index, weight)
    wanted = gg.moe_ffn(*arguments)
    find = _frameworks._find

    def find_outside_of_dynamo(kind):
        if torch.compiler.is_dynamo_compiling():
            raise AssertionError("dynamo looks for a framework")
        return find(kind)

    monkeypatch.setattr(_frameworks, "_find", find_outside_of_dynamo)
    _frameworks.frameworks.clear()
    torch._dynamo.reset()
    compiled = torch.compile(gg.moe_ffn, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(*arguments), wanted)


@pytest.mark.parametrize("step", ["quantize_groupwise", "silu_mul_quantize_groupwise"])
@pytest.mark.parametrize("block", [(1, 128), (1, 64)])
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("major", ["MN", "K"])
def test_operators_with_arguments_at_their_defaults(step, block, dtype, major):
    """PyTorch hands a kernel no trailing arguments that equal the defaults of the schema."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("groupgemm_fp8.torch")
    operator = getattr(torch.ops.groupgemm_fp8, step).default
    arguments = (torch.randn(5, 256), block, dtype, major)
    torch.library.opcheck(operator, arguments)
    plain = getattr(gg, step)(*arguments)
    for got, wanted in zip(operator(*arguments), plain, strict=True):
        assert torch.equal(got.view(torch.uint8), wanted.view(torch.uint8))


WRONG = {
    "gate_up": (lambda x: x[:, :, :128], ValueError),
    "gate_up_scale": (lambda x: x[:, :1], ValueError),
    "down": (lambda x: x.astype(np.float32), TypeError),
    "down_scale": (lambda x: x[:, :, :0], ValueError),
    "top_k_index": (lambda x: x.astype(np.float32), TypeError),
    "top_k_weights": (lambda x: x[:1], ValueError),
    "x": (lambda x: x.astype(np.int8), TypeError),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("framework", ["numpy", "jax"])
def test_errors_name_the_arguments_of_the_layer(name, framework):
    """The layer's steps have arguments of other names, which its callers never passed."""
    layer, make = gg.moe_ffn, np.asarray
    if framework == "jax":
        pytest.importorskip("jax", reason="JAX is not installed")
        import groupgemm_fp8.jax as gg_jax

        layer = gg_jax.moe_ffn
    x, gate_up, down, index, weight = problem(7)
    call = {"x": x, "top_k_index": index.astype(np.int32), "top_k_weights": weight}
    for key, matrix in (("gate_up", gate_up), ("down", down)):
        call[key], call[f"{key}_scale"] = gg.quantize_groupwise(
            matrix, (128, 128), scale_major_mode="K"
        )
    layer(**call)
    change, error = WRONG[name]
    call[name] = np.ascontiguousarray(change(make(call[name])))
    with pytest.raises(error, match=f"^{name}: got"):
        layer(**call)


@pytest.mark.parametrize("shape", [(), (3,), (EXPERTS, 2)])
def test_weights_of_another_rank(shape):
    x, _, _, index, weight = problem(7)
    wrong = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match="^gate_up: got shape .*, wanted .experts, 2 .* hidden"):
        gg.moe_ffn(x, wrong, wrong, wrong, wrong, index, weight)


def test_a_layer_of_objects_without_attributes():
    """Objects with an array interface need no shape and no dtype."""

    class Interface:
        def __init__(self, array):
            self.__array_interface__, self.kept = array.__array_interface__, array

    x, gate_up, down, index, weight = problem(7)
    weights = [
        part
        for matrix in (gate_up, down)
        for part in gg.quantize_groupwise(matrix, (128, 128), scale_major_mode="K")
    ]
    wanted = gg.moe_ffn(x, *weights, index, weight)
    got = gg.moe_ffn(Interface(x), *weights, Interface(index), Interface(weight))
    assert got.tobytes() == wanted.tobytes()
