"""CuPy on CUDA: values, FP8 spellings, streams, lifetime, graphs. Needs CuPy and a GPU.

Streams are delayed by filling memory, which needs no compiler at run time.
"""

import ml_dtypes
import numpy as np
import pytest

from framework_problem import CASES, Case, bits, check_case, exact_problem, host_arrays, options
from numeric.compare import assert_exact

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
try:
    cupy.cuda.Device(0).use()
except cupy.cuda.runtime.CUDARuntimeError as error:
    pytest.skip(f"CuPy sees no CUDA device: {error}", allow_module_level=True)

from groupgemm_fp8 import group_gemm_fp8_nt_groupwise  # noqa: E402

CASE = Case((40, 0, 129, 1, 17), 200, 400, out_dtype="float32")
ROWS = sum(CASE.rows)
DELAY_BYTES, DELAY_FILLS = 1 << 30, 100  # some 20 ms


def to_cupy(array):
    """A device copy; CuPy copies bytes of every type but allocates only its own."""
    return cupy.asarray(array.view(np.uint8)).view(array.dtype).reshape(array.shape)


def arrays_of(problem):
    return {name: to_cupy(array) for name, array in host_arrays(problem).items()}


@pytest.fixture(autouse=True)
def device_zero_is_current():
    """Another test of this process may have left another one; seen beside those of several GPUs."""
    cupy.cuda.Device(0).use()


@pytest.fixture
def problem():
    return exact_problem(CASE)


@pytest.fixture
def call(problem):
    call = {**arrays_of(problem), **options(problem), "out_dtype": "float32"}
    group_gemm_fp8_nt_groupwise(**call)  # loads the kernel
    cupy.cuda.Device().synchronize()
    return call


@pytest.fixture
def delay():
    """delay(stream) keeps the stream busy for a while."""
    space = cupy.empty(DELAY_BYTES, cupy.uint8)

    def fill(stream):
        for value in range(DELAY_FILLS):
            space.data.memset_async(value, space.nbytes, stream)

    return fill


def assert_right(problem, out):
    cupy.cuda.Device().synchronize()
    assert_exact(problem, bits(out.get()))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case):
    def run(arrays, out_dtype, **options):
        call = {name: to_cupy(array) for name, array in arrays.items()}
        out = group_gemm_fp8_nt_groupwise(**call, out_dtype=out_dtype, **options)
        assert type(out) is cupy.ndarray
        given = cupy.zeros(out.nbytes, cupy.uint8).view(out.dtype).reshape(out.shape)
        assert group_gemm_fp8_nt_groupwise(**call, out=given, **options) is given
        first, last = arrays["m_indptr"][[0, -1]]
        assert out[first:last].get().tobytes() == given[first:last].get().tobytes()
        return out.get(), call

    check_case(case, run)


@pytest.mark.parametrize("declared", ["float8_e4m3fn", ml_dtypes.float8_e4m3fn])
def test_bytes(problem, call, declared):
    for name in ("a", "b"):
        call[name] = call[name].view(cupy.uint8)
    out = group_gemm_fp8_nt_groupwise(**call, a_dtype=declared, b_dtype=declared)
    assert_right(problem, out)


def test_bfloat16_result(problem, call):
    """An array of ml_dtypes' type that can be copied, sliced and read on the host."""
    del call["out_dtype"]
    out = group_gemm_fp8_nt_groupwise(**call)
    assert out.dtype == ml_dtypes.bfloat16
    wanted = group_gemm_fp8_nt_groupwise(**call, out_dtype="float32").get()
    assert np.array_equal(out.copy()[3:].get(), wanted[3:].astype(ml_dtypes.bfloat16))


def test_strided_rows(problem, call):
    wide = cupy.zeros((ROWS, CASE.k + 16), cupy.uint8)
    wide[:, : CASE.k] = call["a"].view(cupy.uint8)
    call["a"] = wide[:, : CASE.k].view(ml_dtypes.float8_e4m3fn)
    assert_right(problem, group_gemm_fp8_nt_groupwise(**call))


