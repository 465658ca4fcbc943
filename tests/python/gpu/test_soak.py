"""Replays of a CUDA graph, each compared bit for bit on the device: a race that shows once in many
launches shows here. Needs a GPU and nvcc.

Every launch writes over the complement of the right output, and a kernel after it in the graph
counts the words that are wrong. `-m soak` replays 100000 times instead of 1000.
"""

import ctypes

import numpy as np
import pytest

import groupgemm_fp8 as gg
from groupgemm_fp8._cli.device import DeviceArray, Graph, Stream
from numeric.cases import Case, random_problem
from numeric.compare import assert_within_interval
from numeric.gpu_build import load_gpu_program
from numeric.problem import Problem


def zero_channel() -> Problem:
    """Groups of 128 rows; a row of each and a block of columns are zeros with scale 1e-30."""
    problem = random_problem(Case((128,) * 4, 512, 512), 1)
    problem.a[5::128], problem.a_scale[5::128] = 0, 1e-30
    problem.b[:, 128:256], problem.b_scale[:, 1] = 0, 1e-30
    return problem


# Kinds of problems whose launches are known to race in kernels of this sort, and two in which the
# CTAs of the sm90 backend go from tile to tile: full tiles and remainder tiles of 128x192, and
# tiles of 192x128 with and without swapped operands.
PROBLEMS = {
    "zero-channel": zero_channel,
    "8-groups-768-rows-n2048": lambda: random_problem(Case((96,) * 8, 2048, 1024), 2),
    "32-rows-n256-k256": lambda: random_problem(Case((32,), 256, 256), 3),
    "tile-after-tile": lambda: random_problem(Case((700,) * 6 + (130, 64, 1), 2048, 768), 4),
    "swapped-or-not": lambda: random_problem(Case((16, 70) * 32, 2048, 768), 5),
}


class MismatchCounter:
    """tests/gpu/mismatch_counter.cu, with the count on the device."""

    def __init__(self):
        info = gg.device_info("cuda", 0)
        architecture = f"{info.compute_major}{info.compute_minor}"
        library = load_gpu_program("mismatch_counter", architecture)
        self._enqueue = library.mismatch_counter_enqueue
        self._enqueue.restype = ctypes.c_char_p
        self._count = DeviceArray.from_numpy(np.zeros(1, np.uint64))

    def enqueue(self, pointer, wanted: DeviceArray, stream) -> None:
        """Compares the array at pointer with wanted and spoils it; counts 32-bit words."""
        error = self._enqueue(
            ctypes.c_void_p(pointer), ctypes.c_void_p(wanted.ptr),
            ctypes.c_int64(wanted.nbytes // 4), ctypes.c_void_p(self._count.ptr),
            ctypes.c_void_p(stream.handle),
        )  # fmt: skip
        assert error is None, error.decode()

    def take(self) -> int:
        """The count since the last take."""
        count = int(self._count.numpy()[0])
        self._count.copy_from_numpy(np.zeros(1, np.uint64))
        return count


def assert_sample_is_right(problem: Problem, bits: np.ndarray, backend: str) -> None:
    """Two rows of each group are within the backend's interval."""
    rows = np.concatenate([[begin, (begin + end) // 2] for _, begin, end in problem.groups()])
    sample = problem.with_(
        a=problem.a[rows],
        a_scale=problem.a_scale[rows],
        m_indptr=np.arange(0, rows.size + 1, 2, dtype=np.int32),
    )
    assert_within_interval(sample, bits[rows], backend)


@pytest.mark.parametrize(
    "num_replays", [1_000, pytest.param(100_000, marks=pytest.mark.soak)], ids=str
)
@pytest.mark.parametrize("make_problem", PROBLEMS.values(), ids=PROBLEMS)
def test_every_replay_is_the_same(gpu_backend, make_problem, num_replays):
    problem = make_problem()
    counter = MismatchCounter()
    call = gpu_backend.call(problem)
    call.launch()
    bits = call.result()
    assert_sample_is_right(problem, bits, gpu_backend.name)
    wanted = DeviceArray.from_numpy(bits.reshape(-1))
    stream, graph = Stream(), Graph()
    counter.enqueue(call.out_argument.ptr, wanted, stream)
    stream.synchronize()
    assert counter.take() == 0
    with graph.capture(stream):
        call.launch(stream=stream.handle)
        counter.enqueue(call.out_argument.ptr, wanted, stream)
    for _ in range(num_replays):
        graph.launch(stream)
    stream.synchronize()
    wrong = counter.take()
    call.result()  # guard bands and inputs
    assert wrong == 0, f"{wrong} words differ from the first call's in {num_replays} replays"

    bits[-1, -1] ^= 1  # the counter does see one wrong bit
    wanted.copy_from_numpy(bits.reshape(-1))
    graph.launch(stream)
    stream.synchronize()
    assert counter.take() == 1
