"""The short way of calls on PyTorch tensors: when it is taken, and that it changes no effect."""

import threading

import pytest

import small_problem
from small_problem import BATCH_SIZE, CUM_M, K, N, assert_no_leak, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8 import _call_torch, _library, group_gemm_fp8_nt_groupwise  # noqa: E402
from torch_problem import needs_exchange_api, tensors_of, to_numpy  # noqa: E402

pytestmark = needs_exchange_api


@pytest.fixture
def tensors():
    _call_torch.forget()
    return tensors_of(small_problem.inputs())


OPTIONS = [
    {},
    {"scale_granularity_mnk": (1, 128, 128)},
    {"out_dtype": torch.float32},
    {"out_dtype": "float16"},
    {"backend": "cpu"},
    {"mma_sm": 2},
    {"a_dtype": torch.float8_e4m3fn},
    {"stream": 7},  # without effect on the CPU
]


@pytest.mark.parametrize("options", OPTIONS)
def test_second_call_is_short(tensors, long_calls, options):
    first = group_gemm_fp8_nt_groupwise(**tensors, **options)
    second = group_gemm_fp8_nt_groupwise(**tensors, **options)
    assert len(long_calls) == 1
    assert second is not first
    assert second.dtype == first.dtype
    assert torch.equal(second, first)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_given_out(tensors, long_calls, name):
    storage = torch.full((CUM_M, N + 8), 7, dtype=getattr(torch, name))
    for out in (storage[:, :N], torch.empty(CUM_M, N, dtype=storage.dtype)):
        assert group_gemm_fp8_nt_groupwise(**tensors, out=out) is out
        assert same_bits(to_numpy(out.contiguous()), expected(small_problem.inputs(), name))
    assert (storage[:, N:] == 7).all()
    assert len(long_calls) == 1


def rows(tensors, first, last):
    """The call with the rows [first, last) of a, all in the last group."""
    m_indptr = torch.tensor([0] * BATCH_SIZE + [last - first], dtype=torch.int32)
    a_scale = tensors["a_scale"][:, first:last]
    return {**tensors, "a": tensors["a"][first:last], "a_scale": a_scale, "m_indptr": m_indptr}


@pytest.mark.parametrize("first, last", [(0, 1), (3, 4), (1, 4), (0, CUM_M)])
@pytest.mark.parametrize("scale_major_mode", ["MN", "K"])
def test_other_rows_are_short(tensors, long_calls, first, last, scale_major_mode):
    """The number of rows may change from call to call; strided slices count as known."""

    def call(tensors):
        if scale_major_mode == "K":
            tensors = {
                **tensors,
                "a_scale": tensors["a_scale"].T.contiguous(),
                "b_scale": tensors["b_scale"].transpose(1, 2).contiguous(),
            }
        return group_gemm_fp8_nt_groupwise(**tensors, scale_major_mode=scale_major_mode)

    changed = rows(tensors, first, last)
    wanted = call(changed)
    _call_torch.forget()
    call(tensors)
    long_calls.clear()
    assert torch.equal(call(changed), wanted)
    assert not long_calls


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_grad_mode_is_asked_at_every_call(tensors, name):
    tensors[name].requires_grad_()
    with torch.no_grad():
        group_gemm_fp8_nt_groupwise(**tensors)
        group_gemm_fp8_nt_groupwise(**tensors)
    with pytest.raises(ValueError, match=f"{name}: got a tensor that requires grad"):
        group_gemm_fp8_nt_groupwise(**tensors)


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_fp8_type_is_read_at_every_call(tensors, name):
    changed = {**tensors, name: tensors[name].view(torch.float8_e5m2)}
    wanted = group_gemm_fp8_nt_groupwise(**changed)
    _call_torch.forget()
    group_gemm_fp8_nt_groupwise(**tensors)
    assert torch.equal(group_gemm_fp8_nt_groupwise(**changed), wanted)


def test_strides_are_read_at_every_call(tensors):
    group_gemm_fp8_nt_groupwise(**tensors)
    wider = torch.zeros(BATCH_SIZE, N, K + 16, dtype=torch.uint8).view(torch.float8_e4m3fn)
    wider[..., :K].copy_(tensors["b"])
    tensors["b"].set_(wider.untyped_storage(), 0, (BATCH_SIZE, N, K), wider.stride())
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))


def test_an_error_of_the_library(tensors):
    """A misaligned address passes the short way's checks; the library refuses it."""
    group_gemm_fp8_nt_groupwise(**tensors)
    storage = torch.zeros(4 * BATCH_SIZE + 8, dtype=torch.uint8)
    misaligned = torch.frombuffer(
        memoryview(storage.numpy())[1 : 4 * BATCH_SIZE + 5], dtype=torch.int32
    )
    with pytest.raises(ValueError, match="m_indptr: got address"):
        group_gemm_fp8_nt_groupwise(**{**tensors, "m_indptr": misaligned})


