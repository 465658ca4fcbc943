"""The comparers reject wrong results, and a loose tolerance would not. No backend takes part."""

import numpy as np
import pytest

from numeric import planted
from numeric.arena import GUARD_BYTES, Arena, input_arena
from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_exact, assert_one_nan_pattern, assert_within_interval
from numeric.emulator import ascending_float32, emulate, fma_float32
from numeric.formats import OUT_DTYPES, decode, numpy_dtype, out_bits, out_values, round_to
from numeric.memory import HostMemory
from numeric.reference import reference

CASE = Case(rows=(9, 4, 17), n=136, k=208, granularity=(1, 64, 64), lead=2, trail=3)


@pytest.mark.parametrize("bug", planted.PLANTED.values(), ids=planted.PLANTED)
def test_exact_comparer_rejects(bug):
    problem = exact_problem(CASE)
    assert_exact(problem, planted.correct(problem))
    with pytest.raises(AssertionError, match="differ from the exact result"):
        assert_exact(problem, bug(problem))


@pytest.mark.parametrize("bug", planted.PLANTED.values(), ids=planted.PLANTED)
def test_interval_comparer_rejects(bug):
    problem = random_problem(CASE)
    assert_within_interval(problem, planted.correct(problem), "cpu")
    with pytest.raises(AssertionError, match="differ from the interval"):
        assert_within_interval(problem, bug(problem), "cpu")


@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
def test_interval_comparer_rejects_one_wrong_element(out_dtype):
    problem = random_problem(CASE).with_(out_dtype=out_dtype)
    bits = planted.correct(problem)
    row, column = 7, 100
    low_bits = {"bfloat16": 0x2, "float16": 0x2, "float32": 0x400}[out_dtype]
    bits[row, column] ^= low_bits
    with pytest.raises(AssertionError, match=f"1 of .* first at row {row}, column {column}"):
        assert_within_interval(problem, bits, "cpu")


def test_allclose_accepts_a_neighbours_scale():
    """With the customary atol = rtol = 1e-2 and outputs of about 0.006, bugs go unseen."""
    problem = random_problem(CASE, magnitude=0.02)
    right = out_values(planted.correct(problem), problem.out_dtype)[problem.covered()]
    for bug in (planted.neighbour_k_scale, planted.neighbour_column_scale):
        wrong = out_values(bug(problem), problem.out_dtype)[problem.covered()]
        assert np.allclose(wrong, right, rtol=1e-2, atol=1e-2)
        with pytest.raises(AssertionError):
            assert_within_interval(problem, bug(problem), "cpu")


def test_similarity_accepts_zeroed_rows():
    """A global similarity threshold of 1e-3 accepts eight zeroed rows out of 4096."""
    problem = random_problem(Case(rows=(4096,), n=8, k=32, granularity=(1, 128, 32)))
    bits = planted.correct(problem)
    right = out_values(bits, problem.out_dtype)
    quietest = np.argsort((right**2).sum(axis=1))[:8]
    bits[quietest] = 0
    wrong = out_values(bits, problem.out_dtype)
    assert 1 - 2 * (right * wrong).sum() / (right**2 + wrong**2).sum() < 1e-3
    with pytest.raises(AssertionError, match="in 8 rows differ"):
        assert_within_interval(problem, bits, "cpu")


def test_certificate_rejects_data_that_need_not_be_exact():
    problem = random_problem(CASE)
    with pytest.raises(AssertionError):
        assert_exact(problem, planted.correct(problem))


def test_nan_comparer_rejects_two_patterns():
    problem = exact_problem(CASE)
    bits = planted.correct(problem)
    bits[4, :2] = 0x7FC0
    assert_one_nan_pattern(problem, bits)
    bits[4, 1] = 0xFFC0
    with pytest.raises(AssertionError, match="NaN patterns"):
        assert_one_nan_pattern(problem, bits)


@pytest.mark.parametrize("distance", [-1, 0, GUARD_BYTES - 1])
def test_guard_bands_reject_one_changed_byte(distance):
    """A byte before the array, in a gap between rows, and at the far end of the guard band."""
    memory = HostMemory()
    arena = input_arena(memory, "a", np.zeros((3, 32), np.uint8), np.uint8, (16,), 1)
    arena.upload()
    gap = {-1: arena.offset - 1, 0: arena.offset + 32}.get(distance, arena.image.size - 1)
    arena.assert_unchanged(arena.download(), np.array([True, True, True]))
    arena.buffer[gap] ^= 1
    with pytest.raises(AssertionError, match="a: 1 bytes changed"):
        arena.assert_unchanged(arena.download(), np.array([True, True, True]))


def test_guard_bands_reject_an_uncovered_row():
    arena = Arena(HostMemory(), "out", (4, 8), numpy_dtype("bfloat16"), (3,), 1)
    arena.upload()
    arena.argument()[1:3] = 0
    arena.assert_unchanged(arena.download(), np.array([False, True, True, False]))
    with pytest.raises(AssertionError, match=r"out: .* bytes changed"):
        arena.assert_unchanged(arena.download(), np.array([False, True, False, False]))


def test_rounding_is_that_of_the_hardware():
    """round_to against the IEEE casts of NumPy, ties, subnormals and overflow included."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 20000, dtype=np.uint32)
    floats = bits.view(np.float32)
    floats = floats[np.isfinite(floats)].astype(np.float64)
    ties = rng.integers(-(2**12), 2**12, 20000) * 2.0 ** rng.integers(-40, 8, 20000)
    for values in (floats, ties, np.array([65520.0, 65519.0, -0.0, 3e38])):
        with np.errstate(over="ignore"):
            assert np.array_equal(round_to(values, "float16"), values.astype(np.float16))
        assert np.array_equal(round_to(values, "float32"), values.astype(np.float32))
        wanted = values.astype(np.float32).astype(numpy_dtype("bfloat16"))
        got = out_bits(values, "bfloat16")
        assert np.array_equal(got, wanted.view(np.uint16))


def test_fma_rounds_once():
    """A tie of float32 that a term too small for float64 resolves, either way."""
    x = np.full(2, 1 + 2.0**-12, np.float32)  # its square is 1 + 2^-11 + 2^-24, a tie
    z = np.float32([2.0**-60, -(2.0**-60)])
    assert np.array_equal(fma_float32(x, x, z), [1 + 2.0**-11 + 2.0**-23, 1 + 2.0**-11])


def test_emulator_agrees_with_the_exact_result():
    problem = exact_problem(CASE)
    assert_exact(problem, emulate(problem, ascending_float32))
    problem = random_problem(CASE)
    assert_within_interval(problem, emulate(problem, ascending_float32), "cpu")


def test_reference_against_the_definition():
    """The vectorised reference against the sum of the contract, one element at a time."""
    case = Case(rows=(3, 0, 5), n=16, k=80, granularity=(1, 1, 32), lead=1, b_dtype="float8_e5m2")
    problem = random_problem(case)
    a, b = decode(problem.a, problem.a_dtype), decode(problem.b, problem.b_dtype)
    got = reference(problem).value
    for group, begin, end in problem.groups():
        for row in range(begin, end):
            for column in range(problem.n):
                terms = (
                    float(problem.a_scale[row, k // 32])
                    * float(problem.b_scale[group, column, k // 32])
                    * a[row, k]
                    * b[group, column, k]
                    for k in range(problem.k)
                )
                assert np.isclose(got[row, column], sum(terms), rtol=1e-12, atol=1e-15)
