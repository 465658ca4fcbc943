"""Models of Hugging Face transformers whose FP8 experts this library computes."""

import functools

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import groupgemm_fp8.transformers  # noqa: E402
from fp8_models import CONFIGS, make_models  # noqa: E402

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
# Relative errors of the logits. FP8 activations put an error of 2 to 3 % on the outputs of experts,
# with power-of-two scales up to 4 %. They are a larger part of DeepSeek-V3's residual stream, whose
# random weights no training has made small beside it.
MAX_ERROR = {"qwen3_moe": 1e-2, "deepseek_v3": 4e-2}


@pytest.fixture(autouse=True)
def registered():
    groupgemm_fp8.transformers.register()


def error_of(got, wanted) -> float:
    return float((got.float() - wanted.float()).norm() / wanted.float().norm())


def experts_of(model):
    return next(module for name, module in model.named_modules() if name.endswith(".experts"))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scale_fmt", ["float", "ue8m0"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_logits_and_tokens(kind, scale_fmt, device):
    wide, narrow = make_models(kind, device, scale_fmt)
    narrow.set_experts_implementation("groupgemm_fp8")
    torch.manual_seed(0)
    ids = torch.randint(1, 512, (2, 24)).to(device)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        wanted, got = wide(ids).logits, narrow(ids).logits
        assert error_of(got, wanted) <= MAX_ERROR[kind]
        tokens = [
            narrow.generate(ids, attention_mask=mask, max_new_tokens=6, do_sample=False)
            for _ in range(2)
        ]
    assert torch.equal(*tokens)


def round_to_fp8(x):
    """The values of (rows, k) float32 after quantisation in blocks of 1 x 128."""
    blocks = x.unflatten(-1, (-1, 128))
    amax = blocks.abs().amax(-1, keepdim=True)
    scale = torch.where(amax == 0, 1.0, amax / 448)
    return ((blocks / scale).to(torch.float8_e4m3fn).float() * scale).flatten(-2)


def dequantised_forward(experts, x, top_k_index, top_k_weights):
    """The experts' layer in float32 with the weights of a wide model and activations of FP8."""
    out = torch.zeros_like(x)
    x = round_to_fp8(x)
    for token, choice in torch.cartesian_prod(*map(torch.arange, top_k_index.shape)).tolist():
        expert = top_k_index[token, choice]
        gate, up = (experts.gate_up_proj[expert] @ x[token]).chunk(2)
        h = round_to_fp8((torch.nn.functional.silu(gate) * up).unsqueeze(0))[0]
        out[token] += top_k_weights[token, choice] * (experts.down_proj[expert] @ h)
    return out


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", CONFIGS)
def test_logits_with_quantised_activations(kind, device):
    """With activations rounded in the wide model too, logits are within 1e-2."""
    wide, narrow = make_models(kind, device)
    narrow.set_experts_implementation("groupgemm_fp8")
    for module in wide.modules():
        if hasattr(module, "gate_up_proj"):
            module.forward = functools.partial(dequantised_forward, module)
    ids = torch.randint(1, 512, (1, 12), generator=torch.Generator().manual_seed(1)).to(device)
    with torch.no_grad():
        assert error_of(narrow(ids).logits, wide(ids).logits) <= 1e-2


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", CONFIGS)
def test_tokens_of_a_prompt_alone_and_in_a_batch(kind, device):
    _, narrow = make_models(kind, device)
    narrow.set_experts_implementation("groupgemm_fp8")
    ids = torch.randint(1, 512, (3, 16), generator=torch.Generator().manual_seed(2)).to(device)

    def generate(prompts):
        mask = torch.ones_like(prompts)
        with torch.no_grad():
            return narrow.generate(prompts, attention_mask=mask, max_new_tokens=6, do_sample=False)

    together = generate(ids)
    for row, prompt in enumerate(ids):
        assert torch.equal(generate(prompt.unsqueeze(0))[0], together[row])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", CONFIGS)
def test_cuda_graph(kind):
    """A graph of a forward pass follows new tokens."""
    _, narrow = make_models(kind, "cuda")
    narrow.set_experts_implementation("groupgemm_fp8")
    ids = torch.randint(1, 512, (2, 16), device="cuda")
    with torch.no_grad():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                narrow(ids, use_cache=False)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits = narrow(ids, use_cache=False).logits
        for seed in range(3):
            ids.copy_(
                torch.randint(1, 512, ids.shape, generator=torch.Generator().manual_seed(seed))
            )
            logits.fill_(float("nan"))
            graph.replay()
            assert error_of(logits, narrow(ids, use_cache=False).logits) <= 1e-5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", CONFIGS)
