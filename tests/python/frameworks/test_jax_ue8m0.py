"""Scales of float8_e8m0fnu in groupgemm_fp8.jax: the bits of the call with float32 scales."""

import ml_dtypes
import numpy as np
import pytest

import small_problem
from group_calls import LAYOUTS, call_of
from small_problem import same_bits

jax = pytest.importorskip("jax", reason="JAX is not installed")

import jax.numpy as jnp  # noqa: E402

import groupgemm_fp8  # noqa: E402
from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise, moe_ffn, ragged_dot  # noqa: E402

UE8M0 = np.dtype(ml_dtypes.float8_e8m0fnu)
SCALES = ("a_scale", "b_scale")


@pytest.fixture(params=["cpu", "cuda"], autouse=True)
def _device(request):
    """New arrays are on the device; skips without one."""
    try:
        device = jax.local_devices(backend=request.param)[0]
    except RuntimeError as error:
        pytest.skip(f"JAX has no {request.param} device: {error}")
    with jax.default_device(device):
        yield


def exponents(shape, every=False) -> np.ndarray:
    """Random scales around 1, or of every exponent, the smallest and NaN among them."""
    rng = np.random.default_rng(7)
    bytes_ = rng.integers(117, 138, shape, np.uint8)
    if every:
        bytes_ = rng.permutation(np.resize([0, 1, 254, 255, *range(2, 254, 9)], bytes_.size))
    return bytes_.astype(np.uint8).reshape(shape).view(UE8M0)


def calls_of(layout, names=SCALES, every=False) -> tuple[dict, dict]:
    """The arguments of a call with such scales, and with the same in float32."""
    call = call_of(layout)
    short = {name: exponents(call[name].shape, every) for name in SCALES}
    wide = {name: scale.astype(np.float32) for name, scale in short.items()}
    mixed = {**wide, **{name: short[name] for name in names}}
    return {**call, **mixed}, {**call, **wide}


def on_device(call: dict) -> dict:
    return {name: jnp.asarray(x) for name, x in call.items()}


def bits(out) -> np.ndarray:
    """The rows of the groups; slabs have five rows, of which 2, 0 and 4 are rows of groups."""
    out = np.asarray(out)
    return np.concatenate([out[0, :2], out[2, :4]]) if out.ndim == 3 else out


@pytest.mark.parametrize("names", [("a_scale",), ("b_scale",), SCALES])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, names):
    short, wide = calls_of(layout, names)
    options = {"out_dtype": "float32", "validate": True}

    def product(call):
        return group_gemm_fp8_nt_groupwise(**call, **options)

    wanted = bits(product(on_device(wide)))
    assert np.isfinite(wanted).all()
    for run in (product, jax.jit(product)):
        assert same_bits(bits(run(on_device(short))), wanted)
        assert same_bits(bits(run(short)), wanted)  # of NumPy


@pytest.mark.parametrize("majors", [("K", None), ("MN", "K"), ("K", "MN")])
def test_majors(majors):
    short, wide = calls_of("counts")
    for name, major in zip(SCALES, majors, strict=True):
        if (major or majors[0]) == "K":
            for call in (short, wide):
                call[name] = np.ascontiguousarray(call[name].swapaxes(-1, -2))
    options = {"scale_major_mode": majors[0], "b_scale_major_mode": majors[1]}
    out = group_gemm_fp8_nt_groupwise(**on_device(short), **options)
    assert same_bits(bits(out), bits(group_gemm_fp8_nt_groupwise(**on_device(wide), **options)))


def test_every_exponent():
    """Exponents from 0 to 255, which is a NaN."""

    def product(call):
        return group_gemm_fp8_nt_groupwise(**call, out_dtype="float32")

    for name in SCALES:
        short, wide = calls_of("counts", (name,), every=True)
        wanted = bits(product(on_device(wide)))
        assert np.isnan(wanted).any()
        for run in (product, jax.jit(product)):
            assert same_bits(bits(run(on_device(short))), wanted)


