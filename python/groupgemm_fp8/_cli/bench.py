"""`bench`: times grouped products and relates each to the least time the hardware allows.

The least time, called the floor, is the greater of two quotients: operations over the dense FP8
rate, and bytes over the read bandwidth. Rate and bandwidth are measured in the same run. With
--energy the floor also counts the time that the power limit asks for. A sample of every result,
those of other libraries included, is checked before anything is timed. A mark (?) says which
results are too noisy to trust. With --shapes the backend's other tile shapes are timed beside the
one that it chooses. With --layer whole experts' layers and their steps are timed.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

import groupgemm_fp8

from . import CommandError, options, report
from .bench_cases import add_case_options, check_case_options, choose_cases
from .bench_layer import add_layer_options, check_layer_options, measure_layers
from .case_files import FORMAT
from .ceilings import Ceilings, measure_ceilings
from .check import Sample, check
from .compile_ahead import compile_ahead
from .device import CudaError
from .distribution import distribution_lines
from .earlier_run import show_earlier_run
from .host_time import measure_host_time
from .machine import open_machine, unused_gpu_reason
from .peers import peer_kinds, prepare_peers, release_memory
from .plot import require_plot_target, write_plot
from .power import PowerMeter
from .problem import Settings, random_problem
from .shapes import add_shape_options, check_shape_options, prepare_shapes, shape_figures

EPILOG = f"""\
examples:
  groupgemm_fp8 bench --peers --json run.json        the packaged cases, with other libraries
  groupgemm_fp8 bench --random 48 --seed 1 --peers   a sample of realistic problems
  groupgemm_fp8 bench --random 40 --shapes all       how far its choices are from the best
  groupgemm_fp8 bench --groups 8 --rows 16 64 --n 4096 --k 7168
  groupgemm_fp8 bench --layer qwen3-30b --tokens 16 4096
  groupgemm_fp8 bench --from run.json --plot run.svg

