"""PyTorch on CUDA: values, streams, lifetime, graphs, torch.compile. Needs PyTorch and a GPU."""

import time

import numpy as np
import pytest

from framework_problem import CASES, Case, bits, check_case, exact_problem, host_arrays, options
from numeric.compare import assert_exact
from numeric.process import run_python

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not torch.cuda.is_available():
    pytest.skip("PyTorch sees no CUDA device", allow_module_level=True)

import groupgemm_fp8.torch  # noqa: E402, F401  registers the operators
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402

operator = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise

DEVICE = "cuda"
CASE = Case((40, 0, 129, 1, 17), 200, 400, out_dtype="float32")
ROWS = sum(CASE.rows)
SPLITS = (CASE.rows, (0, 0, 0, 0, ROWS), (ROWS, 0, 0, 0, 0), (1, 90, 3, 93, 0))
DELAY_CYCLES = 200_000_000  # about 0.1 s


@pytest.fixture
def problem():
    return exact_problem(CASE)


@pytest.fixture
def call(problem):
    torch.cuda.synchronize()
    return {
        **tensors_of(host_arrays(problem), DEVICE),
        **options(problem),
        "out_dtype": torch.float32,
    }


def assert_right(problem, out):
    torch.cuda.synchronize()
    assert_exact(problem, bits(to_numpy(out)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case):
    """New and given outputs of the function and of the operators have the same bits."""

    def run(arrays, out_dtype, **options):
        tensors, dtype = tensors_of(arrays, DEVICE), getattr(torch, out_dtype)
        out = group_gemm_fp8_nt_groupwise(**tensors, out_dtype=dtype, **options)
        assert out.device == tensors["a"].device
        others = [torch.zeros_like(out) for _ in range(2)]
        assert group_gemm_fp8_nt_groupwise(**tensors, out=others[0], **options) is others[0]
        operator.out(**tensors, out=others[1], **options)
        others.append(operator(**tensors, out_dtype=dtype, **options))
        others.append(group_gemm_fp8_nt_groupwise(**tensors, out_dtype=dtype, **options))
        first, last = arrays["m_indptr"][[0, -1]]
        for other in others:
            same = torch.equal(
                other[first:last].view(torch.uint8), out[first:last].view(torch.uint8)
            )
            assert same
        return to_numpy(out), tensors

    check_case(case, run)


@pytest.mark.parametrize("declared", [torch.float8_e4m3fn, "float8_e4m3fn"])
def test_bytes(problem, call, declared):
    for name in ("a", "b"):
        call[name] = call[name].view(torch.uint8)
    out = group_gemm_fp8_nt_groupwise(**call, a_dtype=declared, b_dtype=declared)
    assert_right(problem, out)


def late(tensor):
    """A tensor that gets its contents late on the current stream; until then they are NaN."""
    result = torch.full_like(tensor.view(torch.uint8), 0xFF)
    torch.cuda._sleep(DELAY_CYCLES)
    result.copy_(tensor.view(torch.uint8))
    return result.view(tensor.dtype)


@pytest.mark.parametrize("function", [group_gemm_fp8_nt_groupwise, operator])
def test_current_stream(problem, call, function):
    """Work queued on the current stream comes first, and the call does not wait for it."""
    stream = torch.cuda.Stream()
    function(**call)
    with torch.cuda.stream(stream):
        call["a"] = late(call["a"])
        start = time.perf_counter()
        out = function(**call)
        assert time.perf_counter() - start < 0.05
        copy = out.clone()
    assert not stream.query()
    assert_right(problem, copy)


def cuda_core_stream(stream):
    core = pytest.importorskip("cuda.core", reason="cuda.core is not installed")
    if not hasattr(core, "Stream"):
        core = pytest.importorskip("cuda.core.experimental", reason="cuda.core is not installed")
    return core.Stream.from_handle(stream.cuda_stream)


def cupy_stream(stream):
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    return cupy.cuda.ExternalStream(stream.cuda_stream)


STREAMS = {
    "torch": lambda stream: stream,
    "integer": lambda stream: stream.cuda_stream,
    "cuda.core": cuda_core_stream,
    "cupy": cupy_stream,
}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("given", [False, True])
def test_explicit_stream(problem, call, kind, given):
    """A producer on the stream comes first; readers elsewhere wait for the stream."""
    stream = torch.cuda.Stream()
    argument = STREAMS[kind](stream)
    if given:
        call["out"] = torch.full((ROWS, CASE.n), torch.nan, device=DEVICE)
    group_gemm_fp8_nt_groupwise(**call)  # loads the kernel
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        call["a"] = late(call["a"])
    out = group_gemm_fp8_nt_groupwise(**call, stream=argument)
    assert not stream.query()
    torch.cuda.current_stream().wait_stream(stream)
    assert_right(problem, out.clone())


def test_default_stream_as_a_number(problem, call):
    for handle in (0, 1):
        assert_right(problem, group_gemm_fp8_nt_groupwise(**call, stream=handle))


def test_new_output_is_allocated_for_the_stream(problem, call):
    """Memory that the current stream still writes is not handed to another stream."""
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    pending = torch.empty(ROWS, CASE.n, device=DEVICE)
    address = pending.data_ptr()
    torch.cuda._sleep(DELAY_CYCLES)
    pending.fill_(torch.nan)
    del pending  # the current stream's allocator may reuse it at once, in that stream's order
    out = group_gemm_fp8_nt_groupwise(**call, stream=stream)
    assert out.data_ptr() != address
    assert_right(problem, out)


@pytest.mark.parametrize("stream", [0, 1, torch.cuda.default_stream()])
def test_new_outputs_for_the_default_stream(problem, call, stream):
    """They come from the default stream's own memory, and what is freed there is used again."""
    other = torch.cuda.Stream()
    with torch.cuda.stream(other):
        group_gemm_fp8_nt_groupwise(**call, stream=stream)
        torch.cuda.synchronize()
        before = torch.cuda.memory_reserved()
        for _ in range(64):
            out = group_gemm_fp8_nt_groupwise(**call, stream=stream)
        assert torch.cuda.memory_reserved() == before
    assert_right(problem, out)
    address = out.data_ptr()
    (owner,) = (
        segment["stream"]
        for segment in torch.cuda.memory_snapshot()
        if segment["address"] <= address < segment["address"] + segment["total_size"]
    )
    assert owner == torch.cuda.default_stream().cuda_stream


def test_new_output_knows_record_stream(call):
    """Memory that another stream still reads is not handed out, though the tensor is gone."""
    group_gemm_fp8_nt_groupwise(**call)
    out = group_gemm_fp8_nt_groupwise(**call)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(DELAY_CYCLES)
        out.record_stream(stream)
    address = out.data_ptr()
    del out
    others = [torch.empty(ROWS, CASE.n, device=DEVICE) for _ in range(16)]
    assert not stream.query()
    assert address not in [other.data_ptr() for other in others]
    torch.cuda.synchronize()


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "m_indptr", "out"])
def test_host_tensor_beside_an_output(call, name):
    call["out"] = torch.zeros(ROWS, CASE.n, device=DEVICE)
    group_gemm_fp8_nt_groupwise(**call)
    call[name] = call[name].cpu()
    with pytest.raises(ValueError, match=r"got an array on c.*, wanted c.* like a"):
        group_gemm_fp8_nt_groupwise(**call)


