"""Intake of PyTorch tensors on the CPU, and of those that have no plain memory."""

import threading
import time

import numpy as np
import pytest

import small_problem
from small_problem import CUM_M, N, assert_no_leak_with_out, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from described import read_back  # noqa: E402
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise, ops  # noqa: E402
from groupgemm_fp8._call import Call  # noqa: E402
from groupgemm_fp8._readers import torch as reader  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402

OUT_DTYPES = ["bfloat16", "float16", "float32"]


@pytest.fixture
def arrays():
    return small_problem.inputs()


@pytest.fixture
def tensors(arrays):
    return tensors_of(arrays)


@pytest.mark.parametrize("a_dtype", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("b_dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_fp8_pairs(a_dtype, b_dtype):
    arrays = small_problem.inputs(a_dtype, b_dtype)
    tensors = tensors_of(arrays)
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert type(out) is torch.Tensor
    assert same_bits(to_numpy(out), expected(arrays))


@pytest.mark.parametrize("name", OUT_DTYPES)
@pytest.mark.parametrize("as_string", [False, True])
def test_out_dtype(arrays, tensors, name, as_string):
    out_dtype = name if as_string else getattr(torch, name)
    out = group_gemm_fp8_nt_groupwise(**tensors, out_dtype=out_dtype)
    assert out.dtype == getattr(torch, name)
    assert same_bits(to_numpy(out), expected(arrays, name))


@pytest.mark.parametrize("name", OUT_DTYPES)
def test_out(arrays, tensors, name):
    storage = torch.full((CUM_M, N + 3), 7, dtype=getattr(torch, name))
    out = storage[:, :N]
    assert group_gemm_fp8_nt_groupwise(**tensors, out=out) is out
    assert same_bits(to_numpy(out.contiguous()), expected(arrays, name))
    assert (storage[:, N:] == 7).all()


@pytest.mark.parametrize("bytes_dtype", ["uint8", "int8"])
def test_byte_views(arrays, tensors, bytes_dtype):
    for name in ("a", "b"):
        tensors[name] = tensors[name].view(getattr(torch, bytes_dtype))
    out = group_gemm_fp8_nt_groupwise(
        **tensors, a_dtype=torch.float8_e4m3fn, b_dtype="float8_e4m3fn"
    )
    assert same_bits(to_numpy(out), expected(arrays))


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_row_strides(arrays, tensors, name):
    tensor = tensors[name]
    larger = torch.zeros((*tensor.shape[:-1], tensor.shape[-1] + 16), dtype=tensor.dtype)
    tensors[name] = larger[..., : tensor.shape[-1]].copy_(tensor)
    assert not tensors[name].is_contiguous()
    assert same_bits(to_numpy(group_gemm_fp8_nt_groupwise(**tensors)), expected(arrays))


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_expanded_rows(tensors, name):
    tensors[name] = tensors[name][:1].expand(tensors[name].shape)
    with pytest.raises(ValueError, match=f"{name}: got strides"):
        group_gemm_fp8_nt_groupwise(**tensors)


def test_expanded_out(tensors):
    row = torch.zeros(1, N)
    with pytest.raises(ValueError, match="out: got strides"):
        group_gemm_fp8_nt_groupwise(**tensors, out=row.expand(CUM_M, N))
    assert not row.any()


def stored_transposed(tensor):
    """Copies values, with the last two axes the other way round in memory."""
    return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)


@pytest.mark.parametrize("name", ["a", "b", "b_scale"])
def test_transposed(tensors, name):
    tensors[name] = stored_transposed(tensors[name])
    with pytest.raises(ValueError, match=f"{name}: got strides"):
        group_gemm_fp8_nt_groupwise(**tensors)


def test_transposed_a_scale(arrays, tensors):
    """Either axis may be the contiguous one: the other layout's memory under this one's shape."""
    tensors["a_scale"] = stored_transposed(tensors["a_scale"])
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(arrays))


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "out"])
def test_requires_grad(arrays, tensors, name):
    tensors["out"] = torch.zeros(CUM_M, N)
    tensors[name].requires_grad_()
    with pytest.raises(ValueError, match=f"{name}: got a tensor that requires grad"):
        group_gemm_fp8_nt_groupwise(**tensors)
    with torch.no_grad():
        out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out.detach()), expected(arrays, "float32"))


