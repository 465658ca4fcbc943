"""Intake of CuPy arrays without a device: real arrays around addresses that nobody reads."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import small_problem
from described import described
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise, plan
from groupgemm_fp8._call import Call
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
