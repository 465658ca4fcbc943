"""`demo`: a mixture-of-experts layer step by step, from router to checked result.

Tokens are routed to their top experts by a skewed random router. All else runs on the device: rows
are sorted by expert and quantised to FP8, multiplied with the experts' weights, activated,
multiplied again and summed. Both products are compared with float64, element by element, and
tokens of the result with the whole layer in float64. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import numpy as np

from . import CommandError, options
from .check import Sample, check
from .layer import Layer, random_experts
from .layer_check import ERROR_LIMIT, layer_error
from .layer_sizes import LayerSizes
from .machine import open_machine, unused_gpu_reason
from .problem import indptr_of
from .timing import Contender
from .units import rate_text, time_text

EPILOG = """\
examples:
  groupgemm_fp8 demo
  groupgemm_fp8 demo --device cuda:1 --tokens 4096 --experts 64 --top-k 8 --hidden 7168
"""
_SAMPLE = Sample(groups=64, rows=512, columns=1024)
_LAYER_TOKENS = 8  # compared with the whole layer in float64
_TIMING_SECONDS = 0.5
_ROUTER_SKEW = 1.0  # standard deviation of an expert's popularity, in logits


def add_arguments(parser):
    sizes = parser.add_argument_group("layer")
    for name, default, purpose in (
        ("tokens", 512, "tokens to route"),
        ("experts", 16, "number of experts"),
        ("top-k", 2, "experts of each token"),
        ("hidden", 1024, "elements of a token"),
        ("intermediate", 512, "rows of each expert's gate and of its up projection"),
    ):
        text = f"{purpose} ({default})"
        sizes.add_argument(f"--{name}", type=options.positive, default=default, help=text)
    sizes.add_argument("--seed", type=int, default=0, help="of the random router (0)")
    options.add_call_options(parser.add_argument_group("call"))


def run(chosen):
    if chosen.top_k > chosen.experts:
        raise CommandError(f"--top-k: got {chosen.top_k}, wanted at most --experts")
    machine = open_machine(chosen.device)
    rng = np.random.default_rng(abs(chosen.seed))
    index = random_experts(rng, chosen.tokens, chosen.experts, chosen.top_k, _ROUTER_SKEW)
    is_correct = _show_layer(chosen, machine, index)
    machine.release_pool()
    return 0 if is_correct else 1


def _show_layer(chosen, machine, index):
    """Computes, checks, times and prints; the arrays are gone when it returns."""
    sizes = LayerSizes("demo", chosen.experts, chosen.hidden, chosen.intermediate, chosen.top_k)
    layer = Layer(machine, sizes, index, chosen.out_dtype, chosen.backend)
    plan = layer.up.plan()
    steps = layer.steps()
    for step in steps:
        step.launch(0)
    machine.synchronize()
    findings = _Findings(layer, plan.backend, options.capability(machine))
    contenders = [Contender(step.name, step.launch, layer.num_sets) for step in steps]
    timings = machine.time(contenders, _TIMING_SECONDS)
    seconds = [timings[step.name].seconds for step in steps]
    print(*_device_lines(chosen, machine, plan, layer), sep="\n")
    print(*_step_lines(steps, seconds), sep="\n")
    print(*findings.lines(), sep="\n")
    return findings.ok


class _Findings:
    """Findings of the checks of a computed layer."""

    def __init__(self, layer, backend, capability):
        m_indptr = layer.machine.download(layer.routing.m_indptr)
        self.is_routed = bool((m_indptr == indptr_of(layer.rows)).all())
        products = (layer.up, layer.down)
        self.verdicts = [check(product, backend, capability, _SAMPLE) for product in products]
        self.num_elements = sum(product.out.shape[0] * product.n for product in products)
        self.error = layer_error(layer, _LAYER_TOKENS)

    @property
    def ok(self):
        products_are_ok = all(verdict.ok for verdict in self.verdicts)
        return self.is_routed and products_are_ok and self.error <= ERROR_LIMIT

    def lines(self):
        worst = max(self.verdicts, key=lambda verdict: verdict.relative_error)
        num_checked = sum(verdict.num_checked for verdict in self.verdicts)
        num_outside = sum(verdict.num_outside for verdict in self.verdicts)
        return [
            f"products  {worst.relative_error:.2e} relative to float64 (limit {worst.limit:.2e})",
            f"elements  {num_checked} of {self.num_elements} checked, "
            f"{num_outside} outside their bound",
            f"layer     {self.error:.2e} relative to float64 without FP8 activations "
            f"(limit {ERROR_LIMIT:.2e})",
            "result    correct" if self.ok else "result    WRONG",
        ]


def _device_lines(chosen, machine, plan, layer):
    unused = unused_gpu_reason(machine, chosen.device)
    return [
        f"device    {machine.label}: {options.device_facts(machine)['name']}",
        *([f"gpu       not used: {unused}"] if unused else []),
        f"backend   {plan.backend}, {plan.config}, {plan.num_workers} workers",
        f"routing   {chosen.tokens} tokens to {chosen.top_k} of {chosen.experts} experts each, "
        f"{layer.rows.min()} to {layer.rows.max()} rows for an expert",
        f"layer     hidden {chosen.hidden}, intermediate {chosen.intermediate}, {chosen.out_dtype}",
    ]


def _step_lines(steps, seconds):
    name_width = max(len(step.name) for step in steps)
    sizes_width = max(len(step.sizes) for step in steps)
    for step, time in zip(steps, seconds, strict=True):
        rate = f", {rate_text(step.operations / time)}" if step.operations else ""
        yield (
            f"step      {step.name:{name_width}}  {step.sizes:{sizes_width}}  "
            f"{time_text(time):>9}{rate}"
        )
    yield f"time      {time_text(sum(seconds))} for all steps, medians"
