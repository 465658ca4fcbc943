"""The steps on streams and in CUDA graphs: capture, replay with new contents. Needs a GPU."""

import hashlib

import numpy as np
import pytest

from numeric.formats import numpy_dtype
from numeric.process import run_python
from numeric.steps import StepRunner

NUM_GROUPS = 64


def step_inputs(seed):
    """New contents of the same shapes for every step: {name: arrays}."""
    rng = np.random.default_rng(seed)
    bfloat16 = numpy_dtype("bfloat16")
    index = rng.integers(0, 300, 1000).astype(np.int32)
    x = rng.standard_normal((300, 640)).astype(bfloat16)
    return {
        "quantize": (x, index),
        "tall": (rng.standard_normal((2, 300, 640)).astype(bfloat16),),
        "silu": (rng.standard_normal((100, 512)).astype(bfloat16),),
        "route": (rng.integers(-1, NUM_GROUPS, (1000, 8)).astype(np.int32),),
        "combine": (
            x, rng.integers(-1, 300, (500, 8)).astype(np.int32),
            rng.uniform(0, 1, (500, 8)).astype(np.float32),
        ),
    }  # fmt: skip


def make_step(runner, name, arrays):
    """The step of that name on its arrays."""
    if name == "quantize":
        return runner.quantize(arrays[0], row_index=arrays[1])
    if name == "tall":
        return runner.quantize(*arrays, block=(128, 128))
    if name == "silu":
        return runner.silu_mul_quantize(*arrays)
    if name == "route":
        return runner.route(*arrays, NUM_GROUPS)
    return runner.combine(*arrays)


STEPS = tuple(step_inputs(0))


def capture(step, stream):
    """A graph that holds one launch of the step."""
    from groupgemm_fp8._cli.device import Graph

    graph = Graph()
    with graph.capture(stream):
        step.launch(stream.handle)
    return graph


def new_stream():
    from groupgemm_fp8._cli.device import Stream

    return Stream()


def digest(results) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in results)).hexdigest()


def first_call_captured(name: str) -> str:
    """Captures a step before which nothing of the library ran, replays it, digests the results."""
    step = make_step(StepRunner("cuda"), name, step_inputs(1)[name])
    stream = new_stream()
    graph = capture(step, stream)
    graph.launch(stream)
    stream.synchronize()
    return digest(step.results())


@pytest.mark.parametrize("name", STEPS)
def test_first_call_of_the_process_inside_capture(gpu_steps, name):
    program = f"import test_moe_steps_graphs as t; print(t.first_call_captured({name!r}))"
    wanted = make_step(gpu_steps, name, step_inputs(1)[name]).run()
    assert run_python("-c", program) == digest(wanted)


@pytest.mark.parametrize("name", STEPS)
def test_replay_honours_new_contents(gpu_steps, name):
    step = make_step(gpu_steps, name, step_inputs(2)[name])
    stream = new_stream()
    graph = capture(step, stream)
    for seed in (3, 4, 5):
        fresh = make_step(gpu_steps, name, step_inputs(seed)[name])
        for key, arena in step.inputs.items():
            arena.rewrite(fresh.inputs[key].image)
        graph.launch(stream)
        stream.synchronize()
        wanted = fresh.run()
        for (arena, _), values in zip(step.outputs.values(), wanted, strict=True):
            got = np.ascontiguousarray(arena.host_view(arena.download()))
            np.testing.assert_array_equal(got.view(np.uint8), values.view(np.uint8))


def test_two_streams_at_once(gpu_steps):
    """Steps interleaved on two streams give what each gives alone."""
    pairs = [make_step(gpu_steps, name, step_inputs(6)[name]) for name in ("route", "combine")]
    wanted = [step.run() for step in pairs]
    streams = [new_stream() for _ in pairs]
    for _ in range(50):
        for step, stream in zip(pairs, streams, strict=True):
            step.launch(stream.handle)
    for step, stream, results in zip(pairs, streams, wanted, strict=True):
        stream.synchronize()
        assert digest(step.results()) == digest(results)