def test_inputs_may_be_dropped(problem, call):
    """On the current stream the allocator keeps freed inputs until the product has read them."""
    torch.cuda._sleep(DELAY_CYCLES)
    out = group_gemm_fp8_nt_groupwise(**call)
    sizes = [x.nbytes for x in call.values() if isinstance(x, torch.Tensor)]
    call.clear()
    garbage = [torch.full((size,), 0xFF, dtype=torch.uint8, device=DEVICE) for size in sizes]
    assert_right(problem, out)
    del garbage


def rewrite(call, problem):
    for name, tensor in tensors_of(host_arrays(problem), DEVICE).items():
        call[name].view(torch.uint8).copy_(tensor.view(torch.uint8))


@pytest.mark.parametrize("function", [group_gemm_fp8_nt_groupwise, operator])
def test_replay_after_m_indptr_changed(call, function):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = function(**call)
    for seed, rows in enumerate(SPLITS):
        problem = exact_problem(Case(rows, CASE.n, CASE.k, out_dtype="float32"), seed)
        rewrite(call, problem)
        graph.replay()
        assert_right(problem, out)


def first_call_captured(path: str) -> None:
    """The library's first call of a process happens during a capture."""
    problem = exact_problem(CASE)
    call = {**tensors_of(host_arrays(problem), DEVICE), **options(problem)}
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = group_gemm_fp8_nt_groupwise(**call, out_dtype=torch.float32)
    graph.replay()
    torch.cuda.synchronize()
    np.save(path, to_numpy(out))


