"""Streams and CUDA graphs: capture, replay with new contents, concurrency. Needs a GPU."""

import hashlib

import numpy as np
import pytest

from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_exact, assert_same_bits
from numeric.process import run_python
from numeric.runner import Call, Runner

CASE = Case((40, 0, 129, 1, 17), 200, 400, lead=2, trail=1)


def capture(call, stream, **options):
    """A graph that holds one launch of the call."""
    from groupgemm_fp8._cli.device import Graph

    graph = Graph()
    with graph.capture(stream):
        call.launch(stream=stream.handle, **options)
    return graph


def new_stream():
    from groupgemm_fp8._cli.device import Stream

    return Stream()


def output_digest(call) -> str:
    return hashlib.sha256(call.result().tobytes()).hexdigest()


def first_call_captured(name: str, workspace_bytes: int) -> str:
    """Captures a call that nothing of the library ran before, replays it, digests the output."""
    runner = Runner(name)
    call = Call(runner, random_problem(CASE), seed=3)
    call.workspace = runner.garbage_workspace(workspace_bytes)
    stream = new_stream()
    graph = capture(call, stream)
    graph.launch(stream)
    stream.synchronize()
    return output_digest(call)


def test_first_call_of_the_process_inside_capture(gpu_backend):
    call = gpu_backend.call(random_problem(CASE), seed=3)
    arguments = f"{gpu_backend.name!r}, {call.plan().workspace_bytes}"
    program = f"import test_graphs as t; print(t.first_call_captured({arguments}))"
    captured = run_python("-c", program)
    call.launch()
    assert captured == output_digest(call)


def test_replay_honours_new_contents(gpu_backend):
    """New rows per group, a, b and both scales under the same addresses."""
    call = gpu_backend.call(exact_problem(CASE))
    stream = new_stream()
    graph = capture(call, stream)
    total = sum(CASE.rows)
    splits = (CASE.rows, (0, 0, 0, 0, total), (total, 0, 0, 0, 0), (1, 90, 3, 93, 0), (0,) * 5)
    for seed, rows in enumerate(splits):
        trail = CASE.trail + total - sum(rows)
        case = Case(rows, CASE.n, CASE.k, lead=CASE.lead, trail=trail)
        call.rewrite(exact_problem(case, seed))
        graph.launch(stream)
        stream.synchronize()
        assert_exact(call.problem, call.result())


def test_replay_equals_plain_call(gpu_backend):
    problem = random_problem(CASE)
    wanted = gpu_backend.run(problem)
    call = gpu_backend.call(problem, seed=5)
    stream = new_stream()
    graph = capture(call, stream)
    for _ in range(10):
        graph.launch(stream)
    stream.synchronize()
    assert_same_bits(problem, call.result(), wanted, "plain call")


def test_two_streams_at_once(gpu_backend):
    """Calls of two problems interleaved on two streams give what each gives alone."""
    problems = [random_problem(CASE, 1), random_problem(Case((300, 20), 520, 1024), 2)]
    wanted = [gpu_backend.run(problem) for problem in problems]
    calls = [gpu_backend.call(problem, seed=9) for problem in problems]
    streams = [new_stream() for _ in calls]
    for _ in range(50):
        for call, stream in zip(calls, streams, strict=True):
            call.launch(stream=stream.handle)
    for call, stream, bits in zip(calls, streams, wanted, strict=True):
        stream.synchronize()
        assert_same_bits(call.problem, call.result(), bits, "call alone")


def test_stream_order(gpu_backend):
    """A call waits for what its stream did before, and what follows on the stream waits for it."""
    problem = exact_problem(CASE)
    call = gpu_backend.call(problem)
    source = gpu_backend.memory.upload(call.inputs["a"].image)
    target = call.inputs["a"].buffer
    copy = gpu_backend.memory.empty(call.out.image.size)
    target.copy_from_numpy(np.full(target.shape, 0xFF, np.uint8))
    stream = new_stream()
    stream.copy(target, source)
    call.launch(stream=stream.handle)
    stream.copy(copy, call.out.buffer)
    stream.synchronize()
    bits = call.result()
    assert_exact(problem, bits)
    assert np.array_equal(copy.numpy(), call.out.download())


def test_validation_is_refused_during_capture(gpu_backend):
    """Validation must read m_indptr back, which a capture forbids: an error, and the next works."""
    problem = exact_problem(CASE)
    call = gpu_backend.call(problem)
    with pytest.raises((ValueError, RuntimeError)):
        capture(call, new_stream(), validate=True)
    assert_exact(problem, gpu_backend.run(problem))