{FORMAT}
"""
_POWER_SECONDS = 0.5  # spent on the power of each case
_SAMPLE = Sample(groups=2, rows=4, columns=64)


def add_arguments(parser):
    add_case_options(parser)
    add_layer_options(parser)
    how = parser.add_argument_group("call")
    options.add_call_options(how)
    how.add_argument(
        "--granularity",
        metavar="M,N,K",
        type=options.granularity,
        default=(1, 128, 128),
        help="rows of a, columns of b and elements of k that share a scale (1,128,128)",
    )
    how.add_argument(
        "--scale-major",
        choices=("MN", "K"),
        default="MN",
        help="axis of scales that runs fastest (MN)",
    )
    what = parser.add_argument_group("measurement")
    number = {"type": options.positive_number, "metavar": "NUMBER"}
    what.add_argument("--seconds", default=1.0, help="time spent on each case (1)", **number)
    what.add_argument(
        "--ceiling-tflops", help="dense rate to compare with, instead of a measured one", **number
    )
    what.add_argument(
        "--peers",
        nargs="?",
        const="all",
        metavar="NAMES",
        help="also time other libraries: torch,deepgemm,humming; without NAMES all",
    )
    add_shape_options(what)
    what.add_argument(
        "--compile-jobs",
        type=options.positive,
        metavar="N",
        help="let the other libraries compile their kernels first, in N processes",
    )
    what.add_argument(
        "--energy", action="store_true", help="measure the power of a GPU, and count its energy"
    )
    what.add_argument("--host", action="store_true", help="measure the host's time of one call")
    what.add_argument("--json", metavar="FILE", help="write all figures")
    what.add_argument("--plot", metavar="FILE", help="draw a chart: .svg, .png or .pdf")
    what.add_argument(
        "--from", dest="source", metavar="FILE", help="show the figures of an earlier --json file"
    )


def run(chosen):
    _check_request(chosen)
    if chosen.source:
        return show_earlier_run(chosen)
    start = time.perf_counter()
    groupgemm_fp8.backends()  # loads the library
    load_seconds = time.perf_counter() - start
    machine = open_machine(chosen.device)
    if chosen.layer:
        return measure_layers(chosen, machine)
    settings = Settings(chosen.out_dtype, chosen.granularity, chosen.scale_major, chosen.backend)
    if chosen.host:
        return measure_host_time(chosen, machine, settings, load_seconds)
    meter = _power_meter(machine) if chosen.energy else None
    cases = choose_cases(chosen, machine, chosen.granularity)
    facts = options.device_facts(machine)
    print(f"device: {machine.label}: {facts['name']}")
    if reason := unused_gpu_reason(machine, chosen.device):
        print(f"gpu: not used: {reason}")
    if chosen.peers and chosen.compile_jobs:
        _compile_ahead(chosen, cases, settings)
    seconds = min(chosen.seconds, 1.0)
    ceilings = measure_ceilings(machine, seconds, chosen.ceiling_tflops, meter)
    print(*report.ceiling_lines(ceilings), sep="\n")
    gc.collect()
    gc.freeze()  # every case collects garbage: what imports left need not be looked at again
    sample = None
    if chosen.random:
        sample = {"seed": chosen.seed or 0, "few_tiles": chosen.few_tiles, "drawn": len(cases)}
    records = []
    kinds = peer_kinds(chosen.peers) if chosen.peers else {}
    conditions = Conditions(
        machine, settings, ceilings, kinds, chosen.shapes, chosen.seconds, meter
    )
    for record in _measured(cases, conditions):
        records.append(record)
        data = report.document(facts, settings, ceilings, records, sample)
        if chosen.json:  # after every case: a run that is cut short leaves what it measured
            report.write_json(chosen.json, data)
    if not records:
        raise CommandError("no case fits into the device's memory")
    print(*report.closing_lines(records), sep="\n")
    if chosen.random:
        print("", *distribution_lines(records, options.num_processors(machine)), sep="\n")
    if chosen.plot:
        write_plot(chosen.plot, data)
    return 0


def _check_request(chosen):
    """Fails before anything is measured if the options or the files they name are of no use."""
    check_layer_options(chosen)
    check_case_options(chosen)
    check_shape_options(chosen)
    if chosen.peers:
        peer_kinds(chosen.peers)
    if chosen.compile_jobs and not chosen.peers:
        raise CommandError("--compile-jobs: belongs to --peers, which is not given")
    if chosen.energy and chosen.ceiling_tflops:
        raise CommandError("--energy: needs a measured dense rate, so no --ceiling-tflops")
    if chosen.plot:
        require_plot_target(chosen.plot)
    if chosen.json:
        options.require_writable("--json", chosen.json)
    if chosen.source and (chosen.json or chosen.host or chosen.shapes):
        raise CommandError(
            "--from: nothing is measured, so --json, --host and --shapes do not go with it"
        )


def _compile_ahead(chosen, cases, settings):
    start = time.perf_counter()
    count = compile_ahead(cases, chosen.device, settings, chosen.peers, chosen.compile_jobs)
    seconds = time.perf_counter() - start
    print(
        f"peers compiled ahead in {seconds:.0f} s; all of them ran on {count} of the cases",
        flush=True,
    )


def _power_meter(machine):
    if machine.device_type != "cuda":
        raise CommandError("--energy: is measured on a GPU only")
    return PowerMeter(machine.device_id)


@dataclass(frozen=True)
class Conditions:
    """The machine, settings and ceilings that all cases of a run are measured with."""

    machine: object
    settings: Settings
    ceilings: Ceilings
    kinds: dict  # {name: class} of the peers
    shapes: str | None  # tile shapes to time beside the chosen one, as --shapes names them
    seconds: float  # spent on each case
    meter: PowerMeter | None


def _measured(cases, conditions):
    """Yields the record of each case that fits, and prints its line."""
    labels = {name: kind.label for name, kind in conditions.kinds.items()}
    table = report.Table(max(len(case.name) for case in cases), labels, bool(conditions.shapes))
    print(table.heading(), flush=True)
    for case in cases:
        try:
            record = _measure(case, conditions)
        except CudaError as error:
            if error.status_name != "cudaErrorMemoryAllocation":
                raise
            print(f"{case.name}: skipped: {error}", flush=True)
        else:
            print(table.line(record), flush=True)
            yield record
        if conditions.kinds:
            release_memory()


def _measure(case, conditions):
    """Checks and times one case; its arrays are gone when the record is there."""
    machine, settings, kinds = conditions.machine, conditions.settings, conditions.kinds
    problem = random_problem(case, machine, settings)
    plan = problem.plan()
    ours = problem.contender()
    ours.launch(0)
    machine.synchronize()
    _check_result(case, problem, plan)
    shapes, shape_reasons = {}, {}
    if conditions.shapes:
        shapes, shape_reasons = prepare_shapes(case, problem, plan, conditions.shapes)
    contenders, reasons = prepare_peers(problem, kinds)
    timings = machine.time([ours, *shapes.values(), *contenders], conditions.seconds)
    peers = {name: (kind.note, reasons.get(name) or timings[name]) for name, kind in kinds.items()}
    moved_bytes = case.moved_bytes(problem.out.dtype.itemsize, settings.granularity)
    num_processors = options.num_processors(machine)
    timing = timings[ours.name]
    record = report.make_record(
        case, plan, timing, conditions.ceilings, moved_bytes, peers, num_processors
    )
    if conditions.shapes:
        of_shapes = {name: timings[contender.name] for name, contender in shapes.items()}
        record.update(shape_figures(plan, {plan.config: timing, **of_shapes}, shape_reasons))
    if conditions.meter:
        seconds = min(conditions.seconds, _POWER_SECONDS)
        watts = conditions.meter.mean_watts(machine.repeated(ours), seconds)
        record.update(watts=watts, joules=watts * timing.seconds)
    return record


def _check_result(case, problem, plan):
    """Fails if a sample of the result in problem.out is wrong."""
    verdict = check(problem, plan.backend, options.capability(problem.machine), _SAMPLE)
    if not verdict.ok:
        raise RuntimeError(
            f"{case.name}: wrong result: {verdict.num_outside} of {verdict.num_checked} checked "
            f"elements are outside their bound, relative error {verdict.relative_error:.2e}"
        )
