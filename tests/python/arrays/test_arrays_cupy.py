"""Intake of CuPy arrays without a device: real arrays around addresses that nobody reads."""

import ctypes
import itertools

import ml_dtypes
import numpy as np
import pytest

import small_problem
from described import described, read_back
from groupgemm_fp8 import _ffi, _library, group_gemm_fp8_nt_groupwise, ops, plan
from groupgemm_fp8._call import Call
from groupgemm_fp8._options import options
from small_problem import CUM_M, K, N

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")

_addresses = itertools.count(1 << 20, 1 << 20)


def array(dtype, shape, ordinal=0):
    memory = cupy.cuda.UnownedMemory(next(_addresses), 1 << 20, None, ordinal)
    return cupy.ndarray(shape, dtype, cupy.cuda.MemoryPointer(memory, 0))


def problem(ordinal=0):
    arrays = small_problem.inputs()
    call = {name: array(x.dtype, x.shape, ordinal) for name, x in arrays.items()}
    return {**call, "out": array(np.float32, (CUM_M, N), ordinal), "stream": 5}


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.uint8])
def test_view(dtype):
    x = array(dtype, (CUM_M, 2 * K), ordinal=3)
    got = described(x[1:, :K])
    assert got.data == x.data.ptr + 2 * K
    assert got.device == (2, 3)
    assert (got.shape, got.strides) == ((CUM_M - 1, K), (2 * K, 1))
    codes = {"float8_e4m3fn": (10, 8, 1), "float8_e5m2": (12, 8, 1), "uint8": (1, 8, 1)}
    assert got.dtype == codes[np.dtype(dtype).name]


def test_strides_are_counted_in_elements():
    x = array(np.float32, (4, 10))
    assert described(x[::2, ::5]).strides == (20, 5)


def test_device_and_stream():
    call = Call(tuple(problem(ordinal=1).values())[:5], 5)
    call.describe("a", call.arrays[0])
    assert call.device == (2, 1)
    assert call.stream_handle() == 5


@pytest.mark.parametrize("name", ["b", "a_scale", "b_scale", "m_indptr", "out"])
def test_two_devices(name):
    call = problem()
    call[name] = array(call[name].dtype, call[name].shape, ordinal=1)
    with pytest.raises(ValueError, match=f"{name}: got an array on cuda:1, wanted cuda:0 like a"):
        group_gemm_fp8_nt_groupwise(**call)


def test_undeclared_bytes():
    call = problem()
    call["b"] = call["b"].view(np.uint8)
    with pytest.raises(TypeError, match=r"b: got dtype uint8, .* with b_dtype"):
        plan(**call)


class Recorder:
    """A library that reads the descriptions of a product and answers with a status."""

    def __init__(self, status=_ffi.SUCCESS):
        self.status = status
        self.calls = []

    def ggfp8_group_gemm_nt_groupwise_tensors(self, *arguments):
        *arrays, _, stream = arguments
        addresses = [ctypes.cast(x, ctypes.c_void_p).value for x in arrays if x is not None]
        self.calls.append(([read_back(address) for address in addresses], stream))
        return self.status


@pytest.fixture
def reader(monkeypatch):
    """The reader, with streams of CuPy without a driver: 70 on device 0, 71 on device 1."""
    from groupgemm_fp8._readers import cupy as reader

    monkeypatch.setattr(reader, "current_stream", lambda x, ordinal: 70 + ordinal)
    return reader


def product_of(reader, monkeypatch, inputs, out, status=_ffi.SUCCESS):
    """Returns what the fast part returns, and what it says to the library."""
    library = Recorder(status)
    with monkeypatch.context() as context:
        context.setattr(_library, "load", lambda: library)
        return reader.product(inputs, out, options()), library.calls


@pytest.mark.parametrize("ordinal", [0, 1])
@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.bfloat16, "f4", "i8", "u1"])
def test_the_fast_part_describes_as_the_slow_one(monkeypatch, reader, dtype, ordinal):
    shapes = [(), (7,), (4, 10), (3, 5, 6), (2, 2, 2, 2, 2, 2, 2, 2)]
    whole = [array(dtype, shape, ordinal) for shape in shapes]
    views = [whole[2][::2, ::5], whole[2].T, whole[3][:, 1:, ::-1], whole[1][7:]]
    for x in (*whole, *views):
        wanted = described(x)
        inputs = (whole[2], x, x, x, x)
        result, [(got, stream)] = product_of(reader, monkeypatch, inputs, x)
        assert result is x
        assert got == [described(whole[2]), *[wanted] * 5]
        assert stream == 70 + ordinal


def test_the_fast_part_leaves_the_rest_to_the_slow_one(monkeypatch, reader):
    """Foreign and wrong arrays, and calls that the library refuses."""

    class Subclass(cupy.ndarray):
        pass

    *inputs, out, _ = problem().values()
    others = [
        np.zeros(3),
        None,
        "text",
        out.view(Subclass),
        array(np.float32, (1,) * 9),
    ]
    for other in others:
        for place in range(5):
            changed = (*inputs[:place], other, *inputs[place + 1 :])
            assert product_of(reader, monkeypatch, changed, out) == (None, [])
        if other is not None:
            assert product_of(reader, monkeypatch, tuple(inputs), other) == (None, [])
    for status in (_ffi.ERROR_INVALID_WORKSPACE, _ffi.ERROR_NO_DRIVER):
        result, calls = product_of(reader, monkeypatch, tuple(inputs), out, status)
        assert result is None
        assert len(calls) == 1


@pytest.mark.parametrize("name", [None, "bfloat16", "float16", "float32"])
def test_the_fast_part_makes_the_output(monkeypatch, reader, name):
    def empty(like, shape, dtype, ordinal):
        assert ordinal == 1
        return array(np.dtype(getattr(ml_dtypes, dtype, dtype)), shape, ordinal)

    monkeypatch.setattr(reader, "empty", empty)
    *inputs, _, _ = problem(ordinal=1).values()
    library = Recorder()
    monkeypatch.setattr(_library, "load", lambda: library)
    out = ops.run(tuple(inputs), None, options()._replace(out_dtype=name))
    assert out.shape == (CUM_M, N)
    assert out.dtype.name == (name or "bfloat16")
    assert library.calls[0][0][5] == described(out)
