"""Malformed m_indptr: memory-safe and bounded without validation, a clear error with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric.cases import Case, exact_problem
from numeric.compare import assert_exact, assert_same_bits
from numeric.emulator import ascending_float32, emulate
from numeric.strategies import seeds

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
CASE = Case((20, 0, 35, 9), 72, 144, (1, 64, 64), lead=3, trail=4)
CUM_M = 71

MALFORMED = {
    "negative": (-5, 23, 23, 58, 67),
    "decreasing": (3, 23, 10, 58, 67),
    "past the end": (3, 23, 23, 58, CUM_M + 1),
    "a tile past the end": (3, 23, 23, 58, CUM_M + 30),
    "far past the end": (3, 23, 23, INT_MAX, 67),
    "smallest": (INT_MIN,) * 5,
    "largest": (INT_MAX,) * 5,
    "from smallest to largest": (INT_MIN, -1, 0, 1, INT_MAX),
    "from largest to smallest": (INT_MAX, 1, 0, -1, INT_MIN),
    "alternating": (INT_MAX, INT_MIN, INT_MAX, INT_MIN, INT_MAX),
    "descending": (67, 58, 23, 23, 3),
    "difference overflows": (0, INT_MIN, INT_MAX, 0, 71),
}


def sound_rows(problem) -> np.ndarray:
    """Rows of the groups whose bounds are in order and not below an earlier bound."""
    rows = np.zeros(problem.cum_m, dtype=bool)
    reached = 0
    for begin, end in zip(problem.m_indptr[:-1], problem.m_indptr[1:], strict=True):
        reached = max(reached, min(max(int(begin), 0), problem.cum_m))
        if begin >= 0 and begin == reached and begin <= end <= problem.cum_m:
            rows[begin:end] = True
    return rows


def well_formed(problem):
    """Returns a problem with every bound clamped and not below the ones before it."""
    clamped = np.clip(problem.m_indptr, 0, problem.cum_m)
    return problem.with_(m_indptr=np.maximum.accumulate(clamped).astype(np.int32))


def check_survives(backend, problem):
    """Guard bands stay intact, sound groups are right, and so is the next call."""
    call = backend.call(problem)
    call.launch()
    bits = call.result(writable=np.ones(problem.cum_m, dtype=bool))
    wanted = emulate(well_formed(problem), ascending_float32)  # exact for such data
    assert_same_bits(problem, bits, wanted, "sound groups", rows=sound_rows(problem))
    after = exact_problem(backend.fit(CASE))
    assert_exact(after, backend.run(after))


@pytest.mark.parametrize("bounds", MALFORMED.values(), ids=MALFORMED)
def test_malformed_is_survived(backend, bounds):
    for scale_major in ("MN", "K"):
        problem = exact_problem(backend.fit(CASE)).with_(scale_major=scale_major)
        assert problem.cum_m == CUM_M
        check_survives(backend, problem.with_(m_indptr=np.array(bounds, np.int32)))


@pytest.mark.parametrize("bounds", [(5, 200, 300), (-1, 128, 384), (1, 1, 300), (300, 0, 128)])
def test_row_granularity_128_is_survived(backend, bounds):
    """Bounds that are no multiples of 128 lead to no scale outside the array."""
    problem = exact_problem(Case((128, 256), 24, 144, (128, 128, 128)))
    call = backend.call(problem.with_(m_indptr=np.array(bounds, np.int32)))
    call.launch()
    call.result(writable=np.ones(problem.cum_m, dtype=bool))


random_word = st.one_of(
    st.integers(INT_MIN, INT_MAX), st.integers(-3, CUM_M + 3), st.integers(0, CUM_M)
)


@given(words=st.lists(random_word, min_size=5, max_size=5), seed=seeds)
def test_random_words_are_survived(backend, words, seed):
    problem = exact_problem(backend.fit(CASE), seed).with_(m_indptr=np.array(words, np.int32))
    check_survives(backend, problem)


def test_many_hostile_groups_are_bounded(backend):
    """Thousands of groups that each claim all rows cost no more than one that does."""
    num_groups = 3000
    case = Case((0,) * num_groups, 8, 32, (1, 128, 32), trail=500)
    problem = exact_problem(backend.fit(case))
    bounds = np.tile(np.array([0, 500], np.int32), num_groups)[: num_groups + 1]
    call = backend.call(problem.with_(m_indptr=bounds))
    call.launch()
    call.result(writable=np.ones(problem.cum_m, dtype=bool))


@pytest.mark.parametrize(
    "bounds, first_bad",
    [
        ((-5, 23, 23, 58, 67), 0), ((3, 23, 10, 58, 67), 2), ((3, 23, 23, 58, CUM_M + 1), 4),
        ((3, 23, 23, INT_MAX, 67), 3), ((INT_MIN,) * 5, 0), ((67, 58, 23, 23, 3), 1),
    ],
)  # fmt: skip
def test_validation_names_the_first_bad_index(backend, bounds, first_bad):
    call = backend.call(exact_problem(backend.fit(CASE)).with_(m_indptr=np.array(bounds, np.int32)))
    with pytest.raises(ValueError, match=rf"m_indptr\[{first_bad}\]"):
        call.launch(validate=True)
    call.result(writable=np.zeros(CUM_M, dtype=bool))


def test_validation_wants_multiples_of_128(backend):
    problem = exact_problem(Case((128, 256), 24, 144, (128, 128, 128)))
    call = backend.call(problem.with_(m_indptr=np.array([0, 130, 384], np.int32)))
    with pytest.raises(ValueError, match=r"m_indptr\[1\].*128"):
        call.launch(validate=True)
    call.result(writable=np.zeros(problem.cum_m, dtype=bool))
