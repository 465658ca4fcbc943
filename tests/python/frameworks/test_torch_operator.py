"""The PyTorch operators on the CPU: eager, compiled, exported, and what they refuse."""

import importlib.util

import pytest

import small_problem
from numeric.process import run_python
from small_problem import BATCH_SIZE, CUM_M, K_BLOCKS, K, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not hasattr(torch.library, "register_fake"):
    pytest.skip("the operators need PyTorch 2.4 or later", allow_module_level=True)

import groupgemm_fp8  # noqa: E402
import groupgemm_fp8.torch as gg_torch  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402

operator = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise


@pytest.fixture
def tensors():
    torch._dynamo.reset()
    return tensors_of(small_problem.inputs())


def with_rows(tensors, num_rows):
    """Returns the arrays of a call with num_rows rows of a, all in the last group."""
    row = torch.arange(num_rows) % CUM_M
    return {
        **tensors,
        "a": tensors["a"].view(torch.uint8)[row].view(torch.float8_e4m3fn),
        "a_scale": tensors["a_scale"][:, row].contiguous(),
        "m_indptr": torch.tensor([0] * BATCH_SIZE + [num_rows], dtype=torch.int32),
    }


def new_output(a, b, a_scale, b_scale, m_indptr):
    out = gg_torch.group_gemm_fp8_nt_groupwise(a, b, a_scale * 2, b_scale, m_indptr)
    return out.float() / 2


def given_output(a, b, a_scale, b_scale, m_indptr):
    out = a_scale.new_full((a.shape[0], b.shape[1]), 7)
    gg_torch.group_gemm_fp8_nt_groupwise(a, b, a_scale * 2, b_scale, m_indptr, out=out)
    return out / 2


def package_function(a, b, a_scale, b_scale, m_indptr):
    out = groupgemm_fp8.group_gemm_fp8_nt_groupwise(a, b, a_scale * 2, b_scale, m_indptr)
    return out.float() / 2


FUNCTIONS = [new_output, given_output, package_function]


def test_importing_the_package_registers_nothing():
    program = "import torch, groupgemm_fp8; print(hasattr(torch.ops.groupgemm_fp8, '{}'))"
    name = "group_gemm_fp8_nt_groupwise"
    assert run_python("-c", program.format(name)) == "False"


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_eager(tensors, name):
    wanted, dtype = expected(small_problem.inputs(), name), getattr(torch, name)
    assert same_bits(to_numpy(operator(**tensors, out_dtype=dtype)), wanted)
    out = torch.zeros(CUM_M, N, dtype=dtype)
    assert operator.out(**tensors, out=out) is None
    assert same_bits(to_numpy(out), wanted)
    assert gg_torch.group_gemm_fp8_nt_groupwise(**tensors, out=out.zero_(), out_dtype=dtype) is out
    assert same_bits(to_numpy(out), wanted)


def test_bytes_and_options(tensors):
    for name in ("a", "b"):
        tensors[name] = tensors[name].view(torch.uint8)
    out = gg_torch.group_gemm_fp8_nt_groupwise(
        **tensors,
        scale_granularity_mnk=[1, 128, 128],
        scale_major_mode="MN",
        mma_sm=2,
        a_dtype=torch.float8_e4m3fn,
        b_dtype=torch.float8_e4m3fn,
        backend="cpu",
    )
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("compiler", ["aot_eager", "inductor"])
def test_compiled_as_one_graph(tensors, function, compiler):
    compiled = torch.compile(function, fullgraph=True, backend=compiler)
    dtype = "float32" if function is given_output else "bfloat16"
    wanted = expected(small_problem.inputs(), dtype).astype("float32")
    assert same_bits(to_numpy(compiled(**tensors)), wanted)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_dynamic_shapes(tensors, function):
    """One graph serves every number of rows."""
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=True)
    compiled(**with_rows(tensors, 5))
    with torch.compiler.set_stance("fail_on_recompile"):
        for num_rows in (2, 9, 300):
            call = with_rows(tensors, num_rows)
            assert torch.equal(compiled(**call), function(**call))


def test_sizes_that_depend_on_data(tensors):
    """The number of rows comes out of a nonzero(): no guard may ask for it."""

    def routed(mask, a, b, a_scale, b_scale):
        row = mask.nonzero().squeeze(1)
        a = a.view(torch.uint8)[row].view(torch.float8_e4m3fn)
        m_indptr = torch.stack([mask.sum() * 0, mask.sum()]).to(torch.int32)
        a_scale = a_scale[:, row].contiguous()
        return gg_torch.group_gemm_fp8_nt_groupwise(a, b[:1], a_scale, b_scale[:1], m_indptr)

    del tensors["m_indptr"]
    mask = torch.tensor([True, False, True, True, False, True])
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        compiled = torch.compile(routed, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(mask, **tensors), routed(mask, **tensors))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_exported(tensors, function):
    class Module(torch.nn.Module):
        def forward(self, a, b, a_scale, b_scale, m_indptr):
            return function(a, b, a_scale, b_scale, m_indptr)

    num_rows = torch.export.Dim("num_rows", min=2, max=4096)
    shapes = {"a": {0: num_rows}, "a_scale": {1: num_rows}, "b": None, "b_scale": None}
    program = torch.export.export(
        Module(), (), kwargs=tensors, dynamic_shapes={**shapes, "m_indptr": None}
    )
    assert "groupgemm_fp8" in str(program.graph)
    for num_rows in (2, 70):
        call = with_rows(tensors, num_rows)
        assert torch.equal(program.module()(**call), function(**call))


