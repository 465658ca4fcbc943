"""Bitwise relations between calls: what a result depends on, and what it must not depend on.

Random quantised data, so that any change of a summation order would show.
"""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_same_bits
from numeric.formats import FP8_NAN
from numeric.problem import Problem
from numeric.strategies import cases, layouts, seeds


def gather_rows(problem: Problem, rows: np.ndarray, m_indptr, groups=None) -> Problem:
    """The problem of chosen rows (row granularity 1) under a new m_indptr and order of groups."""
    groups = np.arange(problem.batch_size) if groups is None else np.asarray(groups, dtype=int)
    return problem.with_(
        a=problem.a[rows], a_scale=problem.a_scale[rows],
        b=problem.b[groups], b_scale=problem.b_scale[groups],
        m_indptr=np.asarray(m_indptr, dtype=np.int32),
    )  # fmt: skip


@given(case=cases(), seed=seeds)
def test_order_of_rows_inside_a_group(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    rng = np.random.default_rng(seed)
    order = np.arange(problem.cum_m)
    for _, begin, end in problem.groups():
        order[begin:end] = begin + rng.permutation(end - begin)
    permuted = backend.run(gather_rows(problem, order, problem.m_indptr))
    assert_same_bits(problem, permuted, backend.run(problem)[order], "rows in their first order")


@given(case=cases(), seed=seeds)
def test_one_group_or_two_with_the_same_weights(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    group = int(np.argmax(np.diff(problem.m_indptr)))
    begin, end = problem.m_indptr[group : group + 2]
    middle = begin + (end - begin) // 3
    indptr = np.insert(problem.m_indptr, group + 1, middle)
    groups = np.insert(np.arange(problem.batch_size), group, group)
    split = backend.run(gather_rows(problem, np.arange(problem.cum_m), indptr, groups))
    assert_same_bits(problem, split, backend.run(problem), "one group")


@given(case=cases(), seed=seeds)
def test_order_of_groups(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    order = np.random.default_rng(seed).permutation(problem.batch_size)
    spans = [np.arange(*problem.m_indptr[group : group + 2]) for group in order]
    rows = np.concatenate(spans)
    indptr = np.cumsum([0, *map(len, spans)])
    shuffled = gather_rows(problem, rows, indptr, order)
    assert_same_bits(shuffled, backend.run(shuffled), backend.run(problem)[rows], "first order")


@given(case=cases(), seed=seeds)
def test_empty_groups_between(backend, case, seed):
    """Empty groups change nothing, even with weights and scales full of NaN."""
    problem = random_problem(backend.fit(case), seed)
    places = np.random.default_rng(seed).integers(0, problem.batch_size + 1, 5)
    sparse = problem.with_(
        b=np.insert(problem.b, places, FP8_NAN, axis=0),
        b_scale=np.insert(problem.b_scale, places, np.nan, axis=0),
        m_indptr=np.insert(problem.m_indptr, places, problem.m_indptr[places]),
    )
    assert_same_bits(problem, backend.run(sparse), backend.run(problem), "no empty groups")


@given(case=cases(), seed=seeds)
def test_one_call_or_one_per_group(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    together = backend.run(problem)
    for group, begin, end in problem.groups():
        rows = np.arange(begin, end)
        alone = gather_rows(problem, rows, [0, end - begin], [group])
        assert_same_bits(alone, backend.run(alone), together[rows], "call of all groups")


@given(case=cases(), seed=seeds)
def test_one_call_or_one_per_row(backend, case, seed):
    """Batch invariance: the tile chosen for many rows gives what one row alone gives."""
    problem = random_problem(backend.fit(case), seed)
    together = backend.run(problem)
    rng = np.random.default_rng(seed)
    for group, begin, end in problem.groups():
        row = int(rng.integers(begin, end))
        alone = gather_rows(problem, np.array([row]), [0, 1], [group])
        assert_same_bits(alone, backend.run(alone), together[[row]], "call of all rows")


@given(case=cases(), seed=seeds, exponent=st.integers(-20, 20), side=st.sampled_from("ab"))
def test_scale_times_a_power_of_two(backend, case, seed, exponent, side):
    problem = random_problem(backend.fit(case), seed).with_(out_dtype="float32")
    name = f"{side}_scale"
    scaled = problem.with_(**{name: getattr(problem, name) * np.float32(2.0**exponent)})
    with np.errstate(all="ignore"):  # rows outside the groups hold arbitrary bits
        wanted = backend.run(problem).view(np.float32) * np.float32(2.0**exponent)
    assert_same_bits(scaled, backend.run(scaled), wanted.view(np.uint32), "scaled result")


@given(case=cases(), seed=seeds)
def test_slice_of_columns(backend, case, seed):
    """Columns [begin, end) of b give those columns of the output."""
    problem = random_problem(backend.fit(case), seed)
    gn = problem.granularity[1]
    step = max(gn, 8)
    begin = step * int(np.random.default_rng(seed).integers(0, -(-problem.n // step)))
    end = min(begin + 2 * step, problem.n)
    part = problem.with_(
        b=problem.b[:, begin:end], b_scale=problem.b_scale[:, begin // gn : -(-end // gn)]
    )
    whole = backend.run(problem)[:, begin:end]
    assert_same_bits(part, backend.run(part), whole, "slice of all columns")


@given(case=cases(), seed=seeds, extra=st.integers(1, 9))
def test_zeros_behind_k(backend, case, seed, extra):
    """Zeros that fill the short last block, and whole zero blocks, add nothing."""
    problem = random_problem(backend.fit(case), seed)
    k_blocks = problem.a_scale.shape[1]
    longer = problem.k + 16 * extra
    new_blocks = -(-longer // problem.granularity[2]) - k_blocks
    tail = [(0, longer - problem.k)]
    padded = problem.with_(
        a=np.pad(problem.a, [(0, 0), *tail]),
        b=np.pad(problem.b, [(0, 0), (0, 0), *tail], constant_values=0x31),
        a_scale=np.pad(problem.a_scale, [(0, 0), (0, new_blocks)], constant_values=3.7),
        b_scale=np.pad(problem.b_scale, [(0, 0), (0, 0), (0, new_blocks)], constant_values=-1.3),
    )
    assert_same_bits(problem, backend.run(padded), backend.run(problem), "result without zeros")


@given(case=cases(), seed=seeds)
def test_negated_a(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    negated = backend.run(problem.with_(a=problem.a ^ 0x80))
    bits = backend.run(problem)
    sign = 1 << (8 * bits.itemsize - 1)
    both_zero = (bits == 0) & (negated == 0)
    assert_same_bits(problem, negated, np.where(both_zero, 0, bits ^ bits.dtype.type(sign)), "-out")


@given(case=cases(), seed=seeds)
def test_scale_majors(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    mn, k = (backend.run(problem.with_(scale_major=major)) for major in ("MN", "K"))
    assert_same_bits(problem, k, mn, "MN-major scales")


@given(case=cases(column_granularities=(64, 128)), seed=seeds)
def test_scale_of_a_block_or_repeated_per_column(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    gm, _, gk = problem.granularity
    repeated = problem.with_(
        b_scale=problem.b_scale[:, problem.scale_columns()], granularity=(gm, 1, gk)
    )
    assert_same_bits(problem, backend.run(repeated), backend.run(problem), "scale per block")


@given(case=cases(row_granularity=128, max_groups=3), seed=seeds)
def test_scale_of_128_rows_or_repeated_per_row(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    _, gn, gk = problem.granularity
    a_scale = np.repeat(problem.a_scale, 128, axis=0)[: problem.cum_m]
    repeated = problem.with_(a_scale=a_scale, granularity=(1, gn, gk))
    assert_same_bits(problem, backend.run(repeated), backend.run(problem), "scale per 128 rows")


@given(case=cases(), seed=seeds)
def test_bytes_outside_the_group(backend, case, seed):
    """Other groups' rows, scales and weights, replaced by NaN and noise, change nothing."""
    problem = random_problem(backend.fit(case), seed)
    present = list(problem.groups())
    assume(len(present) > 1)
    rng = np.random.default_rng(seed)
    group, begin, end = present[int(rng.integers(len(present)))]
    inside = np.zeros(problem.cum_m, bool)
    inside[begin:end] = True
    own = np.arange(problem.batch_size) == group
    noise = rng.integers(0, 256, problem.a.shape, dtype=np.uint8)
    dirty = problem.with_(
        a=np.where(inside[:, None], problem.a, noise),
        b=np.where(own[:, None, None], problem.b, FP8_NAN).astype(np.uint8),
        a_scale=np.where(inside[:, None], problem.a_scale, np.float32(np.inf)),
        b_scale=np.where(own[:, None, None], problem.b_scale, np.float32(np.nan)),
    )
    got, wanted = backend.run(dirty), backend.run(problem)
    assert_same_bits(problem, got, wanted, "result among clean neighbours", rows=inside)


@given(case=cases(), layout=layouts(), seed=seeds)
def test_memory_layout(backend, case, layout, seed):
    """Addresses, strides and the previous content of out."""
    problem = random_problem(backend.fit(case), seed)
    placed = backend.run(problem, backend.fit_layout(layout), seed=seed)
    assert_same_bits(problem, placed, backend.run(problem, seed=1), "dense layout")


@given(case=cases(), seed=seeds)
def test_mma_sm_has_no_effect(backend, case, seed):
    problem = random_problem(backend.fit(case), seed)
    one, two = (backend.run(problem, mma_sm=mma_sm) for mma_sm in (1, 2))
    assert_same_bits(problem, two, one, "mma_sm=1")


def test_number_of_groups_around_a_row(backend):
    """One row of the same data inside problems of very different size is the same row."""
    base = exact_problem(Case((1,), 136, 208))
    row = random_problem(Case((1,), 136, 208), 5).with_(b=base.b, b_scale=base.b_scale)
    wanted = backend.run(row)
    for rows in ((7, 1, 0), (300, 1, 2), (1,) * 60, (0,) * 300 + (1,)):
        crowd = random_problem(Case(rows, 136, 208), 9)
        group = len(rows) // 2 if len(rows) < 100 else 300
        at = int(crowd.m_indptr[group])
        for name in ("a", "a_scale"):
            getattr(crowd, name)[at] = getattr(row, name)[0]
        for name in ("b", "b_scale"):
            getattr(crowd, name)[group] = getattr(row, name)[0]
        got = backend.run(crowd)[[at]]
        assert_same_bits(row, got, wanted, "row alone")
