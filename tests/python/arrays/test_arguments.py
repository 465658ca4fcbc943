"""Every argument with every kind of illegal value.

The error has the right type and names the argument, `out` is untouched, and the next valid call
is right.
"""

import pickle
import re

import ml_dtypes
import numpy as np
import pytest

import small_problem
from groupgemm_fp8 import (
    GroupGemmError,
    _ffi,
    _library,
    group_gemm_fp8_nt_groupwise,
    plan,
    supports,
    workspace_size,
)
from numeric.runner import HOST_BACKENDS
from small_problem import BATCH_SIZE, CUM_M, K_BLOCKS, N_BLOCKS, K, N, expected, same_bits

SENTINEL = 123.0


def zeros(*shape, dtype="float8_e4m3fn"):
    dtype = small_problem.fp8(dtype) if dtype.startswith("float8") else dtype
    return np.zeros(shape, dtype)


def floats(*shape):
    return np.ones(shape, np.float32)


def strided(array, strides):
    """Views the memory of an array under other byte strides."""
    return np.lib.stride_tricks.as_strided(array, strides=strides)


def m_indptr(*values):
    return np.array(values, np.int32)


NO_ARRAYS = [None, 1, 2.5, "a", [[1.0]], (1,), object(), {}, b"bytes", memoryview(b"x"), type]


def not_arrays(argument):
    # For out and workspace, None means a default.
    optional = argument in ("out", "workspace")
    return [(argument, x, TypeError) for x in NO_ARRAYS if not (optional and x is None)]


DTYPES = ["float64", "int64", "bool", "complex64", "float8_e4m3", "float8_e4m3fnuz"]


def other_dtypes(argument, shape, *more):
    return [
        (argument, np.zeros(shape, name_to_dtype(name)), TypeError) for name in (*DTYPES, *more)
    ]


def name_to_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


