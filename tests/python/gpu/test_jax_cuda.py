"""groupgemm_fp8.jax on CUDA: values, XLA's stream, command buffers, several devices. Needs GPUs."""

import os
import threading

import numpy as np
import pytest

import small_problem
from numeric.process import EXAMPLES, run_python
from numeric.runner import HOST_BACKENDS
from small_problem import CUM_M, N, expected, same_bits

jax = pytest.importorskip("jax", reason="JAX is not installed")

# Other tests of the process need device memory too; XLA reads this when it starts.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax.numpy as jnp  # noqa: E402

import groupgemm_fp8  # noqa: E402
from groupgemm_fp8 import _library  # noqa: E402
from groupgemm_fp8.jax import group_gemm_fp8_nt_groupwise  # noqa: E402


@pytest.fixture
def gpus():
    try:
        return jax.local_devices(backend="cuda")
    except RuntimeError as error:
        pytest.skip(f"JAX has no CUDA device: {error}")


@pytest.fixture
def two_gpus(gpus):
    if len(gpus) < 2:
        pytest.skip("JAX has one CUDA device, two are needed")
    return gpus[:2]


@pytest.fixture
def arrays():
    return small_problem.inputs()


def put(arrays, device):
    return {name: jax.device_put(x, device) for name, x in arrays.items()}


