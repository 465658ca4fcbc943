"""Layers one after the other, between kernels of PyTorch, with nothing in between: a kernel of the
library may begin before the kernel before it has ended, but touches no memory until it has. Needs
a GPU and PyTorch with CUDA."""

import pytest

import groupgemm_fp8 as gg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not torch.cuda.is_available():
    pytest.skip("needs a GPU and PyTorch with CUDA", allow_module_level=True)

EXPERTS, HIDDEN, INTER, TOP_K = 8, 256, 512, 2
NUM_LAYERS = 20


class Layers:
    """NUM_LAYERS layers that share one input, which a kernel of PyTorch writes before each of them,
    and of whose outputs a kernel of PyTorch keeps a copy."""

    def __init__(self, tokens):
        make = torch.Generator("cuda").manual_seed(tokens)
        random = lambda *shape: torch.randn(shape, device="cuda", generator=make)  # noqa: E731
        self._inputs = random(NUM_LAYERS, tokens, HIDDEN).bfloat16()
        self._x = torch.zeros_like(self._inputs[0])
        weights = [0.1 * random(EXPERTS, 2 * INTER, HIDDEN), 0.1 * random(EXPERTS, HIDDEN, INTER)]
        self._weights = [
            part
            for w in weights
            for part in gg.quantize_groupwise(w, (128, 128), scale_major_mode="K")
        ]
        self._index = torch.randint(EXPERTS, (tokens, TOP_K), device="cuda", generator=make)
        self._factors = torch.rand((tokens, TOP_K), device="cuda", generator=make)
        self.results = torch.zeros_like(self._inputs)

    def layer(self, idx):
        self._x.copy_(self._inputs[idx])
        out = gg.moe_ffn(self._x, *self._weights, self._index, self._factors)
        self.results[idx].copy_(out)

    def run(self):
        for idx in range(NUM_LAYERS):
            self.layer(idx)

    def one_at_a_time(self):
        for idx in range(NUM_LAYERS):
            self.layer(idx)
            torch.cuda.synchronize()


@pytest.mark.parametrize("tokens", [1, 60, 3000])
def test_layers_wait_for_the_kernels_before(tokens):
    layers = Layers(tokens)
    layers.one_at_a_time()
    wanted = layers.results.clone()
    assert wanted.abs().sum() > 0
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        layers.run()
    for run in (layers.run, graph.replay) * 5:
        layers.results.zero_()
        run()
        torch.cuda.synchronize()
        assert torch.equal(layers.results, wanted)


NUM_TURNS = 8


def assert_waits(turn):
    """turn(i) enqueues kernels of the library that read what each other wrote, and returns the
    results of the last: they are those of turns whose kernels run one at a time.
    """
    turn(0)
    torch.cuda.synchronize()
    wanted = []
    for idx in range(NUM_TURNS):
        wanted.append([x.clone() for x in turn(idx)])
        torch.cuda.synchronize()
    for _ in range(5):
        results = [[x.clone() for x in turn(idx)] for idx in range(NUM_TURNS)]
        torch.cuda.synchronize()
        for got, right in zip(results, wanted, strict=True):
            for x, y in zip(got, right, strict=True):
                assert torch.equal(x.view(torch.uint8), y.view(torch.uint8))


@pytest.mark.parametrize("granularity", [(1, 128), (128, 128)])
@pytest.mark.parametrize("rows, n, k", [(4096, 1024, 4096), (128, 256, 32768)])
def test_quantisation_waits_for_a_product(rows, n, k, granularity):
    """The product takes long, the second on few SMs, and its result is quantised at once."""
    make = torch.Generator("cuda").manual_seed(1)
    values = [torch.randn(rows, k, device="cuda", generator=make) for _ in range(NUM_TURNS)]
    weights = torch.randn(2, n, k, device="cuda", generator=make)
    a = [gg.quantize_groupwise(x, (1, 128), scale_major_mode="K") for x in values]
    b, b_scale = gg.quantize_groupwise(weights, (128, 128), scale_major_mode="K")
    m_indptr = torch.tensor([0, rows // 3, rows], dtype=torch.int32, device="cuda")
    out = torch.zeros(rows, n, dtype=torch.bfloat16, device="cuda")

    def turn(idx):
        codes, scale = a[idx]
        gg.group_gemm_fp8_nt_groupwise(
            codes, b, scale, b_scale, m_indptr, scale_major_mode="K", out=out
        )
        return gg.quantize_groupwise(out, granularity)

    assert_waits(turn)


@pytest.mark.parametrize("rows", [2, 60, 600, 6000])
def test_product_waits_for_routing(rows):
    """A product of rows that a routing has just placed, and its bounds, in tiles of every size."""
    n, k, groups = 1024, 512, 8
    make = torch.Generator("cuda").manual_seed(rows)
    x = torch.randn(rows, k, device="cuda", generator=make)
    a, a_scale = gg.quantize_groupwise(x, (1, 128), scale_major_mode="K")
    weights = torch.randn(groups, n, k, device="cuda", generator=make)
    b, b_scale = gg.quantize_groupwise(weights, (128, 128), scale_major_mode="K")
    limits = torch.arange(1, NUM_TURNS + 1, device="cuda")[:, None, None]
    index = torch.rand(NUM_TURNS, rows, 1, device="cuda", generator=make) * groups
    index = (index.long() % limits).int()

    def turn(idx):
        out = torch.zeros(rows, n, dtype=torch.bfloat16, device="cuda")
        bounds = gg.route(index[idx], groups).m_indptr  # by the kernel just before the product
        return [
            gg.group_gemm_fp8_nt_groupwise(
                a, b, a_scale, b_scale, bounds, scale_major_mode="K", out=out
            )
        ]

    assert_waits(turn)


def test_routing_waits_for_routing():
    """The positions of a routing are the groups of the next one, which has several chunks."""
    make = torch.Generator("cuda").manual_seed(2)
    shape = (1, 4096)
    index = [torch.randperm(4096, device="cuda", generator=make) for _ in range(NUM_TURNS)]
    index = [x.reshape(shape).int() for x in index]

    def turn(idx):
        first = gg.route(index[idx], 4096)
        return gg.route(first.position, 4096)

    assert_waits(turn)
