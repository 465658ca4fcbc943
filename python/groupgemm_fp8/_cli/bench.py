"""`bench`: times grouped products and relates each to the least time the hardware allows.

That floor is the greater of operations over the dense FP8 rate and bytes over the read bandwidth,
both measured in the same run (ceilings.py). A small sample of every result is checked first, so
that nothing wrong is ever timed.
"""

from __future__ import annotations

import time

import groupgemm_fp8

from . import CommandError, options, report
from .cases import grid_cases, packaged_cases, read_cases
from .ceilings import measure_ceilings
from .check import Sample, check
from .device import CudaError
from .machine import open_machine
from .peers import peer_kinds, prepare_peers, release_memory
from .plot import require_matplotlib, write_plot
from .problem import Settings, random_problem

_SAMPLE = Sample(groups=2, rows=4, columns=64)
_HOST_CASE = {"groups": [8], "rows": [16], "n": [512], "k": [512]}


def add_arguments(parser):
    where = parser.add_argument_group("cases: the packaged ones, a file, or a grid of sizes")
    where.add_argument("--cases", metavar="FILE", help="JSON file of cases")
    grid = {"type": options.positive, "nargs": "+", "metavar": "SIZE"}
    where.add_argument("--groups", help="numbers of groups", **grid)
    where.add_argument("--rows", help="rows of each group", **grid)
    where.add_argument("--n", help="columns of the result", **grid)
    where.add_argument("--k", help="inner dimension", **grid)
    where.add_argument("--filter", metavar="TEXT", help="only cases with TEXT in their name")
    how = parser.add_argument_group("call")
    options.add_call_options(how)
    how.add_argument(
        "--granularity",
        metavar="M,N,K",
        type=options.granularity,
        default=(1, 128, 128),
        help="elements that share a scale (1,128,128)",
    )
    how.add_argument("--scale-major", choices=("MN", "K"), default="MN", help="layout of scales")
    what = parser.add_argument_group("measurement")
    number = {"type": options.positive_number, "metavar": "NUMBER"}
    what.add_argument("--seconds", default=1.0, help="time spent on each case (1)", **number)
    what.add_argument(
        "--ceiling-tflops", help="dense rate to compare with, instead of a measured one", **number
    )
    what.add_argument("--peers", action="store_true", help="time other libraries in turn with us")
    what.add_argument("--host", action="store_true", help="measure the host's time of one call")
    what.add_argument("--json", metavar="FILE", help="write all figures")
    what.add_argument("--plot", metavar="FILE", help="write a bar chart of efficiency")


def run(chosen):
    if chosen.plot:
        require_matplotlib()
        options.require_folder("--plot", chosen.plot)
    if chosen.json:
        options.require_folder("--json", chosen.json)
    start = time.perf_counter()
    groupgemm_fp8.backends()  # loads the library
    load_seconds = time.perf_counter() - start
    machine = open_machine(chosen.device)
    settings = Settings(chosen.out_dtype, chosen.granularity, chosen.scale_major, chosen.backend)
    if chosen.host:
        return _run_host(chosen, machine, settings, load_seconds)
    cases = _chosen_cases(chosen, machine)
    facts = options.device_facts(machine)
    print(f"device: {machine.label}: {facts['name']}")
    ceilings = measure_ceilings(machine, min(chosen.seconds, 1.0), chosen.ceiling_tflops)
    print(*report.ceiling_lines(ceilings), sep="\n")
    kinds = peer_kinds() if chosen.peers else {}
    table = report.Table(
        max(len(case.name) for case in cases), {name: kind.label for name, kind in kinds.items()}
    )
    print(table.heading(), flush=True)
    records = []
    for case in cases:
        try:
            record = _measure(case, machine, settings, ceilings, kinds, chosen.seconds)
        except CudaError as error:
            if error.status_name != "cudaErrorMemoryAllocation":
                raise
            print(f"{case.name}: skipped: {error}", flush=True)
        else:
            records.append(record)
            print(table.line(record), flush=True)
        if kinds:
            release_memory()
    if not records:
        raise CommandError("no case fits into the device's memory")
    print(*report.closing_lines(records), sep="\n")
    if chosen.json:
        report.write_json(chosen.json, report.document(facts, settings, ceilings, records))
    if chosen.plot:
        write_plot(chosen.plot, f"Grouped FP8 GEMM on {machine.label}: {facts['name']}", records)
    return 0


