"""`bench --layer`: times whole experts' layers, and each step beside its floor.

The layer is one call of moe_ffn: on a GPU captured into a CUDA graph, on a CPU called plainly. Its
floor is the sum of the floors of its steps. A step's floor is the greatest of bytes over the read
bandwidth, operations over the dense rate, and on a GPU the least device time of its kernels. Steps
are timed alone, with their inputs in the cache as far as the cache holds them.
"""

from __future__ import annotations

import numpy as np

import groupgemm_fp8

from . import CommandError, options, report
from .ceilings import measure_ceilings
from .device import CudaError
from .layer import Layer, random_experts
from .layer_check import ERROR_LIMIT, layer_error
from .layer_sizes import TOKENS, choose_models
from .layer_torch import NOTE, TorchLayer
from .machine import unused_gpu_reason
from .peer import UnavailableError
from .peers import release_memory
from .timing import Contender
from .units import share_text, time_text

_SCHEMA = 1
_CPU_MODELS, _CPU_TOKENS = "qwen3-30b", (1, 16)  # without names and --tokens
_CHECKED_TOKENS = 1
_OTHERS = {  # options that do not go with --layer, by their names in the code
    **{name: name for name in ("cases", "groups", "rows", "n", "k", "filter", "random", "seed")},
    **{name: name for name in ("backend", "peers", "shapes", "energy", "host", "plot")},
    "few_tiles": "few-tiles",
    "max_rows": "max-rows",
    "max_weights": "max-weights",
    "compile_jobs": "compile-jobs",
    "source": "from",
}


def add_layer_options(parser):
    layer = parser.add_argument_group("whole layers instead of products")
    layer.add_argument(
        "--layer",
        nargs="?",
        const="default",
        metavar="NAMES",
        help="time experts' layers and their steps: deepseek-v3,qwen3-235b,qwen3-30b or all; "
        f"without NAMES all, on a CPU {_CPU_MODELS}",
    )
    layer.add_argument(
        "--tokens",
        type=options.positive,
        nargs="+",
        metavar="NUMBER",
        help=f"tokens of a layer ({' '.join(map(str, TOKENS))}; "
        f"on a CPU {' '.join(map(str, _CPU_TOKENS))})",
    )


def check_layer_options(chosen):
    """Fails on options that do not go with --layer, or need it."""
    if not chosen.layer:
        if chosen.tokens:
            raise CommandError("--tokens: belongs to --layer, which is not given")
        return
    for name, option in _OTHERS.items():
        if getattr(chosen, name) not in (None, False):
            raise CommandError(f"--{option}: does not go with --layer")
    if tuple(chosen.granularity) != (1, 128, 128) or chosen.scale_major != "MN":
        raise CommandError(
            "--granularity, --scale-major: do not go with --layer, whose scales are checkpoints'"
        )
    if chosen.out_dtype != "bfloat16":
        raise CommandError(f"--out-dtype: got {chosen.out_dtype}, wanted bfloat16 with --layer")
    if chosen.layer != "default":
        choose_models(chosen.layer)


def measure_layers(chosen, machine):
    """Measures and prints all layers; returns the exit status."""
    on_cpu = machine.device_type == "cpu"
    names = (_CPU_MODELS if on_cpu else "all") if chosen.layer == "default" else chosen.layer
    tokens = chosen.tokens or (_CPU_TOKENS if on_cpu else TOKENS)
    facts = options.device_facts(machine)
    print(f"device: {machine.label}: {facts['name']}")
    if reason := unused_gpu_reason(machine, chosen.device):
        print(f"gpu: not used: {reason}")
    ceilings = measure_ceilings(machine, min(chosen.seconds, 1.0), chosen.ceiling_tflops)
    print(*report.ceiling_lines(ceilings), _heading(), sep="\n", flush=True)
    records = []
    for sizes in choose_models(names):
        for count in tokens:
            try:
                records.append(_measure(machine, ceilings, sizes, count, chosen.seconds))
            except CudaError as error:
                if error.status_name != "cudaErrorMemoryAllocation":
                    raise
                print(f"{sizes.label}, {count} tokens: skipped: {error}", flush=True)
            else:
                print(*_lines(records[-1]), sep="\n", flush=True)
            machine.release_pool()
            release_memory()
            if chosen.json:
                report.write_json(chosen.json, _document(facts, ceilings, records))
    if not records:
        raise CommandError("no layer fits into the device's memory")
    print(*_closing_lines(records), sep="\n")
    return 0


