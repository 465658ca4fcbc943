"""Arrays of a step beside pages that nobody may touch: an access past an array ends the process.

test_unmapped_page.py starts it as `python -m numeric.fenced_arena end|start cpu|cuda`. Each step
runs between fences and in ordinary memory, with equal results. Prints "ok" and their number.
"""

import sys

import numpy as np

from numeric.formats import numpy_dtype
from numeric.page_probe import FencedArray, FencedDeviceArray, has_instruction_set
from numeric.steps import StepRunner


class FencedArena:
    """A dense array with the methods of an Arena, which ends or starts at a fence."""

    def __init__(self, make, at_end: bool, name: str, image: np.ndarray):
        self.name, self.image = name, np.ascontiguousarray(image)
        self.shape, self.dtype = self.image.shape, self.image.dtype
        self.strides = self.image.strides
        self._make, self._at_end = make, at_end

    def upload(self):
        self._array = self._make(self.shape, self.dtype, self._at_end)
        self._array.write(self.image)
        return self._array.argument

    def download(self) -> np.ndarray:
        return self._array.read().copy()

    def host_view(self, image: np.ndarray) -> np.ndarray:
        return image

    def assert_unchanged(self, after: np.ndarray, writable: np.ndarray | None = None) -> None:
        changed = (after.view(np.uint8) != self.image.view(np.uint8)).reshape(*self.shape, -1)
        changed = changed.any(axis=-1)
        assert not changed[~writable if writable is not None else ...].any(), self.name


class FencedStepRunner(StepRunner):
    """A StepRunner whose arrays are between fences. Pads and shifts are not for it."""

    def __init__(self, device: str, at_end: bool):
        super().__init__(device)
        self._make = FencedDeviceArray if self.is_gpu else FencedArray
        self._at_end = at_end

    def _input(self, name, values, *_, **__):
        return FencedArena(self._make, self._at_end, name, values)

    def _output(self, name, shape, dtype, *_, seed=0, **__):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        image = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        return FencedArena(self._make, self._at_end, name, image.view(dtype).reshape(shape))


def random_rows(rows, k, dtype="bfloat16"):
    values = np.random.default_rng(rows * k).standard_normal((rows, k))
    return values.astype(numpy_dtype(dtype))


def steps_of(runner):
    """Steps with tails along every axis; the last groups of rows, chunks and tiles are short."""
    rng = np.random.default_rng(0)
    for k in (8, 20, 272):
        for rows in (1, 3, 70):
            for dtype in ("bfloat16", "float32"):
                x = random_rows(rows, k, dtype)
                yield runner.quantize(x, block=(1, 128))
                yield runner.quantize(x, block=(128, 96), major="K")
                for index_dtype in (np.int32, np.int64):
                    index = rng.integers(-1, rows, 2 * rows + 1).astype(index_dtype)
                    yield runner.quantize(x, row_index=index)
                position = rng.permutation(4 * rows)[: 3 * rows].astype(np.int32).reshape(rows, 3)
                yield runner.quantize(x, position=position, out_rows=4 * rows)
                gate_up = random_rows(rows, 2 * k, dtype)
                bounds = np.array([0, rows // 2, rows], np.int32)
                yield runner.silu_mul_quantize(gate_up, m_indptr=bounds)
                for top_k in (1, 3, 9):
                    position = rng.integers(-1, rows, (5, top_k)).astype(np.int32)
                    weight = rng.uniform(0, 1, (5, top_k)).astype(np.float32)
                    yield runner.combine(x, position, weight)
    for tokens, groups in ((1, 1), (65, 7), (3000, 256), (300, 5000)):
        for index_dtype in (np.int32, np.int64):
            yield runner.route(rng.integers(-1, groups, (tokens, 3)).astype(index_dtype), groups)


def main(at_end: bool, device: str) -> int:
    count = 0
    fenced, usual = FencedStepRunner(device, at_end), StepRunner(device)
    for step, wanted in zip(steps_of(fenced), steps_of(usual), strict=True):
        writable = [mask for _, mask in step.outputs.values()]
        for got, right, mask in zip(step.run(), wanted.run(), writable, strict=True):
            written = np.ones(got.shape, bool) if mask is None else mask
            assert np.array_equal(got[written].view(np.uint8), right[written].view(np.uint8))
        count += 1
    return count


if __name__ == "__main__":
    if has_instruction_set():
        print("ok", main(sys.argv[1] == "end", sys.argv[2]))
    else:
        print("no such instruction set")
