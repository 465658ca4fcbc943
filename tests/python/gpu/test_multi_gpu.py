"""Several GPUs: arrays on another device than the current one, threads, expert parallelism.

Needs two CUDA devices and PyTorch; CuPy's part needs CuPy.
"""

import threading

import pytest

from framework_problem import Case, bits, exact_problem, host_arrays, options
from numeric.compare import assert_exact
from numeric.process import EXAMPLES, run_python

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if torch.cuda.device_count() < 2:
    pytest.skip("PyTorch sees fewer than two CUDA devices", allow_module_level=True)

import groupgemm_fp8.torch  # noqa: E402, F401  registers the operators
from groupgemm_fp8 import (  # noqa: E402
    combine,
    group_gemm_fp8_nt_groupwise,
    quantize_groupwise,
    route,
    supports,
)
from torch_problem import tensors_of, to_numpy  # noqa: E402

operator = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise
CASE = Case((40, 0, 129, 1, 17), 200, 400, out_dtype="float32")


@pytest.fixture(autouse=True)
def device_zero_is_current():
    torch.cuda.set_device(0)
    yield
    assert torch.cuda.current_device() == 0


def call_on(device, problem):
    call = {**tensors_of(host_arrays(problem), f"cuda:{device}"), **options(problem)}
    torch.cuda.synchronize(device)
    return {**call, "out_dtype": torch.float32}


def assert_right(problem, out, device):
    assert out.device == torch.device("cuda", device)
    torch.cuda.synchronize(device)
    assert_exact(problem, bits(to_numpy(out)))


@pytest.mark.parametrize("function", [group_gemm_fp8_nt_groupwise, operator])
@pytest.mark.parametrize("backend_name", ["sm90", "mma"])
def test_other_device_than_the_current(function, backend_name):
    """Both orders of the devices, so that each is the first of some kernel configuration."""
    problem = exact_problem(CASE)
    calls = [call_on(device, problem) for device in (1, 0, 1)]
    for call in calls:
        ok, reason = supports(backend_name, **call)
        if not ok:
            pytest.skip(reason)
    outs = [function(**call, backend=backend_name) for call in calls]
    for device, out in zip((1, 0, 1), outs, strict=True):
        assert_right(problem, out, device)


def test_calls_on_devices_in_turn():
    """A new output is on the inputs' device, whichever is current."""
    problem = exact_problem(CASE)
    calls = [call_on(device, problem) for device in (0, 1)]
    for device in (1, 0, 1):
        given = torch.zeros(sum(CASE.rows), CASE.n, device=f"cuda:{device}")
        assert_right(problem, group_gemm_fp8_nt_groupwise(**calls[device]), device)
        assert_right(problem, group_gemm_fp8_nt_groupwise(**calls[device], out=given), device)
        assert torch.cuda.current_device() == 0
    with pytest.raises(ValueError, match="b: got an array on cuda:1, wanted cuda:0 like a"):
        group_gemm_fp8_nt_groupwise(**{**calls[0], "b": calls[1]["b"]})


@pytest.mark.parametrize("make", [torch.cuda.Stream, torch.cuda.default_stream])
@pytest.mark.parametrize("given", [False, True])
def test_stream_of_another_device(make, given):
    """A default stream has the handle 0 on every device; its object tells the device."""
    call = call_on(0, exact_problem(CASE))
    if given:
        call["out"] = torch.zeros(sum(CASE.rows), CASE.n, device="cuda:0")
    with pytest.raises(ValueError, match="stream: got a stream of cuda:1, wanted one of cuda:0"):
        group_gemm_fp8_nt_groupwise(**call, stream=make(device=1))


NAMES = ["product", "out", "mma", "validate", "quantize", "route", "combine"]


def functions_on(device):
    """The functions that take a stream, each with arrays of the device."""
    call = call_on(device, exact_problem(CASE))
    out = torch.zeros(sum(CASE.rows), CASE.n, device=f"cuda:{device}")
    tokens = torch.ones(4, 128, dtype=torch.bfloat16, device=f"cuda:{device}")
    index = torch.zeros(4, 1, dtype=torch.int32, device=f"cuda:{device}")
    weights = torch.ones(4, 1, device=f"cuda:{device}")

    def product(**others):
        return lambda stream: group_gemm_fp8_nt_groupwise(**call, **others, stream=stream)

    return {
        "product": product(),
        "out": product(out=out),
        "mma": product(backend="mma"),
        "validate": product(validate=True),
        "quantize": lambda stream: quantize_groupwise(tokens, (1, 128), stream=stream),
        "route": lambda stream: route(index, 2, stream=stream),
        "combine": lambda stream: combine(tokens, index, weights, stream=stream),
    }


def refusal_of(handle):
    sentence = rf"stream: got {handle:#x}, which is a stream of cuda:1, wanted one of cuda:0"
    return pytest.raises(ValueError, match=sentence)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("has_run", [(), (0,), (1,), (0, 1), (1, 0)])
def test_handle_of_a_stream_of_another_device(name, has_run):
    """A number does not tell its device, and CUDA launches in such a stream without an error.

    The launch is refused on whichever devices the kernel has run before.
    """
    for device in has_run:
        functions_on(device)[name](torch.cuda.Stream(device=device).cuda_stream)
        torch.cuda.synchronize(device)
    function = functions_on(0)[name]
    handle = torch.cuda.Stream(device=1).cuda_stream
    with refusal_of(handle):
        function(handle)
    function(torch.cuda.Stream(device=0).cuda_stream)  # the failure has no later effect
    for device in (0, 1):
        torch.cuda.synchronize(device)


