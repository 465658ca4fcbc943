"""Calls that read what the call before wrote, and write what it read, with nothing in between:
a kernel may start early, but must not touch memory before the one before it is done. Needs a GPU.

The bytes of a call's bfloat16 output are the e4m3 rows of the next call's `a`. Weights of one 1 per
column pick the upper bytes in another order for each group, so every call moves all values on, and
none gets lost: a call that is early computes something else.
"""

import numpy as np
import pytest

import groupgemm_fp8 as gg
from numeric.formats import DECODE

N = 256
NUM_CALLS = 40
ONE = 0x38  # in e4m3
ROWS = {"few": (5, 0, 16), "middle": (30, 9, 69), "large": (700, 130, 1500)}


def picked_bytes(num_groups: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([2 * rng.permutation(N) + 1 for _ in range(num_groups)])


def expected_bytes(first: np.ndarray, rows: tuple[int, ...], picked: np.ndarray) -> np.ndarray:
    order = np.repeat(picked, rows, axis=0)
    for _ in range(NUM_CALLS):
        values = DECODE["float8_e4m3fn"][np.take_along_axis(first, order, axis=1)]
        first = (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    return first


class Chain:
    """The calls' arrays: two buffers that take turns as `a` and `out`."""

    def __init__(self, backend: str, rows: tuple[int, ...]):
        from groupgemm_fp8._cli.device import DeviceArray

        self._backend = backend
        num_rows, num_groups = sum(rows), len(rows)
        picked = picked_bytes(num_groups)
        rng = np.random.default_rng(1)
        self.first = rng.choice(np.array([0x3F, 0x40, 0xBF, 0xC0], np.uint8), (num_rows, 2 * N))
        self.wanted = expected_bytes(self.first, rows, picked)
        self._buffers = [DeviceArray.from_numpy(self.first) for _ in range(2)]
        self._a = [b.view("float8_e4m3fn", b.shape) for b in self._buffers]
        self._out = [b.view("bfloat16", (num_rows, N)) for b in self._buffers[::-1]]
        weights = np.zeros((num_groups, N, 2 * N), np.uint8)
        np.put_along_axis(weights, picked[:, :, None], ONE, axis=2)
        num_k_blocks = 2 * N // 128
        self._others = (
            DeviceArray.from_numpy(weights).view("float8_e4m3fn", weights.shape),
            DeviceArray.from_numpy(np.ones((num_k_blocks, num_rows), np.float32)),
            DeviceArray.from_numpy(np.ones((num_groups, num_k_blocks, N // 128), np.float32)),
            DeviceArray.from_numpy(np.cumsum([0, *rows]).astype(np.int32)),
        )

    def reset(self) -> None:
        for buffer in self._buffers:
            buffer.copy_from_numpy(self.first)

    def enqueue(self, stream) -> None:
        for idx in range(NUM_CALLS):
            gg.group_gemm_fp8_nt_groupwise(
                self._a[idx % 2], *self._others, out=self._out[idx % 2],
                stream=stream.handle, backend=self._backend,
            )  # fmt: skip

    def assert_right(self) -> None:
        np.testing.assert_array_equal(self._buffers[NUM_CALLS % 2].numpy(), self.wanted)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_calls_wait_for_each_other(gpu_backend, rows):
    from groupgemm_fp8._cli.device import Graph, Stream

    chain = Chain(gpu_backend.name, rows)
    stream, graph = Stream(), Graph()
    with graph.capture(stream):
        chain.enqueue(stream)
    for enqueue in (chain.enqueue, graph.launch) * 10:
        chain.reset()
        enqueue(stream)
        stream.synchronize()
        chain.assert_right()
