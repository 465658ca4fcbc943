"""Every kernel configuration of a backend: each is exact, and all give a row the same bits.

A backend picks its configuration from the sizes, so groups of these sizes reach all of them: the
decode tile, the middle one and the large one. The plan proves which one a call takes.
"""

import numpy as np
import pytest

from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_exact, assert_same_bits
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES
from numeric.runner import Call

GROUP_SIZES = {"decode": (13, 0, 3), "middle": (70, 129, 20), "large": (1500, 1027)}
GRANULARITIES = ((1, 128, 128), (128, 128, 128), (1, 1, 128), (1, 64, 96))

# Least number of configurations that GROUP_SIZES must reach.
NUM_CONFIGS = {"mma": 3}


def case_of(rows, granularity=(1, 128, 128), **formats) -> Case:
    if granularity[0] == 128:
        rows = tuple(-(-count // 128) * 128 for count in rows)
    return Case(rows, 136, 336, granularity, **formats)


@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
@pytest.mark.parametrize("size", GROUP_SIZES)
def test_exact(backend, size, pair, out_dtype):
    turn = DTYPE_PAIRS.index(pair) + OUT_DTYPES.index(out_dtype)
    case = case_of(
        GROUP_SIZES[size], GRANULARITIES[turn % 4], a_dtype=pair[0], b_dtype=pair[1],
        out_dtype=out_dtype, scale_major=("MN", "K")[turn % 2],
    )  # fmt: skip
    problem = exact_problem(case, turn)
    assert_exact(problem, backend.run(problem))


def test_all_are_reached(backend):
    calls = [Call(backend, exact_problem(case_of(rows))) for rows in GROUP_SIZES.values()]
    configs = {call.plan().config for call in calls}
    assert len(configs) >= NUM_CONFIGS.get(backend.name, 1), configs


def test_same_bits(backend):
    """The rows of one large group, as one group and as the head of smaller calls."""
    large = random_problem(case_of((2300,)), seed=5)
    expected = backend.run(large)
    for num_rows in (1, 16, 17, 64, 65, 700, 1300):
        head = large.with_(
            a=large.a[:num_rows],
            a_scale=large.a_scale[:num_rows],
            m_indptr=np.array([0, num_rows], dtype=np.int32),
        )
        bits = backend.run(head)
        assert_same_bits(head, bits, expected[:num_rows], f"rows of a call of {num_rows} rows")
