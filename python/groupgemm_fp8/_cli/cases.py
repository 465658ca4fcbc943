"""A case is a grouped product to measure: how many rows each group has, n and k. Plain data.

floor_of() says which time the hardware cannot go below for a case.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

_SHUFFLE_SEED = 0
_NOTICEABLE = 1.02
_TILE = 128  # rows and columns of the tiles in which the size of a case is counted


@dataclass(frozen=True)
class Case:
    """A grouped product: rows[g] rows of group g, n columns, inner dimension k."""

    name: str
    rows: tuple[int, ...]
    n: int
    k: int
    origin: str = ""  # the layer of a model that has this n and k

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

    @property
    def num_tiles(self):
        """Tiles of 128 rows of one group and 128 columns that cover the result."""
        return sum(-(-rows // _TILE) for rows in self.rows) * -(-self.n // _TILE)

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
    """The least time a case can take, and which ceiling sets it."""

    seconds: float
    bound: str  # "compute", "memory" or "energy"


def floor_of(operations, moved_bytes, operations_per_second, bytes_per_second, energy=None):
    """Returns the floor; a ceiling that is not known (None) bounds nothing.

    A dense product at the power limit takes as long by its operations as by its energy; energy
    counts as the bound where it takes noticeably longer.
    """
    compute = operations / operations_per_second if operations_per_second else 0.0
    memory = moved_bytes / bytes_per_second if bytes_per_second else 0.0
    floor = Floor(compute, "compute") if compute > memory else Floor(memory, "memory")
    power = energy.seconds(operations, moved_bytes) if energy else 0.0
    return Floor(power, "energy") if power > _NOTICEABLE * floor.seconds else floor


def even_rows(groups, total_rows):
    """Splits total_rows evenly; the first groups get one row more where that does not come out."""
    each, remainder = divmod(total_rows, groups)
    return tuple(each + (group < remainder) for group in range(groups))


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
