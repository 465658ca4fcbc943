"""Quantised random data: the interval of the error bound, and the bit-exact model where known."""

import itertools

import numpy as np
import pytest
from hypothesis import given

from numeric.cases import GRANULARITIES, Case, random_problem, rows_for
from numeric.compare import assert_same_bits, assert_within_interval
from numeric.emulator import BLOCK_SUMS, emulate
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES
from numeric.strategies import cases, layouts, seeds


@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
def test_interval(backend, pair, out_dtype):
    for turn, granularity in enumerate(GRANULARITIES):
        rows = rows_for(granularity[0], (1, 0, 20, 65))
        case = Case(rows, 72, (208, 512)[turn % 2], granularity, *pair, out_dtype)
        problem = random_problem(backend.fit(case), seed=turn)
        assert_within_interval(problem, backend.run(problem), backend.name)


@pytest.mark.parametrize("granularity", [(1, 128, 128), (1, 64, 64)], ids=str)
@pytest.mark.parametrize("n, k", list(itertools.product((128, 264), (1536, 7168))))
def test_interval_of_model_sizes(backend, n, k, granularity):
    problem = random_problem(Case((1, 0, 40, 3), n, k, granularity))
    assert_within_interval(problem, backend.run(problem), backend.name)


@pytest.mark.parametrize("magnitude", [1e-30, 1e-6, 1e6, 1e30])
def test_interval_over_the_exponent_range(backend, magnitude):
    """Scales, partial results and outputs at both ends of float32; bfloat16 and float32 out."""
    for out_dtype in ("bfloat16", "float32"):
        case = Case((9, 33), 40, 320, out_dtype=out_dtype)
        problem = random_problem(case, magnitude=magnitude)
        assert_within_interval(problem, backend.run(problem), backend.name)


@pytest.mark.parametrize("exponents", [(-75, -74), (-70, -70), (-60, -75), (-126, -1)])
def test_interval_of_subnormal_products(backend, exponents):
    """Products of two scales that float32 rounds to few bits, or to zero."""
    rng = np.random.default_rng(7)
    problem = random_problem(backend.fit(Case((9, 33), 40, 320, out_dtype="float32")))
    for scale, exponent in zip((problem.a_scale, problem.b_scale), exponents, strict=True):
        scale[...] = np.ldexp(rng.uniform(1.0, 2.0, scale.shape).astype(np.float32), exponent)
    products = np.outer(problem.a_scale.astype(np.float64), problem.b_scale.astype(np.float64))
    assert (products < 2.0**-126).any()
    assert_within_interval(problem, backend.run(problem), backend.name)


@given(case=cases(), layout=layouts(), seed=seeds)
def test_interval_of_anything(backend, case, layout, seed):
    problem = random_problem(backend.fit(case), seed)
    bits = backend.run(problem, backend.fit_layout(layout))
    assert_within_interval(problem, bits, backend.name)


@given(case=cases(), seed=seeds)
def test_published_order(backend, case, seed):
    """The published order predicts the result to the bit, given the backend's inner product."""
    if backend.name not in BLOCK_SUMS:
        pytest.skip(f"the inner product of backend {backend.name} is not known to the bit")
    problem = random_problem(backend.fit(case), seed)
    wanted = emulate(problem, BLOCK_SUMS[backend.name])
    assert_same_bits(problem, backend.run(problem), wanted, "published order")
