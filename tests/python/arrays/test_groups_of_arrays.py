"""Group layouts through the Python function, on arrays of frameworks and on every backend.

Bit equality with the m_indptr call, and random layouts against a model that reads the group array
by its definition. Rows of no group are poison in a and a_scale and stay as they were in out.
"""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupgemm_fp8
from array_makers import NAMES, ArrayMaker
from numeric.cases import Case, exact_problem, random_problem
from numeric.compare import assert_exact
from numeric.formats import DTYPE_PAIRS, FP8_NAN, OUT_DTYPES, OUT_FORMATS, numpy_dtype
from numeric.group_layouts import KINDS, Groups, make_groups
from numeric.problem import ceil_div
from numeric.raw_call import placed, placed_scales, swapped

COUNTS = (13, 0, 129, 1, 40)
MAJORS = tuple(itertools.product(("MN", "K"), repeat=2))
ALIGNMENTS = {"indptr": (1,), "ends": (1, 12), "counts": (1, 12), "masked": (1,)}
LAYOUTS = tuple(
    (kind, dtype, alignment)
    for kind in KINDS
    for dtype in ("int32", "int64")
    for alignment in ALIGNMENTS[kind]
)
ARGUMENTS = {"indptr": "m_indptr", "ends": "m_ends", "counts": "m_counts", "masked": "m_counts"}
BEFORE = 7  # what out holds
FAR_WORDS = {"int32": (), "int64": (2**31, 2**31 + 5, 2**32, 2**32 + 3, -(2**40))}


@functools.cache
def maker_of(name: str, is_gpu: bool) -> ArrayMaker:
    return ArrayMaker(name, is_gpu)


@pytest.fixture(params=NAMES)
def maker(request, backend) -> ArrayMaker:
    return maker_of(request.param, backend.is_gpu)


def keywords(backend, groups: Groups, majors, granularity) -> dict:
    options = {} if groups.alignment == 1 else {"group_alignment": groups.alignment}
    return {
        **options, "scale_major_mode": majors[0], "b_scale_major_mode": majors[1],
        "scale_granularity_mnk": granularity, "backend": backend.name,
    }  # fmt: skip


def product_bits(backend, maker, problem, groups: Groups, majors=("MN", "MN"), **options):
    """The bits of all of out, of the framework's arrays."""
    fp8 = (
        placed(problem, groups).view(numpy_dtype(problem.a_dtype)),
        problem.b.view(numpy_dtype(problem.b_dtype)),
    )
    scales = swapped(placed_scales(problem, groups), majors[0]), swapped(problem.b_scale, majors[1])
    out = np.full((*groups.rows_shape, problem.n), BEFORE, numpy_dtype(problem.out_dtype))
    arrays = [maker.make(np.ascontiguousarray(x)) for x in (*fp8, *scales)]
    call = {
        ARGUMENTS[groups.kind]: maker.make(groups.values), "out": maker.make(out),
        **keywords(backend, groups, majors, problem.granularity), **options,
    }  # fmt: skip
    ok, reason = groupgemm_fp8.supports(backend.name, *arrays, **call)
    if not ok:
        pytest.skip(f"backend {backend.name} refuses: {reason}")
    plan = groupgemm_fp8.plan(*arrays, **call)
    if out.size:
        assert (plan.backend, plan.group_layout) == (backend.name, groups.kind)
    assert groupgemm_fp8.group_gemm_fp8_nt_groupwise(*arrays, **call) is call["out"]
    return maker.back(call["out"]).view(OUT_FORMATS[problem.out_dtype].bits)


def assert_rows(bits: np.ndarray, covered: np.ndarray, wanted: np.ndarray, dtype: str) -> None:
    """Rows that are covered are the wanted ones; the others were not written."""
    assert_untouched(bits[~covered], dtype)
    assert np.array_equal(bits[covered], wanted)


def assert_untouched(bits: np.ndarray, dtype: str) -> None:
    before = np.full(1, BEFORE, numpy_dtype(dtype)).view(OUT_FORMATS[dtype].bits)
    assert (bits == before).all()


@functools.cache
def problem_and_bits(backend, case: Case):
    problem = random_problem(case)
    return problem, backend.run(problem)


