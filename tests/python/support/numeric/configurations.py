"""The kernel configurations that a backend has, found by asking for the plans of many problems."""

import functools
from typing import NamedTuple

import numpy as np

import groupgemm_fp8 as gg
from numeric.formats import numpy_dtype
from numeric.runner import Runner

# Rows of a group, to either side of the sizes that tiles have, and numbers of groups.
GROUP_ROWS = (1, 8, 9, 16, 17, 32, 33, 48, 64, 65, 96, 128, 129, 160, 192, 193, 256, 257, 384, 512,
              768, 1024, 1025, 2048, 4096)  # fmt: skip
NUM_GROUPS = (2, 9, 40)


class Size(NamedTuple):
    num_groups: int
    rows: int  # of each group

    @property
    def cum_m(self) -> int:
        return self.num_groups * self.rows


@functools.cache
def smallest_sizes(
    runner: Runner, n: int, k: int, pair: tuple[str, str], out_dtype: str
) -> dict[str, Size]:
    """Every configuration that such a problem can take, with the least rows that take it."""
    found = {}
    sizes = sorted((Size(g, r) for g in NUM_GROUPS for r in GROUP_ROWS), key=lambda s: s.cum_m)
    for size in sizes:
        found.setdefault(plan_of(runner, size, n, k, pair, out_dtype).config, size)
    return found


def tallest_sizes(
    runner: Runner, n: int, k: int, pair: tuple[str, str], out_dtype: str, most_rows: int
) -> dict[str, Size]:
    """Every configuration that groups of at most so many rows can take, with the most rows that
    take it.
    """
    found: dict[str, Size] = {}
    for rows in (r for r in GROUP_ROWS if r <= most_rows):
        for num_groups in NUM_GROUPS:
            size = Size(num_groups, rows)
            found[plan_of(runner, size, n, k, pair, out_dtype).config] = size
    return found


def plan_of(
    runner: Runner,
    size: Size,
    n: int,
    k: int,
    pair: tuple[str, str],
    out_dtype: str,
    automatic: bool = False,
) -> gg.Plan:
    """The plan of a call of that size, whose arrays do not exist, on the runner's backend or, if
    automatic, on the one that the library chooses.
    """
    phantom, k_blocks = runner.memory.phantom, -(-k // 128)
    return gg.plan(
        phantom((size.cum_m, k), numpy_dtype(pair[0])),
        phantom((size.num_groups, n, k), numpy_dtype(pair[1])),
        phantom((k_blocks, size.cum_m), np.float32),
        phantom((size.num_groups, k_blocks, -(-n // 128)), np.float32),
        phantom((size.num_groups + 1,), np.int32),
        out=phantom((size.cum_m, n), numpy_dtype(out_dtype)),
        backend=None if automatic else runner.name,
    )
