"""Group layouts in groupgemm_fp8.jax: eager, jit, vmap, export, errors, and ragged_dot."""

import numpy as np
import pytest

import small_problem
from group_calls import COUNTS, LAYOUTS, T, call_of
from numeric.process import run_python
from small_problem import CUM_M, K, N, expected, same_bits

jax = pytest.importorskip("jax", reason="JAX is not installed")

import jax.numpy as jnp  # noqa: E402

import groupgemm_fp8  # noqa: E402
from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise, ragged_dot  # noqa: E402

DEVICES = ("cpu", "cuda")


@pytest.fixture(params=DEVICES, autouse=True)
def _device(request):
    """New arrays are on the device; skips without one."""
    try:
        device = jax.local_devices(backend=request.param)[0]
    except RuntimeError as error:
        pytest.skip(f"JAX has no {request.param} device: {error}")
    with jax.default_device(device):
        yield


@pytest.fixture(params=["eager", "jit"])
def call(request):
    """The function with arrays by name, eagerly or compiled; options are static."""

    def run(arrays, **options):
        def product(arrays):
            return group_gemm_fp8_nt_groupwise(**arrays, **options)

        return (jax.jit(product) if request.param == "jit" else product)(arrays)

    return run


def on_device(arrays: dict) -> dict:
    return {name: jnp.asarray(x) for name, x in arrays.items()}


def assert_right(layout, out, dtype="bfloat16"):
    out = np.asarray(out)
    if layout == "masked":
        assert out.shape == (len(COUNTS), T, N)
        out = np.concatenate([out[group, :count] for group, count in enumerate(COUNTS)])
    assert same_bits(out, expected(small_problem.inputs(), dtype))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_values(call, layout, dtype):
    options = {"validate": True, "out_dtype": dtype}
    if layout == "masked":
        options["expected_m"] = 3
    assert_right(layout, call(on_device(call_of(layout)), **options), dtype)
    assert_right(layout, call(call_of(layout), **options), dtype)  # of NumPy