def test_compiled_as_one_graph(kind, device):
    _, narrow = make_models(kind, device)
    narrow.set_experts_implementation("groupgemm_fp8")
    compiled = torch.compile(narrow, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        for length in (16, 24):
            ids = torch.randint(1, 512, (1, length), device=device)
            assert error_of(compiled(ids).logits, narrow(ids).logits) <= 1e-5


@pytest.mark.parametrize("device", DEVICES)
def test_experts_that_are_not_here(device):
    """An entry equal to the number of experts adds nothing."""
    _, narrow = make_models("qwen3_moe", device)
    experts = experts_of(narrow)
    forward = groupgemm_fp8.transformers.experts_forward
    x = torch.randn(9, 256, device=device)
    index = torch.randint(0, 8, (9, 2), device=device)
    weights = torch.rand(9, 2, device=device)
    with torch.no_grad():
        missing = index.clone()
        missing[::2, 1] = experts.num_experts
        zeroed = weights.clone()
        zeroed[::2, 1] = 0
        assert torch.equal(
            forward(experts, x, missing, weights), forward(experts, x, index, zeroed)
        )
        nobody = torch.full_like(index, experts.num_experts)
        assert not forward(experts, x, nobody, weights).any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("limit, alpha", [(None, None), (0.1, None), (None, 1.7)])
@pytest.mark.parametrize("scale_fmt", ["float", "ue8m0"])
def test_experts_are_the_layer(scale_fmt, limit, alpha, device):
    """With the module's variant of the gate, and scales of activations as those of its weights."""
    _, narrow = make_models("qwen3_moe", device, scale_fmt)
    experts = experts_of(narrow)
    experts.swiglu_limit, experts.swiglu_alpha = limit, alpha
    x = torch.randn(9, 256, device=device)
    index, weights = torch.randint(0, 8, (9, 2), device=device), torch.rand(9, 2, device=device)
    projections = []
    for name in ("gate_up_proj", "down_proj"):
        scale = getattr(experts, f"{name}_scale_inv")
        projections += [getattr(experts, name).detach(), scale.detach().float()]
    with torch.no_grad():
        got = groupgemm_fp8.transformers.experts_forward(experts, x, index, weights)
        layer = functools.partial(groupgemm_fp8.moe_ffn, x, *projections, index, weights)
        powers = scale_fmt == "ue8m0"
        assert torch.equal(got, layer(limit=limit, alpha=alpha, power_of_two_scales=powers))
        assert not torch.equal(got, layer(limit=limit, alpha=alpha, power_of_two_scales=not powers))
        if limit is not None or alpha is not None:
            assert not torch.equal(got, layer(power_of_two_scales=powers))


@pytest.mark.parametrize("device", DEVICES)
def test_another_activation(device):
    """The model's own function is called where it is not silu."""
    wide, narrow = (experts_of(model) for model in make_models("qwen3_moe", device))
    wide.act_fn = narrow.act_fn = torch.nn.ReLU()
    x = torch.randn(9, 256, device=device)
    index, weights = torch.randint(0, 8, (9, 2), device=device), torch.rand(9, 2, device=device)
    with torch.no_grad():
        got = groupgemm_fp8.transformers.experts_forward(narrow, x, index, weights)
        assert error_of(got, wide(x, index, weights)) <= 6e-2


@pytest.mark.parametrize("device", DEVICES)
def test_a_gate_of_the_model_itself(device):
    """An activation that the fused step does not know is computed by the model's own function."""
    _, narrow = make_models("qwen3_moe", device)
    experts = experts_of(narrow)
    forward = groupgemm_fp8.transformers.experts_forward
    x = torch.randn(9, 256, device=device)
    index, weights = torch.randint(0, 8, (9, 2), device=device), torch.rand(9, 2, device=device)
    with torch.no_grad():
        fused = forward(experts, x, index, weights)
        experts.act_fn = torch.nn.Sequential(torch.nn.SiLU())
        assert error_of(forward(experts, x, index, weights), fused) <= 3e-2


@pytest.mark.parametrize(
    "member, value, sentence",
    [
        ("activation_scheme", "static", "got activation_scheme 'static', wanted 'dynamic'"),
        ("has_bias", True, "got a bias, wanted none"),
        ("block_size", (1, 32), r"got block_size \(1, 32\), wanted \(128, 128\)"),
    ],
)
def test_refusals(member, value, sentence):
    experts = experts_of(make_models("qwen3_moe", "cpu")[1])
    setattr(experts, member, value)
    x, index = torch.randn(1, 256), torch.zeros(1, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match=sentence):
        groupgemm_fp8.transformers.experts_forward(experts, x, index, torch.ones(1, 2))
