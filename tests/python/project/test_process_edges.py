"""Calls of the package at the edges of a process: its end, forks, and signals that raise."""

import os

import pytest

from numeric.process import run_python

STEPS = """
import threading, time
import ml_dtypes
import numpy as np
import groupgemm_fp8 as gg
x = np.ones((64, 256), ml_dtypes.bfloat16)
weights = np.ones((8, 2), np.float32)
index = np.arange(128, dtype=np.int32).reshape(64, 2) % 4
def steps():
    routing = gg.route(index, 4)
    gg.quantize_groupwise(x, (1, 128), row_index=routing.row_index)
    gg.silu_mul_quantize_groupwise(x)
    return gg.combine(x, routing.position[:8] % 64, weights)
"""

BUSY_AT_EXIT = (
    STEPS
    + """
started = threading.Barrier(5)
def work():
    started.wait()
    while True:
        steps()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
started.wait()
time.sleep(0.05)
print("end")
"""
)


def test_interpreter_ends_while_daemon_threads_are_in_steps():
    for _ in range(4):
        assert run_python("-c", BUSY_AT_EXIT).strip() == "end"


LAST_CALLS = (
    STEPS
    + """
import atexit
import small_problem
arrays = small_problem.inputs()
wanted = gg.group_gemm_fp8_nt_groupwise(**arrays)
class Last:
    def __del__(self):
        assert (gg.group_gemm_fp8_nt_groupwise(**arrays) == wanted).all()
        print("deleted", flush=True)
@atexit.register
def at_exit():
    assert (gg.group_gemm_fp8_nt_groupwise(**arrays) == wanted).all() and (steps() == 2).all()
    print("exit", flush=True)
last = Last()
print("end")
del last
"""
)


def test_calls_at_exit():
    assert run_python("-c", LAST_CALLS).split() == ["end", "deleted", "exit"]


FORKS = (
    STEPS
    + """
import os, signal
import small_problem
arrays = small_problem.inputs()
wanted = gg.group_gemm_fp8_nt_groupwise(**arrays)
def right():
    return (gg.group_gemm_fp8_nt_groupwise(**arrays) == wanted).all() and (steps() == 2).all()
assert right()
goes_on = True
def work():
    while goes_on:
        assert right()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
statuses = set()
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if right() else 1)
    statuses.add(os.waitpid(child, 0)[1])
goes_on = False
for thread in threads:
    thread.join()
print(statuses)
"""
)

FIRST_CALLS = (
    STEPS
    + """
import small_problem
arrays = small_problem.inputs()
meet = threading.Barrier(8)
results = []
def work():
    meet.wait()
    for _ in range(20):
        out = gg.group_gemm_fp8_nt_groupwise(**arrays)
        results.append((out.tobytes(), steps().tobytes(), str(gg.plan(**arrays))))
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(results), len(set(results)))
"""
)


def test_first_calls_of_threads_that_meet():
    """In a Python without a global lock they run at the same time."""
    assert run_python("-c", FIRST_CALLS).split() == ["160", "1"]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_children_of_a_process_whose_threads_are_in_calls():
    assert run_python("-W", "ignore", "-c", FORKS).strip() == "{0}"


INTERRUPTED = (
    STEPS
    + """
import os, signal
import small_problem
arrays = small_problem.inputs()
wanted = gg.group_gemm_fp8_nt_groupwise(**arrays)
steps()
inside = False
def interrupt(*_):
    if inside:
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupt)
child = os.fork()
if child == 0:
    for _ in range(600):
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.001)
    os._exit(0)
num_interrupted = num_done = 0
while os.waitpid(child, os.WNOHANG)[0] == 0:
    try:
        inside = True
        gg.group_gemm_fp8_nt_groupwise(**arrays)
        steps()
        inside = False
        num_done += 1
    except KeyboardInterrupt:
        inside = False
        num_interrupted += 1
assert (gg.group_gemm_fp8_nt_groupwise(**arrays) == wanted).all() and (steps() == 2).all()
print(num_interrupted > 0, num_done > 0)
"""
)


@needs_fork
def test_interrupted_calls_leave_nothing_behind():
    """A handler that raises may end a call at any place of the package's Python code."""
    assert run_python("-W", "ignore", "-c", INTERRUPTED).split() == ["True", "True"]