def test_lists_are_not_kept(tensors, long_calls):
    granularity = [1, 128, 128]
    for _ in range(2):
        group_gemm_fp8_nt_groupwise(**tensors, scale_granularity_mnk=granularity)
    assert len(long_calls) == 2
    granularity[0] = 3
    with pytest.raises(ValueError, match="scale_granularity_mnk: got"):
        group_gemm_fp8_nt_groupwise(**tensors, scale_granularity_mnk=granularity)


@pytest.fixture
def attempts(monkeypatch):
    """A list that grows by one with every call that the function of the latest options leaves."""
    attempts = []
    attempt = _call_torch.attempt

    def counting_attempt(*arguments):
        attempts.append(arguments[0])
        return attempt(*arguments)

    monkeypatch.setattr(_call_torch, "attempt", counting_attempt)
    return attempts


def test_the_latest_options_are_compared_by_identity(tensors, long_calls, attempts):
    for granularity in [(*sizes,) for sizes in ([1, 128, 128], [1, 128, 128])]:
        for out_dtype in ("float32", "".join(["float", "32"])):
            options = {"scale_granularity_mnk": granularity, "out_dtype": out_dtype}
            for _ in range(3):
                out = group_gemm_fp8_nt_groupwise(**tensors, **options)
                assert same_bits(to_numpy(out), expected(small_problem.inputs(), "float32"))
    assert len(long_calls) == 1
    assert attempts == [0] * 4  # at the first call of each


def test_options_take_turns(tensors, long_calls, attempts):
    names = ("bfloat16", "float16", "float32")
    for name in names * 3:
        out = group_gemm_fp8_nt_groupwise(**tensors, out_dtype=name)
        assert same_bits(to_numpy(out), expected(small_problem.inputs(), name))
    assert len(long_calls) == 3
    assert attempts == [0] * 9


@pytest.mark.parametrize("stream", [7, None])
def test_most_calls_are_made_by_the_latest_function(tensors, attempts, stream):
    tensors["b"] = torch.nn.Parameter(tensors["b"], requires_grad=False)
    for out in (None, torch.zeros(CUM_M, N), torch.nn.Parameter(torch.zeros(CUM_M, N))):
        with torch.no_grad():
            group_gemm_fp8_nt_groupwise(**tensors, stream=stream, out=out)
    assert len(attempts) == 1


class Stream:
    cuda_stream = 7


@pytest.mark.parametrize("stream", [Stream(), type("Handle", (int,), {})(7)])
def test_other_streams_are_short(tensors, long_calls, attempts, stream):
    for _ in range(2):
        group_gemm_fp8_nt_groupwise(**tensors, stream=stream)
    assert len(long_calls) == 1
    assert attempts == [0, 0]


@pytest.mark.parametrize("granularity", [(True, 128, 128), (1.0, 128, 128), [1, 128, 128]])
def test_equal_options_are_not_the_latest(tensors, granularity):
    """They equal a known call's: a list may change, and the others are errors."""
    for _ in range(2):
        group_gemm_fp8_nt_groupwise(**tensors, scale_granularity_mnk=(1, 128, 128))
        if type(granularity) is list:
            group_gemm_fp8_nt_groupwise(**tensors, scale_granularity_mnk=granularity)
        else:
            with pytest.raises((TypeError, ValueError), match="scale_granularity_mnk: got"):
                group_gemm_fp8_nt_groupwise(**tensors, scale_granularity_mnk=granularity)
        assert granularity is not _call_torch.latest.__self__[1][0]


def test_forgotten_options(tensors, long_calls, attempts):
    for _ in range(2):
        _call_torch.forget()
        for _ in range(2):
            group_gemm_fp8_nt_groupwise(**tensors)
    assert len(long_calls) == len(attempts) == 2


def test_the_number_of_kept_calls_is_bounded(tensors, monkeypatch):
    monkeypatch.setattr(_call_torch, "_MAX_KNOWN", 2)
    for out_dtype in ("bfloat16", "float16", "float32", None):
        group_gemm_fp8_nt_groupwise(**tensors, out_dtype=out_dtype)
        assert len(_call_torch._known) <= 2


def test_out_counts_as_modified(tensors):
    """Autograd notices that a tensor it saved was overwritten."""
    out = torch.ones(CUM_M, N)
    for _ in range(2):  # the long way, then the short one
        weight = torch.ones(CUM_M, N, requires_grad=True)
        product = (weight * out).sum()
        group_gemm_fp8_nt_groupwise(**tensors, out=out)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.backward()


def test_parameters_are_short(tensors, long_calls):
    for name in ("b", "b_scale"):
        tensors[name] = torch.nn.Parameter(tensors[name], requires_grad=False)
    out = torch.nn.Parameter(torch.zeros(CUM_M, N), requires_grad=False)
    group_gemm_fp8_nt_groupwise(**tensors)
    assert type(group_gemm_fp8_nt_groupwise(**tensors)) is torch.Tensor
    assert group_gemm_fp8_nt_groupwise(**tensors, out=out) is out
    assert same_bits(to_numpy(out), expected(small_problem.inputs(), "float32"))
    assert len(long_calls) == 1


