"""The library's builtin function for tensors, called as the short way of calls on PyTorch does."""

import gc
import sys
import threading

import pytest

import small_problem
from small_problem import BATCH_SIZE, CUM_M, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8 import _call_torch, group_gemm_fp8_nt_groupwise  # noqa: E402
from torch_problem import needs_exchange_api, tensors_of, to_numpy  # noqa: E402

pytestmark = needs_exchange_api


@pytest.fixture
def function_call():
    """The builtin function and the arguments of a call that it takes."""
    tensors = tensors_of(small_problem.inputs())
    _call_torch.forget()
    group_gemm_fp8_nt_groupwise(**tensors)
    (known,) = _call_torch._known.values()
    function, packed, empty, keywords = known.call
    return function, [packed, b"", *tensors.values(), None, empty, keywords, None]


def test_function(function_call):
    function, arguments = function_call
    out, other = function(*arguments), torch.zeros(1)
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))
    assert sys.getrefcount(out) == sys.getrefcount(other)
    arguments[7] = out
    for stream in (b"", bytes(8)):  # without effect on the CPU
        arguments[1] = stream
        assert function(*arguments) is out
    assert sys.getrefcount(out) == sys.getrefcount(other) + 1


def refuse_to_allocate(*sizes, **options):
    raise RuntimeError("no memory")


REFUSED = [
    (0, b""),
    (0, bytes(56)),
    (0, bytes(57)),
    (0, None),
    (1, bytes(4)),
    (1, None),
    (6, torch.zeros(BATCH_SIZE + 1)),
    (7, torch.zeros(CUM_M, N, dtype=torch.float64)),
    (7, torch.zeros(CUM_M, N + 8)),
    (8, None),
    (8, refuse_to_allocate),
    (8, lambda *sizes, **options: torch.zeros(1, 1)),
    (9, []),
    (9, [None]),
    (9, None),
    (10, torch.zeros(4096)),
]


@pytest.mark.parametrize("place, value", REFUSED)
def test_function_refuses(function_call, place, value):
    """It answers with a number, raises nothing, and gives every reference back."""
    function, arguments = function_call
    arguments[place] = value

    def call():
        assert function(*arguments) > 0

    def references():
        gc.collect()
        return [sys.getrefcount(x) for x in (None, *arguments)]

    call()
    before = references()
    for _ in range(1000):
        call()
    # Others may take or drop None meanwhile.
    changes = [abs(x - y) for x, y in zip(references(), before, strict=True)]
    assert max(changes) < 100


def test_function_counts_its_arguments(function_call):
    function, arguments = function_call
    assert function() > 0
    assert function(*arguments[:-1]) > 0
    assert function(*arguments, None) > 0
    with pytest.raises(TypeError):
        function(*arguments, options=arguments[0])


def test_function_takes_a_workspace(function_call):
    function, arguments = function_call
    arguments[10] = torch.zeros(1256, dtype=torch.uint8)
    assert same_bits(to_numpy(function(*arguments)), expected(small_problem.inputs()))


def test_other_threads_run_meanwhile():
    """The interpreter's lock is released while the CPU computes."""
    rows, n, k = 512, 1024, 2048
    a = torch.zeros(rows, k, dtype=torch.uint8).view(torch.float8_e4m3fn)
    b = torch.zeros(1, n, k, dtype=torch.uint8).view(torch.float8_e4m3fn)
    scales = torch.ones(k // 128, rows), torch.ones(1, k // 128, n // 128)
    call = (a, b, *scales, torch.tensor([0, rows], dtype=torch.int32))
    group_gemm_fp8_nt_groupwise(*call[:4], torch.zeros(2, dtype=torch.int32))  # is remembered
    done = threading.Event()

    def work():
        for _ in range(5):
            group_gemm_fp8_nt_groupwise(*call)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    ticks = 0
    while not done.wait(0.0005):
        ticks += 1
    thread.join()
    assert ticks > 10  # with the lock held, one or two per call
