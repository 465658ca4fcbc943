"""Group layouts in the PyTorch operators: eager, compiled, exported, with dynamic rows, refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not hasattr(torch.library, "register_fake"):
    pytest.skip("the operators need PyTorch 2.4 or later", allow_module_level=True)

import groupgemm_fp8  # noqa: E402
import groupgemm_fp8.torch as gg_torch  # noqa: E402
from group_calls import LAYOUTS, call_of  # noqa: E402
from torch_problem import tensors_of, to_numpy  # noqa: E402

operator = torch.ops.groupgemm_fp8.group_gemm_fp8_nt_groupwise
FUNCTIONS = {
    "package": groupgemm_fp8.group_gemm_fp8_nt_groupwise,
    "operator": gg_torch.group_gemm_fp8_nt_groupwise,
}


def rows_of(layout: str, out: torch.Tensor) -> np.ndarray:
    """The rows of groups, one group after the other."""
    if layout == "masked":
        out = torch.cat([out[0, :2], out[2, :4]])
    return to_numpy(out.float())


def wanted_rows() -> np.ndarray:
    out = groupgemm_fp8.group_gemm_fp8_nt_groupwise(**call_of("indptr"))
    return out.astype(np.float32)


def assert_right(layout: str, out: torch.Tensor) -> None:
    assert np.array_equal(rows_of(layout, out), wanted_rows())


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    return request.param


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("compiler", [None, "aot_eager", "inductor"])
def test_new_and_given_out(device, compiler, function, layout):
    call = tensors_of(call_of(layout), device)
    options = {"group_alignment": 1, "b_scale_major_mode": "MN"}
    if layout == "masked":
        options["expected_m"] = 3

    def product(out=None, **call):
        return FUNCTIONS[function](**call, **options, out=out) * 1

    if compiler is not None:
        product = torch.compile(product, fullgraph=True, backend=compiler)
    new = product(**call)
    assert_right(layout, new)
    out = torch.full_like(new, 7)
    assert_right(layout, product(**call, out=out))
    if layout == "masked":
        assert (out[0, 2:] == 7).all()
        assert (out[1] == 7).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_opcheck(device, layout):
    call = tensors_of(call_of(layout), device)
    out = torch.zeros_like(operator.default(**call))
    for test in ("test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"):
        torch.library.opcheck(operator.out, (), {**call, "out": out}, test_utils=test)
        # The last check compares all of a new out, of which rows past counts are unspecified.
        if layout != "masked" or test != "test_aot_dispatch_dynamic":
            torch.library.opcheck(operator.default, (), call, test_utils=test)


def with_rows(layout: str, num_rows: int, device: str) -> dict[str, torch.Tensor]:
    """The small call with another number of rows of a; of every slab, where there are slabs."""
    call = tensors_of(call_of(layout), device)
    rows = torch.arange(num_rows, device=device) % call["a"].shape[-2]
    call["a"] = call["a"].view(torch.uint8).index_select(-2, rows).view(torch.float8_e4m3fn)
    call["a_scale"] = call["a_scale"].index_select(-1, rows)
    return call


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dynamic_rows(device, layout):
    def product(**call):
        return groupgemm_fp8.group_gemm_fp8_nt_groupwise(**call).float()

    compiled = torch.compile(product, fullgraph=True, backend="aot_eager", dynamic=True)
    compiled(**with_rows(layout, 9, device))
    with torch.compiler.set_stance("fail_on_recompile"):
        for num_rows in (7, 40, 300):
            call = with_rows(layout, num_rows, device)
            assert compiled(**call).shape == product(**call).shape
            assert np.array_equal(rows_of(layout, compiled(**call))[:2], wanted_rows()[:2])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exported(device, layout):
    call = tensors_of(call_of(layout), device)
    name = next(name for name in call if name.startswith("m_"))

    class Module(torch.nn.Module):
        def forward(self, a, b, a_scale, b_scale, groups):
            return groupgemm_fp8.group_gemm_fp8_nt_groupwise(
                a, b, a_scale, b_scale, **{name: groups}
            )

    arrays = tuple(call.values())
    num_rows = torch.export.Dim("num_rows", min=2, max=4096)
    axis = call["a"].dim() - 2
    shapes = ({axis: num_rows}, None, {axis + 1: num_rows}, None, None)
    program = torch.export.export(Module(), arrays, dynamic_shapes=shapes)
    assert_right(layout, program.module()(*arrays))
    longer = with_rows(layout, 50, device)
    assert program.module()(*longer.values()).shape[axis] == 50


WRONG = [
    ("masked", {"a": lambda x: x[0]}, "a_scale: got 3 axes, wanted 2"),
    ("ends", {"a": lambda x: x[None]}, "a: got 3 axes with m_ends, wanted 2; slabs of rows go"),
    ("counts", {"m_counts": lambda x: x[1:]}, "m_counts: got 2 elements along axis 0, wanted 3"),
    ("ends", {"m_ends": lambda x: x.short()}, "m_ends: got dtype torch.int16, wanted torch.int32"),
    ("ends", {"m_ends": lambda x: None}, "m_indptr: got None, wanted an array, or m_ends"),
    ("masked", {"b": lambda x: x[1:]}, "b: got 2 elements along axis 0, wanted 3"),
    ("masked", {"a_scale": lambda x: x[1:]}, "a_scale: got 2 elements along axis 0, wanted 3"),
    ("ends", {"expected_m": lambda x: 3}, "expected_m: got 3 with m_ends, wanted None"),
    ("indptr", {"group_alignment": lambda x: 8}, "group_alignment: got 8 with m_indptr"),
]


@pytest.mark.parametrize("layout, changes, message", WRONG)
def test_errors_while_tracing(layout, changes, message):
    call = tensors_of(call_of(layout))
    call.update({name: change(call.get(name)) for name, change in changes.items()})

    def product(**call):
        return gg_torch.group_gemm_fp8_nt_groupwise(**call)

    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        torch.compile(product, fullgraph=True, backend="aot_eager")(**call)


def test_int64_and_swapped_axes_of_a_scale(device):
    """An MN-major view goes with K-major weights as it is."""
    call = tensors_of(call_of("masked"), device)
    call["m_counts"] = call["m_counts"].long()
    call["a_scale"] = call["a_scale"].mT
    call["b_scale"] = call["b_scale"].mT.contiguous()
    out = gg_torch.group_gemm_fp8_nt_groupwise(**call, scale_major_mode="K")
    assert_right("masked", out)