@pytest.mark.parametrize("majors", [("MN", "K"), ("K", "MN"), ("K", None)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_majors(call, layout, majors):
    arrays = call_of(layout)
    for name, major in zip(("a_scale", "b_scale"), majors, strict=True):
        if (major or majors[0]) == "K":
            arrays[name] = np.ascontiguousarray(arrays[name].swapaxes(-1, -2))
    out = call(on_device(arrays), scale_major_mode=majors[0], b_scale_major_mode=majors[1])
    assert_right(layout, out)


def test_group_alignment(call):
    """The third group starts at row 8, after poison."""
    arrays = small_problem.inputs()
    del arrays["m_indptr"]
    rows = np.array([0, 1, 8, 9, 10, 11])
    a = np.full((12, K), 0x7F, np.uint8).view(arrays["a"].dtype)
    scales = np.full((2, 12), np.nan, np.float32)
    a[rows], scales[:, rows] = arrays["a"], arrays["a_scale"]
    call_arrays = on_device({**arrays, "a": a, "a_scale": scales, "m_counts": COUNTS})
    out = np.asarray(call(call_arrays, group_alignment=8, validate=True))
    assert same_bits(out[rows], expected(small_problem.inputs()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_vmap(layout):
    """One problem per entry of the new axis of the scales, with shared groups."""
    arrays = on_device(call_of(layout))
    scales = jnp.stack([arrays["a_scale"], 2 * arrays["a_scale"]])

    def product(a_scale):
        out = group_gemm_fp8_nt_groupwise(**{**arrays, "a_scale": a_scale}, out_dtype="float32")
        return out

    for run in (jax.vmap(product), jax.jit(jax.vmap(product))):
        first, second = run(scales)
        assert_right(layout, first, "float32")
        assert_right(layout, second / 2, "float32")


INT64 = """
import jax, numpy
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
import small_problem
from group_calls import LAYOUTS, call_of
from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise
for layout in LAYOUTS:
    call = {name: x.astype("int64") if x.dtype == "int32" else x
            for name, x in call_of(layout).items()}
    out = numpy.asarray(jax.jit(lambda call: group_gemm_fp8_nt_groupwise(**call))(call))
    rows = numpy.concatenate([out[0, :2], out[2, :4]]) if layout == "masked" else out
    print(small_problem.same_bits(rows, small_problem.expected(small_problem.inputs())))
"""


def test_int64():
    """In JAX's 64-bit mode, which belongs to the process."""
    assert run_python("-c", INT64).split() == ["True"] * len(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exported_with_symbolic_rows(layout):
    from jax import export

    arrays = call_of(layout)
    (rows,) = export.symbolic_shape("rows")
    slabs = arrays["a"].shape[:-2]
    shapes = {name: x.shape for name, x in arrays.items()}
    shapes["a"], shapes["a_scale"] = (*slabs, rows, K), (*slabs, 2, rows)
    specs = {name: jax.ShapeDtypeStruct(shapes[name], arrays[name].dtype) for name in arrays}
    targets = ("groupgemm_fp8", "groupgemm_fp8_validate")
    disabled = [export.DisabledSafetyCheck.custom_call(target) for target in targets]
    product = jax.jit(lambda arrays: group_gemm_fp8_nt_groupwise(**arrays))
    platform = "cuda" if jnp.zeros(1).devices().pop().platform == "gpu" else "cpu"
    exported = export.export(product, platforms=[platform], disabled_checks=disabled)(specs)
    assert_right(layout, exported.call(on_device(arrays)))


WRONG = [
    ("counts", {"m_counts": None}, TypeError),
    ("ends", {"m_counts": COUNTS}, ValueError),
    ("masked", {"m_counts": None, "m_ends": COUNTS}, ValueError),
    ("ends", {"m_ends": COUNTS[1:]}, ValueError),
    ("counts", {"m_counts": COUNTS.astype(np.int16)}, TypeError),
    ("indptr", {"group_alignment": 8}, ValueError),
    ("counts", {"expected_m": 8}, ValueError),
    ("ends", {"b_scale_major_mode": "N"}, ValueError),
    ("masked", {"a_scale": np.zeros((3, T, 2), np.float32)}, ValueError),
]


@pytest.mark.parametrize("layout, change, error", WRONG)
def test_sentences_of_the_plain_function(layout, change, error):
    call = {**call_of(layout), **change}
    with pytest.raises(error) as plain:
        groupgemm_fp8.group_gemm_fp8_nt_groupwise(**call)
    with pytest.raises(error) as traced:
        jax.eval_shape(lambda: group_gemm_fp8_nt_groupwise(**call))
    assert str(traced.value) == str(plain.value)


def ragged_arrays() -> tuple:
    """lhs, rhs, group_sizes, lhs_scale and rhs_scale of the small problem."""
    arrays = small_problem.inputs()
    rhs = np.ascontiguousarray(arrays["b"].swapaxes(1, 2))
    lhs_scale = np.ascontiguousarray(arrays["a_scale"].T)
    inputs = (arrays["a"], rhs, COUNTS, lhs_scale, arrays["b_scale"])
    return tuple(jnp.asarray(x) for x in inputs)


def test_ragged_dot():
    inputs = ragged_arrays()
    for run in (ragged_dot, jax.jit(ragged_dot)):
        assert same_bits(np.asarray(run(*inputs)), expected(small_problem.inputs()))
    out = ragged_dot(*inputs, preferred_element_type=jnp.float32, backend=None, validate=True)
    assert same_bits(np.asarray(out), expected(small_problem.inputs(), "float32"))


def test_ragged_dot_under_vmap():
    lhs, rhs, *rest = ragged_arrays()
    stacked = jnp.stack([rhs, rhs[::-1]])
    product = jax.vmap(ragged_dot, (None, 0, None, None, None))
    for run in (product, jax.jit(product)):
        first, second = run(lhs, stacked, *rest)
        assert same_bits(np.asarray(first), np.asarray(ragged_dot(lhs, rhs, *rest)))
        assert same_bits(np.asarray(second), np.asarray(ragged_dot(lhs, rhs[::-1], *rest)))


def test_ragged_dot_refuses():
    lhs, rhs, sizes, lhs_scale, rhs_scale = ragged_arrays()
    with pytest.raises(ValueError, match=r"m_counts: got shape \(2,\), wanted \(3,\)"):
        ragged_dot(lhs, rhs, sizes[1:], lhs_scale, rhs_scale)
    with pytest.raises(ValueError, match=r"b: got shape \(3, 144, 136\), .* wanted"):
        ragged_dot(lhs, rhs.swapaxes(1, 2), sizes, lhs_scale, rhs_scale)
    with pytest.raises(ValueError, match=r"b: got shape \(144, 3\)|b: got shape \(136, 144\)"):
        ragged_dot(lhs, rhs[0], sizes, lhs_scale, rhs_scale)


def test_ragged_dot_is_that_of_jax():
    """On real values, which are exact here, so that sums in any order are."""
    lhs, rhs, sizes, lhs_scale, rhs_scale = ragged_arrays()
    values = lhs.astype("float32") * jnp.repeat(lhs_scale, 128, 1)[:, :K]
    weights = (
        rhs.astype("float32") * jnp.repeat(jnp.repeat(rhs_scale, 128, 1)[:, :K], 128, 2)[:, :, :N]
    )
    wanted = jax.lax.ragged_dot(values, weights, sizes, precision="highest")
    got = ragged_dot(lhs, rhs, sizes, lhs_scale, rhs_scale, preferred_element_type="float32")
    assert np.array_equal(np.asarray(got), np.asarray(wanted))
    assert got.shape == (CUM_M, N)


def test_ragged_dot_copies_no_weights_that_lie_right():
    """An argument whose k axis is contiguous is not transposed; a row-major one is."""
    layout = pytest.importorskip("jax.experimental.layout", reason="this JAX has no layouts")
    if not hasattr(layout, "Format"):
        pytest.skip("this JAX has no jax.experimental.layout.Format")
    lhs, rhs, *rest = ragged_arrays()
    right = layout.Format(layout.Layout((0, 2, 1)), rhs.sharding)

    def copies(rhs, formats) -> bool:
        program = jax.jit(ragged_dot, in_shardings=(None, formats, None, None, None))
        compiled = program.lower(lhs, rhs, *rest).compile()
        lines = [line for line in compiled.as_text().splitlines() if "f8e4m3fn[3," in line]
        assert same_bits(np.asarray(compiled(lhs, rhs, *rest)), expected(small_problem.inputs()))
        return any(" transpose(" in line or " copy(" in line for line in lines)

    assert copies(rhs, None)
    assert not copies(jax.device_put(rhs, right), right)
