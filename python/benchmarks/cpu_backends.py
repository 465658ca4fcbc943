"""The backends of the CPU against one another, NumPy and PyTorch, with ratios from one run.

    python python/benchmarks/cpu_backends.py
    python python/benchmarks/cpu_backends.py --shape 2x4096x7168 --rows 1,64 --repeats 9

Contenders take turns, so that a busy machine slows all of them; the table has medians. Before its
timed call a contender rests, because threads of NumPy and PyTorch spin for a while after their
work, and makes calls that are not timed, for 20 ms at least. Every backend that runs here is timed:
amx on processors that have it, and cpu. NumPy dequantises and multiplies, as in cpu_vs_numpy.py.
PyTorch multiplies bfloat16 weights that were dequantised ahead, which take twice the memory, and
applies no scale to a; oneDNN computes its product. "read" is PyTorch's sum of the bytes of b, on
all threads.

Needs numpy and ml_dtypes; without PyTorch its columns are empty.
"""

import argparse
import contextlib
import statistics
import time

import numpy as np
from cpu_vs_numpy import BLOCK, Library, Numpy, Problem, check

import groupgemm_fp8 as gg

DEFAULT_SHAPE = "2x4096x7168"
DEFAULT_ROWS = "1,4,16,64,1024"


class Dequantised:
    """Multiplies bfloat16 arrays with torch.matmul, group by group."""

    def __init__(self, problem: Problem):
        import torch

        scales = problem.b_scale.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)
        b = problem.b.astype(np.float32) * scales
        self.b = torch.from_numpy(b).bfloat16()
        self.a = torch.from_numpy(problem.a.astype(np.float32)).bfloat16()
        self.a = self.a.view(problem.groups, problem.rows, problem.k)
        self.out = torch.empty(problem.groups, problem.rows, problem.n, dtype=torch.bfloat16)

    def __call__(self) -> None:
        import torch

        for a, b, out in zip(self.a, self.b, self.out, strict=True):
            torch.matmul(a, b.T, out=out)


class Read:
    """Reads every byte of b on all threads."""

    def __init__(self, problem: Problem):
        import torch

        self.words = torch.from_numpy(problem.b.view(np.int64).reshape(-1))

    def __call__(self) -> None:
        self.words.sum()


def host_backends(problem: Problem) -> list[str]:
    """The backends that take the problem here."""
    arguments = (problem.a, problem.b, problem.a_scale, problem.b_scale, problem.m_indptr)
    return [x for x in gg.backends() if gg.supports(x, *arguments, scale_major_mode="K")[0]]


def contenders(problem: Problem) -> dict:
    found = {name: Library(problem, name) for name in host_backends(problem)}
    found["numpy"] = Numpy(problem)
    with contextlib.suppress(ImportError):
        found |= {"torch": Dequantised(problem), "read": Read(problem)}
    return found


REST_SECONDS = 0.06
WARM_SECONDS = 0.02


def median_seconds(runs: list, repeats: int) -> list[float]:
    """Median time of each run, in turns, each after a rest and calls that are not timed."""
    seconds = [[] for _ in runs]
    for _ in range(repeats):
        for run, times in zip(runs, seconds, strict=True):
            time.sleep(REST_SECONDS)
            start = time.perf_counter()
            while time.perf_counter() < start + WARM_SECONDS:
                run()
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds]


def ratio(seconds: dict, other: str, name: str) -> str:
    """How many times as long another contender takes."""
    known = other in seconds and name in seconds
    return f"{seconds[other] / seconds[name]:8.2f}" if known else " " * 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default=DEFAULT_SHAPE, help="groups x n x k")
    parser.add_argument("--rows", default=DEFAULT_ROWS, help="rows per group, comma-separated")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    groups, n, k = (int(size) for size in options.shape.split("x"))

    print("  rows backend       ms  GFLOP/s  GB/s b  cpu/it numpy/it torch/it read/it")
    for rows in (int(count) for count in options.rows.split(",")):
        problem = Problem(groups, n, k, rows, np.random.default_rng(0))
        runs = contenders(problem)
        medians = median_seconds(list(runs.values()), options.repeats)
        seconds = dict(zip(runs, medians, strict=True))
        for name in host_backends(problem):
            check(runs[name], runs["numpy"])
        for name in runs:
            gflops = 2 * groups * rows * n * k / seconds[name] * 1e-9
            ratios = [ratio(seconds, other, name) for other in ("cpu", "numpy", "torch", "read")]
            print(
                f"{rows:6} {name:7} {seconds[name] * 1e3:8.3f} {gflops:8.0f}"
                f" {groups * n * k / seconds[name] * 1e-9:7.1f}" + "".join(ratios),
                flush=True,
            )


if __name__ == "__main__":
    main()
