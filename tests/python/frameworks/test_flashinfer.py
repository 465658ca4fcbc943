"""groupgemm_fp8.flashinfer: FlashInfer's parameters, and results against the plain function."""

import ast
import importlib.metadata
import importlib.util
import inspect
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import array_makers
import groupgemm_fp8
import small_problem
from group_calls import COUNTS, T, call_of
from groupgemm_fp8 import flashinfer
from small_problem import CUM_M, N, expected, same_bits

VERSION = "0.7.4"
SOURCE = "flashinfer/gemm/gemm_base.py"
WHEEL_VARIABLE = "GGFP8_FLASHINFER_WHEEL"
# FlashInfer's names of its kernels are defaults there; here None or the same name means any.
DEFAULTS_OF_BACKEND = ("trtllm", "deepgemm")


def source_of_flashinfer() -> str:
    """The text of the module that defines the functions, of a wheel or of the installed package."""
    wheel = os.environ.get(WHEEL_VARIABLE)
    if wheel:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(SOURCE).decode()
    spec = importlib.util.find_spec("flashinfer")
    if spec is None or spec.origin is None:
        pytest.skip(f"FlashInfer is not installed, and {WHEEL_VARIABLE} names no wheel of it")
    version = importlib.metadata.version("flashinfer-python")
    if version != VERSION:
        pytest.skip(f"FlashInfer {version} is installed, wanted {VERSION}")
    return (Path(spec.origin).parents[1] / SOURCE).read_text()


def parameters_of(function: ast.FunctionDef) -> list[tuple]:
    """Name and default of each parameter; without one, inspect's mark of that."""
    arguments = function.args
    assert [arguments.kwonlyargs, arguments.vararg, arguments.kwarg] == [[], None, None]
    names = [argument.arg for argument in arguments.args]
    defaults = [ast.literal_eval(default) for default in arguments.defaults]
    missing = [inspect.Parameter.empty] * (len(names) - len(defaults))
    return list(zip(names, missing + defaults, strict=True))


@pytest.mark.parametrize("name", flashinfer.__all__)
def test_parameters(name):
    """All of FlashInfer's, in its order and with its defaults; ours beyond are keywords."""
    tree = ast.parse(source_of_flashinfer())
    functions = [x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == name]
    theirs = parameters_of(functions[0])
    own = inspect.signature(getattr(flashinfer, name)).parameters
    assert list(own)[: len(theirs)] == [parameter for parameter, _ in theirs]
    for parameter, default in theirs:
        if parameter == "backend":
            assert default in DEFAULTS_OF_BACKEND
            assert own[parameter].default in (None, default)
        elif parameter != "m_indptr":  # it may be left out here
            assert own[parameter].default == default, parameter
    beyond = list(own.values())[len(theirs) :]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in beyond)
    assert "skip_check" in own  # which FlashInfer's decorator adds


@pytest.fixture(params=array_makers.NAMES)
def framework(request) -> array_makers.ArrayMaker:
    return array_makers.ArrayMaker(request.param)


INDICES = [0, 0, 2, 2, 2, 2]


def k_major(arrays: dict) -> list[np.ndarray]:
    """a, b and both scales, K-major."""
    scales = (
        np.ascontiguousarray(arrays[name].swapaxes(-1, -2)) for name in ("a_scale", "b_scale")
    )
    return [arrays["a"], arrays["b"], *scales]


