"""The cpu backend against NumPy: dequantise a group's arrays, then numpy.matmul, group by group.

    python python/benchmarks/cpu_vs_numpy.py
    python python/benchmarks/cpu_vs_numpy.py --shape 8x4096x7168 --rows 1,64 --repeats 9

Both run in one process and take turns, so that a busy machine slows both; the table has the median
of each. NumPy decodes two FP8 codes per lookup and scales in place, all buffers made beforehand;
its time includes the dequantisation, since FP8 arrays are what a caller has. On a machine that
other programs keep busy, compare processor time on one thread each:

    OPENBLAS_NUM_THREADS=1 GGFP8_NUM_THREADS=1 python python/benchmarks/cpu_vs_numpy.py --clock cpu

Needs numpy and ml_dtypes.
"""

import argparse
import statistics
import time

import ml_dtypes
import numpy as np

from groupgemm_fp8 import group_gemm_fp8_nt_groupwise

BLOCK = 128
DEFAULT_SHAPES = "4x4096x7168,8x1536x2048"
DEFAULT_ROWS = "1,4,16,64,256,1024"


class Problem:
    """Random arrays of one call with equal groups, sizes multiples of 128 except the rows."""

    def __init__(self, groups: int, n: int, k: int, rows: int, rng: np.random.Generator):
        self.groups, self.n, self.k, self.rows = groups, n, k, rows
        blocks_n, blocks_k = n // BLOCK, k // BLOCK
        self.a = self._fp8(rng, (groups * rows, k))
        self.b = self._fp8(rng, (groups, n, k))
        self.a_scale = rng.uniform(0.5, 1.5, (groups * rows, blocks_k)).astype(np.float32)
        self.b_scale = rng.uniform(0.5, 1.5, (groups, blocks_n, blocks_k)).astype(np.float32)
        self.m_indptr = np.arange(0, (groups + 1) * rows, rows, dtype=np.int32)

    @staticmethod
    def _fp8(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        codes = rng.integers(0, 256, shape, dtype=np.uint8)
        codes[(codes & 0x7F) == 0x7F] = 0  # NaN
        return codes.view(ml_dtypes.float8_e4m3fn)


class Library:
    """The function under test."""

    def __init__(self, problem: Problem, backend: str = "cpu"):
        self.problem = problem
        self.backend = backend
        self.out = np.empty((problem.groups * problem.rows, problem.n), ml_dtypes.bfloat16)

    def __call__(self) -> None:
        p = self.problem
        group_gemm_fp8_nt_groupwise(
            p.a,
            p.b,
            p.a_scale,
            p.b_scale,
            p.m_indptr,
            scale_major_mode="K",
            out=self.out,
            backend=self.backend,
        )


class Numpy:
    """Multiplies as a NumPy program would, with every buffer and table made in advance."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.out = np.empty((problem.groups * problem.rows, problem.n), ml_dtypes.bfloat16)
        self.a = np.empty((problem.rows, problem.k), np.float32)
        self.b = np.empty((problem.n, problem.k), np.float32)
        self.product = np.empty((problem.rows, problem.n), np.float32)
        pairs = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.float8_e4m3fn)
        self.pair_values = pairs.astype(np.float32).view(np.float64)

    def _decode(self, codes: np.ndarray, values: np.ndarray) -> None:
        pairs = codes.view(np.uint16)
        np.take(self.pair_values, pairs, out=values.view(np.float64), mode="clip")

    def __call__(self) -> None:
        p = self.problem
        by_k = (p.rows, p.k // BLOCK, BLOCK)
        by_block = (p.n // BLOCK, BLOCK, p.k // BLOCK, BLOCK)
        for g in range(p.groups):
            rows = slice(g * p.rows, (g + 1) * p.rows)
            self._decode(p.a[rows], self.a)
            self._decode(p.b[g], self.b)
            a, b = self.a.reshape(by_k), self.b.reshape(by_block)
            np.multiply(a, p.a_scale[rows, :, None], out=a)
            np.multiply(b, p.b_scale[g][:, None, :, None], out=b)
            np.matmul(self.a, self.b.T, out=self.product)
            self.out[rows] = self.product


def median_seconds(runs: list, repeats: int, clock) -> list[float]:
    """Median time of each run; they take turns, after one untimed turn."""
    seconds = [[] for _ in runs]
    for turn in range(repeats + 1):
        for run, times in zip(runs, seconds, strict=True):
            start = clock()
            run()
            if turn > 0:
                times.append(clock() - start)
    return [statistics.median(times) for times in seconds]


def check(library: Library, reference: Numpy) -> None:
    got, wanted = library.out.astype(np.float32), reference.out.astype(np.float32)
    error = np.abs(got - wanted).max() / np.abs(wanted).max()
    if not error < 0.01:
        raise SystemExit(f"results differ: {error:.3g} of the largest element")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default=DEFAULT_SHAPES, help="groups x n x k, comma-separated")
    parser.add_argument("--rows", default=DEFAULT_ROWS, help="rows per group, comma-separated")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time

    print("groups      n      k   rows  library ms    numpy ms  speedup  GFLOP/s GB/s of b")
    rng = np.random.default_rng(0)
    for shape in options.shape.split(","):
        groups, n, k = (int(size) for size in shape.split("x"))
        if n % BLOCK or k % BLOCK:
            parser.error(f"--shape: n and k must be multiples of {BLOCK}, got {shape}")
        for rows in (int(count) for count in options.rows.split(",")):
            problem = Problem(groups, n, k, rows, rng)
            library, reference = Library(problem), Numpy(problem)
            seconds, numpy_seconds = median_seconds([library, reference], options.repeats, clock)
            check(library, reference)
            gflops = 2 * groups * rows * n * k / seconds * 1e-9
            print(
                f"{groups:6} {n:6} {k:6} {rows:6} {seconds * 1e3:11.2f} {numpy_seconds * 1e3:11.2f}"
                f" {numpy_seconds / seconds:8.2f} {gflops:8.1f}"
                f" {groups * n * k / seconds * 1e-9:9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
