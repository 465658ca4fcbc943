"""Options: equal ones are one object, different ones never are, and FlashInfer's are accepted."""

import functools
import inspect
import pydoc
import re

import ml_dtypes
import numpy as np
import pytest

import groupgemm_fp8
import small_problem
from groupgemm_fp8 import (
    _ffi,
    _library,
    configurations,
    group_gemm_fp8_nt_groupwise,
    plan,
    queries,
    supports,
    workspace_size,
)
from groupgemm_fp8._options import Options, options
from numeric.runner import HOST_BACKENDS
from small_problem import CUM_M, N, expected, same_bits


def unpack(chosen: Options) -> dict:
    names = [name for name, _ in _ffi.OPTIONS_FIELDS]
    return dict(zip(names, _ffi.OPTIONS.unpack(chosen.packed), strict=True))


def test_packed_options():
    chosen = options((128, 64, 32), "K", 2, "float16", "cpu", 1, "float8_e5m2", None, True)
    got = unpack(chosen)
    assert got.pop("backend")
    assert got == {
        "struct_size": _ffi.OPTIONS.size,
        "scale_granularity_m": 128,
        "scale_granularity_n": 64,
        "scale_granularity_k": 32,
        "scale_major": _ffi.SCALE_MAJOR_K,
        "mma_sm": 2,
        "a_dtype": _ffi.DTYPE_FLOAT8_E5M2,
        "b_dtype": 0,
        "out_dtype": _ffi.DTYPE_FLOAT16,
        "flags": _ffi.FLAG_VALIDATE_M_INDPTR,
        "b_scale_major": _ffi.SCALE_MAJOR_K,
        "group_layout": 0,
        "group_alignment": 1,
        "expected_m": 0,
    }


def test_equal_arguments_share_an_object():
    """By value: neither the objects' identity nor a list's later changes matter."""
    granularity = [1, 128, 128]
    first = options(granularity, "MN")
    assert options((1, 128, 128), "".join(["M", "N"])) is first
    assert options() is first
    granularity[0] = 128
    assert options(granularity).scale_granularity_mnk == (128, 128, 128)
    assert options(out_dtype=ml_dtypes.bfloat16) == options(out_dtype="bfloat16")


@pytest.mark.parametrize(
    "name, equal",
    [
        ("scale_granularity_mnk", (True, 128, 128)),
        ("scale_granularity_mnk", (1.0, 128, 128)),
        ("scale_granularity_mnk", (1, 128.0, 128)),
        ("mma_sm", True),
        ("mma_sm", 1.0),
        ("segment_alignment", True),
        ("segment_alignment", 1.0),
        ("validate", 0),
        ("skip_check", 0.0),
    ],
)
def test_values_that_only_equal_a_known_one_are_refused(name, equal):
    options()
    for _ in range(2):
        with pytest.raises(TypeError, match=f"^{name}: got "):
            options(**{name: equal})


@pytest.mark.parametrize(
    "name, value, error",
    [
        ("segment_alignment", 0, ValueError),
        ("segment_alignment", -4, ValueError),
        ("segment_alignment", "1", TypeError),
        ("segment_alignment", None, TypeError),
        ("skip_check", None, TypeError),
        ("backend", "TRTLLM", ValueError),
        ("backend", "cpu/", ValueError),
        ("backend", "nobody/32x128", ValueError),
        ("backend", [1], TypeError),
        ("backend", np.zeros(2), TypeError),
        ("out_dtype", {}, TypeError),
        ("validate", np.zeros(2), TypeError),
    ],
)
def test_wrong_values(name, value, error):
    arrays = small_problem.inputs()
    with pytest.raises(error, match=f"^{name}: got "):
        group_gemm_fp8_nt_groupwise(**arrays, **{name: value})


def test_positions_of_flashinfer():
    """The order of the twelve arguments of its version 0.7.4, and its keyword."""
    arrays = small_problem.inputs()
    inputs = [arrays[name] for name in small_problem.NAMES]
    for backend in ("trtllm", "cutile", None, "cpu"):
        out = np.zeros((CUM_M, N), np.float32)
        arguments = ((1, 128, 128), "MN", 1, out, "float32", backend, 4)
        assert group_gemm_fp8_nt_groupwise(*inputs, *arguments, skip_check=True) is out
        assert same_bits(out, expected(arrays, "float32"))
        assert plan(*inputs, *arguments, skip_check=True).backend in HOST_BACKENDS