@pytest.mark.parametrize("majors", MAJORS, ids="-".join)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "-".join(map(str, layout)))
def test_same_bits_as_indptr(backend, maker, layout, majors):
    """Every pair of FP8 types and every output."""
    kind, dtype, alignment = layout
    groups = make_groups(kind, COUNTS, dtype, alignment, spare=5)
    for pair, out_dtype in itertools.product(DTYPE_PAIRS, OUT_DTYPES):
        case = Case(COUNTS, 136, 336, (1, 128, 128), *pair, out_dtype)
        problem, wanted = problem_and_bits(backend, case)
        bits = product_bits(backend, maker, problem, groups, majors)
        rows = wanted[groups.source_rows(problem)]
        assert_rows(bits, groups.covered(), rows, out_dtype)


def model_spans(kind: str, values: list[int], alignment: int, num_rows: int):
    """Yields the first row of each group and the row after its last one, by the definition.

    Values are clamped to [0, num_rows], and a group starts where those before it have ended.
    """
    clamped = [min(max(value, 0), num_rows) for value in values]
    reached = clamped.pop(0) if kind == "indptr" else 0
    for value in clamped:
        if kind == "masked":
            yield 0, value
            continue
        start = min(ceil_div(reached, alignment) * alignment, num_rows)
        if kind == "counts":
            yield start, min(start + value, num_rows)
            reached = min(start + value, num_rows)
        else:
            reached = max(reached, value)
            yield min(start, reached), reached


def model_rows(kind: str, values: list[int], alignment: int, num_rows: int) -> np.ndarray:
    """The group of each row by the definition of the layout, or -1; of each slab with slabs."""
    spans = list(model_spans(kind, values, alignment, num_rows))
    rows = np.arange(num_rows)
    if kind == "masked":
        ends = np.array([end for _, end in spans], int).reshape(-1, 1)
        return np.where(rows < ends, np.arange(len(spans)).reshape(-1, 1), -1)
    groups = np.full(num_rows, -1)
    for group, (start, end) in enumerate(spans):
        groups[start:end] = group
    return groups


@st.composite
def layouts(draw):
    """A kind, the group array, its alignment and the rows of a or of a slab."""
    kind = draw(st.sampled_from(KINDS))
    counts = draw(st.lists(st.integers(0, 20), min_size=1, max_size=7))
    dtype = draw(st.sampled_from(["int32", "int64"]))
    spare = draw(st.integers(0, 9))
    if kind == "masked":
        num_rows = draw(st.integers(1, 24))
        huge = draw(st.sampled_from([num_rows, num_rows + 1, 2**31 - 1, -1, -(2**31)]))
        values = [huge if count == 20 else count for count in counts]
        return kind, np.array(values, dtype), 1, num_rows
    alignment = draw(st.integers(1, 17)) if kind in ("ends", "counts") else 1
    groups = make_groups(kind, tuple(counts), dtype, alignment, spare)
    return kind, groups.values, alignment, groups.num_rows


@st.composite
def hostile_layouts(draw):
    """Draws a layout of up to 100 groups with contents that no caller means."""
    kind = draw(st.sampled_from(KINDS))
    dtype = draw(st.sampled_from(["int32", "int64"]))
    num_groups = draw(st.sampled_from([1, 2, 5, 33, 100]))
    num_rows = draw(st.sampled_from([0, 1, 7, 20, 130] if num_groups <= 5 else [1, 7, 20]))
    has_starts = kind in ("ends", "counts")
    alignment = draw(st.sampled_from([1, 3, 16, 2**31 - 1])) if has_starts else 1
    info = np.iinfo(dtype)
    near = st.integers(-3, num_rows + 3)
    far = st.sampled_from([info.min, info.max, -(2**31), 2**31 - 1, *FAR_WORDS[dtype]])
    num_values = num_groups + (kind == "indptr")
    word = draw(st.sampled_from([near, st.one_of(near, far)]))
    values = draw(st.lists(word, min_size=num_values, max_size=num_values))
    order = draw(st.sampled_from([None, sorted, lambda given: sorted(given, reverse=True)]))
    values = order(values) if order else values
    return kind, np.array(values, dtype), alignment, num_rows