@pytest.mark.parametrize("name", NAMES)
def test_handle_of_a_captured_stream_of_another_device(name):
    """The refusal leaves the capture as it was."""
    function = functions_on(0)[name]
    function(torch.cuda.Stream(device=0).cuda_stream)
    counter = torch.zeros(1, device="cuda:1")
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device=1)
    capture = torch.cuda.graph(graph, stream=stream, capture_error_mode="relaxed")
    with torch.cuda.device(1), capture:
        counter.add_(1)
        with refusal_of(stream.cuda_stream):
            function(stream.cuda_stream)
        counter.add_(1)
    graph.replay()
    torch.cuda.synchronize(1)
    assert counter.item() == 2


class OnlyInterface:
    """A CUDA array with nothing but its interface, which carries no device."""

    def __init__(self, tensor):
        fp8 = tensor.dtype.itemsize == 1
        self._tensor = tensor.view(torch.uint8) if fp8 else tensor

    @property
    def __cuda_array_interface__(self):
        return self._tensor.__cuda_array_interface__


@pytest.mark.parametrize("device", [0, 1])
def test_arrays_that_do_not_tell_their_device(device):
    problem = exact_problem(CASE)
    call = call_on(device, problem)
    out = torch.zeros(sum(CASE.rows), CASE.n, device=f"cuda:{device}")
    for name in ("a", "b", "a_scale", "b_scale", "m_indptr"):
        call[name] = OnlyInterface(call[name])
    declared = {"a_dtype": problem.a_dtype, "b_dtype": problem.b_dtype}
    group_gemm_fp8_nt_groupwise(**call, **declared, out=OnlyInterface(out), stream=0)
    assert_right(problem, out, device)


def first_call_on_device_one() -> None:
    """A process whose first call runs on device 1 while device 0 is current."""
    problem = exact_problem(CASE)
    for device in (1, 0):
        out = group_gemm_fp8_nt_groupwise(**call_on(device, problem))
        assert_right(problem, out, device)
        assert torch.cuda.current_device() == 0


def test_first_call_of_the_process_on_device_one():
    run_python("-c", "import test_multi_gpu as t; t.first_call_on_device_one()")


@pytest.mark.parametrize("give", [lambda stream: stream, lambda stream: stream.cuda_stream])
def test_streams_of_the_other_device(give):
    problem = exact_problem(CASE)
    call = call_on(1, problem)
    stream = torch.cuda.Stream(device=1)
    out = group_gemm_fp8_nt_groupwise(**call, stream=give(stream))
    assert_right(problem, out, 1)
    with torch.cuda.stream(stream):
        torch.cuda.set_device(0)
        out = group_gemm_fp8_nt_groupwise(**call)
    assert_right(problem, out, 1)


def test_graph_on_the_other_device():
    problem = exact_problem(CASE)
    call = call_on(1, problem)
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device=1)
    with torch.cuda.device(1), torch.cuda.graph(graph, stream=stream):
        torch.cuda.set_device(0)
        out = group_gemm_fp8_nt_groupwise(**call)
        torch.cuda.set_device(1)
    graph.replay()
    assert_right(problem, out, 1)


def test_compiled_on_the_other_device():
    def function(call):
        return group_gemm_fp8_nt_groupwise(**call) * 2 / 2

    problem = exact_problem(CASE)
    out = torch.compile(function, fullgraph=True)(call_on(1, problem))
    assert_right(problem, out, 1)


def test_two_threads():
    """Two threads, one per device, give the bits that each gives alone."""
    problems = [exact_problem(CASE), exact_problem(Case((300, 20), 520, 1024, out_dtype="float32"))]
    results = [None, None]

    def work(device):
        call = call_on(device, problems[device])
        for _ in range(200):
            results[device] = group_gemm_fp8_nt_groupwise(**call)

    threads = [threading.Thread(target=work, args=(device,)) for device in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for device in (0, 1):
        assert_right(problems[device], results[device], device)


@pytest.mark.parametrize("name", ["b", "a_scale", "b_scale", "m_indptr", "out"])
def test_arrays_on_two_devices(name):
    call = call_on(0, exact_problem(CASE))
    call["out"] = torch.zeros(call["a"].shape[0], CASE.n, device="cuda:0")
    group_gemm_fp8_nt_groupwise(**call)
    call[name] = call[name].to("cuda:1")
    with pytest.raises(ValueError, match=f"{name}: got an array on cuda:1, wanted cuda:0 like a"):
        group_gemm_fp8_nt_groupwise(**call)


def test_cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    from test_cupy_cuda import arrays_of

    problem = exact_problem(CASE)
    with cupy.cuda.Device(1):
        call = arrays_of(problem)
        stream = cupy.cuda.Stream(non_blocking=True)
        cupy.cuda.Device().synchronize()
    for argument in (None, stream):
        out = group_gemm_fp8_nt_groupwise(
            **call, **options(problem), out_dtype="float32", stream=argument
        )
        assert out.device.id == 1
        assert cupy.cuda.runtime.getDevice() == 0
        with cupy.cuda.Device(1) as device:
            device.synchronize()
            assert_exact(problem, bits(out.get()))


def test_expert_parallel():
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    script = str(EXAMPLES / "torch_expert_parallel.py")
    printed = run_python(*launcher, script, "--device", "cuda", OMP_NUM_THREADS="1")
    assert "2 ranks on cuda" in printed
    assert "rows that differ from one process: 0" in printed
