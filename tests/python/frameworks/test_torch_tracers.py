"""The package's own function where PyTorch records, transforms or takes over operators.

A graph has the product in it, and a mode sees it; `import groupgemm_fp8.torch` is not needed.
"""

import importlib
import sys

import pytest

import small_problem
from numeric.process import run_python
from small_problem import CUM_M, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not hasattr(torch.library, "register_fake"):
    pytest.skip("the operators need PyTorch 2.4 or later", allow_module_level=True)

from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

import groupgemm_fp8  # noqa: E402
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402
from torch_wrapper import Wrapper  # noqa: E402

OPERATOR = "groupgemm_fp8"


@pytest.fixture
def tensors():
    torch._dynamo.reset()
    return tensors_of(small_problem.inputs())


def new_output(a, b, a_scale, b_scale, m_indptr):
    return group_gemm_fp8_nt_groupwise(a, b, a_scale * 2, b_scale, m_indptr) / 2


def given_output(a, b, a_scale, b_scale, m_indptr):
    out = torch.full((CUM_M, N), 7, dtype=torch.bfloat16)
    group_gemm_fp8_nt_groupwise(a, b, a_scale * 2, b_scale, m_indptr, out=out)
    return out / 2


@pytest.fixture(params=[new_output, given_output])
def function(request):
    return request.param


def assert_right(out):
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))


@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
@pytest.mark.parametrize("pre_dispatch", [False, True])
def test_make_fx(tensors, function, mode, pre_dispatch):
    graph = make_fx(function, tracing_mode=mode, pre_dispatch=pre_dispatch)(*tensors.values())
    assert str(graph.graph).count("groupgemm_fp8.group_gemm_fp8_nt_groupwise") == 1
    assert_right(graph(*tensors.values()))


@pytest.mark.filterwarnings("ignore")
def test_jit_trace(tensors, function):
    traced = torch.jit.trace(function, tuple(tensors.values()))
    assert str(traced.graph).count("groupgemm_fp8::group_gemm_fp8_nt_groupwise") == 1
    tensors["a_scale"] *= 4
    assert torch.equal(traced(*tensors.values()), function(*tensors.values()))


def test_symbolic_trace(tensors):
    graph = torch.fx.symbolic_trace(new_output)
    assert "group_gemm_fp8_nt_groupwise" in str(graph.graph)
    assert_right(graph(*tensors.values()))


