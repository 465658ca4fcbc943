"""Groups as indptr, ends, counts and slabs: the rows of a group have the same bits in each.

The wanted bits are those of the call with an m_indptr of int32 on the same backend. Rows between
groups, past counts and before aligned starts are poison in a and a_scale, and stay as they were in
out.
"""

import ctypes
import functools
import itertools

import numpy as np
import pytest

from groupgemm_fp8 import _ffi, _library
from numeric.cases import Case, random_problem, rows_for
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES
from numeric.group_layouts import KINDS, make_groups
from numeric.raw_call import Args, RawCall

COUNTS = (13, 0, 129, 1, 40)
INDEX_DTYPES = ("int32", "int64")
MAJORS = tuple(itertools.product(("MN", "K"), repeat=2))
# Start alignments, where a layout has one.
ALIGNMENTS = {"indptr": (1,), "ends": (1, 8, 12), "counts": (1, 8, 12), "masked": (1,)}
LAYOUTS = tuple(
    (kind, dtype, alignment)
    for kind in KINDS
    for dtype in INDEX_DTYPES
    for alignment in ALIGNMENTS[kind]
)
GROUP_SIZES = {
    "one group": (3,),
    "large": (1500, 1027),
    "mixed": (1, 700, 0, 17, 64, 130, 2, 33, 257, 0, 8),
    "many": (2,) * 300,
}
ERROR_INVALID_M_INDPTR = 150


@functools.cache
def wanted(runner, case: Case, seed: int = 0):
    """A problem and its bits from the call with an m_indptr."""
    problem = random_problem(case, seed)
    return problem, runner.run(problem)


def check(runner, case, groups, *layout, **members) -> RawCall:
    problem, bits = wanted(runner, case)
    call = RawCall(runner, problem, groups, *layout, **members)
    assert call.launch() == _ffi.SUCCESS, _library.load().ggfp8_last_error().decode()
    assert_rows(call, bits)
    return call


def assert_rows(call: RawCall, bits: np.ndarray) -> None:
    """The call's rows are those of the same rows of `bits`."""
    wanted_bits = bits[call.groups.source_rows(call.problem)]
    assert wanted_bits.shape == call.result().shape
    wrong = np.argwhere(call.result() != wanted_bits)
    assert wrong.size == 0, (
        f"{call.groups.kind}: {len(wrong)} elements differ from the indptr call; first at "
        f"{wrong[0]}; {call.problem.describe()}"
    )


def test_args_have_the_size_of_the_library():
    assert _library.load().ggfp8_group_gemm_args_size() == ctypes.sizeof(Args)


@pytest.mark.parametrize("majors", MAJORS, ids="-".join)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "-".join(map(str, layout)))
def test_same_bits_as_indptr(backend, layout, majors):
    """Every pair of FP8 types and every output; rows, slabs and scales apart in memory, or not."""
    kind, dtype, alignment = layout
    groups = make_groups(kind, COUNTS, dtype, alignment, spare=5)
    for pair, out_dtype in itertools.product(DTYPE_PAIRS, OUT_DTYPES):
        case = Case(COUNTS, 136, 336, (1, 128, 128), *pair, out_dtype)
        for pad in (0, 1):
            call = check(backend, case, groups, majors, pad)
        assert call.plan().group_layout.decode() == kind


@pytest.mark.parametrize("majors", MAJORS, ids="-".join)
@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
def test_interleaved_slabs(backend, out_dtype, majors):
    """The rows of all slabs lie between two rows of one, in a, a_scale and out."""
    case = Case(COUNTS, 136, 336, out_dtype=out_dtype)
    groups = make_groups("masked", COUNTS, spare=3)
    for pad in (0, 1):
        check(backend, case, groups, majors, pad, interleaved=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "granularity",
    [(128, 128, 128), (1, 1, 128), (1, 64, 96), (128, 64, 32), (1, 64, 64), (128, 128, 64)],
)
def test_granularities(backend, granularity, kind):
    counts = rows_for(granularity[0], (200, 0, 1, 130))
    case = backend.fit(Case(counts, 136, 336, granularity))
    alignment = granularity[0] if kind in ("ends", "counts") else 1
    spare = granularity[0] if kind == "indptr" else 7
    groups = make_groups(kind, counts, "int64", alignment, spare)
    for majors in MAJORS:
        check(backend, case, groups, majors, pad=1)


@pytest.mark.parametrize("kind", ["ends", "counts", "masked"])
def test_last_block_of_rows_is_short(backend, kind):
    """With scales of 128 rows, where starts are aligned."""
    case = Case((256, 0, 128, 256), 136, 336, (128, 128, 128))
    alignment = 1 if kind == "masked" else 128
    groups = make_groups(kind, (200, 0, 1, 130), "int32", alignment, spare=3)
    check(backend, case, groups)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", GROUP_SIZES)
def test_group_sizes(backend, sizes, kind):
    counts = GROUP_SIZES[sizes]
    case = Case(counts, 136, 336)
    alignment = 16 if kind in ("ends", "counts") else 1
    groups = make_groups(kind, counts, "int64", alignment, spare=1)
    check(backend, case, groups)