# test_schema is left out: PyTorch's own check compares FP8 tensors with an operation that the CPU
# does not have for them.
OPCHECKS = (
    "test_autograd_registration",
    "test_faketensor",
    "test_aot_dispatch_static",
    "test_aot_dispatch_dynamic",
)


@pytest.mark.parametrize("test", OPCHECKS)
def test_opcheck(tensors, test):
    torch.library.opcheck(operator.default, (), tensors, test_utils=test)
    out = torch.zeros(CUM_M, N)
    torch.library.opcheck(operator.out, (), {**tensors, "out": out}, test_utils=test)


CALLS = {
    "operator": gg_torch.group_gemm_fp8_nt_groupwise,
    "compiled": torch.compile(new_output, fullgraph=True, backend="aot_eager"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_requires_grad(tensors, call, name):
    tensors[name].requires_grad_()
    message = f"{name}: got a tensor that requires grad, but the product has no gradient; pass"
    with pytest.raises((ValueError, RuntimeError), match=message):
        CALLS[call](**tensors)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            out = CALLS[call](**tensors)
        assert same_bits(to_numpy(out.bfloat16()), expected(small_problem.inputs()))


WRONG = [
    ("a", lambda x: x[0], "a: got 1 axes, wanted 2"),
    ("a", lambda x: x.view(torch.uint8), "a: got dtype uint8, .* with a_dtype"),
    ("b", lambda x: x[:, :, :-16], f"b: got {K - 16} elements along axis 2, wanted {K}"),
    ("b", lambda x: x.float(), "b: got dtype float32, wanted float8_e4m3fn or"),
    ("b", lambda x: x[0], "b: got 2 axes, wanted 3"),
    ("b", lambda x: x.to("meta"), "b: got a tensor on meta, wanted cpu like a"),
    ("a_scale", lambda x: x[1:], f"a_scale: got 1 elements along axis 0, wanted {K_BLOCKS}"),
    ("a_scale", lambda x: x.half(), "a_scale: got dtype torch.float16, wanted torch.float32"),
    ("b_scale", lambda x: x[1:], f"b_scale: got {BATCH_SIZE - 1} elements along axis 0"),
    ("m_indptr", lambda x: x.short(), "m_indptr: got dtype torch.int16, wanted torch.int32 or"),
    ("m_indptr", lambda x: x[1:], f"m_indptr: got {BATCH_SIZE} elements along axis 0"),
    ("m_indptr", lambda x: x.to("meta"), "m_indptr: got a tensor on meta, wanted cpu like a"),
    ("mma_sm", lambda x: 3, "mma_sm: got 3, wanted 1 or 2"),
    ("scale_major_mode", lambda x: "mn", "scale_major_mode: got 'mn'"),
    ("scale_granularity_mnk", lambda x: (1, 128, 16), "scale_granularity_mnk: got"),
    ("backend", lambda x: "none", "backend: got 'none', wanted one of"),
    ("out_dtype", lambda x: torch.int8, "out_dtype: got int8, wanted bfloat16"),
]


@pytest.mark.parametrize("name, change, message", WRONG)
def test_errors_while_tracing(tensors, name, change, message):
    call = {**tensors, name: change(tensors.get(name))}

    def function(**call):
        return gg_torch.group_gemm_fp8_nt_groupwise(**call)

    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        torch.compile(function, fullgraph=True, backend="aot_eager")(**call)


def test_out_of_another_type(tensors):
    out = torch.zeros(CUM_M, N)
    with pytest.raises(TypeError, match="out_dtype: got torch.float16, but out has dtype"):
        gg_torch.group_gemm_fp8_nt_groupwise(**tensors, out=out, out_dtype=torch.float16)


@pytest.mark.parametrize("option", [{"stream": 3}, {"validate": True}])
def test_options_that_cannot_be_compiled(tensors, option):
    def function(**call):
        return groupgemm_fp8.group_gemm_fp8_nt_groupwise(**call, **option)

    message = "stream, workspace and validate: wanted the defaults inside torch.compile"
    with pytest.raises(Exception, match=message):
        torch.compile(function, fullgraph=True, backend="aot_eager")(**tensors)


def test_no_rows():
    out = operator(
        torch.empty(0, 32, dtype=torch.float8_e5m2),
        torch.empty(1, 8, 32, dtype=torch.float8_e5m2),
        torch.empty(1, 0),
        torch.ones(1, 1, 1),
        torch.zeros(2, dtype=torch.int32),
    )
    assert out.shape == (0, 8)


def test_no_leak(tensors):
    small_problem.assert_no_leak_with_out(tensors, torch.zeros(CUM_M, N), operator_call)


def operator_call(out=None, **tensors):
    if out is None:
        return operator(**tensors)
    return operator.out(**tensors, out=out)


def test_the_module_does_not_hide_pytorch():
    assert gg_torch.torch is torch
    assert importlib.util.find_spec("torch").origin == torch.__file__
