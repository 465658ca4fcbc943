"""The model of Hopper's wgmma in numeric/wgmma.py, without a GPU.

test_interval.py compares backend sm90 with it to the bit where a Hopper GPU is there.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric import wgmma
from numeric.cases import Case, exact_problem
from numeric.compare import assert_exact
from numeric.emulator import emulate
from numeric.formats import DTYPE_PAIRS, encode

E4M3 = ("float8_e4m3fn", "float8_e4m3fn")


@pytest.mark.parametrize("granularity", [(1, 128, 128), (1, 64, 64)], ids=str)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
@given(seed=st.integers(0, 1000), k=st.sampled_from((16, 96, 144, 400)))
def test_exact_integers(pair, granularity, seed, k):
    """Sums of integers below 2^14 lose nothing."""
    problem = exact_problem(Case((3, 0, 5), 72, k, granularity, *pair, "float32"), seed)
    assert_exact(problem, emulate(problem, wgmma.block_sum))


def test_small_products_are_lost():
    """Beside 2^8 products below 2^(8 - 13) vanish; the same products alone do not."""
    a = np.full((1, 32), 2.0**-6)
    assert wgmma.block_sum(a, np.ones((1, 32)), E4M3) == 0.5
    a[0, 0] = 256.0
    assert wgmma.block_sum(a, np.ones((1, 32)), E4M3) == 256.0


def test_a_scale_block_starts_from_zero():
    """A product that vanishes beside 2^8 counts where its 64 k have a sum of their own."""
    case = Case((1,), 8, 128, (1, 128, 128), out_dtype="float32")
    problem = exact_problem(case).with_(
        a=encode(np.full((1, 128), 2.0**-6), case.a_dtype),
        b=encode(np.ones((1, 8, 128)), case.b_dtype),
        a_scale=np.ones((1, 1), np.float32), b_scale=np.ones((1, 1, 1), np.float32),
    )  # fmt: skip
    problem.a[0, 0] = encode(np.array([256.0]), case.a_dtype)[0]
    together = emulate(problem, wgmma.block_sum).view(np.float32)
    assert (together == 256.0).all()
    halves = problem.with_(
        a_scale=np.ones((1, 2), np.float32), b_scale=np.ones((1, 1, 2), np.float32),
        granularity=(1, 128, 64),
    )  # fmt: skip
    assert (emulate(halves, wgmma.block_sum).view(np.float32) == 257.0).all()


def test_cut_is_toward_zero():
    a = np.zeros((1, 32))
    a[0, :2] = (-256.0, -(2.0**-5) * 1.5)
    assert wgmma.block_sum(a, np.ones((1, 32)), E4M3) == -256.0 - 2.0**-5
