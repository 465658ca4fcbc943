"""Has the peers compile their kernels before anything is timed, in several processes.

DeepGEMM and Humming compile a kernel at the first call of a kind, for seconds each, and keep it
on disk. Processes that make every call once fill that store side by side.
"""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from .machine import open_machine
from .peers import peer_kinds, prepare_peers, release_memory
from .problem import random_problem


def compile_ahead(cases, device, settings, families, num_processes):
    """Runs the peers once on every case; returns how many cases had none that failed."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        jobs = [pool.submit(_run_once, case, device, settings, families) for case in cases]
        return sum(_outcome(job) for job in jobs)


def _outcome(job):
    try:
        return job.result()
    except (BrokenProcessPool, RuntimeError, MemoryError):
        return False  # the kernel is compiled when the case is measured


def _run_once(case, device, settings, families):
    machine = open_machine(device)
    problem = random_problem(case, machine, settings, num_sets=1)
    problem.contender().launch(0)
    machine.synchronize()
    _, reasons = prepare_peers(problem, peer_kinds(families))
    del problem
    gc.collect()
    release_memory()
    return not reasons
