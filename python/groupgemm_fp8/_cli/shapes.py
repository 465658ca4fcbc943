"""`bench --shapes`: tile shapes of a backend beside the shape that it chooses, and the regret.

A shape is a configuration of the backend. All shapes of a case are timed as peers are, and the
chosen one is timed once, as the choice. Regret is the choice's time over that of the best shape.
"""

from __future__ import annotations

import os

import numpy as np

import groupgemm_fp8

from . import CommandError
from .regimes import geometric_mean
from .units import time_text

_CHECKED_ROWS = 16
_POISON = np.full(4096, 0xFF, np.uint8)  # NaN in every output type
_NUM_WORST = 5


def add_shape_options(group):
    group.add_argument(
        "--shapes",
        metavar="NAMES",
        help="also time other tile shapes of the backend: all, or names as in 64x64,64x32",
    )


def check_shape_options(chosen):
    """Fails on options that do not go with --shapes, and on names that no shape has."""
    if not chosen.shapes:
        return
    if chosen.host:
        raise CommandError("--shapes: does not go with --host, which times one call")
    backend = chosen.backend or os.environ.get("GGFP8_BACKEND", "")
    if "/" in backend:
        raise CommandError(f"--shapes: got backend {backend!r}, wanted a backend's name alone")
    if chosen.backend:
        shape_names(chosen.shapes, chosen.backend)


def shape_names(wanted, backend):
    """Returns the shapes of a backend that a --shapes option names."""
    known = groupgemm_fp8.configurations(backend)
    if not known:
        raise CommandError(f"--shapes: backend {backend} has no configurations to choose from")
    if wanted == "all":
        return known
    names = wanted.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CommandError(
            f"--shapes: got {unknown[0]!r}, wanted all or configurations of {backend}: "
            f"{', '.join(known)}"
        )
    return names


def prepare_shapes(case, problem, plan, wanted):
    """Returns ({shape: contender}, {shape: reason}) of the shapes beside the plan's own.

    problem.out holds the result of the plan's shape, whose bits every other shape has to give.
    """
    contenders, reasons = {}, {}
    expected = _checked_rows(problem)
    for name in shape_names(wanted, plan.backend):
        if name == plan.config:
            continue
        try:
            contender = problem.contender(f"{plan.backend}/{name}")
        except ValueError as error:
            reasons[name] = str(error)
            continue
        problem.machine.fill(problem.out, _POISON)  # so that elements that are not written show
        contender.launch(0)
        problem.machine.synchronize()
        if _checked_rows(problem) != expected:
            raise RuntimeError(
                f"{case.name}: wrong result: {contender.name} has other bits than {plan.config}"
            )
        contenders[name] = contender
    return contenders, reasons


def _checked_rows(problem):
    """Returns the bytes of some rows of the result; rows of no group are not among them."""
    last = int(problem.indptr[-1]) - 1
    rows = np.unique(np.linspace(0, last, _CHECKED_ROWS).round().astype(int)).tolist()
    return [problem.machine.download(problem.out[row : row + 1]).tobytes() for row in rows]


def shape_figures(plan, timings, reasons):
    """Returns a record's part about shapes; timings has that of the plan's shape, too."""
    best = min(timings, key=lambda name: timings[name].seconds)
    figures = {
        name: {
            "us": timing.seconds * 1e6,
            "us_low": timing.low * 1e6,
            "us_high": timing.high * 1e6,
            "runs": timing.runs,
        }
        for name, timing in timings.items()
    }
    return {
        "shapes": figures | {name: {"unavailable": reason} for name, reason in reasons.items()},
        "best_shape": best,
        "regret": timings[plan.config].seconds / timings[best].seconds,
    }


def regret_lines(records):
    """Yields the summary of all records with shapes, and the cases of the greatest regrets."""
    timed = [record for record in records if "regret" in record]
    if not timed:
        return
    regrets = [record["regret"] for record in timed]
    worse = [record for record in timed if record["best_shape"] != record["config"]]
    yield (
        f"regret, time of the chosen shape over that of the best: {geometric_mean(regrets):.3f} in "
        f"the geometric mean of {len(timed)} cases, {max(regrets):.3f} at worst; the chosen shape "
        f"is the best in {len(timed) - len(worse)}"
    )
    for record in sorted(worse, key=lambda record: -record["regret"])[:_NUM_WORST]:
        best = record["best_shape"]
        yield (
            f"  {record['regret']:.3f}  {record['name']}: {record['config']} "
            f"{time_text(record['us'] * 1e-6)}, {best} "
            f"{time_text(record['shapes'][best]['us'] * 1e-6)}"
        )
