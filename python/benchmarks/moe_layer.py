"""Times an experts' layer: moe_ffn, the same products with the steps in plain torch, and bf16.

`python -m groupgemm_fp8 bench --layer` times each step beside its floor; here moe_ffn gets torch's
tensors, and a third contender has our products with the steps in torch.

    python python/benchmarks/moe_layer.py --json layer.json

Each contender is a CUDA graph of one layer, replayed in turn and in random order, each after an
untimed replay of itself; the figure is the median. Weights of a layer exceed the L2 cache. "bf16"
is torch._grouped_mm with the same steps around it. Needs an NVIDIA GPU and torch.
"""

import argparse
import json
import random
import statistics

import torch

import groupgemm_fp8 as gg
from groupgemm_fp8._cli.layer_sizes import MODELS, TOKENS
from groupgemm_fp8._cli.layer_torch import add_up, bf16_layer, silu_mul, sort_tokens


def quantise(x):
    blocks = x.float().unflatten(-1, (-1, 128))
    scale = blocks.abs().amax(-1) / 448
    return (blocks / scale[..., None]).to(torch.float8_e4m3fn).flatten(-2), scale


class Layer:
    def __init__(self, sizes, tokens):
        experts, hidden, intermediate = sizes.experts, sizes.hidden, sizes.intermediate
        bf16 = {"dtype": torch.bfloat16, "device": "cuda"}
        self.experts = experts
        self.x = torch.randn(tokens, hidden, **bf16)
        self.index = torch.rand(tokens, experts, device="cuda").topk(sizes.top_k).indices
        self.weight = torch.rand(tokens, sizes.top_k, device="cuda")
        self.gate_up = torch.randn(experts, 2 * intermediate, hidden, **bf16) * 0.02
        self.down = torch.randn(experts, hidden, intermediate, **bf16) * 0.02
        self.fp8 = (
            *gg.quantize_groupwise(self.gate_up, (128, 128), scale_major_mode="K"),
            *gg.quantize_groupwise(self.down, (128, 128), scale_major_mode="K"),
        )

    def ours(self):
        return gg.moe_ffn(self.x, *self.fp8, self.index, self.weight)

    def torch_steps(self):
        order, ends = sort_tokens(self.index, self.experts)
        m_indptr = torch.nn.functional.pad(ends, (1, 0))
        gate_up, gate_up_scale, down, down_scale = self.fp8
        a, a_scale = quantise(self.x[order // self.index.shape[1]])
        product = gg.group_gemm_fp8_nt_groupwise
        h = product(a, gate_up, a_scale, gate_up_scale, m_indptr, scale_major_mode="K")
        a, a_scale = quantise(silu_mul(h))
        y = product(a, down, a_scale, down_scale, m_indptr, scale_major_mode="K")
        return add_up(y, order, self.weight)

    def bf16(self):
        return bf16_layer(self.x, self.gate_up, self.down, self.index, self.weight)


def capture(function):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())  # which writes the layer's tensors
    with torch.cuda.stream(stream):
        for _ in range(2):
            function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function()
    return graph, result


def times(contenders, seconds):
    graphs = {name: capture(function) for name, function in contenders.items()}
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    found = {name: [] for name in graphs}
    spent = 0.0
    while spent < seconds or len(found["ours"]) < 3:
        for name in random.sample(list(graphs), len(graphs)):
            graphs[name][0].replay()
            start.record()
            graphs[name][0].replay()
            end.record()
            end.synchronize()
            found[name].append(start.elapsed_time(end) * 1e3)
            spent += 2e-6 * found[name][-1]
    results = {name: result for name, (_, result) in graphs.items()}
    return {name: statistics.median(values) for name, values in found.items()}, results


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="for each size (0.3)")
    parser.add_argument("--json", help="write the figures to this file")
    arguments = parser.parse_args()
    records = []
    print(f"{'layer':26s}{'tokens':>7s}{'moe_ffn':>10s}{'torch steps':>13s}{'bf16':>10s}  us")
    for sizes in MODELS.values():
        name = sizes.label
        for tokens in TOKENS:
            layer = Layer(sizes, tokens)
            contenders = {"ours": layer.ours, "torch": layer.torch_steps, "bf16": layer.bf16}
            us, results = times(contenders, arguments.seconds)
            error = (results["ours"] - results["bf16"]).norm() / results["bf16"].norm()
            assert error < 0.08, f"{name}, {tokens} tokens: relative error {error:.3f}"
            records.append({"layer": name, "tokens": tokens, "us": us, "error": float(error)})
            print(
                f"{name:26s}{tokens:7d}{us['ours']:10.1f}{us['torch']:13.1f}{us['bf16']:10.1f}"
                f"  bf16 / ours {us['bf16'] / us['ours']:.2f}"
            )
            del layer, contenders, results
            torch.cuda.empty_cache()
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
