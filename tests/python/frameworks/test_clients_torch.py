"""Arrays as DeepEP builds them, without a copy, and torchao's grouped product with a backend that
calls this library.
"""

import importlib

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8 import _ffi, group_gemm_fp8_nt_groupwise, plan, queries  # noqa: E402
from groupgemm_fp8 import quantize_groupwise as quantize  # noqa: E402

DEVICES = ("cpu", "cuda")
BLOCK = 128


@pytest.fixture(params=DEVICES)
def device(request) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    return request.param


def ceil_to(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def weights(num_groups: int, n: int, k: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of a DeepSeek checkpoint: (G, n, k) and K-major scales."""
    torch.manual_seed(1)
    values = torch.randn(num_groups, n, k).to(torch.bfloat16).to(device)
    return quantize(values, (BLOCK, BLOCK), scale_major_mode="K")


def pointers(*arguments, **keywords) -> dict[str, int]:
    """The addresses that the C library gets for a call."""
    names = [name for name, _ in _ffi.ARGS_FIELDS]
    args = queries._args_of(arguments, keywords)
    return dict(zip(names, _ffi.ARGS.unpack(args.raw), strict=True))


def rows_by_group(a, a_scale, b, b_scale, counts) -> list[torch.Tensor]:
    """The products of rows of each group, by the m_indptr call on dense copies."""
    results = []
    for group, (rows, scales) in enumerate(zip(a, a_scale, strict=True)):
        m_indptr = torch.tensor([0, counts[group]], dtype=torch.int32, device=b.device)
        one = slice(group, group + 1)
        inputs = (rows.contiguous(), b[one], scales.contiguous(), b_scale[one], m_indptr)
        results.append(group_gemm_fp8_nt_groupwise(*inputs, scale_major_mode="K"))
    return results


@pytest.mark.parametrize("count_dtype", [torch.int32, torch.int64])
def test_deepep_low_latency(device, count_dtype):
    """Slabs of num_ranks * tokens per rank. Scales lie as (G, k/128, T) and arrive transposed."""
    num_groups, num_rows, n, k = 4, 2 * 24, 256, 512
    counts = [7, 0, 48, 20]
    values = torch.randn(num_groups, num_rows, k).to(torch.bfloat16).to(device)
    received, dense_scales = quantize(values.view(-1, k), (1, BLOCK), scale_major_mode="K")
    received = received.view(num_groups, num_rows, k)
    storage = torch.empty(num_groups, k // BLOCK, num_rows, device=device)
    scales = storage.transpose(1, 2)
    scales.copy_(dense_scales.view(num_groups, num_rows, k // BLOCK))
    assert scales.stride() == (num_rows * k // BLOCK, 1, num_rows)
    for group, count in enumerate(counts):  # what is past the counts is anything
        received.view(torch.uint8)[group, count:] = 0x7F
        scales[group, count:] = float("nan")
    b, b_scale = weights(num_groups, n, k, device)
    m_counts = torch.tensor(counts, dtype=count_dtype, device=device)

    keywords = {"m_counts": m_counts, "expected_m": 19, "scale_major_mode": "K"}
    got = pointers(received, b, scales, b_scale, **keywords)
    assert got["a"] == received.data_ptr()
    assert got["a_scale"] == storage.data_ptr()
    assert got["b_scale"] == b_scale.data_ptr()
    assert got["groups"] == m_counts.data_ptr()
    assert plan(received, b, scales, b_scale, **keywords).group_layout == "masked"

    out = torch.full((num_groups, num_rows, n), 7, dtype=torch.bfloat16, device=device)
    group_gemm_fp8_nt_groupwise(received, b, scales, b_scale, **keywords, out=out)
    slabs = [received[group, :count] for group, count in enumerate(counts)]
    slab_scales = [scales[group, :count] for group, count in enumerate(counts)]
    wanted = rows_by_group(slabs, slab_scales, b, b_scale, counts)
    for group, count in enumerate(counts):
        assert torch.equal(out[group, :count], wanted[group])
        assert (out[group, count:] == 7).all()


@pytest.mark.parametrize("alignment", [1, 16, 128])
@pytest.mark.parametrize("scales_are_k_major", [True, False])
def test_deepep_expanded_dispatch(device, alignment, scales_are_k_major):
    """Rows by expert from aligned starts; ends are int32. Rows of scales have stride k/128 or 1."""
    n, k, counts = 256, 512, [7, 0, 130, 20]
    starts, ends, row = [], [], 0
    for count in counts:
        row = ceil_to(row, alignment)
        starts.append(row)
        row += count
        ends.append(row)
    num_rows = ceil_to(row, alignment) + 64  # the buffer is for the worst case
    values = torch.randn(num_rows, k).to(torch.bfloat16).to(device)
    received, dense_scales = quantize(values, (1, BLOCK), scale_major_mode="K")
    if scales_are_k_major:
        scales = dense_scales.contiguous()
        assert scales.stride() == (k // BLOCK, 1)
    else:
        storage = torch.empty(k // BLOCK, ceil_to(num_rows, 4), device=device)
        scales = storage[:, :num_rows].T
        scales.copy_(dense_scales)
        assert scales.stride() == (1, ceil_to(num_rows, 4))
    is_row = torch.zeros(num_rows, dtype=torch.bool, device=device)
    for start, count in zip(starts, counts, strict=True):
        is_row[start : start + count] = True
    received.view(torch.uint8)[~is_row] = 0x7F
    scales[~is_row] = float("nan")
    b, b_scale = weights(len(counts), n, k, device)
    m_ends = torch.tensor(ends, dtype=torch.int32, device=device)

    keywords = {"m_ends": m_ends, "group_alignment": alignment, "scale_major_mode": "K"}
    got = pointers(received, b, scales, b_scale, **keywords)
    assert got["a"] == received.data_ptr()
    assert got["a_scale"] == scales.data_ptr()
    assert got["groups"] == m_ends.data_ptr()

    out = torch.full((num_rows, n), 7, dtype=torch.bfloat16, device=device)
    group_gemm_fp8_nt_groupwise(received, b, scales, b_scale, **keywords, out=out)
    spans = [slice(start, start + count) for start, count in zip(starts, counts, strict=True)]
    rows, row_scales = [received[span] for span in spans], [scales[span] for span in spans]
    for span, wanted in zip(
        spans, rows_by_group(rows, row_scales, b, b_scale, counts), strict=True
    ):
        assert torch.equal(out[span], wanted)
    assert (out[~is_row] == 7).all()


# torchao

MODULES = ("grouped_mm", "grouped_mm_backend")
TORCHAO = "torchao.prototype.moe_training.blockwise_fp8"
MIN_SQNR = 27.0  # of torchao's own test of the forward product


def import_torchao():
    """Its modules of the grouped product, and of the backends."""
    for name in ("torchao", "triton"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    try:
        return [importlib.import_module(f"{TORCHAO}.{name}") for name in MODULES]
    except ImportError as error:
        pytest.skip(f"this torchao has no {TORCHAO}: {error}")


def make_backend(base: type, calls: list):
    """A backend of torchao whose product is this library's. It has no derivative."""

    class Backend(base):
        kind = "groupgemm_fp8"

        def quantize_forward_rhs(self, weight_t, block_size, dtype):
            """Weights (E, K, N), column-major, as (E, N, K) and K-major scales."""
            rows = weight_t.transpose(-2, -1)
            assert rows.is_contiguous()
            name = str(dtype).removeprefix("torch.")
            return quantize(rows, (block_size, block_size), name, scale_major_mode="K")

        def grouped_mm(self, a, b, a_s, recipe_a, b_s, recipe_b, offs, out_dtype, block_size):
            calls.append((a, a_s, offs))
            return group_gemm_fp8_nt_groupwise(
                a, b, a_s, b_s, m_ends=offs, scale_major_mode="K", out_dtype=out_dtype
            )

    return Backend()


def quantize_rows(x, block_size=BLOCK, dtype=torch.float8_e4m3fn):
    """Stands in for torchao's Triton kernel on the CPU: the same arrays, strides included."""
    values, scales = quantize(x, (1, block_size), str(dtype).removeprefix("torch."))
    return values, scales.T  # (M, K / 128) with strides (1, M)


def sqnr(wanted: torch.Tensor, got: torch.Tensor) -> float:
    wanted, got = wanted.float(), got.float()
    return float(20 * torch.log10(wanted.norm() / (wanted - got).norm()))


@pytest.mark.parametrize(
    "offs, pads", [([256, 512], False), ([129, 384, 500], False), ([129, 384, 500], True)]
)
def test_torchao(device, monkeypatch, offs, pads):
    """Its own test of the forward product, with this library in place of the emulated one.

    Groups need no padding here; where torchao pads them (with a Triton kernel), it goes in, too.
    """
    if pads and device == "cpu":
        pytest.skip("torchao pads groups by a Triton kernel, which needs a GPU")
    grouped_mm, backends = import_torchao()
    calls: list = []
    backend = make_backend(backends._GroupedMMBackend, calls)
    name = "_select_fp8_blockwise_grouped_mm_backend"
    monkeypatch.setattr(grouped_mm, name, lambda *arguments, **keywords: backend)
    if device == "cpu":
        monkeypatch.setattr(grouped_mm, "triton_fp8_blockwise_act_quant_lhs", quantize_rows)

    torch.manual_seed(0)
    ends = torch.tensor(offs, dtype=torch.int32, device=device)
    rows = torch.randn(offs[-1], 256, dtype=torch.bfloat16, device=device)
    weight = torch.randn(len(offs), 256, 256, dtype=torch.bfloat16, device=device)
    weight_t = weight.transpose(-2, -1)
    with torch.no_grad():
        out = grouped_mm._to_fp8_blockwise_then_scaled_grouped_mm(
            rows, weight_t, ends, pad_token_groups_for_grouped_mm=pads
        )
    wanted = torch._grouped_mm(rows, weight_t, offs=ends, out_dtype=torch.bfloat16)
    assert (out.shape, out.dtype) == (wanted.shape, torch.bfloat16)
    assert sqnr(wanted, out) >= MIN_SQNR
    ((_, scales, _),) = calls
    assert scales.stride()[0] == 1  # what torchao's quantiser makes went in as it is
