"""Bench cases: what is measured, and the time the hardware cannot go below for it.

A case file is JSON: {"uniform": [{name, groups, rows, n, k}], "zipf": [{name, groups, total_rows,
alpha, n, k}]}. Case is plain data; nothing here touches a device.
"""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from importlib import resources

from . import CommandError

_FIELDS = {
    "uniform": {"name": str, "groups": int, "rows": int, "n": int, "k": int},
    "zipf": {
        "name": str,
        "groups": int,
        "total_rows": int,
        "alpha": (int, float),
        "n": int,
        "k": int,
    },
}
_SHUFFLE_SEED = 0


@dataclass(frozen=True)
class Case:
    """A grouped product: rows[g] rows of group g, n columns, inner dimension k."""

    name: str
    rows: tuple[int, ...]
    n: int
    k: int

    @property
    def groups(self):
        return len(self.rows)

    @property
    def active_groups(self):
        return sum(rows > 0 for rows in self.rows)

    @property
    def total_rows(self):
        return sum(self.rows)

    @property
    def operations(self):
        """Floating-point operations: a multiply and an add for each inner product step."""
        return 2 * self.total_rows * self.n * self.k

    def weight_bytes(self):
        return self.groups * self.n * self.k

    def moved_bytes(self, out_bytes, granularity=(1, 128, 128)):
        """Bytes that must cross the memory bus once; groups without rows move nothing."""
        gm, gn, gk = granularity
        k_blocks = -(-self.k // gk)
        a_scales = sum(-(-rows // gm) for rows in self.rows) * k_blocks
        b_scales = self.active_groups * -(-self.n // gn) * k_blocks
        values = self.total_rows * self.k + self.active_groups * self.n * self.k
        return values + out_bytes * self.total_rows * self.n + 4 * (a_scales + b_scales)


@dataclass(frozen=True)
class Floor:
    """The least time a case can take, and which of the two ceilings sets it."""

    seconds: float
    bound: str  # "compute" or "memory"


def floor_of(operations, moved_bytes, operations_per_second, bytes_per_second):
    """Returns the floor; a ceiling that is not known (None) bounds nothing."""
    compute = operations / operations_per_second if operations_per_second else 0.0
    memory = moved_bytes / bytes_per_second if bytes_per_second else 0.0
    return Floor(compute, "compute") if compute > memory else Floor(memory, "memory")


def zipf_rows(groups, total_rows, alpha):
    """Splits total_rows so that rank i gets a share proportional to 1 / i**alpha.

    Shares are rounded down and the remainder goes to the first rank; then the ranks are shuffled
    over the groups, always in the same way.
    """
    weights = [1.0 / rank**alpha for rank in range(1, groups + 1)]
    scale = total_rows / sum(weights)
    rows = [int(weight * scale) for weight in weights]
    rows[0] += total_rows - sum(rows)
    random.Random(_SHUFFLE_SEED).shuffle(rows)
    return tuple(rows)


def read_cases(path):
    """Reads a case file of the user's."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CommandError(f"--cases {path}: {error}") from None
    return parse_cases(document, path)


def packaged_cases(file_name):
    """Reads a case file of this package."""
    text = resources.files(__package__).joinpath(file_name).read_text(encoding="utf-8")
    return parse_cases(json.loads(text), file_name)


def parse_cases(document, source):
    """Checks a case document and returns its cases in order; `source` names it in messages."""
    if not isinstance(document, dict):
        raise CommandError(f"{source}: got {type(document).__name__}, wanted an object")
    cases = []
    for kind, fields in _FIELDS.items():
        for position, entry in enumerate(document.get(kind, [])):
            _check_entry(entry, fields, f"{source}: {kind}[{position}]")
            if kind == "uniform":
                rows = (entry["rows"],) * entry["groups"]
            else:
                rows = zipf_rows(entry["groups"], entry["total_rows"], entry["alpha"])
            cases.append(Case(entry["name"], rows, entry["n"], entry["k"]))
    return cases


def _check_entry(entry, fields, where):
    for field, kind in fields.items():
        value = entry.get(field) if isinstance(entry, dict) else None
        if isinstance(value, bool) or not isinstance(value, kind):
            raise CommandError(f"{where}: {field}: got {value!r}, wanted {_describe(kind)}")
        if kind is int and value < 1:
            raise CommandError(f"{where}: {field}: got {value}, wanted at least 1")


def _describe(kind):
    return {str: "a text", int: "an integer"}.get(kind, "a number")


def grid_cases(groups, rows, n, k):
    """Every combination of the given lists of sizes."""
    return [
        Case(
            f"{group_count} x {row_count}, n {width}, k {depth}",
            (row_count,) * group_count,
            width,
            depth,
        )
        for group_count, row_count, width, depth in itertools.product(groups, rows, n, k)
    ]