def test_counts_of_zero_all_and_more(backend):
    """A count past the slab means the whole slab, a negative one no rows."""
    case = Case((40, 0, 40, 40, 0), 72, 144)
    problem, bits = wanted(backend, case)
    for dtype, huge in (("int32", 2**31 - 1), ("int64", 2**40)):
        groups = make_groups("masked", case.rows, dtype)
        call = RawCall(backend, problem, groups)
        call.rewrite_values(np.array((40, 0, 41, huge, -huge), dtype=dtype))
        assert call.launch() == _ffi.SUCCESS
        assert_rows(call, bits)


@pytest.mark.parametrize("dtype", INDEX_DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_values(backend, kind, dtype):
    """Nothing outside out is written, whatever the array holds, and the next call is right."""
    case = Case((20, 0, 35, 9), 72, 144)
    groups = make_groups(kind, case.rows, dtype, spare=4)
    problem, bits = wanted(backend, backend.fit(case))
    call = RawCall(backend, problem, groups)
    rng = np.random.default_rng(7)
    info = np.iinfo(dtype)
    words = [info.min, info.max, -1, 0, 1, groups.num_rows, groups.num_rows + 1, 2**31 - 1]
    everywhere = np.ones(groups.rows_shape, dtype=bool)
    for _ in range(40):
        call.rewrite_values(rng.choice(words, groups.values.size).astype(dtype))
        assert call.launch() == _ffi.SUCCESS
        call.written(everywhere)
    call.rewrite_values(groups.values)
    assert call.launch() == _ffi.SUCCESS
    assert_rows(call, bits)


def test_expected_m_changes_no_bit(backend):
    counts = (3, 200, 64, 0, 17)
    case = Case(counts, 136, 336)
    groups = make_groups("masked", counts, spare=2300)
    configs = set()
    for expected_m in (0, 1, 16, 17, 64, 65, 200, 1024, 2500, 10**9):
        call = check(backend, case, groups, expected_m=expected_m)
        configs.add(call.plan().config)
    if backend.is_gpu:
        assert len(configs) > 1, configs


@pytest.mark.parametrize("granularity", [(1, 128, 128), (1, 64, 64)], ids=str)
def test_full_slabs_in_every_kind_of_tile(backend, granularity):
    for num_slabs, rows in ((9, 1), (9, 33), (5, 192), (12, 193)):
        counts = (rows,) * num_slabs
        groups = make_groups("masked", counts)
        case = backend.fit(Case(counts, 1408, 192, granularity))
        for runner in backend.configured(random_problem(case)):
            check(runner, case, groups, expected_m=rows)


@pytest.mark.parametrize("kind", KINDS)
def test_validation(backend, kind):
    """A well-formed array passes; the sentence names the array of the layout."""
    case = Case((20, 0, 35, 9), 72, 144)
    groups = make_groups(kind, case.rows, "int64", spare=4)
    call = check(backend, backend.fit(case), groups, flags=_ffi.FLAG_VALIDATE_M_INDPTR)
    name = {"indptr": "m_indptr", "ends": "m_ends"}.get(kind, "m_counts")
    bad = groups.values.copy()
    bad[2] = -5
    call.rewrite_values(bad)
    assert call.launch() == ERROR_INVALID_M_INDPTR
    assert _library.load().ggfp8_last_error().decode().startswith(f"{name}[2]: got -5, wanted ")
    call.written(np.zeros(groups.rows_shape, dtype=bool))


@pytest.mark.parametrize("kind", KINDS)
def test_replay_honours_new_groups(gpu_backend, kind):
    """One captured launch, with other groups of the same sizes in every replay."""
    from groupgemm_fp8._cli.device import Graph, Stream

    problem, bits = wanted(gpu_backend, Case((40, 20, 3), 72, 144))
    fitting = functools.partial(make_groups, kind, dtype="int64", num_rows=70)
    call = RawCall(gpu_backend, problem, fitting((40, 20, 3)))
    stream, graph = Stream(), Graph()
    with graph.capture(stream):
        assert call.launch(stream.handle) == _ffi.SUCCESS
    for counts in ((40, 20, 3), (0, 20, 3), (40, 0, 1), (0, 0, 0), (7, 20, 0)):
        call.rewrite(fitting(counts))
        graph.launch(stream)
        stream.synchronize()
        assert_rows(call, bits)


@pytest.mark.parametrize("dtype", INDEX_DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_launch(gpu_backend, kind, dtype):
    """A call of any layout is one kernel: no other reads the group array before it."""
    if gpu_backend.name == "sm100":
        pytest.skip("sm100 has a kernel that writes the tables of CUTLASS's kernels")
    from cuda.bindings import runtime

    from groupgemm_fp8._cli.device import Stream

    problem, _ = wanted(gpu_backend, Case((40, 20, 3), 72, 144))
    call = RawCall(gpu_backend, problem, make_groups(kind, (40, 20, 3), dtype))
    stream = Stream()
    mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeGlobal
    (status,) = runtime.cudaStreamBeginCapture(stream.handle, mode)
    assert status == runtime.cudaError_t.cudaSuccess
    result = call.launch(stream.handle)
    status, graph = runtime.cudaStreamEndCapture(stream.handle)
    assert (result, status) == (_ffi.SUCCESS, runtime.cudaError_t.cudaSuccess)
    status, *_, num_nodes = runtime.cudaGraphGetNodes(graph)
    runtime.cudaGraphDestroy(graph)
    assert (status, num_nodes) == (runtime.cudaError_t.cudaSuccess, 1)
