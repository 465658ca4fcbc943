"""Refusals of a call on PyTorch tensors: one change of a good call, and the argument it names.

The reader's fast part for plain tensors, its slow part and the attributes of tensors in older
versions of PyTorch say the same.
"""

import pytest

import small_problem
from small_problem import CUM_M, K_BLOCKS, K, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8 import group_gemm_fp8_nt_groupwise  # noqa: E402
from groupgemm_fp8._frameworks import frameworks  # noqa: E402
from groupgemm_fp8._readers import torch as reader  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402


@pytest.fixture
def tensors():
    return tensors_of(small_problem.inputs())


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
    ("a", lambda x: x.view(torch.float8_e4m3fnuz)),
    ("a", lambda x: torch.complex(x.float(), x.float()).conj()),
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
    ("a_scale", lambda x: x.to_sparse()),
    ("a_scale", lambda x: x.to_mkldnn()),
    ("a_scale", lambda x: torch._efficientzerotensor(x.shape)),
    ("a_scale", lambda x: x.view(torch.int32)),
    ("a_scale", lambda x: x.to("meta")),
    ("a_scale", lambda x: x.clone().requires_grad_()),
    ("b_scale", lambda x: x.transpose(1, 2)),
    ("b_scale", lambda x: x.half()),
    ("b_scale", lambda x: torch._to_functional_tensor(x)),
    ("b_scale", lambda x: x[:1]),
    ("b_scale", negative),
    ("b_scale", lambda x: x.clone().requires_grad_()),
    ("m_indptr", lambda x: x.short()),
    ("m_indptr", lambda x: x[:-1]),
    ("m_indptr", lambda x: x.repeat_interleave(2)[::2]),
    ("m_indptr", lambda x: x.to("meta")),
    ("m_indptr", lambda x: x.to_sparse()),
    ("m_indptr", lambda x: x.float()),
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
    with pytest.raises((TypeError, ValueError), match=r"^\w+: ") as info:
        group_gemm_fp8_nt_groupwise(**call)
    return info.type, str(info.value).partition(" at 0x")[0]


@pytest.fixture
def slow_part(monkeypatch):
    """A function after which every tensor is looked at by itself."""

    def take():
        framework = frameworks[torch.Tensor]._replace(product=None)
        monkeypatch.setitem(frameworks, torch.Tensor, framework)

    return take


@pytest.mark.parametrize("argument, change", CHANGES)
def test_refusals(tensors, slow_part, monkeypatch, argument, change):
    call = {
        **tensors,
        "out": torch.zeros(CUM_M, N),
        "scale_granularity_mnk": (1, 128, 128),
        "mma_sm": 1,
        "scale_major_mode": "MN",
    }
    changed = {**call, argument: change(call.get(argument))}
    wanted = refusal(changed)
    slow_part()
    assert refusal(changed) == wanted
    monkeypatch.setattr(reader, "_table_function", None)
    assert refusal(changed)[0] == wanted[0]
    assert not call["out"].any()
    group_gemm_fp8_nt_groupwise(**call)
    assert same_bits(to_numpy(call["out"]), expected(small_problem.inputs(), "float32"))


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("dtype", ["uint4", "int3", "bool", "float8_e5m2", "float8_e4m3fnuz"])
def test_what_is_declared_must_be_bytes(tensors, name, dtype):
    """DLPack says of integers with fewer bits that they have eight."""
    if not hasattr(torch, dtype):
        pytest.skip(f"this PyTorch has no {dtype}")
    call = {**tensors, "a_dtype": torch.float8_e4m3fn, "b_dtype": torch.float8_e4m3fn}
    changed = {**call, name: torch.empty(call[name].shape, dtype=getattr(torch, dtype))}
    kind, text = refusal(changed)
    assert kind is TypeError
    assert f"{dtype}" in text
    assert text.startswith(name)
    group_gemm_fp8_nt_groupwise(**call)
