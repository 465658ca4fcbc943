"""groupgemm_fp8.jax on the CPU: values under every transformation, and where they are computed."""

import os
import shutil
import threading

import numpy as np
import pytest

import small_problem
from numeric.process import run_python
from small_problem import CUM_M, K, N, assert_no_leak, expected, same_bits

jax = pytest.importorskip("jax", reason="JAX is not installed")

# Two devices on any machine; XLA reads this when it starts, which is after all imports.
TWO_CPUS = "--xla_force_host_platform_device_count=2"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {TWO_CPUS}".strip()

import jax.numpy as jnp  # noqa: E402

import groupgemm_fp8  # noqa: E402
import groupgemm_fp8.jax as ggjax  # noqa: E402
from groupgemm_fp8 import _library  # noqa: E402
from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise  # noqa: E402

pytestmark = pytest.mark.usefixtures("jax_on_cpu")


@pytest.fixture
def arrays():
    return small_problem.inputs()


@pytest.fixture
def jax_arrays(arrays):
    return {name: jnp.asarray(array) for name, array in arrays.items()}


@pytest.fixture(params=["eager", "jit"])
def call(request):
    """The function with arrays by name, eagerly or compiled; options are static."""

    def run(arrays, **options):
        def product(arrays):
            return group_gemm_fp8_nt_groupwise(**arrays, **options)

        return (jax.jit(product) if request.param == "jit" else product)(arrays)

    return run


def assert_result(out, wanted):
    assert isinstance(out, jax.Array)
    assert same_bits(np.asarray(out), wanted)


