"""Small random mixture-of-experts models of transformers, with FP8 experts and dequantised ones."""

import copy
import types

import torch
import transformers
from transformers.integrations import finegrained_fp8

BLOCK = 128
COMMON = {
    "vocab_size": 512,
    "hidden_size": 256,
    "intermediate_size": 256,
    "moe_intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
}
CONFIGS = {
    "qwen3_moe": (
        transformers.Qwen3MoeConfig,
        {"num_key_value_heads": 2, "head_dim": 64, "num_experts": 8},
    ),
    "deepseek_v3": (
        transformers.DeepseekV3Config,
        {
            "num_key_value_heads": 4,
            "n_routed_experts": 8,
            "n_shared_experts": 1,
            "n_group": 2,
            "topk_group": 1,
            "first_k_dense_replace": 0,
            "kv_lora_rank": 64,
            "q_lora_rank": 64,
            "qk_rope_head_dim": 32,
            "qk_nope_head_dim": 32,
            "v_head_dim": 64,
            "routed_scaling_factor": 1.0,
        },
    ),
}


def make_models(kind: str, device: str, scale_fmt: str = "float"):
    """(the model with dequantised experts, the same with FP8 experts), in float32.

    float32 keeps the choice of experts the same in both.
    """
    torch.manual_seed(0)
    config_class, members = CONFIGS[kind]
    config = config_class(**COMMON, **members)
    new = transformers.AutoModelForCausalLM.from_config
    wide = new(config, dtype=torch.float32).eval()
    narrow = new(copy.deepcopy(config), dtype=torch.float32).eval()
    narrow.load_state_dict(wide.state_dict())
    quantization = transformers.FineGrainedFP8Config(scale_fmt=scale_fmt)
    finegrained_fp8.replace_with_fp8_linear(
        narrow,
        modules_to_not_convert=[
            name for name, module in wide.named_modules() if isinstance(module, torch.nn.Linear)
        ],
        quantization_config=quantization,
        pre_quantized=True,
    )
    quantizer = types.SimpleNamespace(quantization_config=quantization)
    quantize = finegrained_fp8.Fp8Quantize(quantizer).convert
    for name, experts in wide.named_modules():
        if not name.endswith(".experts"):
            continue
        target = narrow.get_submodule(name).to_empty(device="cpu")
        for projection in ("gate_up_proj", "down_proj"):
            quantised = quantize({projection: getattr(experts, projection).data})
            for key, value in quantised.items():
                getattr(target, key).data = value
            scale = quantised[f"{projection}_scale_inv"].float()
            spread = scale.repeat_interleave(BLOCK, -2).repeat_interleave(BLOCK, -1)
            getattr(experts, projection).data = quantised[projection].float() * spread
    return wide.to(device), narrow.to(device)