@pytest.mark.parametrize("name", [None, *groupgemm_fp8.backends()])
@pytest.mark.parametrize("a_dtype", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("b_dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_backends(gpus, name, a_dtype, b_dtype):
    arrays = small_problem.inputs(a_dtype, b_dtype)
    placed = put(arrays, jax.devices("cpu")[0] if name in HOST_BACKENDS else gpus[0])
    for out_dtype in ("bfloat16", "float16", "float32"):
        options = {"out_dtype": out_dtype, "backend": name}
        product = jax.jit(lambda x, options=options: group_gemm_fp8_nt_groupwise(**x, **options))
        try:
            jax.eval_shape(product, placed)
        except ValueError as error:
            pytest.skip(str(error))  # the backend is not for this GPU
        for out in (group_gemm_fp8_nt_groupwise(**placed, **options), product(placed)):
            assert out.devices() == placed["a"].devices()
            assert same_bits(np.asarray(out), expected(arrays, out_dtype))


def test_scale_major_k(gpus, arrays):
    k_major = {
        "a_scale": np.ascontiguousarray(arrays["a_scale"].T),
        "b_scale": np.ascontiguousarray(arrays["b_scale"].transpose(0, 2, 1)),
    }
    out = group_gemm_fp8_nt_groupwise(**put(arrays | k_major, gpus[0]), scale_major_mode="K")
    assert same_bits(np.asarray(out), expected(arrays))


def test_vmap(gpus, arrays):
    scales = jnp.stack([arrays["a_scale"] * factor for factor in (1, 2, 4)])
    placed = put(arrays, gpus[0])
    product = jax.vmap(lambda x: group_gemm_fp8_nt_groupwise(**placed | {"a_scale": x}))
    for run in (product, jax.jit(product)):
        out = np.asarray(run(jax.device_put(scales, gpus[0])))
        for idx, factor in enumerate((1, 2, 4)):
            wanted = expected(arrays | {"a_scale": arrays["a_scale"] * np.float32(factor)})
            assert same_bits(out[idx], wanted)


def slow_ones(device):
    """A 1.0 that takes the device some milliseconds."""

    @jax.jit
    def compute(x):
        return jax.lax.fori_loop(0, 200, lambda i, x: x @ x, x)[0, 0]

    return compute(jax.device_put(jnp.eye(2048), device))


def test_order_on_the_stream(gpus, arrays):
    """Inputs that are still being computed, and an output that is used at once."""
    placed = put(arrays, gpus[0])
    placed["a_scale"] = placed["a_scale"] * slow_ones(gpus[0])
    out = group_gemm_fp8_nt_groupwise(**placed, out_dtype="float32") * 2
    assert same_bits(np.asarray(out), expected(arrays, "float32") * 2)


def test_errors(gpus, arrays):
    placed = put(arrays, gpus[0])
    with pytest.raises(TypeError, match="b: got dtype float16, wanted float8"):
        group_gemm_fp8_nt_groupwise(**placed | {"b": placed["b"].astype("float16")})
    placed["m_indptr"] = jax.device_put(np.array([0, 3, 2, CUM_M], np.int32), gpus[0])
    with pytest.raises((RuntimeError, ValueError), match=r"m_indptr\[2\]: got 2, wanted 3"):
        group_gemm_fp8_nt_groupwise(**placed, validate=True).block_until_ready()
    good = put(arrays, gpus[0])  # the failure has no later effect
    assert same_bits(np.asarray(group_gemm_fp8_nt_groupwise(**good)), expected(arrays))


def repeated_product(validate=False):
    """A compiled function of arrays and rows per group that enqueues three products."""

    @jax.jit
    def product(arrays, rows):
        m_indptr = jnp.concatenate([jnp.zeros(1, "int32"), jnp.cumsum(rows, dtype="int32")])
        total = 0
        for factor in (1, 2, 4):
            call = arrays | {"a_scale": arrays["a_scale"] * factor, "m_indptr": m_indptr}
            out = group_gemm_fp8_nt_groupwise(**call, out_dtype="float32", validate=validate)
            total = total + out
        return total

    return product


def count_replays() -> int:
    """Runs of a program in which XLA called no handler, because it replayed a command buffer.

    An unknown name of a backend in the environment makes each call of a handler fail.
    """
    arrays = small_problem.inputs()
    wanted = 7 * expected(arrays, "float32")
    placed = put(arrays, jax.devices("cuda")[0])
    rows = jnp.diff(placed["m_indptr"])
    product = repeated_product()
    for _ in range(5):
        assert same_bits(np.asarray(product(placed, rows)), wanted)
    os.environ["GGFP8_BACKEND"] = "none"
    _library.check(_library.load().ggfp8_reload_environment())
    replays = 0
    for _ in range(10):
        try:
            assert same_bits(np.asarray(product(placed, rows)), wanted)
            replays += 1
        except (RuntimeError, ValueError) as error:
            if 'backend: got "none"' not in str(error):
                raise
    return replays


def replay_new_rows(validate: bool) -> int:
    """Checks a program under changing rows per group, which it turns into m_indptr itself."""
    arrays = small_problem.inputs()
    placed = put(arrays, jax.devices("cuda")[0])
    product = repeated_product(validate)
    splits = [(2, 0, 4), (0, 6, 0), (1, 2, 3), (6, 0, 0), (0, 0, 6)] * 3
    for rows in splits:
        m_indptr = np.cumsum((0, *rows)).astype(np.int32)
        wanted = 7 * expected(arrays | {"m_indptr": m_indptr}, "float32")
        assert same_bits(np.asarray(product(placed, np.array(rows, np.int32))), wanted)
    return len(splits)


def run_here(call: str, flags: str) -> str:
    return run_python("-c", f"import test_jax_cuda as t; print(t.{call})", XLA_FLAGS=flags)


RECORD_ALL = "--xla_gpu_graph_min_graph_size=1"
RECORD_NOTHING = "--xla_gpu_enable_command_buffer="


def test_command_buffers_are_replayed(gpus):
    assert int(run_here("count_replays()", RECORD_ALL)) > 0


def test_without_command_buffers_every_run_calls_the_handler(gpus):
    """The control of the test above."""
    assert int(run_here("count_replays()", RECORD_NOTHING)) == 0


@pytest.mark.parametrize("validate", [False, True])
def test_command_buffers_honour_new_rows(gpus, validate):
    """With validation, too, which keeps its calls out of command buffers."""
    assert run_here(f"replay_new_rows({validate})", RECORD_ALL) == "15"


def test_plain_function(gpus, arrays):
    """JAX arrays as inputs of the plain function, which needs a stream and an output."""
    pytest.importorskip("cuda.bindings", reason="cuda-python is not installed")
    from groupgemm_fp8._cli.device import DeviceArray, Stream

    placed = put(arrays, gpus[0])
    placed["a_scale"] = placed["a_scale"] * slow_ones(gpus[0])
    out = DeviceArray.empty((CUM_M, N), "float32", gpus[0].local_hardware_id)
    stream = Stream()
    for handle in (0, stream.handle):
        out.copy_from_numpy(np.full((CUM_M, N), np.nan, np.float32))
        groupgemm_fp8.group_gemm_fp8_nt_groupwise(**placed, out=out, stream=handle)
        stream.synchronize()
        assert same_bits(out.numpy(), expected(arrays, "float32"))
    with pytest.raises(ValueError, match="stream: .* cannot tell its current CUDA stream"):
        groupgemm_fp8.group_gemm_fp8_nt_groupwise(**placed)
    with pytest.raises(TypeError, match="out: JAX cannot allocate.*groupgemm_fp8.jax"):
        groupgemm_fp8.group_gemm_fp8_nt_groupwise(**placed, stream=0)


def test_no_leak(gpus, arrays):
    """10^4 calls leave the device memory as it was."""
    placed = put(arrays, gpus[0])
    group_gemm_fp8_nt_groupwise(**placed).block_until_ready()
    before = gpus[0].memory_stats()["bytes_in_use"]
    for _ in range(10000):
        out = group_gemm_fp8_nt_groupwise(**placed)
    out.block_until_ready()
    del out
    assert gpus[0].memory_stats()["bytes_in_use"] - before < 1 << 16


def test_chosen_device(two_gpus, arrays):
    placed = put(arrays, two_gpus[1])
    with jax.default_device(two_gpus[0]):
        for run in (group_gemm_fp8_nt_groupwise, jax.jit(group_gemm_fp8_nt_groupwise)):
            out = run(**placed)
            assert out.devices() == {two_gpus[1]}
            assert same_bits(np.asarray(out), expected(arrays))


def test_two_devices_from_two_threads(two_gpus, arrays):
    failures = []

    def work(device):
        placed = put(arrays, device)
        for _ in range(200):
            out = group_gemm_fp8_nt_groupwise(**placed)
            if out.devices() != {device} or not same_bits(np.asarray(out), expected(arrays)):
                failures.append(device)

    threads = [threading.Thread(target=work, args=(device,)) for device in two_gpus]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_shard_map_example(two_gpus):
    """Experts split over two devices; NCCL adds the rows up."""
    output = run_python(
        str(EXAMPLES / "jax_expert_parallel.py"), "--rows", "2048", "--k", "1024", timeout=300
    )
    assert "devices   2 x" in output
    assert "1048576 of 1048576 equal" in output