def spread(rows: list[int], num_rows: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The small problem with its rows in other places, between poison, and all rows' indices."""
    arrays = k_major(small_problem.inputs())
    a = np.full((num_rows, arrays[0].shape[1]), 0x7F, np.uint8).view(arrays[0].dtype)
    a_scale = np.full((num_rows, arrays[2].shape[1]), np.nan, np.float32)
    indices = np.full(num_rows, -1, np.int32)
    a[rows], a_scale[rows], indices[rows] = arrays[0], arrays[2], INDICES
    return [a, arrays[1], a_scale, arrays[3]], indices


PLACES = {
    "dense": ([0, 1, 2, 3, 4, 5], 6),
    "rows of no group": ([1, 2, 5, 6, 8, 9], 13),
    "aligned": ([0, 1, 128, 129, 130, 131], 256),
}
ROW_FUNCTIONS = (
    flashinfer.group_gemm_fp8_nt_groupwise_contiguous,
    flashinfer.group_deepgemm_fp8_nt_groupwise,
)


@pytest.mark.parametrize("function", ROW_FUNCTIONS)
@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("places", PLACES)
def test_group_per_row(framework, places, dtype, function):
    rows, num_rows = PLACES[places]
    inputs, indices = spread(rows, num_rows)
    arrays = [framework.make(x) for x in (*inputs, indices.astype(dtype))]
    wanted = expected(small_problem.inputs(), "float32")

    new = framework.back(function(*arrays, out_dtype="float32"))
    assert same_bits(new[rows], wanted)
    out = framework.make(np.full((num_rows, N), 7, np.float32))
    assert function(*arrays, out=out, out_dtype="float16") is out  # which an out overrides
    host = framework.back(out)
    assert same_bits(host[rows], wanted)
    assert (host[indices < 0] == 7).all()


@pytest.mark.parametrize("function", ROW_FUNCTIONS)
@pytest.mark.parametrize("places, alignment", [("dense", 1), ("aligned", 128), ("aligned", 64)])
def test_promised_alignment(framework, places, alignment, function):
    rows, num_rows = PLACES[places]
    if alignment == 64:  # two groups, the second of which starts at row 64
        rows = [0, 1, 64, 65, 66, 67]
    inputs, indices = spread(rows, num_rows)
    arrays = [framework.make(x) for x in (*inputs, indices)]
    out = framework.make(np.full((num_rows, N), 7, np.float32))
    assert function(*arrays, out=out, group_alignment=alignment) is out
    host = framework.back(out)
    assert same_bits(host[rows], expected(small_problem.inputs(), "float32"))
    assert (host[indices < 0] == 7).all()


def test_random_indices(framework):
    """Ends of random groups with gaps, against a loop."""
    from groupgemm_fp8 import _row_groups

    rng = np.random.default_rng(5)
    for _ in range(60):
        num_groups, num_rows = rng.integers(0, 9), rng.integers(0, 40)
        indices = np.sort(rng.integers(0, max(num_groups, 1), num_rows)).astype(np.int32)
        indices[rng.random(num_rows) < rng.choice([0, 0.3, 1])] = -1
        if num_groups == 0:
            indices[:] = -1
        ends = framework.back(_row_groups.ends_of(framework.make(indices), int(num_groups)))
        assert (ends.shape, ends.dtype) == ((num_groups,), np.int32)
        reached = 0
        for group in range(num_groups):
            members = np.flatnonzero(indices == group)
            reached = int(members[-1]) + 1 if len(members) else reached
            assert ends[group] == reached


def test_hostile_indices(framework):
    """Any contents are safe: ends stay inside, and the next call is right."""
    rng = np.random.default_rng(6)
    inputs, indices = spread(*PLACES["rows of no group"])
    arrays = [framework.make(x) for x in inputs]
    words = [-(2**31), -2, -1, 0, 1, 2, 3, 1000, 2**31 - 1]
    function = flashinfer.group_deepgemm_fp8_nt_groupwise
    for _ in range(30):
        bad = rng.choice(words, len(indices)).astype(np.int32)
        function(*arrays, framework.make(bad))
    out = framework.back(function(*arrays, framework.make(indices), out_dtype="float32"))
    wanted = expected(small_problem.inputs(), "float32")
    assert same_bits(out[PLACES["rows of no group"][0]], wanted)


def test_slabs(framework):
    call = call_of("masked")
    arrays = [framework.make(x) for x in (*k_major(call), COUNTS)]
    wanted = expected(small_problem.inputs(), "float32")
    function = flashinfer.batch_deepgemm_fp8_nt_groupwise
    out = framework.make(np.full((len(COUNTS), T, N), 7, np.float32))
    for backend in ("deepgemm", "cake", None):
        keywords = {"backend": backend, "skip_check": True}
        new = framework.back(function(*arrays, 3, out_dtype="float32", **keywords))
        assert function(*arrays, 3, (1, 128, 128), out, "float16", **keywords) is out
        for rows in (new, framework.back(out)):
            got = np.concatenate([rows[group, :count] for group, count in enumerate(COUNTS)])
            assert same_bits(got, wanted)
    host = framework.back(out)
    assert all((host[group, count:] == 7).all() for group, count in enumerate(COUNTS))


def test_the_first_function_is_the_package_s():
    assert flashinfer.group_gemm_fp8_nt_groupwise is groupgemm_fp8.group_gemm_fp8_nt_groupwise


WRONG = [
    ({"m_indices": [0] * 6}, TypeError, "m_indices: got builtins.list, wanted an array of"),
    ({"a": [0]}, TypeError, "a: got builtins.list, wanted an array of"),
    ({"b": None}, TypeError, "b: got builtins.NoneType, wanted an array of"),
    ({"a_scale": [1.0]}, TypeError, "a_scale: got builtins.list"),
    ({"m_indices": np.zeros(6)}, TypeError, "m_indices: got dtype float64, wanted int32 or int64"),
    ({"m_indices": np.zeros(5, int)}, ValueError, r"m_indices: got shape \(5,\), wanted \(6,\)"),
    ({"out": np.zeros((5, N), "f")}, ValueError, r"out: got shape \(5, 136\), wanted \(6, 136\)"),
    ({"out": np.zeros((6, N))}, TypeError, "out: got dtype float64"),
    ({"out": memoryview(b"")}, TypeError, "out: got builtins.memoryview, wanted an array of numpy"),
    ({"group_alignment": 0}, ValueError, "group_alignment: got 0, wanted at least 1"),
]


@pytest.mark.parametrize("change, error, message", WRONG)
def test_errors(change, error, message):
    names = ("a", "b", "a_scale", "b_scale")
    call = dict(zip(names, k_major(small_problem.inputs()), strict=True))
    call = {**call, "m_indices": np.array(INDICES, np.int32), **change}
    with pytest.raises(error, match=f"^{message}"):
        flashinfer.group_deepgemm_fp8_nt_groupwise(**call)


@pytest.mark.parametrize(
    "masked_m, error, message",
    [
        (COUNTS[1:], ValueError, r"masked_m: got shape \(2,\), wanted \(3,\), the number of rows"),
        (COUNTS.astype(np.int16), TypeError, "masked_m: got dtype int16, wanted int32 or int64"),
        ([1, 2, 3], TypeError, "masked_m: got builtins.list, wanted an array of"),
    ],
)
def test_errors_of_slabs(masked_m, error, message):
    with pytest.raises(error, match=f"^{message}"):
        flashinfer.batch_deepgemm_fp8_nt_groupwise(*k_major(call_of("masked")), masked_m, 3)


def test_backend_of_slabs():
    """A name that is not FlashInfer's is that of a backend."""
    with pytest.raises(ValueError, match="^backend: got 'trt', wanted one of"):
        flashinfer.batch_deepgemm_fp8_nt_groupwise(
            *k_major(call_of("masked")), COUNTS, 3, backend="trt"
        )


def test_devices_that_differ():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch_problem import to_torch

    inputs = [to_torch(x) for x in k_major(small_problem.inputs())]
    indices = torch.zeros(CUM_M, dtype=torch.int32, device="meta")
    with pytest.raises(ValueError, match="m_indices: got an array on meta, wanted cpu like a"):
        flashinfer.group_deepgemm_fp8_nt_groupwise(*inputs, indices)


def test_graph_replay_honours_new_indices():
    """Nothing is read on the host: a captured call follows m_indices."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no CUDA device")
    from torch_problem import to_numpy, to_torch

    layouts = [spread(*PLACES["rows of no group"]), spread([0, 1, 4, 6, 8, 11], 13)]
    static = [to_torch(x, "cuda") for x in (*layouts[0][0], layouts[0][1])]
    function = flashinfer.group_deepgemm_fp8_nt_groupwise
    out = torch.full((13, N), 7.0, device="cuda")
    function(*static, out=out)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(*static, out=out)
    for inputs, indices in (*layouts, layouts[0]):
        for to, source in zip(static, (*inputs, indices), strict=True):
            to.view(torch.uint8).copy_(to_torch(source).view(torch.uint8))
        out.fill_(7)
        graph.replay()
        host = to_numpy(out)
        assert same_bits(host[indices >= 0], expected(small_problem.inputs(), "float32"))
        assert (host[indices < 0] == 7).all()


BAD_INDICES = [
    ([0, 0, 2, 1, 2, 2], None, r"m_indices\[3\]: got 1 after 2, wanted groups to ascend"),
    ([0, 0, 2, 3, 2, 2], None, r"m_indices\[3\]: got 3, wanted -1 or a group from 0 to 2"),
    ([-2, 0, 2, 2, 2, 2], None, r"m_indices\[0\]: got -2, wanted -1 or a group"),
    ([0, 0, -1, 2, 2, 2], 2, r"m_indices\[3\]: got the first row of group 2, wanted it in row 2"),
    ([0, 0, 2, 2, 2, 2], 4, r"m_indices\[2\]: got the first row of group 2, wanted it in row 4"),
]


@pytest.mark.parametrize("indices, alignment, message", BAD_INDICES)
def test_validation(framework, indices, alignment, message):
    inputs = [framework.make(x) for x in k_major(small_problem.inputs())]
    function = flashinfer.group_gemm_fp8_nt_groupwise_contiguous
    keywords = {"validate_indices": True, "group_alignment": alignment}
    for good in (INDICES, [-1, 0, 2, -1, 2, 2]):
        function(*inputs, framework.make(np.array(good, np.int32)), validate_indices=True)
    bad = framework.make(np.array(indices, np.int32))
    with pytest.raises(ValueError, match=f"^{message}"):
        function(*inputs, bad, **keywords)
    function(*inputs, bad, **keywords, skip_check=True)


def test_no_rows(framework):
    inputs, _ = spread(list(range(6)), 6)
    a, b, a_scale, b_scale = inputs
    arrays = [framework.make(x) for x in (a[:0], b, a_scale[:0], b_scale, np.zeros(0, np.int32))]
    for function in ROW_FUNCTIONS:
        assert tuple(function(*arrays).shape) == (0, N)


def test_compiled():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch_problem import to_numpy, to_torch

    rows, num_rows = PLACES["rows of no group"]
    inputs, indices = spread(rows, num_rows)
    arrays = [to_torch(x) for x in (*inputs, indices)]
    wanted = expected(small_problem.inputs(), "float32")

    def product(*arrays, out=None):
        function = flashinfer.group_deepgemm_fp8_nt_groupwise
        return function(*arrays, out=out, out_dtype=torch.float32) * 1

    compiled = torch.compile(product, fullgraph=True, backend="aot_eager")
    assert same_bits(to_numpy(compiled(*arrays))[rows], wanted)
    out = torch.full((num_rows, N), 7.0)
    assert same_bits(to_numpy(compiled(*arrays, out=out))[rows], wanted)
    assert (to_numpy(out)[indices < 0] == 7).all()
    assert len(rows) == CUM_M