@pytest.mark.parametrize("a_dtype", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("b_dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_fp8_pairs(call, a_dtype, b_dtype):
    arrays = small_problem.inputs(a_dtype, b_dtype)
    assert_result(call(arrays), expected(arrays))


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("as_name", [False, True])
def test_out_dtype(call, arrays, jax_arrays, name, as_name):
    out = call(jax_arrays, out_dtype=name if as_name else getattr(jnp, name))
    assert out.dtype == name
    assert_result(out, expected(arrays, name))


@pytest.mark.parametrize("granularity", [(1, 128, 128), (128, 128, 128), (1, 1, 64), (128, 64, 32)])
@pytest.mark.parametrize("major", ["MN", "K"])
def test_scales(call, arrays, granularity, major):
    """Every layout of scales gives what the plain function gives."""
    rng = np.random.default_rng(1)
    sizes = [-(-size // step) for size, step in zip((CUM_M, N, K), granularity, strict=True)]
    mb, nb, kb = sizes
    a_shape, b_shape = ((kb, mb), (3, kb, nb)) if major == "MN" else ((mb, kb), (3, nb, kb))
    scales = {"a_scale": rng.random(a_shape), "b_scale": rng.random(b_shape)}
    arrays |= {name: scale.astype(np.float32) for name, scale in scales.items()}
    arrays["m_indptr"] = np.array([0, 0, 0, CUM_M], np.int32)
    options = {"scale_granularity_mnk": granularity, "scale_major_mode": major, "mma_sm": 2}
    wanted = groupgemm_fp8.group_gemm_fp8_nt_groupwise(**arrays, **options)
    assert_result(call(arrays, **options), wanted)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_bytes(call, arrays, kind):
    raw = {name: arrays[name].view(kind) for name in ("a", "b")}
    out = call(arrays | raw, a_dtype="float8_e4m3fn", b_dtype=jnp.float8_e4m3fn)
    assert_result(out, expected(arrays))


@pytest.mark.parametrize(
    "cum_m, n, k, batch_size", [(4, 8, 0, 1), (0, 8, 16, 1), (4, 0, 16, 1), (4, 8, 16, 0)]
)
def test_nothing_to_compute(call, cum_m, n, k, batch_size):
    kb, nb = -(-k // 128), -(-n // 128)
    out = call(
        {
            "a": jnp.zeros((cum_m, k), "float8_e4m3fn"),
            "b": jnp.zeros((batch_size, n, k), "float8_e4m3fn"),
            "a_scale": jnp.ones((kb, cum_m)),
            "b_scale": jnp.ones((batch_size, kb, nb)),
            "m_indptr": jnp.full(batch_size + 1, cum_m, "int32").at[0].set(0),
        }
    )
    assert out.shape == (cum_m, n)
    assert batch_size == 0 or not np.asarray(out).any()  # rows of no group are unspecified


def test_part_of_a_program(arrays, jax_arrays):
    """Inputs and outputs that exist inside of XLA alone, in a loop."""

    @jax.jit
    def program(arrays):
        def step(total, factor):
            scaled = arrays | {"a_scale": arrays["a_scale"] * factor}
            return total + group_gemm_fp8_nt_groupwise(**scaled, out_dtype="float32"), None

        return jax.lax.scan(step, jnp.zeros((CUM_M, N)), jnp.array([1.0, 2.0, 4.0]))[0]

    assert_result(program(jax_arrays), 7 * expected(arrays, "float32"))


@pytest.mark.parametrize("names", [("a_scale",), ("b", "m_indptr"), small_problem.NAMES])
def test_vmap(arrays, jax_arrays, names):
    """One problem per entry of the new axis of some arguments; the others are shared."""
    others = small_problem.inputs()
    others["a_scale"] *= 2
    others["b"] = others["b"][::-1].copy()
    others["m_indptr"] = np.array([0, 1, 4, CUM_M], np.int32)
    stacked = {name: jnp.stack([arrays[name], others[name]]) for name in names}
    axes = {name: 0 if name in names else None for name in jax_arrays}
    product = jax.vmap(lambda arrays: group_gemm_fp8_nt_groupwise(**arrays), in_axes=(axes,))
    for run in (product, jax.jit(product)):
        out = run(jax_arrays | stacked)
        assert_result(out[0], expected(arrays))
        assert_result(out[1], expected(arrays | {name: others[name] for name in names}))


def test_abstract_evaluation(arrays):
    shapes = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in arrays.items()}
    out = jax.eval_shape(lambda arrays: group_gemm_fp8_nt_groupwise(**arrays), shapes)
    assert (out.shape, out.dtype) == ((CUM_M, N), jnp.bfloat16)


@pytest.fixture
def two_devices():
    devices = jax.devices("cpu")
    if len(devices) < 2:
        pytest.skip("XLA was started with one CPU device")
    return devices[:2]


def test_device_of_the_inputs(call, arrays, two_devices):
    out = call({name: jax.device_put(x, two_devices[1]) for name, x in arrays.items()})
    assert out.devices() == {two_devices[1]}
    assert_result(out, expected(arrays))


def test_default_device(call, arrays, two_devices):
    with jax.default_device(two_devices[1]):
        out = call(arrays)
    assert out.devices() == {two_devices[1]}
    assert_result(out, expected(arrays))


def test_sharded_input(call, arrays, two_devices):
    """Outside of shard_map XLA gathers what is split over devices."""
    mesh = jax.sharding.Mesh(np.array(two_devices), ("rows",))
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    placed = {
        name: jax.device_put(x, split if name == "a" else whole) for name, x in arrays.items()
    }
    assert_result(call(placed), expected(arrays))


def test_workspace(monkeypatch, arrays):
    """A backend's workspace is a second result, which XLA allocates and the caller never sees."""
    monkeypatch.setattr(ggjax, "_workspace_bytes", lambda specs, options: 1000)
    ggjax._product.cache_clear()
    try:
        product = jax.jit(lambda arrays: group_gemm_fp8_nt_groupwise(**arrays))
        assert "tensor<1256xui8>" in product.lower(arrays).as_text()
        assert_result(product(arrays), expected(arrays))
    finally:
        ggjax._product.cache_clear()


@pytest.mark.parametrize("sizes", [(10, 30), (30, 10)])
def test_workspace_suffices_on_every_device(monkeypatch, arrays, sizes):
    """Nobody knows while tracing which device runs the program, nor what symbols will be."""
    specs = tuple(ggjax._spec(name, x) for name, x in arrays.items())
    chosen = ggjax.options()
    asked = iter(sizes)
    monkeypatch.setattr(ggjax, "_devices", lambda: ((1, 0), (1, 0)))
    monkeypatch.setattr(ggjax.ops, "workspace_bytes", lambda described, chosen: next(asked))
    assert ggjax._workspace_bytes(specs, chosen) == 30
    asked = iter(sizes)
    monkeypatch.setattr(ggjax, "_with_numbers", lambda specs, chosen: [specs, specs])
    monkeypatch.setattr(ggjax, "_workspace_bytes", lambda specs, chosen: next(asked))
    monkeypatch.setattr(ggjax, "_compile", lambda chosen, num_bytes, swaps_b: num_bytes)
    alignment = _library.load().ggfp8_workspace_alignment()
    assert ggjax._product.__wrapped__(specs, chosen, None, False) == 30 + alignment


def test_import_does_not_start_xla():
    """A handler registered before XLA has started could keep it from starting."""
    program = (
        "import jax, groupgemm_fp8.jax; jax.config.update('jax_platforms', 'cpu'); "
        "print(jax.devices()[0].platform)"
    )
    assert run_python("-c", program, JAX_PLATFORMS="none") == "cpu"


SECOND_COPY = """
import ctypes, importlib, jax, numpy, sys
import groupgemm_fp8._xla, groupgemm_fp8.jax, small_problem
jax.config.update("jax_platforms", "cpu")
jax.devices()
other = ctypes.CDLL(sys.argv[1])
for target, symbol in groupgemm_fp8._xla.HANDLERS["cpu"].items():
    handler = getattr(other, symbol)
    handler.restype = ctypes.c_void_p
    jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(handler), platform="cpu")
arrays = small_problem.inputs()
for _ in range(2):
    out = groupgemm_fp8.jax.group_gemm_fp8_nt_groupwise(**arrays)
    print(small_problem.same_bits(numpy.asarray(out), small_problem.expected(arrays)))
    importlib.reload(groupgemm_fp8._xla)
    importlib.reload(groupgemm_fp8.jax)
"""


def test_second_copy_and_reload(tmp_path):
    """Handlers that another copy of the library has registered serve this one, too."""
    copy = tmp_path / "libgroupgemm_fp8.so"
    shutil.copy(_library.load()._name, copy)
    assert run_python("-c", SECOND_COPY, str(copy)).split() == ["True", "True"]


def test_threads(arrays, jax_arrays):
    """First calls, and so registrations, from several threads at once."""
    ggjax._devices.cache_clear()
    ggjax._product.cache_clear()
    wanted, failures = expected(arrays), []

    def work():
        for _ in range(20):
            if not same_bits(np.asarray(group_gemm_fp8_nt_groupwise(**jax_arrays)), wanted):
                failures.append("another result")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_no_leak(jax_arrays):
    compiled = jax.jit(lambda arrays: group_gemm_fp8_nt_groupwise(**arrays))

    def call_both():
        group_gemm_fp8_nt_groupwise(**jax_arrays)
        compiled(jax_arrays).block_until_ready()

    assert_no_leak(jax_arrays.values(), call_both)


def export_with(rows, a_scale_rows, arrays, **options):
    """The product exported for inputs of symbolic numbers of rows."""
    from jax import export

    scope = export.SymbolicScope()
    shapes = {name: x.shape for name, x in arrays.items()}
    shapes["a"] = (*export.symbolic_shape(rows, scope=scope), K)
    mb = export.symbolic_shape(a_scale_rows, scope=scope)
    shapes["a_scale"] = (shapes["a_scale"][0], *mb)
    specs = {name: jax.ShapeDtypeStruct(shapes[name], arrays[name].dtype) for name in arrays}

    def product(arrays):
        return group_gemm_fp8_nt_groupwise(**arrays, **options)

    return export.export(jax.jit(product), platforms=["cpu"], disabled_checks=DISABLED)(specs)


def disabled_checks():
    from jax import export

    targets = ("groupgemm_fp8", "groupgemm_fp8_validate")
    return [export.DisabledSafetyCheck.custom_call(target) for target in targets]


DISABLED = disabled_checks()


@pytest.mark.parametrize("granularity", [(1, 128, 128), (128, 128, 128)])
def test_exported_with_symbolic_rows(arrays, granularity):
    """One program for any number of rows."""
    gm = granularity[0]
    options = {"scale_granularity_mnk": granularity, "out_dtype": "float32"}
    if gm == 1:
        exported = export_with("rows", "rows", arrays, **options)
    else:
        exported = export_with("rows", "-floordiv(-rows, 128)", arrays, **options)
    for num_rows in (CUM_M, 200):
        call = {
            **arrays,
            "a": np.resize(arrays["a"].view(np.uint8), (num_rows, K)).view(arrays["a"].dtype),
            "a_scale": np.resize(arrays["a_scale"], (2, -(-num_rows // gm))),
            "m_indptr": np.array([0, 0, 0, num_rows], np.int32),
        }
        wanted = groupgemm_fp8.group_gemm_fp8_nt_groupwise(**call, **options)
        assert_result(exported.call(call), wanted)


def test_exported_with_wrong_symbols(arrays):
    with pytest.raises(ValueError, match=r"a_scale: got 2\*rows elements along an axis, wanted"):
        export_with("rows", "2*rows", arrays)
