"""Times models of Hugging Face transformers: experts in bfloat16, then FP8 experts of this library.

    python python/benchmarks/moe_transformers.py --json models.json
    python python/benchmarks/moe_transformers.py --device cpu --small

A model has the sizes of Qwen3-30B or DeepSeek-V3 with 32 experts, random weights, and a few of the
decoder's layers. One forward pass is timed eagerly and, on a GPU, as a CUDA graph: first with the
experts' implementation "grouped_mm" of transformers in bfloat16, then with the same experts in FP8
and "groupgemm_fp8". All else of the model is bfloat16 in both. Figures are medians.

Needs torch and transformers (written for 5.17); without an NVIDIA GPU, --device cpu.
"""

import argparse
import json
import statistics
import sys
import time

import torch
import transformers
from transformers.integrations import finegrained_fp8

import groupgemm_fp8.transformers
from groupgemm_fp8 import quantize_groupwise

COMMON = {"vocab_size": 4096, "max_position_embeddings": 8192, "tie_word_embeddings": False}
QWEN3 = {
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
}
DEEPSEEK = {
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "n_routed_experts": 32,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 0,
}
SMALL = {
    "hidden_size": 256,
    "intermediate_size": 256,
    "moe_intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "num_experts_per_tok": 2,
}
SMALL_DEEPSEEK = {"q_lora_rank": 64, "kv_lora_rank": 64, "n_routed_experts": 8}
MODELS = {
    "qwen3-30b": (transformers.Qwen3MoeConfig, QWEN3, {"head_dim": 64, "num_experts": 8}),
    "deepseek-v3": (transformers.DeepseekV3Config, DEEPSEEK, SMALL_DEEPSEEK),
}
TOKENS = (1, 16, 256, 1024, 4096)


def make_model(name, num_layers, device, is_small):
    """A model with random bfloat16 weights on the device."""
    config_class, sizes, small = MODELS[name]
    sizes = sizes | (SMALL | small if is_small else {})
    config = config_class(**COMMON, **sizes, num_hidden_layers=num_layers)
    torch.manual_seed(0)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.set_experts_implementation("grouped_mm")
    return model.eval()


def use_fp8_experts(model, device):
    """Puts FP8 experts with the values of the present ones in their places."""
    experts = {name: part for name, part in model.named_modules() if name.endswith(".experts")}
    others = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    finegrained_fp8.replace_with_fp8_linear(
        model,
        modules_to_not_convert=others,
        quantization_config=transformers.FineGrainedFP8Config(),
        pre_quantized=True,
    )
    for name, wide in experts.items():
        narrow = model.get_submodule(name).to_empty(device=device)
        for projection in ("gate_up_proj", "down_proj"):
            weights = getattr(wide, projection).detach()
            values, scale = quantize_groupwise(weights, (128, 128), scale_major_mode="K")
            getattr(narrow, projection).data = values
            getattr(narrow, f"{projection}_scale_inv").data = scale
    model.set_experts_implementation("groupgemm_fp8")


def eager_us(function, device, seconds):
    """Median time of a call, with the wait for its result."""
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    function()
    samples, deadline = [], time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < deadline:
        synchronize()
        start = time.perf_counter()
        function()
        synchronize()
        samples.append((time.perf_counter() - start) * 1e6)
    return statistics.median(samples)


def graph_us(function, seconds):
    """Median time of a replay of the call's CUDA graph; None where it cannot be captured."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())  # weights and tokens are written there
    with torch.cuda.stream(stream):
        for _ in range(3):
            function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            function()
    except RuntimeError as error:
        print(f"  no CUDA graph: {str(error).splitlines()[0]}", file=sys.stderr)
        return None
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    samples, deadline = [], time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < deadline:
        graph.replay()
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        samples.append(start.elapsed_time(end) * 1e3)
    return statistics.median(samples)


def measure(model, tokens, device, seconds):
    """{number of tokens: (logits, eager us, graph us)} of one forward pass of one sequence."""
    found = {}
    for count in tokens:
        generator = torch.Generator().manual_seed(count)
        ids = torch.randint(1, 4096, (1, count), generator=generator).to(device)

        def forward(ids=ids):
            return model(ids, use_cache=False).logits

        graph = graph_us(forward, seconds) if device == "cuda" else None
        found[count] = (forward(), eager_us(forward, device, seconds), graph)
    return found


def records_of(name, wide, narrow):
    for count, (logits, eager, graph) in wide.items():
        fp8_logits, fp8_eager, fp8_graph = narrow[count]
        difference = (fp8_logits - logits).float().norm() / logits.float().norm()
        yield {
            "model": name,
            "tokens": count,
            "eager_us": {"bf16": eager, "fp8": fp8_eager},
            "graph_us": {"bf16": graph, "fp8": fp8_graph},
            "difference": float(difference),
        }


def line_of(record):
    parts = [f"{record['model']:12} {record['tokens']:7d}"]
    for times in (record["eager_us"], record["graph_us"]):
        if None in times.values():
            parts.append(f"{'n/a':>10} {'n/a':>10} {'n/a':>6}")
        else:
            ratio = times["bf16"] / times["fp8"]
            parts.append(f"{times['bf16']:10.1f} {times['fp8']:10.1f} {ratio:6.2f}")
    return " ".join([*parts, f"{record['difference']:11.3f}"])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--tokens", type=int, nargs="+", default=list(TOKENS))
    parser.add_argument("--layers", type=int, default=4, help="layers of the decoder (4)")
    parser.add_argument("--small", action="store_true", help="small sizes, to try the script")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure (0.5)")
    parser.add_argument("--json", help="write the figures to this file")
    chosen = parser.parse_args()
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("skipped: torch sees no CUDA device; --device cpu --small tries the script")
        return
    groupgemm_fp8.transformers.register()
    titles = " ".join(f"{title:>10}" for title in ("bf16", "fp8"))
    columns = f"{titles} {'ratio':>6} {titles} {'ratio':>6} {'difference':>11}"
    print(f"{'':20} {'eager us':>28} {'CUDA graph us':>28}")
    print(f"{'model':12} {'tokens':>7} {columns}")
    records = []
    for name in chosen.models:
        with torch.no_grad():
            model = make_model(name, chosen.layers, chosen.device, chosen.small)
            wide = measure(model, chosen.tokens, chosen.device, chosen.seconds)
            use_fp8_experts(model, chosen.device)
            narrow = measure(model, chosen.tokens, chosen.device, chosen.seconds)
        for record in records_of(name, wide, narrow):
            records.append(record)
            print(line_of(record), flush=True)
        del model, wide, narrow
        if chosen.device == "cuda":
            torch.cuda.empty_cache()
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump({"device": chosen.device, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
