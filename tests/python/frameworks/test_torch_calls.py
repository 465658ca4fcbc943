"""Calls on PyTorch tensors, again and again with changes: each is read as it is at that moment."""

import threading
import types

import pytest

import small_problem
from small_problem import BATCH_SIZE, CUM_M, K, N, assert_no_leak, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from described import read_back  # noqa: E402
from groupgemm_fp8 import _ffi, _library, group_gemm_fp8_nt_groupwise  # noqa: E402
from groupgemm_fp8._readers import torch as reader  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402


@pytest.fixture
def tensors():
    return tensors_of(small_problem.inputs())


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_given_out(tensors, name):
    storage = torch.full((CUM_M, N + 8), 7, dtype=getattr(torch, name))
    for out in (storage[:, :N], torch.empty(CUM_M, N, dtype=storage.dtype)):
        assert group_gemm_fp8_nt_groupwise(**tensors, out=out) is out
        assert same_bits(to_numpy(out.contiguous()), expected(small_problem.inputs(), name))
    assert (storage[:, N:] == 7).all()


def rows(tensors, first, last):
    """The call with the rows [first, last) of a, all in the last group."""
    m_indptr = torch.tensor([0] * BATCH_SIZE + [last - first], dtype=torch.int32)
    a_scale = tensors["a_scale"][:, first:last]
    return {**tensors, "a": tensors["a"][first:last], "a_scale": a_scale, "m_indptr": m_indptr}


@pytest.mark.parametrize("first, last", [(0, 1), (3, 4), (1, 4), (0, CUM_M)])
@pytest.mark.parametrize("scale_major_mode", ["MN", "K"])
def test_other_rows(tensors, first, last, scale_major_mode):
    """The number of rows may change from call to call, also with strided slices."""

    def call(tensors):
        if scale_major_mode == "K":
            tensors = {
                **tensors,
                "a_scale": tensors["a_scale"].T.contiguous(),
                "b_scale": tensors["b_scale"].transpose(1, 2).contiguous(),
            }
        return group_gemm_fp8_nt_groupwise(**tensors, scale_major_mode=scale_major_mode)

    whole = call({**tensors, "m_indptr": torch.tensor([0, 0, 0, CUM_M], dtype=torch.int32)})
    assert torch.equal(call(rows(tensors, first, last)), whole[first:last])


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
    assert not torch.equal(group_gemm_fp8_nt_groupwise(**tensors), wanted)
    assert torch.equal(group_gemm_fp8_nt_groupwise(**changed), wanted)


def test_strides_are_read_at_every_call(tensors):
    group_gemm_fp8_nt_groupwise(**tensors)
    wider = torch.zeros(BATCH_SIZE, N, K + 16, dtype=torch.uint8).view(torch.float8_e4m3fn)
    wider[..., :K].copy_(tensors["b"])
    tensors["b"].set_(wider.untyped_storage(), 0, (BATCH_SIZE, N, K), wider.stride())
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))


def test_an_error_of_the_library(tensors):
    group_gemm_fp8_nt_groupwise(**tensors)
    storage = torch.zeros(4 * BATCH_SIZE + 8, dtype=torch.uint8)
    misaligned = torch.frombuffer(
        memoryview(storage.numpy())[1 : 4 * BATCH_SIZE + 5], dtype=torch.int32
    )
    with pytest.raises(ValueError, match="m_indptr: got address"):
        group_gemm_fp8_nt_groupwise(**{**tensors, "m_indptr": misaligned})


@pytest.mark.parametrize("workspace_bytes", [None, 256])
def test_out_counts_as_modified(tensors, workspace_bytes):
    """Autograd notices that a tensor it saved was overwritten.

    A call with a workspace takes the road of all frameworks, any other one PyTorch's own.
    """
    if workspace_bytes:
        tensors["workspace"] = torch.empty(workspace_bytes, dtype=torch.uint8)
    out = torch.ones(CUM_M, N)
    for _ in range(2):
        weight = torch.ones(CUM_M, N, requires_grad=True)
        product = (weight * out).sum()
        group_gemm_fp8_nt_groupwise(**tensors, out=out)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.backward()


def test_out_of_inference_mode(tensors):
    """Such tensors have no version that could be counted."""
    with torch.inference_mode():
        out = torch.ones(CUM_M, N)
    for _ in range(2):
        assert group_gemm_fp8_nt_groupwise(**tensors, out=out) is out
    assert same_bits(to_numpy(out), expected(small_problem.inputs(), "float32"))


def test_parameters(tensors):
    for name in ("b", "b_scale"):
        tensors[name] = torch.nn.Parameter(tensors[name], requires_grad=False)
    out = torch.nn.Parameter(torch.zeros(CUM_M, N), requires_grad=False)
    assert type(group_gemm_fp8_nt_groupwise(**tensors)) is torch.Tensor
    assert group_gemm_fp8_nt_groupwise(**tensors, out=out) is out
    assert same_bits(to_numpy(out), expected(small_problem.inputs(), "float32"))


