"""Tensors that stand for others, in the product and in the steps: the operator, or a sentence."""

import pytest

import small_problem
from small_problem import CUM_M, N

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not hasattr(torch.library, "register_fake"):
    pytest.skip("the operators need PyTorch 2.4 or later", allow_module_level=True)

import groupgemm_fp8 as gg  # noqa: E402
from torch_problem import tensors_of  # noqa: E402
from torch_wrapper import Wrapper  # noqa: E402

PRODUCT = gg.group_gemm_fp8_nt_groupwise


def calls():
    """Every function that has an operator: name -> (function, tensors by argument, the rest)."""
    x = torch.linspace(-3, 3, 4 * 256).reshape(4, 256).bfloat16()
    index = torch.tensor([[0, 1], [1, 0], [2, 2], [0, 2]], dtype=torch.int32)
    rows = torch.arange(8, dtype=torch.int32)
    problem = tensors_of(small_problem.inputs())
    bounds = problem.pop("m_indptr")
    counts = {"m_counts": torch.tensor([2, 0, 4], dtype=torch.int32)}
    block = {"granularity": (1, 128)}
    return {
        "product": (PRODUCT, {**problem, "m_indptr": bounds}, {}),
        "ends": (PRODUCT, {**problem, "m_ends": bounds[1:].clone()}, {}),
        "counts": (PRODUCT, {**problem, **counts}, {}),
        "quantize": (gg.quantize_groupwise, {"x": x, "row_index": rows % 4}, block),
        "silu": (gg.silu_mul_quantize_groupwise, {"gate_up": x}, {}),
        "route": (gg.route, {"top_k_index": index}, {"batch_size": 3}),
        "combine": (
            gg.combine,
            {"x": x.repeat(2, 1), "position": rows.reshape(4, 2), "weight": torch.ones(4, 2)},
            {},
        ),
    }


PLACES = [(call, name) for call, (_, tensors, _) in calls().items() for name in tensors]


def flat(results):
    return results if isinstance(results, tuple) else (results,)


def raw(results):
    return [x.contiguous().view(torch.uint8).tolist() for x in flat(results)]


@pytest.mark.parametrize("call, name", PLACES)
def test_a_wrapper_is_taken_by_the_operator(call, name):
    function, tensors, options = calls()[call]
    wanted = raw(function(**tensors, **options))
    changed = tensors | {name: Wrapper(tensors[name])}
    assert raw(function(**changed, **options)) == wanted


@pytest.mark.parametrize("call, name", PLACES)
def test_a_subclass_that_refuses_operators(call, name):
    """Names the argument: what such a class raises is no error of the documentation."""
    function, tensors, options = calls()[call]
    refusing = Wrapper(tensors[name], refuses=NotImplementedError("an operator"))
    with pytest.raises(TypeError, match=f"^{name}: got a Wrapper, which only an .* it refuses"):
        function(**tensors | {name: refusing}, **options)


@pytest.mark.parametrize("call, name", PLACES)
@pytest.mark.parametrize("inference", [False, True])
def test_jagged_tensors(call, name, inference):
    function, tensors, options = calls()[call]
    parts = [torch.ones(2, 128), torch.ones(3, 128)]
    with torch.inference_mode(inference):
        jagged = torch.nested.nested_tensor(parts, layout=torch.jagged)
        with pytest.raises((TypeError, ValueError), match=f"^{name}: got a NestedTensor"):
            function(**tensors | {name: jagged}, **options)


@pytest.mark.parametrize("call, name", PLACES)
@pytest.mark.parametrize("rank", [0, 1, 4])
def test_wrong_ranks(call, name, rank):
    """Shapes of new arrays follow from arguments, whose own sentence comes first all the same."""
    function, tensors, options = calls()[call]
    own = tensors[name]
    if own.dim() == rank:
        pytest.skip("the right rank")
    wrong = torch.zeros((2,) * rank).to(own.dtype)
    with pytest.raises(ValueError, match=rf"^{name}: got (shape \(|a shape|{rank} axes)"):
        function(**tensors | {name: wrong}, **options)


def test_out_inside_a_transform():
    tensors = tensors_of(small_problem.inputs())
    scales = torch.stack([tensors.pop("a_scale")] * 3)
    out = torch.zeros(CUM_M, N)

    def product(a_scale, out=out):
        return PRODUCT(**tensors, a_scale=a_scale, out=out)

    transforms = {
        "captured": lambda: torch.func.vmap(product)(scales),
        "mapped": lambda: torch.func.vmap(product)(scales, torch.zeros(3, CUM_M, N)),
        "functionalised": lambda: torch.func.functionalize(product)(scales[0], out),
    }
    for transform in transforms.values():
        with pytest.raises(ValueError, match="^out: got an array inside a function transform"):
            transform()
    assert not out.any()


@pytest.mark.parametrize("call", ["quantize", "silu", "route", "combine"])
def test_steps_in_vmap(call):
    """The operator runs once for each part of a batch."""
    function, tensors, options = calls()[call]
    name = next(iter(tensors))
    parts = [tensors[name], tensors[name].flip(0)]
    batch = torch.stack(parts)
    got = torch.func.vmap(lambda x: function(**tensors | {name: x}, **options))(batch)
    for idx, part in enumerate(parts):
        wanted = function(**tensors | {name: part}, **options)
        assert raw(tuple(x[idx] for x in flat(got))) == raw(wanted)
