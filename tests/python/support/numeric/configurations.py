"""Plans of many problems, whose arrays do not exist: which configuration a backend chooses."""

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


SIZES = [Size(groups, rows) for groups in NUM_GROUPS for rows in GROUP_ROWS]


def plan_of(
    runner: Runner,
    size: Size,
    n: int,
    k: int,
    pair: tuple[str, str],
    backend: str | None,
    scale_k: int = 128,
) -> gg.Plan:
    """The plan of a call of that size for bfloat16, with arrays in the runner's memory. scale_k:
    the scale granularity of k.
    """
    phantom, k_blocks = runner.memory.phantom, -(-k // scale_k)
    return gg.plan(
        phantom((size.cum_m, k), numpy_dtype(pair[0])),
        phantom((size.num_groups, n, k), numpy_dtype(pair[1])),
        phantom((k_blocks, size.cum_m), np.float32),
        phantom((size.num_groups, k_blocks, -(-n // 128)), np.float32),
        phantom((size.num_groups + 1,), np.int32),
        (1, 128, scale_k),
        out=phantom((size.cum_m, n), numpy_dtype("bfloat16")),
        backend=backend,
    )
