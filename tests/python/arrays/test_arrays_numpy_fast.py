"""The product of NumPy's own arrays, whose fast part makes no Call."""

import ctypes

import ml_dtypes
import numpy as np
import pytest

import small_problem
from described import described, read_back
from groupgemm_fp8 import _ffi, _library, group_gemm_fp8_nt_groupwise, ops
from groupgemm_fp8._options import options
from groupgemm_fp8._readers import interface as reader
from small_problem import CUM_M, N, expected, same_bits


class Recorder:
    """A library that reads the descriptions of a product and answers with a status."""

    def __init__(self, status=_ffi.SUCCESS):
        self.status, self.calls = status, []

    def ggfp8_group_gemm_nt_groupwise_tensors(self, *arguments):
        *arrays, _, stream = arguments
        assert stream is None
        addresses = [ctypes.cast(x, ctypes.c_void_p).value for x in arrays if x is not None]
        self.calls.append([read_back(address) for address in addresses])
        return self.status


def product_of(monkeypatch, inputs, out, status=_ffi.SUCCESS):
    """Returns what the fast part returns, and what it says to the library."""
    library = Recorder(status)
    with monkeypatch.context() as context:
        context.setattr(_library, "load", lambda: library)
        return reader.product(inputs, out, options()), library.calls


def dense(description):
    """The description with strides; the slow part leaves those of dense arrays out."""
    sizes = description.shape
    strides = [int(np.prod(sizes[axis + 1 :])) for axis in range(len(sizes))]
    return description._replace(strides=description.strides or tuple(strides))


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.bfloat16, "f4", "i8", "u1"])
def test_the_fast_part_describes_as_the_slow_one(monkeypatch, dtype):
    shapes = [(), (7,), (4, 10), (3, 5, 6), (2, 2, 2, 2, 2, 2, 2, 2)]
    whole = [np.zeros(shape, dtype) for shape in shapes]
    views = [whole[2][::2, ::5], whole[2].T, whole[3][:, 1:, ::-1]]
    for x in (*whole, *views):
        wanted = dense(described(x))
        result, [got] = product_of(monkeypatch, (whole[2], x, x, x, x), x)
        assert result is x
        assert got == [dense(described(whole[2])), *[wanted] * 5]


class Subclass(np.ndarray):
    pass


def others(out):
    read_only = out.copy()
    read_only.flags.writeable = False
    halves = np.zeros((CUM_M, N), np.dtype([("x", "<f4"), ("y", "<i2")]))["x"]
    return {
        "nothing": None,
        "a list": [1.0],
        "a subclass": out.view(Subclass),
        "a masked array": np.ma.masked_array(out),
        "foreign order": out.astype(">f4"),
        "many axes": np.zeros((1,) * 9, np.float32),
        "no type of DLPack": np.zeros(3, "M8[s]"),
        "strides of no element": halves,
        "read-only": read_only,
    }


@pytest.mark.parametrize("kind", others(np.zeros((CUM_M, N), np.float32)))
def test_the_fast_part_leaves_the_rest_to_the_slow_one(monkeypatch, kind):
    """Foreign and wrong arrays, which are then refused with a sentence or read by other means."""
    inputs = tuple(small_problem.inputs().values())
    out = np.zeros((CUM_M, N), np.float32)
    other = others(out)[kind]
    if kind != "read-only":
        for place in range(1, 5):
            changed = (*inputs[:place], other, *inputs[place + 1 :])
            assert product_of(monkeypatch, changed, out) == (None, [])
    if kind != "nothing":
        assert product_of(monkeypatch, inputs, other) == (None, [])


@pytest.mark.parametrize("status", [_ffi.ERROR_INVALID_WORKSPACE, _ffi.ERROR_NO_DRIVER])
def test_a_refused_call_is_left_to_the_slow_part(monkeypatch, status):
    inputs = tuple(small_problem.inputs().values())
    result, calls = product_of(monkeypatch, inputs, np.zeros((CUM_M, N), np.float32), status)
    assert result is None
    assert len(calls) == 1


@pytest.mark.parametrize("name", [None, "bfloat16", "float16", "float32"])
def test_the_fast_part_makes_the_output(name):
    arrays = small_problem.inputs()
    chosen = options()._replace(out_dtype=name)
    chosen = chosen._replace(packed=chosen.pack())
    out = reader.product(tuple(arrays.values()), None, chosen)
    assert out.dtype.name == (name or "bfloat16")
    assert same_bits(out, expected(arrays, name or "bfloat16"))


def test_which_calls_take_the_fast_part(monkeypatch):
    """A stream, a workspace or a subclass has the slow part look at it."""
    arrays = small_problem.inputs()
    taken = []

    def product(inputs, out, chosen):
        taken.append(True)

    assert ops.frameworks[Subclass].product is None  # its members may be its own
    framework = ops.frameworks[np.ndarray]
    assert framework.product is reader.product
    monkeypatch.setitem(ops.frameworks, np.ndarray, framework._replace(product=product))
    group_gemm_fp8_nt_groupwise(**arrays)
    assert taken == [True]
    group_gemm_fp8_nt_groupwise(**arrays, stream=0)
    group_gemm_fp8_nt_groupwise(**arrays, workspace=np.zeros(512, np.uint8))
    group_gemm_fp8_nt_groupwise(**{**arrays, "a": arrays["a"].view(Subclass)})
    assert taken == [True]
