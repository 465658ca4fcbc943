"""Whoever wants a derivative of the product gets a refusal, in every way in which PyTorch says so.

Never zeros, and never a result that has lost its tangent.
"""

import pytest

import small_problem
from small_problem import CUM_M, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not hasattr(torch.library, "register_fake"):
    pytest.skip("the operators need PyTorch 2.4 or later", allow_module_level=True)

from torch.autograd import forward_ad  # noqa: E402

import groupgemm_fp8  # noqa: E402
import groupgemm_fp8.torch as gg_torch  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402

operator = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise


def operator_out(**tensors):
    out = torch.zeros(CUM_M, N)
    operator.out(**tensors, out=out)
    return out


FUNCTIONS = {
    "plain": groupgemm_fp8.group_gemm_fp8_nt_groupwise,
    "module": gg_torch.group_gemm_fp8_nt_groupwise,
    "operator": operator,
    "operator.out": operator_out,
}
REFUSED = (ValueError, RuntimeError)


@pytest.fixture
def tensors():
    return tensors_of(small_problem.inputs())


@pytest.fixture(params=FUNCTIONS)
def function(request, tensors):
    """A function of a_scale and b_scale."""

    def product(a_scale, b_scale=tensors["b_scale"]):
        call = {**tensors, "a_scale": a_scale, "b_scale": b_scale}
        return FUNCTIONS[request.param](**call).float().sum()

    return product


def jvp(function, x):
    return torch.func.jvp(function, (x,), (torch.ones_like(x),))


def vjp(function, x):
    out, pull_back = torch.func.vjp(function, x)
    return pull_back(torch.ones_like(out))


def backward(function, x):
    function(x.clone().requires_grad_()).backward()


def hessian_vector(function, x):
    return jvp(torch.func.grad(function), x)


def dual(function, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(function(forward_ad.make_dual(x, torch.ones_like(x))))


TRANSFORMS = {
    "backward": backward,
    "grad": lambda function, x: torch.func.grad(function)(x),
    "grad_and_value": lambda function, x: torch.func.grad_and_value(function)(x),
    "vjp": vjp,
    "jvp": jvp,
    "jacrev": lambda function, x: torch.func.jacrev(function)(x),
    "jacfwd": lambda function, x: torch.func.jacfwd(function)(x),
    "hessian": lambda function, x: torch.func.hessian(function)(x),
    "grad of grad": hessian_vector,
    "dual level": dual,
    "autograd.functional": lambda function, x: torch.autograd.functional.jacobian(function, x),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_refused(tensors, function, transform):
    x = tensors["a_scale"]
    with pytest.raises(REFUSED, match="a_scale: got a tensor .* the product has no (grad|deriv)"):
        TRANSFORMS[transform](function, x)


@pytest.mark.parametrize("transform", ["grad", "jvp", "dual level"])
@pytest.mark.parametrize("name", ["a", "b"])
def test_refused_for_fp8(tensors, transform, name):
    """The FP8 values come from something that is derived."""

    def product(x):
        call = {**tensors, name: x.to(torch.float8_e4m3fn)}
        return groupgemm_fp8.group_gemm_fp8_nt_groupwise(**call).float().sum()

    with pytest.raises(REFUSED, match=f"{name}: got a tensor .* the product has no"):
        TRANSFORMS[transform](product, tensors[name].float())


def test_refused_for_the_second_tensor(function, tensors):
    with pytest.raises(REFUSED, match="b_scale: got a tensor that requires grad"):
        torch.func.grad(function, argnums=1)(tensors["a_scale"], tensors["b_scale"])


def test_tangent_of_out(tensors):
    with forward_ad.dual_level():
        out = forward_ad.make_dual(torch.zeros(CUM_M, N), torch.ones(CUM_M, N))
        with pytest.raises(ValueError, match="out: got a tensor with a tangent"):
            groupgemm_fp8.group_gemm_fp8_nt_groupwise(**tensors, out=out)


def test_constants_inside_a_transform(function, tensors):
    """A product that does not depend on the variable has no derivative to lose."""

    def scaled(x):
        return x * function(tensors["a_scale"]) + function(
            (x.detach() * 0 + 1) * tensors["a_scale"]
        )

    x = torch.tensor(2.0)
    wanted = function(tensors["a_scale"])
    assert torch.func.grad(scaled)(x) == wanted
    with forward_ad.dual_level():
        out = x * function(tensors["a_scale"])
        assert out == 2 * wanted


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_derivative_is_wanted(tensors, mode):
    tensors["a_scale"].requires_grad_()
    for function in FUNCTIONS.values():
        with mode():
            out = function(**tensors)
        assert same_bits(to_numpy(out.bfloat16()), expected(small_problem.inputs()))