ILLEGAL = [
    *not_arrays("a"),
    *other_dtypes("a", (CUM_M, K), "uint8", "V1", "float32", "bfloat16"),
    ("a", zeros(K), ValueError),
    ("a", zeros(1, CUM_M, K), ValueError),
    ("a", strided(zeros(CUM_M, 2 * K), (2 * K - 8, 1))[:, :K], ValueError),
    ("a", strided(zeros(CUM_M, K), (K // 2, 1)), ValueError),
    *not_arrays("b"),
    *other_dtypes("b", (BATCH_SIZE, N, K), "uint8", "V1", "float32", "bfloat16"),
    ("b", zeros(N, K), ValueError),
    ("b", zeros(1, BATCH_SIZE, N, K), ValueError),
    ("b", zeros(BATCH_SIZE, N, K + 16), ValueError),
    ("b", zeros(BATCH_SIZE, N, K - 16), ValueError),
    ("b", strided(zeros(BATCH_SIZE, N, K), (K, K, 1)), ValueError),
    ("b", strided(zeros(BATCH_SIZE, N + 1, K + 8), ((N + 1) * K, K + 8, 1))[:, :N, :K], ValueError),
    *not_arrays("a_scale"),
    *other_dtypes("a_scale", (K_BLOCKS, CUM_M), "float16", "bfloat16", "float8_e8m0fnu"),
    ("a_scale", floats(K_BLOCKS), ValueError),
    ("a_scale", floats(CUM_M, K_BLOCKS), ValueError),
    ("a_scale", floats(K_BLOCKS - 1, CUM_M), ValueError),
    ("a_scale", floats(K_BLOCKS, CUM_M + 1), ValueError),
    ("a_scale", strided(floats(K_BLOCKS, CUM_M), (4, 4)), ValueError),
    *not_arrays("b_scale"),
    *other_dtypes("b_scale", (BATCH_SIZE, K_BLOCKS, N_BLOCKS), "float16", "bfloat16"),
    ("b_scale", floats(K_BLOCKS, N_BLOCKS), ValueError),
    ("b_scale", floats(BATCH_SIZE + 1, K_BLOCKS, N_BLOCKS), ValueError),
    ("b_scale", floats(BATCH_SIZE, K_BLOCKS, N_BLOCKS - 1), ValueError),
    ("b_scale", floats(BATCH_SIZE, K_BLOCKS + 1, N_BLOCKS), ValueError),
    ("b_scale", strided(floats(BATCH_SIZE, K_BLOCKS, N_BLOCKS), (4, 8, 4)), ValueError),
    *not_arrays("m_indptr"),
    *[x for x in other_dtypes("m_indptr", BATCH_SIZE + 1, "uint32") if x[1].dtype != np.int64],
    ("m_indptr", m_indptr(0, 2, 2), ValueError),
    ("m_indptr", m_indptr(0, 2, 2, 4, CUM_M), ValueError),
    ("m_indptr", m_indptr(), ValueError),
    ("m_indptr", m_indptr([0, 2, 2, CUM_M]), ValueError),
    ("m_indptr", np.repeat(m_indptr(0, 2, 2, CUM_M), 2)[::2], ValueError),
    ("scale_granularity_mnk", None, TypeError),
    ("scale_granularity_mnk", 128, TypeError),
    ("scale_granularity_mnk", (1, 128), ValueError),
    ("scale_granularity_mnk", (1, 128, 128, 1), ValueError),
    ("scale_granularity_mnk", (1.0, 128, 128), TypeError),
    ("scale_granularity_mnk", (True, 128, 128), TypeError),
    ("scale_granularity_mnk", ("1", 128, 128), TypeError),
    ("scale_granularity_mnk", (0, 128, 128), ValueError),
    ("scale_granularity_mnk", (2, 128, 128), ValueError),
    ("scale_granularity_mnk", (-1, 128, 128), ValueError),
    ("scale_granularity_mnk", (1, 0, 128), ValueError),
    ("scale_granularity_mnk", (1, 32, 128), ValueError),
    ("scale_granularity_mnk", (1, 128, 0), ValueError),
    ("scale_granularity_mnk", (1, 128, 16), ValueError),
    ("scale_granularity_mnk", (1, 128, 256), ValueError),
    ("scale_granularity_mnk", (1, 128, 2**70), ValueError),
    ("scale_major_mode", None, TypeError),
    ("scale_major_mode", 1, TypeError),
    ("scale_major_mode", b"MN", TypeError),
    ("scale_major_mode", ["MN"], TypeError),
    ("scale_major_mode", "", ValueError),
    ("scale_major_mode", "mn", ValueError),
    ("scale_major_mode", "NM", ValueError),
    ("mma_sm", 0, ValueError),
    ("mma_sm", 3, ValueError),
    ("mma_sm", -1, ValueError),
    ("mma_sm", 2**70, ValueError),
    ("mma_sm", None, TypeError),
    ("mma_sm", 1.0, TypeError),
    ("mma_sm", True, TypeError),
    ("mma_sm", "1", TypeError),
    *not_arrays("out"),
    *other_dtypes("out", (CUM_M, N), "uint16"),
    ("out", floats(N), ValueError),
    ("out", floats(1, CUM_M, N), ValueError),
    ("out", floats(N, CUM_M), ValueError),
    ("out", floats(CUM_M + 1, N), ValueError),
    ("out", floats(CUM_M, N - 8), ValueError),
    ("out", floats(N, CUM_M).T, ValueError),
    ("out", floats(CUM_M, 2 * N)[:, ::2], ValueError),
    ("out", floats(CUM_M, N)[::-1], ValueError),
    ("out", strided(floats(CUM_M, N), (4 * N - 4, 4)), ValueError),
    ("out", np.zeros(4 * CUM_M * N + 1, np.uint8)[1:].view("f4").reshape(CUM_M, N), ValueError),
    ("out_dtype", "float64", TypeError),
    ("out_dtype", "float8_e4m3fn", TypeError),
    ("out_dtype", "float16", TypeError),  # out is float32
    ("out_dtype", np.dtype("float64"), TypeError),
    ("out_dtype", float, TypeError),
    ("out_dtype", 3, TypeError),
    ("out_dtype", [], TypeError),
    ("a_dtype", "float8_e5m2", TypeError),  # a is float8_e4m3fn
    ("a_dtype", "float8", TypeError),
    ("a_dtype", np.float32, TypeError),
    ("a_dtype", 1, TypeError),
    ("b_dtype", "float8_e5m2", TypeError),
    ("b_dtype", "uint8", TypeError),
    ("b_dtype", ml_dtypes.bfloat16, TypeError),
    ("b_dtype", {}, TypeError),
    ("stream", "0", TypeError),
    ("stream", 1.5, TypeError),
    ("stream", True, TypeError),
    ("stream", object(), TypeError),
    ("stream", -1, ValueError),
    ("stream", 2**64, ValueError),
    ("backend", 0, TypeError),
    ("backend", b"cpu", TypeError),
    ("backend", "", ValueError),
    ("backend", "CPU", ValueError),
    ("backend", "cpu\0", ValueError),
    ("backend", "unknown", ValueError),
    *not_arrays("workspace"),
    ("workspace", floats(64), TypeError),
    ("workspace", np.zeros((8, 8), np.uint8), ValueError),
    ("workspace", np.zeros(64, np.uint8)[::2], ValueError),
    ("workspace", np.frombuffer(bytes(64), np.uint8), ValueError),
    ("validate", None, TypeError),
    ("validate", 1, TypeError),
    ("validate", "yes", TypeError),
]


@pytest.fixture
def call():
    out = np.full((CUM_M, N), SENTINEL, np.float32)
    return {**small_problem.inputs(), "out": out}


def check_refused(call, changes, error, message):
    out = call["out"]
    with pytest.raises(error, match=message):
        group_gemm_fp8_nt_groupwise(**{**call, **changes})
    assert (out == SENTINEL).all()
    changed = changes.get("out")
    if isinstance(changed, np.ndarray):  # filled with zeros or ones
        assert ((changed == 0) | (changed == 1)).all()
    group_gemm_fp8_nt_groupwise(**call)
    assert same_bits(out, expected(call, "float32"))


@pytest.mark.parametrize(
    "argument, value, error",
    ILLEGAL,
    ids=[f"{argument}-{i}" for i, (argument, _, _) in enumerate(ILLEGAL)],
)
def test_illegal_value(call, argument, value, error):
    check_refused(call, {argument: value}, error, rf"^{argument}(_row_stride|_.*stride)?: ")


@pytest.mark.parametrize(
    "argument, n, k", [("n", 4, 16), ("n", 12, 16), ("k", 8, 8), ("k", 8, 24), ("k", 8, 1)]
)
def test_illegal_multiples(call, argument, n, k):
    changes = {
        "a": zeros(CUM_M, k),
        "b": zeros(BATCH_SIZE, n, k),
        "a_scale": floats(1, CUM_M),
        "b_scale": floats(BATCH_SIZE, 1, 1),
        "out": floats(CUM_M, n),
    }
    name, shape = ("b", (BATCH_SIZE, n, k)) if argument == "n" else ("a", (CUM_M, k))
    sentence = rf"^{name}: got shape {re.escape(str(shape))}, wanted .* {argument} a multiple of "
    check_refused(call, changes, ValueError, sentence)


def test_too_many_rows(call):
    rows, n, k = 2**31, 8, 16
    changes = {
        "a": without_memory((rows, k), small_problem.fp8("float8_e4m3fn")),
        "b": zeros(BATCH_SIZE, n, k),
        "a_scale": without_memory((1, rows), np.dtype(np.float32)),
        "b_scale": floats(BATCH_SIZE, 1, 1),
        "out": without_memory((rows, n), np.dtype(np.float32)),
    }
    with pytest.raises(
        ValueError, match=r"^a: got shape \(2147483648, 16\), wanted .* cum_m from 0"
    ):
        group_gemm_fp8_nt_groupwise(**{**call, **changes})


def without_memory(shape, dtype):
    """An array of that shape around a single element."""
    strides = (shape[1] * dtype.itemsize, dtype.itemsize)
    element = np.zeros((1, 1), dtype)
    return np.lib.stride_tricks.as_strided(element, shape, strides, writeable=True)


@pytest.mark.parametrize(
    "values, index",
    [
        ((-1, 2, 2, 6), 0),
        ((0, -2, 2, 6), 1),
        ((0, 4, 2, 6), 2),
        ((0, 2, 2, 7), 3),
        ((0, 2, 2**31 - 1, 6), 2),
        ((-(2**31), 2, 2, 6), 0),
    ],
)
def test_validate(call, values, index):
    changes = {"m_indptr": m_indptr(*values), "validate": True}
    check_refused(call, changes, ValueError, rf"^m_indptr\[{index}\]: got {values[index]}\b")


def test_validate_accepts_gaps(call):
    call["m_indptr"] = m_indptr(1, 2, 2, 5)
    group_gemm_fp8_nt_groupwise(**call, validate=True)
    wanted = expected(call, "float32")
    assert same_bits(call["out"][1:5], wanted[1:5])
    assert (call["out"][[0, 5]] == SENTINEL).all()


def test_unknown_backend_in_the_environment(call, set_variable):
    set_variable("GGFP8_BACKEND", "unknown")
    with pytest.raises(ValueError, match="unknown"):
        group_gemm_fp8_nt_groupwise(**call)
    assert (call["out"] == SENTINEL).all()
    group_gemm_fp8_nt_groupwise(**call, backend="cpu")
    assert same_bits(call["out"], expected(call, "float32"))


def test_missing_and_unknown_arguments(call):
    with pytest.raises(TypeError, match="m_indptr"):
        group_gemm_fp8_nt_groupwise(call["a"], call["b"], call["a_scale"], call["b_scale"])
    with pytest.raises(TypeError, match="tile"):
        group_gemm_fp8_nt_groupwise(**call, tile=1)


def test_positional_order(call):
    """FlashInfer's order of the positional arguments."""
    arrays = [call[name] for name in small_problem.NAMES]
    out = group_gemm_fp8_nt_groupwise(*arrays, (1, 128, 128), "MN", 1, call["out"], "float32")
    assert out is call["out"]
    assert same_bits(out, expected(call, "float32"))


@pytest.mark.parametrize(
    "legal",
    [
        {"mma_sm": 2},
        {"mma_sm": np.int64(2)},
        {"scale_granularity_mnk": [1, 128, 128]},
        {"scale_granularity_mnk": np.array([1, 128, 128])},
        {"backend": "cpu"},
        {"stream": 0},
        {"stream": 7},  # without effect on the CPU
        {"workspace": np.zeros(0, np.uint8)},
        {"workspace": np.zeros(512, np.int8)},
        {"validate": True},
        {"a_dtype": "float8_e4m3fn", "b_dtype": ml_dtypes.float8_e4m3fn},
        {"out_dtype": "float32"},
    ],
)
def test_legal_values(call, legal):
    group_gemm_fp8_nt_groupwise(**call, **legal)
    assert same_bits(call["out"], expected(call, "float32"))


def test_k_major_scales(call):
    wanted = expected(call, "float32")
    call["a_scale"] = np.ascontiguousarray(call["a_scale"].T)
    call["b_scale"] = np.ascontiguousarray(call["b_scale"].swapaxes(1, 2))
    group_gemm_fp8_nt_groupwise(**call, scale_major_mode="K")
    assert same_bits(call["out"], wanted)


def test_rows_that_share_a_scale(call):
    """Granularity 128 in m, with a last block cut off after CUM_M rows."""
    call["m_indptr"] = m_indptr(0, 0, 0, CUM_M)
    shared = call["a_scale"][:, :1].copy()
    call["a_scale"] = np.repeat(shared, CUM_M, axis=1)
    wanted = expected(call, "float32")
    call["a_scale"] = shared
    group_gemm_fp8_nt_groupwise(**call, scale_granularity_mnk=(128, 128, 128))
    assert same_bits(call["out"], wanted)


@pytest.mark.parametrize(
    "status, kind",
    [
        *((status, ValueError) for status in (100, 101, 120, 121, 122, 130, 140, 150, 160, 200)),
        (_ffi.ERROR_UNSUPPORTED, ValueError),
        (_ffi.ERROR_INVALID_DTYPE, TypeError),
        *((status, GroupGemmError) for status in (300, 301, 302, 399)),
    ],
)
def test_exception_of_a_status(status, kind):
    error = _library.error(status)
    assert type(error) is kind
    assert str(error)
    if kind is GroupGemmError:
        assert isinstance(error, RuntimeError)
        assert error.status == status
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.status) == (kind, str(error), status)


def test_plan_and_friends_run_nothing(call):
    assert plan(**call).backend in HOST_BACKENDS
    assert plan(**call).num_workers >= 1
    assert workspace_size(**call) == plan(**call).workspace_bytes
    assert supports("cpu", **call) == (True, "")
    assert (call["out"] == SENTINEL).all()
    del call["out"]
    assert plan(**call).backend in HOST_BACKENDS
    with pytest.raises(ValueError, match=r"^backend: got 'unknown'"):
        supports("unknown", **call)
    with pytest.raises(ValueError, match=r"^mma_sm: got 3"):
        plan(**call, mma_sm=3)


def test_plan_of_nothing():
    empty = {
        "a": zeros(0, 16),
        "b": zeros(1, 8, 16),
        "a_scale": floats(1, 0),
        "b_scale": floats(1, 1, 1),
        "m_indptr": m_indptr(0, 0),
    }
    assert plan(**empty)[:3] == ("none", "none", 0)
