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
