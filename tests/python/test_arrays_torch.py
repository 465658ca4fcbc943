"""Intake of PyTorch tensors on the CPU, and of those that have no plain memory."""

import types

import numpy as np
import pytest

import small_problem
from small_problem import CUM_M, N, assert_no_leak_with_out, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8 import _arrays_torch, group_gemm_fp8_nt_groupwise  # noqa: E402
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


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_transposed(tensors, name):
    tensors[name] = tensors[name].transpose(-1, -2).contiguous().transpose(-1, -2)
    with pytest.raises(ValueError, match=f"{name}: got strides"):
        group_gemm_fp8_nt_groupwise(**tensors)


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


@pytest.mark.parametrize("name", ["a_scale", "b_scale"])
def test_negative_view(tensors, name):
    # The imaginary part of a conjugate: its values are the negatives of its memory.
    negative = torch._neg_view(tensors[name])
    assert negative.is_neg()
    with pytest.raises(ValueError, match=f"{name}: got a negative view"):
        group_gemm_fp8_nt_groupwise(**{**tensors, name: negative})


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
    with pytest.raises(ValueError, match="a: got a tensor on meta, wanted cpu or cuda"):
        group_gemm_fp8_nt_groupwise(**tensors)


def test_devices():
    assert _arrays_torch._device("x", torch.device("cpu")) == (1, 0)
    assert _arrays_torch._device("x", torch.device("cuda", 3)) == (2, 3)
    with pytest.raises(ValueError, match="x: got a tensor on xpu:0, wanted cpu or cuda"):
        _arrays_torch._device("x", torch.device("xpu", 0))


def test_sparse(tensors):
    tensors["a_scale"] = tensors["a_scale"].to_sparse()
    with pytest.raises(ValueError, match="a_scale: got a tensor whose memory cannot be reached"):
        group_gemm_fp8_nt_groupwise(**tensors)


def test_inside_vmap(tensors):
    def call(a_scale):
        return group_gemm_fp8_nt_groupwise(**{**tensors, "a_scale": a_scale})

    with pytest.raises(ValueError, match="a_scale: got a tensor whose memory cannot be reached"):
        torch.vmap(call)(torch.stack([tensors["a_scale"]] * 2))


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_zero_dimensional(tensors, name):
    tensors[name] = torch.zeros((), dtype=tensors[name].dtype)
    with pytest.raises(ValueError, match=rf"{name}: got shape \(\)"):
        group_gemm_fp8_nt_groupwise(**tensors)


def test_int64_m_indptr(tensors):
    tensors["m_indptr"] = tensors["m_indptr"].long()
    with pytest.raises(TypeError, match=r"m_indptr: got dtype int64, wanted int32.*\.to\("):
        group_gemm_fp8_nt_groupwise(**tensors)


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


@pytest.mark.parametrize("has_raw_stream", [True, False])
def test_current_stream(monkeypatch, has_raw_stream):
    """The handle comes from PyTorch's own function, or from the stream object without it."""
    if has_raw_stream:
        raw_stream = {0: 11, 1: 12}.__getitem__
        monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", raw_stream, raising=False)
    else:
        monkeypatch.delattr(torch._C, "_cuda_getCurrentRawStream", raising=False)
        stream = {ordinal: types.SimpleNamespace(cuda_stream=11 + ordinal) for ordinal in (0, 1)}
        monkeypatch.setattr(torch.cuda, "current_stream", stream.__getitem__)
    _arrays_torch.stream_function.cache_clear()
    assert [_arrays_torch.current_stream(None, ordinal) for ordinal in (0, 1)] == [11, 12]
    _arrays_torch.stream_function.cache_clear()


@pytest.mark.parametrize("handle, wanted", [(0, 0), (1, 0), (2, 2), (0x7F00, 0x7F00)])
def test_allocation_for_a_stream(monkeypatch, handle, wanted):
    monkeypatch.setattr(torch.cuda, "ExternalStream", lambda handle, device: (handle, device))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    assert _arrays_torch.on_stream(3, handle) == (wanted, 3)


def test_no_leak(tensors):
    tensors["m_indptr"] = torch.zeros(4, dtype=torch.int32)
    assert_no_leak_with_out(tensors, torch.zeros(CUM_M, N))