class Subclass(torch.Tensor):
    pass


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "m_indptr", "out"])
def test_subclasses(tensors, name):
    tensors["out"] = torch.zeros(CUM_M, N)
    tensors[name] = tensors[name].as_subclass(Subclass)
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(small_problem.inputs(), "float32"))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8])
def test_bytes(tensors, dtype):
    for name in ("a", "b"):
        tensors[name] = tensors[name].view(dtype)
        tensors[f"{name}_dtype"] = torch.float8_e4m3fn
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))


def properties(x):
    """Returns what may differ between tensors of the same contents."""
    return (
        type(x),
        x.dtype,
        x.device,
        x.shape,
        x.stride(),
        x.storage_offset(),
        x.requires_grad,
        x.is_leaf,
        x.is_inference(),
        None if x.is_inference() else x._version,
        x.untyped_storage().nbytes(),
        # A tensor that came through DLPack could not be resized, and ignored record_stream.
        x.untyped_storage().resizable(),
    )


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("shape", [(CUM_M, N), (BATCH_SIZE, 7, N), (0, N), (CUM_M, 0), (5,)])
@pytest.mark.parametrize("has_functions", [True, False])
def test_new_tensors_are_those_of_torch_empty(monkeypatch, mode, shape, has_functions):
    if not has_functions:  # a release of PyTorch without these functions
        monkeypatch.setattr(reader, "_empty_on_cpu", None)
    like = torch.ones(1)
    with mode():
        for name in ("bfloat16", "float16", "float32", "uint8", "int32", "float8_e4m3fn"):
            wanted = torch.empty(shape, dtype=getattr(torch, name))
            assert properties(reader.empty(like, shape, name, 0)) == properties(wanted)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_new_outputs(tensors, mode):
    with mode():
        wanted = torch.empty(CUM_M, N, dtype=torch.bfloat16)
        assert properties(group_gemm_fp8_nt_groupwise(**tensors)) == properties(wanted)


def test_new_outputs_are_filled_for_deterministic_algorithms(tensors):
    """Rows of no group are then NaN, as in anything that torch.empty makes."""
    tensors["m_indptr"] = torch.tensor([1, 1, 1, CUM_M], dtype=torch.int32)
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(3):
            assert group_gemm_fp8_nt_groupwise(**tensors)[0].isnan().all()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("current, wanted", [(1, "current device"), (0, "torch.empty")])
def test_new_outputs_on_another_device_than_the_current(monkeypatch, current, wanted):
    """The short way allocates on the current device, whatever the device of the arrays."""
    made = []
    monkeypatch.setattr(reader, "_current_device", lambda: current)
    monkeypatch.setattr(
        reader, "_empty_on_current_device", lambda *arguments: made.append("current device")
    )
    monkeypatch.setattr(torch, "empty", lambda *arguments, **options: made.append("torch.empty"))
    like = types.SimpleNamespace(
        is_cpu=False, is_cuda=True, get_device=lambda: 1, device=torch.device("cuda", 1)
    )
    reader.empty(like, (CUM_M, N), "bfloat16", 1)
    assert made == [wanted]


@pytest.mark.parametrize("given", [False, True])
def test_workspace_on_demand(tensors, monkeypatch, given):
    """The library asks for a workspace; the call is made again with one of that size."""
    library, sizes = _library.load(), []

    class Library:
        def __getattr__(self, name):
            return getattr(library, name)

        def ggfp8_group_gemm_workspace_size(self, args, num_bytes):
            num_bytes._obj.value = 1000
            return 0

        def ggfp8_group_gemm_nt_groupwise_objects(self, *arguments):
            return _ffi.ERROR_INVALID_WORKSPACE

        def ggfp8_group_gemm_nt_groupwise_tensors(self, *arguments):
            space = arguments[6]
            sizes.append(read_back(space).shape if space else None)
            if space is None:
                return _ffi.ERROR_INVALID_WORKSPACE
            return library.ggfp8_group_gemm_nt_groupwise_tensors(*arguments)

    monkeypatch.setattr(_library, "load", Library)
    if given:
        tensors["out"] = torch.zeros(CUM_M, N, dtype=torch.bfloat16)
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))
    assert sizes == [None, (1256,)]


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


def test_other_threads_run_meanwhile():
    """The interpreter's lock is released while the CPU computes."""
    rows, n, k = 512, 1024, 2048
    a = torch.zeros(rows, k, dtype=torch.uint8).view(torch.float8_e4m3fn)
    b = torch.zeros(1, n, k, dtype=torch.uint8).view(torch.float8_e4m3fn)
    scales = torch.ones(k // 128, rows), torch.ones(1, k // 128, n // 128)
    call = (a, b, *scales, torch.tensor([0, rows], dtype=torch.int32))
    done = threading.Event()

    def work():
        for _ in range(5):
            group_gemm_fp8_nt_groupwise(*call)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    ticks = 0
    while not done.wait(0.0005):
        ticks += 1
    thread.join()
    assert ticks > 10  # with the lock held, one or two per call
