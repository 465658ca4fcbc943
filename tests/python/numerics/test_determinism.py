"""Equal calls give equal bits: repeated, from many threads, with any number of workers."""

import ctypes
import hashlib
import platform
from concurrent.futures import ThreadPoolExecutor

import pytest

from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_exact, assert_same_bits
from numeric.process import run_python

RAGGED = Case((40, 0, 129, 1, 17), 200, 400, (1, 128, 128), lead=2, trail=1)


def digest(runner) -> str:
    bits = runner.run(random_problem(RAGGED), seed=3)
    return hashlib.sha256(bits.tobytes()).hexdigest()


def test_repeated_runs(backend):
    """Twenty runs over the same memory are the run over fresh memory."""
    problem = random_problem(RAGGED)
    first = backend.run(problem)
    call = backend.call(problem, seed=7)
    for _ in range(20):
        call.launch()
        assert_same_bits(problem, call.result(), first, "first run")


@pytest.mark.parametrize("out_dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("k", [32, 144])
def test_many_tiles_of_few_k_blocks(gpu_backend, k, out_dtype):
    """Epilogues take most of the time, so that warps drift as far apart as barriers let them."""
    rows = (700,) * 6 + (130, 64, 1)
    problem = exact_problem(gpu_backend.fit(Case(rows, 4096, k, out_dtype=out_dtype)))
    call = gpu_backend.call(problem)
    call.launch()
    first = call.result()
    assert_exact(problem, first)
    for _ in range(20):
        call.launch()
        assert_same_bits(problem, call.result(), first, "first run")


def test_threads(backend):
    """Calls of different problems from several threads at once do not disturb one another."""
    shapes = [((3, 50, 0), 136, 208), ((1,) * 9, 64, 512), ((140, 2), 72, 160), ((0, 31), 200, 48)]
    problems = [exact_problem(Case(rows, n, k), seed=n) for rows, n, k in shapes]

    def run(turn):
        problem = problems[turn % len(problems)]
        return problem, backend.run(problem)

    with ThreadPoolExecutor(max_workers=4) as pool:
        for problem, bits in pool.map(run, range(24)):
            assert_exact(problem, bits)


def test_fresh_process(backend):
    program = (
        "import test_determinism as t; from numeric.runner import Runner; "
        f"print(t.digest(Runner({backend.name!r})))"
    )
    assert run_python("-c", program) == digest(backend)


@pytest.mark.parametrize(
    "variables",
    [
        {"GGFP8_NUM_THREADS": "1"},
        {"GGFP8_NUM_THREADS": "2"},
        {"GGFP8_NUM_THREADS": "7"},
        {"GGFP8_CPU_ISA": "portable"},
        {"GGFP8_CPU_ISA": "neon"},
        {"GGFP8_CPU_ISA": "avx2"},
    ],
    ids=lambda variables: "=".join(*variables.items()),
)
def test_number_of_workers_and_instruction_set(backend, variables):
    """A fresh process under other settings of the CPU backend gives the same bits."""
    if backend.is_gpu:
        pytest.skip("these settings belong to backends of the CPU")
    program = (
        "import test_determinism as t; from numeric.page_probe import has_instruction_set; "
        "from numeric.runner import Runner; "
        f"print(t.digest(Runner({backend.name!r})) if has_instruction_set() else '')"
    )
    answer = run_python("-c", program, **variables)
    if not answer:
        pytest.skip(f"this processor has no {variables['GGFP8_CPU_ISA']}")
    assert answer == digest(backend)


FE_TONEAREST, FE_UPWARD_X86 = 0, 0x800


def test_rounding_mode_of_the_caller(backend):
    """A caller that rounds upwards gets the same bits and keeps its rounding mode."""
    if backend.is_gpu or platform.machine() != "x86_64":
        pytest.skip("sets the rounding mode of an x86-64 processor")
    problem = random_problem(RAGGED)
    wanted = backend.run(problem)
    call = backend.call(problem, seed=1)
    libm = ctypes.CDLL("libm.so.6")
    assert libm.fesetround(FE_UPWARD_X86) == 0
    try:
        call.launch()
        mode = libm.fegetround()
    finally:
        libm.fesetround(FE_TONEAREST)
    assert mode == FE_UPWARD_X86
    assert_same_bits(problem, call.result(), wanted, "result under rounding to nearest")