def _measure(machine, ceilings, sizes, tokens, seconds):
    """Checks and times one layer; its arrays are gone when the record is there."""
    rng = np.random.default_rng(0)
    layer = Layer(machine, sizes, random_experts(rng, tokens, sizes.experts, sizes.top_k))
    steps = layer.steps()
    for step in steps:
        step.launch(0)
    ours = layer.contender()
    ours.launch(0)
    machine.synchronize()
    error = layer_error(layer, _CHECKED_TOKENS)
    if not error <= ERROR_LIMIT:
        raise RuntimeError(
            f"{sizes.label}, {tokens} tokens: wrong result: relative error {error:.2e}"
        )
    contenders = [ours, *(Contender(step.name, step.launch, layer.num_sets) for step in steps)]
    reason = ""
    try:
        contenders.append(_prepared(layer).contender())
    except UnavailableError as problem:
        reason = str(problem)
    timings = machine.time(contenders, seconds)
    floors = [step.floor(machine, ceilings) for step in steps]
    total = sum(floor.seconds for floor in floors)
    return {
        "layer": sizes.label,
        "tokens": tokens,
        "error": error,
        **_figures(timings[ours.name], total),
        "bf16": {"unavailable": reason} if reason else _figures(timings[TorchLayer.name], total),
        "steps": [
            {
                "name": step.name,
                "sizes": step.sizes,
                "bound": floor.bound,
                **_figures(timings[step.name], floor.seconds),
            }
            for step, floor in zip(steps, floors, strict=True)
        ],
    }


def _prepared(layer):
    """Returns the layer in torch; raises an UnavailableError if its result differs from ours."""
    bf16 = TorchLayer(layer)
    ours = np.asarray(layer.machine.download(layer.out), np.float32)
    theirs = bf16.out.float().cpu().numpy()
    error = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    if not error <= ERROR_LIMIT:
        raise UnavailableError(f"wrong result: relative error {error:.2e}")
    return bf16


def _figures(timing, floor_seconds):
    return {
        "us": timing.seconds * 1e6,
        "us_low": timing.low * 1e6,
        "us_high": timing.high * 1e6,
        "floor_us": floor_seconds * 1e6,
        "efficiency": floor_seconds / timing.seconds,
    }


def _heading():
    return (
        f"{'layer':26} {'tokens':>7} {'time':>9} {'spread':>7} {'floor':>9} {'eff.':>5} "
        f"{'bf16':>9} {'ratio':>6}"
    )


def _lines(record):
    """Yields the line of a layer and those of its steps."""
    bf16 = record["bf16"]
    others = f"{'n/a':>9} {'n/a':>6}"
    if "us" in bf16:
        others = f"{time_text(bf16['us'] * 1e-6):>9} {bf16['us'] / record['us']:6.2f}"
    yield f"{record['layer']:26} {record['tokens']:7d} {_figures_text(record)} {others}"
    for step in record["steps"]:
        yield f"  {step['name']:32} {_figures_text(step)} {step['bound']}"


def _figures_text(figures):
    time, floor = time_text(figures["us"] * 1e-6), time_text(figures["floor_us"] * 1e-6)
    spread = report.spread_text(figures, report.wide_spread(figures))
    return f"{time:>9} {spread:>7} {floor:>9} {share_text(figures['efficiency']):>5}"


def _closing_lines(records):
    yield f"bf16: {NOTE}; ratio: its time over ours"
    figures = [part for record in records for part in (record, *record["steps"])]
    noise = list(filter(None, map(report.wide_spread, figures)))
    if noise:
        yield f"?: too noisy to trust, {len(noise)} of {len(figures)} figures: {noise[0]}"
    reasons = [record["bf16"].get("unavailable") for record in records]
    for reason in dict.fromkeys(filter(None, reasons)):
        count = reasons.count(reason)
        where = "" if count == len(records) else f" in {count} of {len(records)} layers"
        yield f"bf16: n/a{where}: {reason}"


def _document(facts, ceilings, records):
    return {
        "schema": _SCHEMA,
        "version": groupgemm_fp8.__version__,
        "device": facts,
        "ceilings": {
            "operations_per_second": ceilings.operations_per_second,
            "bytes_per_second": ceilings.bytes_per_second,
        },
        "layers": records,
    }