def test_smallest_exponent():
    """2^-127, which is no normal number of float32, is not flushed."""
    call = call_of("counts")
    call["a_scale"] = np.zeros(call["a_scale"].shape, np.uint8).view(UE8M0)
    call["b_scale"] = np.full(call["b_scale"].shape, 2.0**100, np.float32)
    out = bits(group_gemm_fp8_nt_groupwise(**on_device(call), out_dtype="float32"))
    call["a_scale"] = np.full(call["a_scale"].shape, 2.0**-127, np.float32)
    wanted = small_problem.expected({**small_problem.inputs(), **call}, "float32")
    assert np.abs(wanted).max() > 0
    assert same_bits(out, wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_vmap(layout):
    """A new axis of scales of rows, and of weights."""
    short, wide = calls_of(layout)
    for name in SCALES:
        stacked = [np.stack([x[name].view(f"u{x[name].itemsize}")] * 3) for x in (short, wide)]
        stacked = [x.view(y[name].dtype) for x, y in zip(stacked, (short, wide), strict=True)]

        def product(scale, call, name=name):
            return group_gemm_fp8_nt_groupwise(**{**call, name: scale}, out_dtype="float32")

        mapped = jax.vmap(product, (0, None))
        wanted = mapped(jnp.asarray(stacked[1]), on_device(wide))
        for run in (mapped, jax.jit(mapped)):
            got = run(jnp.asarray(stacked[0]), on_device(short))
            for one, other in zip(got, wanted, strict=True):
                assert same_bits(bits(one), bits(other))


def test_ragged_dot():
    arrays, _ = calls_of("counts")
    rhs = np.ascontiguousarray(arrays["b"].swapaxes(1, 2))
    lhs_scale = np.ascontiguousarray(arrays["a_scale"].T)
    scales = (lhs_scale, arrays["b_scale"])
    rest = (arrays["a"], rhs, arrays["m_counts"])
    wanted = ragged_dot(*rest, *(scale.astype(np.float32) for scale in scales))
    for run in (ragged_dot, jax.jit(ragged_dot)):
        assert same_bits(np.asarray(run(*rest, *scales)), np.asarray(wanted))


def test_layer():
    """The weights of checkpoints with UE8M0 scales."""
    rng = np.random.default_rng(9)
    weights = []
    for shape in ((4, 256, 256), (4, 256, 128)):
        values = rng.integers(0x28, 0x48, shape, np.uint8).view(ml_dtypes.float8_e4m3fn)
        weights += [values, exponents((shape[0], shape[1] // 128, shape[2] // 128))]
    x = jnp.ones((6, 256), jnp.bfloat16)
    routing = (np.asarray(rng.integers(0, 4, (6, 2)), np.int32), np.full((6, 2), 0.5, np.float32))
    wide = [scale.astype(np.float32) if scale.dtype == UE8M0 else scale for scale in weights]
    wanted = np.asarray(moe_ffn(x, *wide, *routing))
    for run in (moe_ffn, jax.jit(moe_ffn)):
        assert same_bits(np.asarray(run(x, *weights, *routing)), wanted)


def test_exported_with_symbolic_rows():
    from jax import export

    short, wide = calls_of("counts")
    (rows,) = export.symbolic_shape("rows")
    shapes = {name: x.shape for name, x in short.items()}
    shapes["a"], shapes["a_scale"] = (rows, small_problem.K), (2, rows)
    specs = {name: jax.ShapeDtypeStruct(shapes[name], short[name].dtype) for name in short}
    disabled = [export.DisabledSafetyCheck.custom_call("groupgemm_fp8")]
    product = jax.jit(lambda call: group_gemm_fp8_nt_groupwise(**call))
    platform = "cuda" if jnp.zeros(1).devices().pop().platform == "gpu" else "cpu"
    exported = export.export(product, platforms=[platform], disabled_checks=disabled)(specs)
    assert same_bits(bits(exported.call(on_device(short))), bits(product(on_device(wide))))


def test_refusals_are_those_of_float32():
    """A wrong shape, a gradient, and the plain function, which names the conversion."""
    short, wide = calls_of("counts")
    wrong = {name: call["a_scale"][:, 1:] for name, call in (("short", short), ("wide", wide))}
    sentences = []
    for scale in wrong.values():
        with pytest.raises(ValueError, match=r"^a_scale: got shape \(2, 5\)") as caught:
            group_gemm_fp8_nt_groupwise(**{**wide, "a_scale": scale})
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]

    def total(values):
        call = {**short, "a": values.astype(short["a"].dtype)}
        return group_gemm_fp8_nt_groupwise(**call, out_dtype="float32").sum()

    with pytest.raises(TypeError, match="got a gradient to compute"):
        jax.grad(total)(jnp.asarray(short["a"]).astype("float32"))
    with pytest.raises(TypeError, match=r"^b_scale: .* convert the scales once"):
        groupgemm_fp8.group_gemm_fp8_nt_groupwise(**{**wide, "b_scale": short["b_scale"]})
