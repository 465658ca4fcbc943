"""The short way of calls on PyTorch tensors: when it is taken, and that it changes no effect."""

import threading

import pytest

import small_problem
from small_problem import BATCH_SIZE, CUM_M, K_BLOCKS, K, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8 import _call_torch, _request, group_gemm_fp8_nt_groupwise  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402


@pytest.fixture
def tensors():
    _call_torch._known.clear()
    return tensors_of(small_problem.inputs())


@pytest.fixture
def long_calls(monkeypatch):
    """A list that grows by one with every call that goes the long way."""
    calls = []
    build = _request.build

    def counting_build(*arguments, **options):
        calls.append(1)
        return build(*arguments, **options)

    monkeypatch.setattr(_request, "build", counting_build)
    return calls


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
    _call_torch._known.clear()
    call(tensors)
    long_calls.clear()
    assert torch.equal(call(changed), wanted)
    assert not long_calls


def negative(tensor):
    return torch._neg_view(tensor)


def without_memory(tensor):
    tensor = tensor.clone()
    tensor.untyped_storage().resize_(0)
    return tensor


WIDE = torch.zeros(CUM_M, 2 * N)
CHANGES = [
    ("a", lambda x: x.view(torch.uint8)),
    ("a", lambda x: x[:, : K - 16]),
    ("a", lambda x: x[0]),
    ("a", lambda x: x[:1].expand(CUM_M, K)),
    ("a", lambda x: x.t().contiguous().t()),
    ("a", without_memory),
    ("a", lambda x: x.to("meta")),
    ("a", lambda x: x.clone().requires_grad_()),
    ("a", lambda x: x.float().to_sparse()),
    ("a", lambda x: None),
    ("b", lambda x: x[:, :, : K - 16]),
    ("b", lambda x: x[:2]),
    ("b", lambda x: x[:1].expand(x.shape)),
    ("b", lambda x: x.transpose(1, 2).contiguous().transpose(1, 2)),
    ("b", lambda x: x.clone().requires_grad_()),
    ("b", without_memory),
    ("b", lambda x: "b"),
    ("a_scale", lambda x: x[:, :-1]),
    ("a_scale", lambda x: x.t()),
    ("a_scale", lambda x: x.double()),
    ("a_scale", lambda x: x[:1].expand(K_BLOCKS, CUM_M)),
    ("a_scale", negative),
    ("a_scale", lambda x: x.to("meta")),
    ("a_scale", lambda x: x.clone().requires_grad_()),
    ("b_scale", lambda x: x.transpose(1, 2)),
    ("b_scale", lambda x: x.half()),
    ("b_scale", lambda x: x[:1]),
    ("b_scale", negative),
    ("b_scale", lambda x: x.clone().requires_grad_()),
    ("m_indptr", lambda x: x.long()),
    ("m_indptr", lambda x: x[:-1]),
    ("m_indptr", lambda x: x.repeat_interleave(2)[::2]),
    ("m_indptr", lambda x: x.to("meta")),
    ("m_indptr", lambda x: [0, 2, 2, 6]),
    ("scale_granularity_mnk", lambda x: (1.0, 128, 128)),
    ("scale_granularity_mnk", lambda x: (True, 128, 128)),
    ("scale_granularity_mnk", lambda x: (1, 128, 64)),
    ("scale_granularity_mnk", lambda x: (1, 128)),
    ("scale_granularity_mnk", lambda x: None),
    ("scale_major_mode", lambda x: "K"),
    ("scale_major_mode", lambda x: ["MN"]),
    ("mma_sm", lambda x: True),
    ("mma_sm", lambda x: 1.0),
    ("mma_sm", lambda x: 3),
    ("out", lambda x: x.to("meta")),
    ("out", lambda x: x[:-1]),
    ("out", lambda x: x[:, :-8]),
    ("out", lambda x: WIDE[:, ::2]),
    ("out", lambda x: x[:1].expand(CUM_M, N)),
    ("out", negative),
    ("out", lambda x: x.clone().requires_grad_()),
    ("out", lambda x: x.double()),
    ("out_dtype", lambda x: torch.float16),
    ("out_dtype", lambda x: torch.float64),
    ("out_dtype", lambda x: []),
    ("a_dtype", lambda x: torch.float8_e5m2),
    ("b_dtype", lambda x: "uint8"),
    ("backend", lambda x: "unknown"),
    ("backend", lambda x: 1),
    ("stream", lambda x: "0"),
    ("stream", lambda x: -1),
    ("validate", lambda x: 1),
]


def refusal(call) -> tuple:
    """Type and text of the error, without addresses."""
    with pytest.raises((TypeError, ValueError)) as info:
        group_gemm_fp8_nt_groupwise(**call)
    return info.type, str(info.value).partition(" at 0x")[0]


@pytest.mark.parametrize("argument, change", CHANGES)
def test_what_is_refused_stays_refused(tensors, argument, change):
    """A known call with one change: the same error as in a process that knows no call."""
    call = {
        **tensors,
        "out": torch.zeros(CUM_M, N),
        "scale_granularity_mnk": (1, 128, 128),
        "mma_sm": 1,
        "scale_major_mode": "MN",
    }
    changed = {**call, argument: change(call.get(argument))}
    wanted = refusal(changed)
    group_gemm_fp8_nt_groupwise(**call)
    assert _call_torch._known
    assert refusal(changed) == wanted
    assert same_bits(to_numpy(call["out"]), expected(small_problem.inputs(), "float32"))


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
    _call_torch._known.clear()
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