def test_parameter(arrays, tensors):
    tensors["b"] = torch.nn.Parameter(tensors["b"], requires_grad=False)
    out = group_gemm_fp8_nt_groupwise(**tensors)
    assert same_bits(to_numpy(out), expected(arrays))


@pytest.mark.parametrize("out_dtype", OUT_DTYPES)
@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "out"])
def test_negative_view(tensors, name, out_dtype):
    """Such as the imaginary part of a conjugate: its values are the negatives of its memory."""
    tensors["out"] = torch.zeros(CUM_M, N, dtype=getattr(torch, out_dtype))
    negative = torch._neg_view(tensors[name])
    assert negative.is_neg()
    with pytest.raises(ValueError, match=f"{name}: got a negative view"):
        group_gemm_fp8_nt_groupwise(**{**tensors, name: negative})
    assert not tensors["out"].any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", small_problem.NAMES)
def test_fake_tensor(tensors, name):
    fake_tensor = pytest.importorskip("torch._subclasses.fake_tensor")
    with fake_tensor.FakeTensorMode() as mode:
        fake = mode.from_tensor(tensors[name])
    group_gemm_fp8_nt_groupwise(**tensors)
    with pytest.raises(ValueError, match=f"{name}: got a fake or meta tensor"):
        group_gemm_fp8_nt_groupwise(**{**tensors, name: fake})


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_meta_tensor(tensors, name):
    tensors[name] = tensors[name].to("meta")
    with pytest.raises(ValueError, match=f"{name}: got a fake or meta tensor"):
        group_gemm_fp8_nt_groupwise(**tensors)


def test_empty_meta_tensor(tensors):
    tensors["a"] = torch.empty(0, 144, dtype=torch.float8_e4m3fn, device="meta")
    with pytest.raises(ValueError, match="a: got a fake or meta tensor"):
        group_gemm_fp8_nt_groupwise(**tensors)


WITHOUT_PLAIN_MEMORY = {
    "sparse": lambda x: x.to_sparse(),
    "mkldnn": lambda x: x.to_mkldnn(),
    "nested": lambda x: torch.nested.nested_tensor([x]),
    "functional": torch._to_functional_tensor,
    "zero": lambda x: torch._efficientzerotensor(x.shape),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", WITHOUT_PLAIN_MEMORY)
@pytest.mark.parametrize("name", ["a_scale", "b_scale"])
def test_without_plain_memory(tensors, kind, name):
    tensors[name] = WITHOUT_PLAIN_MEMORY[kind](tensors[name])
    with pytest.raises(ValueError, match=f"{name}: got a.* memory"):
        group_gemm_fp8_nt_groupwise(**tensors)


@pytest.mark.parametrize("offset", [0, 16])
@pytest.mark.parametrize("name", [*small_problem.NAMES, "out"])
def test_freed_storage(tensors, name, offset):
    """FSDP leaves a parameter so between its uses. A view has an address all the same."""
    tensors["out"] = torch.zeros(CUM_M, N)
    x = tensors[name]
    storage = torch.zeros(x.numel() + offset, dtype=x.dtype)
    tensors[name] = storage[offset:].view(x.shape).copy_(x)
    group_gemm_fp8_nt_groupwise(**tensors)
    storage.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match=f"{name}: got a.*(storage was freed|without memory)"):
        group_gemm_fp8_nt_groupwise(**tensors)


@pytest.mark.parametrize("has_table", [True, False])
def test_descriptions(monkeypatch, has_table):
    """By PyTorch's DLPack table, and by attributes where PyTorch is older than the table."""
    if not has_table:
        monkeypatch.setattr(reader, "_table_function", None)
    elif reader._table_function is None:
        pytest.skip("this PyTorch has a DLPack from before 1.3")
    x = torch.zeros(4, 6, 20, dtype=torch.float8_e5m2)[1:, ::2, 3:]
    call = Call((x,))
    got = read_back(call.describe("x", x))
    assert got.data == x.data_ptr()
    assert got.device == (1, 0)
    assert got.dtype == (12, 8, 1)
    assert (got.shape, got.strides) == ((3, 3, 17), (120, 40, 1))


