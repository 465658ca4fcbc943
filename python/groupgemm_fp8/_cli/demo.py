"""`demo`: a mixture-of-experts layer's grouped product, from router to checked result.

Tokens are routed to their top experts by a skewed random router, sorted by expert, quantised to
FP8, multiplied with the experts' weights, and compared with float64. The weights are FP8 with
scales from the start, as a checkpoint stores them. The exit status is 1 if the result is wrong.
"""

from __future__ import annotations

import numpy as np

import groupgemm_fp8

from . import CommandError, options
from .check import Sample, check
from .machine import open_machine, unused_gpu_reason
from .problem import Problem, Settings, indptr_of, num_weight_sets, random_block
from .units import rate_text, time_text

EPILOG = """\
examples:
  groupgemm_fp8 demo
  groupgemm_fp8 demo --device cuda:1 --tokens 4096 --experts 64 --top-k 8 --n 4096 --k 7168
"""
_SAMPLE = Sample(groups=64, rows=512, columns=1024)
_TIMING_SECONDS = 0.5
_ROUTER_SKEW = 1.0  # standard deviation of an expert's popularity, in logits


def add_arguments(parser):
    sizes = parser.add_argument_group("problem")
    sizes.add_argument("--tokens", type=options.positive, default=512, help="tokens to route (512)")
    sizes.add_argument(
        "--experts", type=options.positive, default=16, help="number of experts (16)"
    )
    sizes.add_argument(
        "--top-k", type=options.positive, default=2, help="experts of each token (2)"
    )
    sizes.add_argument(
        "--n", type=options.positive, default=1024, help="columns of the result (1024)"
    )
    sizes.add_argument("--k", type=options.positive, default=1024, help="inner dimension (1024)")
    sizes.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")
    options.add_call_options(parser.add_argument_group("call"))


def run(chosen):
    if chosen.top_k > chosen.experts:
        raise CommandError(f"--top-k: got {chosen.top_k}, wanted at most --experts")
    machine = open_machine(chosen.device)
    rng = np.random.default_rng(abs(chosen.seed))
    tokens_of_rows, rows = route(rng, chosen.tokens, chosen.experts, chosen.top_k)
    problem = _problem(chosen, machine, rng, tokens_of_rows, rows)
    plan = problem.plan()
    ours = problem.contender()
    ours.launch(0)
    machine.synchronize()
    verdict = check(problem, plan.backend, options.capability(machine), _SAMPLE)
    seconds = machine.time([ours], _TIMING_SECONDS)[ours.name].seconds
    print(*_lines(chosen, machine, problem, plan, rows, verdict, seconds), sep="\n")
    return 0 if verdict.ok else 1


def route(rng, num_tokens, num_experts, top_k):
    """Returns each row's token, rows sorted by expert, and the number of rows of each expert."""
    popularity = rng.normal(0.0, _ROUTER_SKEW, num_experts)
    logits = popularity + rng.normal(0.0, 1.0, (num_tokens, num_experts))
    experts = np.argpartition(-logits, top_k - 1, axis=1)[:, :top_k].reshape(-1)
    order = np.argsort(experts, kind="stable")
    return order // top_k, np.bincount(experts, minlength=num_experts)


def _problem(chosen, machine, rng, tokens_of_rows, rows):
    """Returns the problem on the machine: 1 x 128 scale blocks for a, 128 x 128 for b."""
    settings = Settings(out_dtype=chosen.out_dtype, backend=chosen.backend)
    tokens = rng.standard_normal((chosen.tokens, chosen.k), dtype=np.float32)
    a, a_scale = groupgemm_fp8.quantize_groupwise(tokens, (1, 128))
    values, factors = random_block()
    b_shape = (chosen.experts, chosen.n, chosen.k)
    b_scale_shape = (chosen.experts, -(-chosen.k // 128), -(-chosen.n // 128))
    num_sets = num_weight_sets(chosen.experts * chosen.n * chosen.k, machine)
    return Problem(
        machine,
        settings,
        indptr_of(rows),
        a=machine.upload(a[tokens_of_rows]),
        a_scale=machine.upload(np.ascontiguousarray(a_scale[:, tokens_of_rows])),
        b=[machine.filled(b_shape, values.dtype, values) for _ in range(num_sets)],
        b_scale=[machine.filled(b_scale_shape, "float32", factors) for _ in range(num_sets)],
    )


def _lines(chosen, machine, problem, plan, rows, verdict, seconds):
    operations = 2 * int(rows.sum()) * problem.n * problem.k
    num_elements = problem.out.shape[0] * problem.n
    unused = unused_gpu_reason(machine, chosen.device)
    return [
        f"device    {machine.label}: {options.device_facts(machine)['name']}",
        *([f"gpu       not used: {unused}"] if unused else []),
        f"backend   {plan.backend}, {plan.config}, {plan.num_workers} workers",
        f"routing   {chosen.tokens} tokens to {chosen.top_k} of {chosen.experts} experts each, "
        f"{rows.min()} to {rows.max()} rows for an expert",
        f"product   {problem.out.shape[0]} rows, n {problem.n}, k {problem.k}, "
        f"{chosen.out_dtype} output",
        f"error     {verdict.relative_error:.2e} relative to float64 (limit {verdict.limit:.2e})",
        f"elements  {verdict.num_checked} of {num_elements} checked, "
        f"{verdict.num_outside} outside their bound",
        f"time      {time_text(seconds)} median, {rate_text(operations / seconds)}",
        "result    correct" if verdict.ok else "result    WRONG",
    ]