class Seen(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.operators = []

    def __torch_dispatch__(self, operator, types, arguments=(), keywords=None):
        self.operators.append(str(operator))
        return operator(*arguments, **(keywords or {}))


class SeenFunctions(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.operators = []

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        self.operators.append(str(function))
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("mode", [Seen, SeenFunctions])
def test_modes_see_the_product(tensors, function, mode):
    with mode() as seen:
        out = function(*tensors.values())
    assert sum(OPERATOR in name for name in seen.operators) == 1
    assert_right(out)


def test_nested_modes_see_the_product_once(tensors):
    with Seen() as outer, Seen() as inner:
        assert_right(new_output(*tensors.values()))
    for seen in (outer, inner):
        assert sum(OPERATOR in name for name in seen.operators) == 1


def test_a_default_device_is_no_tracer(tensors):
    """A call with a stream, or on arrays of another framework, stays what it is."""
    arrays = small_problem.inputs()
    with torch.device("cpu"):
        assert_right(group_gemm_fp8_nt_groupwise(**tensors, stream=7))
        mixed = group_gemm_fp8_nt_groupwise(**{**tensors, "b_scale": arrays["b_scale"]})
    assert_right(mixed)


def test_arrays_of_other_frameworks_inside_a_mode():
    arrays = small_problem.inputs()
    with Seen() as seen:
        out = group_gemm_fp8_nt_groupwise(**arrays)
    assert same_bits(out, expected(arrays))
    assert not seen.operators


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a_scale", "b_scale", "a", "m_indptr"])
def test_vmap(tensors, name):
    """PyTorch calls an operator without a batching rule once per entry."""
    others = small_problem.inputs()
    others["a_scale"] *= 2
    others["b_scale"] *= 4
    others["a"] = others["a"][::-1].copy()
    others["m_indptr"][1:3] = 3, 4
    stacked = torch.stack(
        [tensors[name].view(torch.int8), tensors_of(others)[name].view(torch.int8)]
    )
    stacked = stacked.view(tensors[name].dtype)

    def product(x):
        return group_gemm_fp8_nt_groupwise(**{**tensors, name: x})

    out = torch.vmap(product)(stacked)
    assert_right(out[0])
    wanted = expected({**small_problem.inputs(), name: others[name]})
    assert same_bits(to_numpy(out[1]), wanted)


def test_functionalize(tensors):
    assert_right(torch.func.functionalize(new_output)(*tensors.values()))
    with pytest.raises(ValueError, match="^out: got an array inside a function transform"):
        torch.func.functionalize(given_output)(*tensors.values())


def test_fake_tensors(tensors):
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    with FakeTensorMode() as mode:
        fake = {name: mode.from_tensor(x) for name, x in tensors.items()}
        out = new_output(**fake)
    assert isinstance(out, FakeTensor)
    assert (out.shape, out.dtype) == ((CUM_M, N), torch.bfloat16)
    out = group_gemm_fp8_nt_groupwise(**fake)  # outside of the mode
    assert isinstance(out, FakeTensor)


def test_real_tensors_inside_a_fake_tensor_mode(tensors):
    """PyTorch's own refusal: what it makes there has no memory."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(), pytest.raises(Exception, match="(?i)fake"):
        group_gemm_fp8_nt_groupwise(**tensors)


@pytest.mark.parametrize("name", [*small_problem.NAMES, "out"])
def test_wrapper_subclasses(tensors, name):
    tensors["out"] = out = torch.zeros(CUM_M, N, dtype=torch.bfloat16)
    group_gemm_fp8_nt_groupwise(**{**tensors, name: Wrapper(tensors[name])})
    assert_right(out)


@pytest.mark.parametrize("option", [{"stream": 3}, {"validate": True}, {"workspace": "any"}])
@pytest.mark.parametrize("mode", [Seen, SeenFunctions])
def test_options_that_no_operator_has(tensors, option, mode):
    message = "stream, workspace and validate: wanted the defaults inside torch.compile"
    with mode(), pytest.raises(ValueError, match=message):
        group_gemm_fp8_nt_groupwise(**tensors, **option)


COMPILED = """
import torch, small_problem
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise
from torch_problem import tensors_of
call = tensors_of(small_problem.inputs())
def product(call):
    return group_gemm_fp8_nt_groupwise(**call) * 2
compiled = torch.compile(product, fullgraph=True, backend="aot_eager")
print(torch.equal(compiled(call), product(call)))
"""


def test_compiled_without_the_import_of_the_operators():
    assert run_python("-c", COMPILED).strip().endswith("True")


MANY_IMPORTS = """
import gc, importlib, sys, torch
import groupgemm_fp8.torch as first
importlib.reload(first)
for name in [name for name in sys.modules if name.startswith("groupgemm_fp8")]:
    del sys.modules[name]
del first
gc.collect()
import groupgemm_fp8.torch
import small_problem
from torch_problem import tensors_of
call = tensors_of(small_problem.inputs())
out = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise(**call)
print(torch.equal(out, groupgemm_fp8.torch.group_gemm_fp8_nt_groupwise(**call)))
"""


def test_reload_and_second_import():
    assert run_python("-c", MANY_IMPORTS).strip().endswith("True")
    module = importlib.reload(importlib.import_module("groupgemm_fp8.torch"))
    assert sys.modules["groupgemm_fp8.torch"] is module


def test_functional_collectives(tensors):
    """Results that PyTorch waits for at their first use."""
    from torch.distributed._functional_collectives import AsyncCollectiveTensor

    tensors["a_scale"] = AsyncCollectiveTensor(tensors["a_scale"])
    out = groupgemm_fp8.group_gemm_fp8_nt_groupwise(**tensors)
    assert_right(out)
