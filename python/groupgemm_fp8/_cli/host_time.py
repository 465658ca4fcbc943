"""`bench --host`: the host's time of the first and of later calls on a small problem."""

from __future__ import annotations

import time

from . import options, report
from .cases import grid_cases
from .peers import peer_kinds, prepare_peers
from .problem import random_problem
from .units import time_text

_CASE = {"groups": [8], "rows": [16], "n": [512], "k": [512]}


def measure_host_time(chosen, machine, settings, load_seconds):
    """Prints the times and returns the exit status."""
    sizes = {name: getattr(chosen, name) or default for name, default in _CASE.items()}
    case = grid_cases(**sizes)[0]
    problem = random_problem(case, machine, settings)
    ours = problem.contender()
    machine.synchronize()
    start = time.perf_counter()
    ours.launch(0)
    machine.synchronize()
    first_seconds = time.perf_counter() - start
    results = {ours.name: machine.host_time(ours, chosen.seconds).seconds}
    reasons = {}
    if chosen.peers:
        contenders, reasons = prepare_peers(problem, peer_kinds(chosen.peers))
        for peer in contenders:
            results[peer.name] = machine.host_time(peer, chosen.seconds).seconds
    facts = options.device_facts(machine)
    waits = "the computation included" if machine.device_type == "cpu" else "without waiting"
    print(f"device: {machine.label}: {facts['name']}; {case.name}")
    print(f"library load {time_text(load_seconds)}, first call {time_text(first_seconds)}")
    for name, seconds in results.items():
        print(f"{name}: {time_text(seconds)} per call, {waits}")
    for name, reason in reasons.items():
        print(f"{name}: n/a: {reason}")
    if chosen.json:
        data = {
            "device": facts,
            "case": case.name,
            "load_ms": load_seconds * 1e3,
            "first_call_ms": first_seconds * 1e3,
            "us_per_call": {name: seconds * 1e6 for name, seconds in results.items()},
            "unavailable": reasons,
        }
        report.write_json(chosen.json, data)
    return 0