class Subclass(torch.Tensor):
    pass


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "m_indptr", "out"])
def test_subclasses_go_the_long_way(tensors, long_calls, name):
    group_gemm_fp8_nt_groupwise(**tensors)
    tensors["out"] = torch.zeros(CUM_M, N)
    tensors[name] = tensors[name].as_subclass(Subclass)
    for num_calls in (2, 3):
        out = group_gemm_fp8_nt_groupwise(**tensors)
        assert same_bits(to_numpy(out), expected(small_problem.inputs(), "float32"))
        assert len(long_calls) == num_calls


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8])
def test_bytes_are_short(tensors, long_calls, dtype):
    for name in ("a", "b"):
        tensors[name] = tensors[name].view(dtype)
        tensors[f"{name}_dtype"] = torch.float8_e4m3fn
    for _ in range(2):
        out = group_gemm_fp8_nt_groupwise(**tensors)
        assert same_bits(to_numpy(out), expected(small_problem.inputs()))
    assert len(long_calls) == 1


def test_new_outputs_are_the_allocators_own(tensors, long_calls):
    """A tensor that came through DLPack could not be resized, and ignored record_stream."""
    for _ in range(2):
        out = group_gemm_fp8_nt_groupwise(**tensors)
        assert out.untyped_storage().resizable()
    assert len(long_calls) == 1


def test_devices_of_new_outputs(tensors):
    group_gemm_fp8_nt_groupwise(**tensors)
    (known,) = _call_torch._known.values()
    cuda = torch.device("cuda", 2)
    known.add_device(cuda)
    cpu = {"dtype": torch.bfloat16, "device": torch.device("cpu")}
    assert known.keywords == [cpu, None, None, {**cpu, "device": cuda}]


@pytest.mark.parametrize("missing", ["function", "table"])
def test_without_the_short_way(tensors, long_calls, monkeypatch, missing):
    """A Python that is not CPython, or a PyTorch from before DLPack 1.3."""
    if missing == "function":
        monkeypatch.setattr(_library, "dlpack_function", lambda constants: None)
    else:
        monkeypatch.setattr(_call_torch, "_exchange_api", lambda torch: None)
    for _ in range(2):
        out = group_gemm_fp8_nt_groupwise(**tensors)
        assert same_bits(to_numpy(out), expected(small_problem.inputs()))
    assert len(long_calls) == 2


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("stream", [None, 7])
@pytest.mark.parametrize("is_latest", [False, True])
def test_workspace_on_demand(tensors, long_calls, monkeypatch, given, stream, is_latest):
    """The function asks for a workspace; the next call brings one of that size."""
    if given:
        tensors["out"] = torch.zeros(CUM_M, N, dtype=torch.bfloat16)
    group_gemm_fp8_nt_groupwise(**tensors)
    (known,) = _call_torch._known.values()
    function = known.function
    wanted, sizes = 0, []

    def wants_workspace(*arguments):
        space = arguments[7]
        sizes.append(0 if space is None else space.numel())
        if sizes[-1] < wanted + 256:  # with room for the alignment
            return -wanted
        assert space.dtype == torch.uint8
        return function(*arguments)

    known.function = wants_workspace
    monkeypatch.setattr(_call_torch, "latest", wants_workspace if is_latest else lambda *_: 0)
    for num_bytes in (1000, 1000, 500, 2000):
        wanted = num_bytes
        out = group_gemm_fp8_nt_groupwise(**tensors, stream=stream)
        assert same_bits(to_numpy(out), expected(small_problem.inputs()))
    assert sizes == [0, 1256, 1256, 1256, 1256, 2256]
    assert len(long_calls) == 1


def test_workspace_that_is_never_enough(tensors, long_calls):
    group_gemm_fp8_nt_groupwise(**tensors)
    (known,) = _call_torch._known.values()
    known.function = _call_torch.latest = lambda *arguments: -1000
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))
    assert len(long_calls) == 2


def test_no_leak_of_refused_calls(tensors):
    """An output is made before the library refuses the address of m_indptr."""
    group_gemm_fp8_nt_groupwise(**tensors)
    storage = torch.zeros(4 * BATCH_SIZE + 8, dtype=torch.uint8)
    misaligned = memoryview(storage.numpy())[1 : 4 * BATCH_SIZE + 5]
    tensors["m_indptr"] = torch.frombuffer(misaligned, dtype=torch.int32)

    def call():
        with pytest.raises(ValueError, match="m_indptr: got address"):
            group_gemm_fp8_nt_groupwise(**tensors)

    assert_no_leak(list(tensors.values()), call)


def test_threads(tensors):
    """Threads with different numbers of rows share what is known."""
    wanted = {last: group_gemm_fp8_nt_groupwise(**rows(tensors, 0, last)) for last in (2, 5)}
    failures = []

    def work(last):
        call = rows(tensors, 0, last)
        for _ in range(300):
            if not torch.equal(group_gemm_fp8_nt_groupwise(**call), wanted[last]):
                failures.append(last)

    threads = [threading.Thread(target=work, args=(last,)) for last in (2, 5, 2, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