def _chosen_cases(chosen, machine):
    grid = {name: getattr(chosen, name) for name in ("groups", "rows", "n", "k")}
    missing = [f"--{name}" for name, values in grid.items() if values is None]
    if missing and len(missing) < len(grid):
        raise CommandError(f"a grid of sizes also needs {' '.join(missing)}")
    if not missing and chosen.cases:
        raise CommandError("--cases and a grid of sizes exclude each other")
    if not missing:
        cases = grid_cases(**grid)
    elif chosen.cases:
        cases = read_cases(chosen.cases)
    else:
        on_cpu = machine.device_type == "cpu"
        cases = packaged_cases("cases_cpu.json" if on_cpu else "cases.json")
    cases = [case for case in cases if not chosen.filter or chosen.filter in case.name]
    if not cases:
        raise CommandError("no case is left to measure")
    return cases


def _measure(case, machine, settings, ceilings, kinds, seconds):
    """Checks and times one case; its arrays are gone when the record is there."""
    problem = random_problem(case, machine, settings)
    plan = problem.plan()
    ours = problem.contender()
    ours.launch(0)
    machine.synchronize()
    verdict = check(problem, plan.backend, options.capability(machine), _SAMPLE)
    if not verdict.ok:
        raise RuntimeError(
            f"{case.name}: wrong result: {verdict.num_outside} of {verdict.num_checked} checked "
            f"elements are outside their bound, relative error {verdict.relative_error:.2e}"
        )
    contenders, reasons = prepare_peers(problem) if kinds else ([], {})
    timings = machine.time([ours, *contenders], seconds)
    peers = {name: (kind.note, reasons.get(name) or timings[name]) for name, kind in kinds.items()}
    out_bytes = problem.out.dtype.itemsize
    moved_bytes = case.moved_bytes(out_bytes, settings.granularity)
    return report.make_record(case, plan, timings[ours.name], ceilings, moved_bytes, peers)


def _run_host(chosen, machine, settings, load_seconds):
    """Prints the host's time of the first and of later calls on a small problem."""
    sizes = {name: getattr(chosen, name) or default for name, default in _HOST_CASE.items()}
    case = grid_cases(**sizes)[0]
    problem = random_problem(case, machine, settings)
    ours = problem.contender()
    machine.synchronize()
    start = time.perf_counter()
    ours.launch(0)
    machine.synchronize()
    first_seconds = time.perf_counter() - start
    results = {ours.name: machine.host_time(ours, chosen.seconds).seconds * 1e6}
    reasons = {}
    if chosen.peers:
        contenders, reasons = prepare_peers(problem)
        for peer in contenders:
            results[peer.name] = machine.host_time(peer, chosen.seconds).seconds * 1e6
    waits = "the computation included" if machine.device_type == "cpu" else "without waiting"
    print(f"device: {machine.label}, {case.name}")
    print(f"library load {load_seconds * 1e3:.1f} ms, first call {first_seconds * 1e3:.1f} ms")
    for name, microseconds in results.items():
        print(f"{name}: {microseconds:.2f} us per call, {waits}")
    for name, reason in reasons.items():
        print(f"{name}: n/a: {reason}")
    if chosen.json:
        data = {
            "device": options.device_facts(machine),
            "case": case.name,
            "load_ms": load_seconds * 1e3,
            "first_call_ms": first_seconds * 1e3,
            "us_per_call": results,
            "unavailable": reasons,
        }
        report.write_json(chosen.json, data)
    return 0