@pytest.mark.skipif(reader._table_function is None, reason="this PyTorch has no DLPack table")
@pytest.mark.parametrize("out_dtype", [None, "bfloat16", "float16", "float32"])
def test_plain_tensors_go_into_c_at_once(monkeypatch, arrays, tensors, out_dtype):
    """No Call describes them, and each call crosses into C once."""
    if min(x.data_ptr() for x in tensors.values()) < reader._LOW_ADDRESS:
        pytest.skip("this process has tensors at addresses that freed ones may have, too")
    monkeypatch.setattr(ops, "Call", None)
    new = group_gemm_fp8_nt_groupwise(**tensors, out_dtype=out_dtype)
    given = torch.zeros_like(new)
    version = given._version
    assert group_gemm_fp8_nt_groupwise(**tensors, out=given) is given
    assert given._version == version + 1
    for out in (new, given):
        assert same_bits(to_numpy(out), expected(arrays, out_dtype or "bfloat16"))


def test_other_threads_run_during_a_call():
    """The interpreter's lock is given back while C computes."""
    rows, n, k = 512, 1024, 2048
    a, b = (torch.zeros(shape, dtype=torch.float8_e4m3fn) for shape in ((rows, k), (1, n, k)))
    scales = torch.ones(k // 128, rows), torch.ones(1, k // 128, n // 128)
    times, ends = [], threading.Event()

    def note_the_time():
        while not ends.wait(0.001):
            times.append(time.perf_counter())

    other = threading.Thread(target=note_the_time)
    other.start()
    start = time.perf_counter()
    for _ in range(5):
        group_gemm_fp8_nt_groupwise(a, b, *scales, torch.tensor([0, rows], dtype=torch.int32))
    end = time.perf_counter()
    ends.set()
    other.join()
    assert sum(start < at < end for at in times) > 10


def test_without_the_table(monkeypatch, arrays, tensors):
    monkeypatch.setattr(reader, "_table_function", None)
    for out in (None, torch.zeros(CUM_M, N, dtype=torch.bfloat16)):
        got = group_gemm_fp8_nt_groupwise(**tensors, out=out)
        assert same_bits(to_numpy(got), expected(arrays))
    with pytest.raises(ValueError, match="m_indptr: got a fake or meta tensor"):
        group_gemm_fp8_nt_groupwise(**{**tensors, "m_indptr": tensors["m_indptr"].to("meta")})


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_zero_dimensional(tensors, name):
    tensors[name] = torch.zeros((), dtype=tensors[name].dtype)
    with pytest.raises(ValueError, match=rf"{name}: got shape \(\)"):
        group_gemm_fp8_nt_groupwise(**tensors)


def test_int64_m_indptr(arrays, tensors):
    tensors["m_indptr"] = tensors["m_indptr"].long()
    out = group_gemm_fp8_nt_groupwise(**tensors, validate=True)
    assert same_bits(to_numpy(out), expected(arrays))
    tensors["m_indptr"][1] = -(2**40)
    with pytest.raises(ValueError, match=r"m_indptr\[1\]: got -1099511627776, wanted 0 to"):
        group_gemm_fp8_nt_groupwise(**tensors, validate=True)


def test_empty_tensors():
    out = group_gemm_fp8_nt_groupwise(
        torch.empty(0, 32, dtype=torch.float8_e5m2),
        torch.empty(1, 8, 32, dtype=torch.float8_e5m2),
        torch.empty(1, 0),
        torch.ones(1, 1, 1),
        torch.zeros(2, dtype=torch.int32),
    )
    assert out.shape == (0, 8)
    assert out.dtype == torch.bfloat16


@pytest.mark.parametrize("mixed", small_problem.NAMES)
def test_mixed_frameworks(arrays, tensors, mixed):
    call = {**tensors, mixed: arrays[mixed]}
    out = np.zeros((CUM_M, N), np.float16)
    assert group_gemm_fp8_nt_groupwise(**call, out=out) is out
    assert same_bits(out, expected(arrays, "float16"))
    fresh = group_gemm_fp8_nt_groupwise(**call)
    assert isinstance(fresh, np.ndarray if mixed == "a" else torch.Tensor)


def test_read_only_inputs_of_another_framework(arrays):
    """Only what is written must be writable: an input's flag says nothing of out."""
    for array in arrays.values():
        array.flags.writeable = False
    out, workspace = torch.zeros(CUM_M, N), torch.zeros(512, dtype=torch.uint8)
    assert group_gemm_fp8_nt_groupwise(**arrays, out=out, workspace=workspace) is out
    assert same_bits(out.numpy(), expected(arrays, "float32"))


def test_no_leak(tensors):
    tensors["m_indptr"] = torch.zeros(4, dtype=torch.int32)
    assert_no_leak_with_out(tensors, torch.zeros(CUM_M, N))