def test_names_of_flashinfers_backends_mean_the_default(set_variable):
    set_variable("GGFP8_BACKEND", "unknown")
    with pytest.raises(ValueError, match="unknown"):
        group_gemm_fp8_nt_groupwise(**small_problem.inputs(), backend="trtllm")


@pytest.mark.parametrize("name", groupgemm_fp8.backends())
def test_configurations_of_backends(name):
    """A backend with configurations takes each by its name; another one says that it has none."""
    names = configurations(name)
    assert len({*names}) == len(names)
    for config in names:
        assert options(backend=f"{name}/{config}").backend == f"{name}/{config}"
        with pytest.raises(ValueError, match="^backend: got .*, wanted a backend's name alone$"):
            configurations(f"{name}/{config}")
    wanted = f"a configuration of {name}: {', '.join(names)}"
    if not names:
        wanted = f"{name}, which has no configurations to choose from"
    sentence = f"backend: got '{name}/a config', wanted {wanted}"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        options(backend=f"{name}/a config")


def test_configurations_of_what_is_no_backend():
    with pytest.raises(ValueError, match="^backend: got 'nobody', wanted one of "):
        configurations("nobody")
    with pytest.raises(TypeError, match="^backend: got None, wanted "):
        configurations(None)


@pytest.mark.parametrize("function, own", [(plan, ()), (workspace_size, ()), (supports, ("name",))])
def test_functions_about_a_call_take_its_arguments(function, own):
    product = inspect.signature(group_gemm_fp8_nt_groupwise).parameters
    parameters = inspect.signature(function).parameters
    assert list(parameters) == [*own, *product]
    assert all(parameters[name].default == product[name].default for name in product)
    arguments = ("cpu",) if own else ()
    with pytest.raises(TypeError, match="m_indptr"):
        function(*arguments, *list(small_problem.inputs().values())[:4])
    with pytest.raises(TypeError, match="tile"):
        function(*arguments, **small_problem.inputs(), tile=1)


def test_help_is_a_tour():
    text = pydoc.plain(pydoc.render_doc(groupgemm_fp8))
    for name in groupgemm_fp8.__all__:
        assert name in dir(groupgemm_fp8)
        assert name in text or name == "__version__"  # which help() shows as VERSION
    for name in ("groupgemm_fp8.torch", "groupgemm_fp8.jax", "python -m groupgemm_fp8"):
        assert name in text
    assert "quantize_groupwise(x" in text


def test_the_example_of_the_help_runs():
    _, _, example = groupgemm_fp8.__doc__.partition("\n\n")
    lines = example.split("\n\nPyTorch, CuPy")[0].splitlines()
    names = {}
    exec("\n".join(line.removeprefix("    ") for line in lines), names)
    out = names["out"]
    assert (out.shape, out.dtype) == ((6, 64), ml_dtypes.bfloat16)
    assert (out == 256).all()


@pytest.mark.parametrize("out_dtype", [None, "bfloat16", "float16", "float32"])
def test_functions_about_a_call_ask_for_its_output(out_dtype):
    """A backend may take one output type and not another: the type must reach the library."""
    names = [name for name, _ in _ffi.ARGS_FIELDS]
    args = queries._args_of((), small_problem.inputs() | {"out_dtype": out_dtype})
    values = dict(zip(names, _ffi.ARGS.unpack(args.raw), strict=True))
    codes = {None: 3, "bfloat16": 3, "float16": 4, "float32": 5}
    assert values["out_dtype"] == codes[out_dtype]


@pytest.mark.parametrize("function", [plan, workspace_size, functools.partial(supports, "cpu")])
def test_functions_about_a_call_refuse_a_read_only_output(function):
    out = np.zeros((CUM_M, N), np.float32)
    function(**small_problem.inputs(), out=out)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out: got a read-only array"):
        function(**small_problem.inputs(), out=out)


@pytest.mark.parametrize("status, refuses", [(201, True), (300, True), (100, False), (301, False)])
def test_what_a_status_says_of_support(monkeypatch, status, refuses):
    """A backend refuses a call also where its device has no driver; other failures raise."""
    library = _library.load()

    class Library:
        def __getattr__(self, name):
            return getattr(library, name)

        def ggfp8_backend_supports(self, name, args):
            return status

        def ggfp8_last_error(self):
            return b"the reason"

    monkeypatch.setattr(_library, "load", Library)
    if refuses:
        assert supports("cpu", **small_problem.inputs()) == (False, "the reason")
    else:
        with pytest.raises((ValueError, groupgemm_fp8.GroupGemmError), match="the reason"):
            supports("cpu", **small_problem.inputs())