def test_first_call_of_the_process_inside_capture(problem, tmp_path):
    path = tmp_path / "out.npy"
    run_python("-c", f"import test_torch_cuda as t; t.first_call_captured({str(path)!r})")
    assert_exact(problem, bits(np.load(path)))


def layer(a, b, a_scale, b_scale, m_indptr, out=None, **options):
    scale = a_scale * 0.5
    if out is None:
        result = group_gemm_fp8_nt_groupwise(a, b, scale, b_scale, m_indptr, **options)
    else:
        result = out
        group_gemm_fp8_nt_groupwise(a, b, scale, b_scale, m_indptr, out=out, **options)
    return result * 2


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.parametrize("given", [False, True])
def test_compiled(call, mode, given):
    """The package's function inside a compiled one; reduce-overhead replays CUDA graphs."""
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, mode=mode)
    if given:
        del call["out_dtype"]
        call["out"] = torch.zeros(ROWS, CASE.n, device=DEVICE)
    for seed, rows in enumerate((*SPLITS, *SPLITS)):
        problem = exact_problem(Case(rows, CASE.n, CASE.k, out_dtype="float32"), seed)
        rewrite(call, problem)
        torch.compiler.cudagraph_mark_step_begin()
        assert_right(problem, compiled(**call).clone())


def test_compiled_with_dynamic_rows():
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, dynamic=True)
    for rows in ((40, 0, 7), (3, 200, 1), (0, 0, 65)):
        problem = exact_problem(Case(rows, 256, 384, out_dtype="float32"))
        tensors = tensors_of(host_arrays(problem), DEVICE)
        assert_right(problem, compiled(**tensors, out_dtype=torch.float32, **options(problem)))


def test_exported(problem, call):
    class Module(torch.nn.Module):
        def forward(self, a, b, a_scale, b_scale, m_indptr):
            return layer(a, b, a_scale, b_scale, m_indptr, out_dtype=torch.float32)

    tensors = tuple(call[name] for name in ("a", "b", "a_scale", "b_scale", "m_indptr"))
    assert_right(problem, torch.export.export(Module(), tensors).module()(*tensors))


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "m_indptr"])
def test_host_tensor_among_device_tensors(call, name):
    call[name] = call[name].cpu()
    with pytest.raises(ValueError, match=r"got an array on c.*, wanted c.* like a"):
        group_gemm_fp8_nt_groupwise(**call)


def test_requires_grad(problem, call):
    call["a_scale"].requires_grad_()
    for function in (group_gemm_fp8_nt_groupwise, operator):
        with pytest.raises(ValueError, match="a_scale: got a tensor that requires grad"):
            function(**call)
        with torch.no_grad():
            assert_right(problem, function(**call))


def test_no_device_memory_is_kept(call):
    function = group_gemm_fp8_nt_groupwise
    function(**call)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    for _ in range(10_000):
        function(**call)
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() == before