def late(x, stream, delay):
    """Makes x NaN now, and gives it its contents late on the stream."""
    contents = x.view(cupy.uint8).copy()
    x.data.memset(0xFF, x.nbytes)
    cupy.cuda.Device().synchronize()
    delay(stream)
    x.data.copy_from_device_async(contents.data, x.nbytes, stream)
    return contents


def test_current_stream(problem, call, delay):
    stream = cupy.cuda.Stream(non_blocking=True)
    keep = late(call["a"], stream, delay)
    with stream:
        out = group_gemm_fp8_nt_groupwise(**call)
        assert not stream.done
    assert_right(problem, out)
    del keep


STREAMS = {
    "cupy": lambda stream: stream,
    "integer": lambda stream: stream.ptr,
    "torch": lambda stream: torch_stream(stream),
}


def torch_stream(stream):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    return torch.cuda.ExternalStream(stream.ptr)


@pytest.mark.parametrize("kind", STREAMS)
def test_explicit_stream(problem, call, delay, kind):
    stream = cupy.cuda.Stream(non_blocking=True)
    argument = STREAMS[kind](stream)
    keep = late(call["a"], stream, delay)
    out = group_gemm_fp8_nt_groupwise(**call, stream=argument)
    assert not stream.done
    assert_right(problem, out)
    del keep


def test_new_output_is_allocated_for_the_stream(problem, call, delay):
    """Memory that the current stream still writes is not handed to another stream."""
    current, other = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    with current:
        pending = cupy.empty((ROWS, CASE.n), cupy.float32)
        address = pending.data.ptr
        delay(current)
        pending.data.memset_async(0xFF, pending.nbytes, current)
        del pending  # the pool may reuse it at once, in that stream's order
        out = group_gemm_fp8_nt_groupwise(**call, stream=other)
    assert out.data.ptr != address
    assert_right(problem, out)


def test_replay_after_m_indptr_changed(call):
    stream = cupy.cuda.Stream(non_blocking=True)
    call["out"] = cupy.zeros((ROWS, CASE.n), cupy.float32)
    with stream:
        stream.begin_capture()
        group_gemm_fp8_nt_groupwise(**call)
        graph = stream.end_capture()
    for seed, rows in enumerate((CASE.rows, (0, 0, 0, 0, ROWS), (1, 90, 3, 93, 0))):
        problem = exact_problem(Case(rows, CASE.n, CASE.k, out_dtype="float32"), seed)
        for name, array in arrays_of(problem).items():
            call[name].data.copy_from_device(array.data, array.nbytes)
        cupy.cuda.Device().synchronize()
        graph.launch(stream)
        assert_right(problem, call["out"])


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_wrong_strides(call, name):
    host = host_arrays(exact_problem(CASE))[name]
    call[name] = to_cupy(np.repeat(host, 2, axis=-1))[..., ::2]
    with pytest.raises(ValueError, match=f"{name}: got strides"):
        group_gemm_fp8_nt_groupwise(**call)


def test_undeclared_bytes(call):
    call["a"] = call["a"].view(cupy.uint8)
    with pytest.raises(TypeError, match=r"a: got dtype uint8, .* with a_dtype"):
        group_gemm_fp8_nt_groupwise(**call)


def test_host_array_among_device_arrays(call):
    call["m_indptr"] = call["m_indptr"].get()
    with pytest.raises(ValueError, match="m_indptr: got an array on cpu, wanted cuda:0 like a"):
        group_gemm_fp8_nt_groupwise(**call)


def test_with_torch(problem, call):
    """Arrays of both frameworks in one call, on a's framework's current stream."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    call["b_scale"] = torch.as_tensor(call["b_scale"], device="cuda")
    call["out"] = torch.zeros(ROWS, CASE.n, device="cuda")
    torch.cuda.synchronize()
    assert group_gemm_fp8_nt_groupwise(**call) is call["out"]
    torch.cuda.synchronize()
    assert_exact(problem, bits(call["out"].cpu().numpy()))


def test_no_device_memory_is_kept(call):
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    for _ in range(10_000):
        group_gemm_fp8_nt_groupwise(**call)
    cupy.cuda.Device().synchronize()
    assert pool.used_bytes() == before
