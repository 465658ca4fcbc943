"""Chooses the cases of a bench from its options, and checks them before anything is measured."""

from __future__ import annotations

from . import CommandError, options
from .case_files import packaged_cases, read_cases
from .cases import grid_cases
from .regimes import FEW_TILES, regime_of
from .sample import Limits, draw_cases

_GRID = ("groups", "rows", "n", "k")
_CPU_LIMITS = Limits(rows=256, weight_bytes=64 << 20)
_DEFAULT_SEED = 0


def add_case_options(parser):
    where = parser.add_argument_group(
        "cases: the packaged ones, a file, a grid of sizes, or a random sample"
    )
    where.add_argument("--cases", metavar="FILE", help="JSON file of cases; the format is below")
    grid = {"type": options.positive, "nargs": "+", "metavar": "SIZE"}
    where.add_argument("--groups", help="numbers of groups", **grid)
    where.add_argument("--rows", help="rows of each group", **grid)
    where.add_argument("--n", help="columns of the result", **grid)
    where.add_argument("--k", help="inner dimension", **grid)
    where.add_argument(
        "--filter",
        metavar="TEXT",
        nargs="+",
        help="only cases whose name contains one of the TEXTs",
    )
    drawn = parser.add_argument_group("random sample of the problems of published models")
    count = {"type": options.positive, "metavar": "N"}
    drawn.add_argument("--random", help="measure N random problems", **count)
    drawn.add_argument("--seed", type=int, help=f"of the random problems ({_DEFAULT_SEED})")
    drawn.add_argument(
        "--few-tiles", action="store_true", help="only problems with fewer tiles than SMs"
    )
    drawn.add_argument(
        "--max-rows",
        help=f"most rows of a problem ({Limits.rows}; on a CPU {_CPU_LIMITS.rows})",
        **count,
    )
    drawn.add_argument(
        "--max-weights",
        type=options.positive,
        metavar="MIB",
        help=f"most memory of a problem's weights ({Limits.weight_bytes >> 20}; "
        f"on a CPU {_CPU_LIMITS.weight_bytes >> 20})",
    )


def check_case_options(chosen):
    """Fails on options that exclude each other or need one another."""
    missing = [f"--{name}" for name in _GRID if getattr(chosen, name) is None]
    is_grid = not missing
    if missing and len(missing) < len(_GRID) and not chosen.host:
        raise CommandError(f"--groups, --rows, --n, --k: got no {missing[0]}, wanted all four")
    if is_grid + bool(chosen.cases) + bool(chosen.random) > 1:
        raise CommandError("--cases, --random and a grid of sizes exclude each other")
    for name in ("seed", "few_tiles", "max_rows", "max_weights"):
        if getattr(chosen, name) not in (None, False) and not chosen.random:
            raise CommandError(
                f"--{name.replace('_', '-')}: belongs to --random, which is not given"
            )


def choose_cases(chosen, machine, granularity):
    """Returns the cases that the options ask for; every one of them has legal sizes."""
    if chosen.random:
        cases = _sample(chosen, machine)
    elif chosen.cases:
        cases = read_cases(chosen.cases)
    elif chosen.groups:
        cases = grid_cases(**{name: getattr(chosen, name) for name in _GRID})
    else:
        on_cpu = machine.device_type == "cpu"
        cases = packaged_cases("cases_cpu.json" if on_cpu else "cases.json")
    cases = filtered(cases, chosen.filter, lambda case: case.name)
    for case in cases:
        check_sizes(case, granularity)
    return cases


def filtered(cases, texts, name_of):
    """Returns the cases whose name contains one of the texts of --filter, all without --filter."""
    left = [case for case in cases if not texts or any(text in name_of(case) for text in texts)]
    if not left:
        raise CommandError(f"--filter: got {', '.join(texts)}, which no case has in its name")
    return left


def _sample(chosen, machine):
    defaults = _CPU_LIMITS if machine.device_type == "cpu" else Limits()
    weight_bytes = chosen.max_weights << 20 if chosen.max_weights else defaults.weight_bytes
    limits = Limits(chosen.max_rows or defaults.rows, weight_bytes)
    num_processors = options.num_processors(machine)

    def accepts(case):
        return not chosen.few_tiles or regime_of(case.num_tiles, num_processors) == FEW_TILES

    return draw_cases(chosen.random, chosen.seed or _DEFAULT_SEED, limits, accepts)


def check_sizes(case, granularity):
    """Fails if no backend can take a case's sizes."""
    for name, value, divisor in (("n", case.n, 8), ("k", case.k, 16)):
        if value % divisor:
            raise CommandError(f"{case.name}: {name}: got {value}, wanted a multiple of {divisor}")
    gm = granularity[0]
    for rows in case.rows:
        if rows % gm:
            raise CommandError(
                f"{case.name}: rows: got a group with {rows}, wanted multiples of {gm}"
            )
