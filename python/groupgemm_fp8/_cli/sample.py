"""A random sample of grouped products as mixture-of-experts layers have them.

n and k come from published models and from the parts into which tensor parallelism cuts their
layers. Groups and rows cover what expert parallelism, decoding and prefill make of them. Problem
number i of a seed is the same in every run, whatever the size of the sample.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass

from . import CommandError
from .cases import Case, even_rows

# name, hidden size, intermediate size of an expert: from each model's published configuration.
_MODELS = (
    ("deepseek-v3", 7168, 2048),
    ("deepseek-v2", 5120, 1536),
    ("deepseek-v2-lite", 2048, 1408),
    ("qwen3-235b", 4096, 1536),
    ("qwen3-30b", 2048, 768),
    ("qwen3-next-80b", 2048, 512),
    ("mixtral-8x7b", 4096, 14336),
    ("mixtral-8x22b", 6144, 16384),
    ("llama-4", 5120, 8192),
    ("dbrx", 6144, 10752),
    ("phi-3.5-moe", 4096, 6400),
    ("gpt-oss", 2880, 2880),
    ("glm-4.5", 5120, 1536),
    ("glm-4.5-air", 4096, 1408),
    ("hunyuan-a13b", 4096, 3072),
    ("minimax-text-01", 6144, 9216),
    ("olmoe", 2048, 1024),
)
_SHARDS = (1, 2, 4, 8)
_MIN_SHARD = 128  # columns below which nobody cuts a layer further
_MULTIPLE = 16  # elements of k in the 16 bytes that every row starts at a multiple of
_MAX_GROUPS = 512
_EMPTY_SHARE = 0.25  # of the problems have groups that are left without rows on purpose
_MAX_TRIES = 1000  # draws of one problem before a filter counts as one that nothing passes


@dataclass(frozen=True)
class Limits:
    """Limits that a drawn problem may not exceed."""

    rows: int = 65536
    weight_bytes: int = 12 << 30


def draw_cases(count, seed, limits, accepts=lambda case: True):
    """Returns `count` cases of a seed; accepts(case) filters the sequence that is drawn."""
    layers = [layer for layer in _layers() if layer[1] * layer[2] <= limits.weight_bytes]
    if not layers:
        smallest = min(n * k for _, n, k in _layers())
        raise CommandError(
            f"--max-weights: got {limits.weight_bytes >> 20} MiB, "
            f"wanted at least {-(-smallest >> 20)} MiB"
        )
    cases = []
    for number in itertools.count():
        if len(cases) == count:
            return cases
        if number >= _MAX_TRIES * (len(cases) + 1):
            raise CommandError("--random: no problem of the sample passes the filter")
        case = _draw(random.Random(f"{seed}/{number}"), layers, limits)
        if accepts(case):
            cases.append(case)


def _layers():
    """Yields (origin, n, k) of the two products of each model's experts and of their parts."""
    for name, hidden, intermediate in _MODELS:
        for shard in _SHARDS:
            part = intermediate // shard
            if part * shard != intermediate or part < _MIN_SHARD or part % _MULTIPLE:
                continue
            suffix = f"/{shard}" if shard > 1 else ""
            yield f"{name} up{suffix}", 2 * part, hidden
            yield f"{name} down{suffix}", hidden, part


def _draw(rng, layers, limits):
    origin, n, k = rng.choice(layers)
    most_groups = max(1, min(_MAX_GROUPS, limits.weight_bytes // (n * k)))
    groups = _log_uniform(rng, most_groups)
    total_rows = _log_uniform(rng, limits.rows)
    active = groups
    if rng.random() < _EMPTY_SHARE:
        active = max(1, round(groups * rng.random()))
    kind, rows = _split(rng, active, total_rows)
    rows = [*rows, *[0] * (groups - active)]
    if active < groups:
        rng.shuffle(rows)
        kind = f"{kind} in {active}"
    name = f"{groups} {kind}, {total_rows} rows, n {n}, k {k}"
    return Case(name, tuple(rows), n, k, origin)


def _log_uniform(rng, largest):
    """Returns an integer of [1, largest]; its logarithm is uniform."""
    return min(largest, int(math.exp(rng.uniform(0.0, math.log(largest + 1)))))


def _split(rng, groups, total_rows):
    """Returns the name of a distribution and the rows of each group."""
    kind = rng.choice(("uniform", "ragged", "zipf", "one hot"))
    if kind == "uniform":
        return kind, even_rows(groups, total_rows)
    if kind == "ragged":
        return kind, _routed(rng, [1.0 - rng.random() for _ in range(groups)], total_rows)
    if kind == "zipf":
        alpha = round(rng.uniform(0.0, 2.0), 1)
        weights = [1.0 / rank**alpha for rank in range(1, groups + 1)]
        rng.shuffle(weights)
        return f"zipf {alpha}", _routed(rng, weights, total_rows)
    rows = [0] * groups
    rows[rng.randrange(groups)] = total_rows
    return kind, rows


def _routed(rng, weights, total_rows):
    """Returns the rows of each group if each row picks its group with these weights."""
    counts = Counter(rng.choices(range(len(weights)), weights, k=total_rows))
    return [counts[group] for group in range(len(weights))]