def check_layout(backend, maker, layout, out_dtype, n=72, k=272):
    kind, values, alignment, num_rows = layout
    batch_size = len(values) - (kind == "indptr")
    group_of_row = model_rows(kind, values.tolist(), alignment, num_rows)
    flat = group_of_row.ravel()

    # The problem has the rows of groups one after the other, the call where the layout has them.
    rows = np.argsort(flat, kind="stable")[np.count_nonzero(flat < 0) :]
    sizes = tuple(int((flat == group).sum()) for group in range(batch_size))
    case = Case(sizes, n, k, out_dtype=out_dtype)
    problem = exact_problem(case)
    a = np.full((flat.size, problem.k), FP8_NAN, np.uint8)
    a_scale = np.full((flat.size, problem.a_scale.shape[1]), np.nan, np.float32)
    a[rows], a_scale[rows] = problem.a, problem.a_scale
    shape = group_of_row.shape
    arrays = [
        a.reshape(*shape, problem.k).view(numpy_dtype(problem.a_dtype)),
        problem.b.view(numpy_dtype(problem.b_dtype)),
        a_scale.reshape(*shape, a_scale.shape[1]),
        problem.b_scale,
    ]
    out = maker.make(np.full((*shape, problem.n), BEFORE, numpy_dtype(out_dtype)))
    groupgemm_fp8.group_gemm_fp8_nt_groupwise(
        *(maker.make(x) for x in arrays),
        **{ARGUMENTS[kind]: maker.make(values)},
        group_alignment=alignment,
        scale_major_mode="K",
        out=out,
        backend=backend.name,
    )
    bits = maker.back(out).view(OUT_FORMATS[out_dtype].bits).reshape(flat.size, problem.n)
    assert_exact(problem, bits[rows])
    assert_untouched(bits[flat < 0], out_dtype)


def test_random_layouts_against_the_model(backend, maker):
    @given(layout=layouts(), out_dtype=st.sampled_from(OUT_DTYPES))
    def check(layout, out_dtype):
        check_layout(backend, maker, layout, out_dtype)

    check()


def test_hostile_layouts_against_the_model(backend, maker):
    """Negative, descending and huge values, and alignments past the rows, mean what they clamp to.

    Callers are promised less: that nothing outside out is touched.
    """

    @given(layout=hostile_layouts(), out_dtype=st.sampled_from(OUT_DTYPES))
    def check(layout, out_dtype):
        check_layout(backend, maker, layout, out_dtype)

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_hostile_groups_against_the_model(backend, maker, kind):
    rng = np.random.default_rng(5)
    num_rows = 1 if kind == "masked" else 700
    words = rng.integers(-2, num_rows + 9, 4096 + (kind == "indptr"))
    if kind == "counts":
        words %= rng.integers(1, 5, words.size)  # few rows each, so that many groups have some
    words[rng.integers(3000, words.size, 4)] = (-(2**63), -1, 2**31 + 1, 2**32)
    words = np.sort(words) if kind == "indptr" else words
    check_layout(backend, maker, (kind, words, 1, num_rows), "bfloat16", n=8, k=32)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_counts_of_zero_all_and_more(backend, maker, dtype):
    """A count past the slab means the whole slab, a negative one no rows."""
    case = Case((40, 0, 40, 40, 0), 72, 144)
    problem, wanted = problem_and_bits(backend, case)
    groups = make_groups("masked", case.rows, dtype)
    groups.values[:] = (40, 0, 41, np.iinfo(dtype).max, np.iinfo(dtype).min)
    for expected_m in (None, 1, 1000):
        bits = product_bits(backend, maker, problem, groups, expected_m=expected_m)
        rows = wanted[groups.source_rows(problem)]
        assert_rows(bits, groups.covered(), rows, "bfloat16")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_values(backend, maker, kind):
    """Whatever the array holds, inputs stay as they are and the next call is right."""
    case = Case((20, 0, 35, 9), 72, 144)
    problem, wanted = problem_and_bits(backend, case)
    good = make_groups(kind, case.rows, "int64", spare=4)
    rng = np.random.default_rng(3)
    words = [-(2**63), 2**63 - 1, -1, 0, 1, good.num_rows, good.num_rows + 1, 2**31]
    for _ in range(20):
        bad = make_groups(kind, case.rows, "int64", spare=4)
        bad.values[:] = rng.choice(words, bad.values.size)
        product_bits(backend, maker, problem, bad)
    bits = product_bits(backend, maker, problem, good)
    assert_rows(bits, good.covered(), wanted[good.source_rows(problem)], "bfloat16")
