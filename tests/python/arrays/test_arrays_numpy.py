"""Intake of NumPy arrays: types, byte views, strides, byte order, outputs, lifetime."""

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import small_problem
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise
from small_problem import CUM_M, K, N, assert_no_leak_with_out, expected, same_bits


@pytest.fixture
def arrays():
    return small_problem.inputs()


def test_package_imports_no_framework():
    check = "import sys, groupgemm_fp8; print({'numpy', 'torch', 'jax', 'cupy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("a_dtype", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("b_dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_fp8_pairs(a_dtype, b_dtype):
    arrays = small_problem.inputs(a_dtype, b_dtype)
    out = group_gemm_fp8_nt_groupwise(**arrays)
    assert same_bits(out, expected(arrays))


@pytest.mark.parametrize(
    "out_dtype",
    ["bfloat16", "float16", "float32", np.float16, np.dtype("float32"), ml_dtypes.bfloat16],
)
def test_out_dtype_spellings(arrays, out_dtype):
    name = out_dtype if isinstance(out_dtype, str) else np.dtype(out_dtype).name
    out = group_gemm_fp8_nt_groupwise(**arrays, out_dtype=out_dtype)
    assert same_bits(out, expected(arrays, name))


@pytest.mark.parametrize("bytes_dtype", [np.uint8, np.int8, "V1"])
@pytest.mark.parametrize("declared", ["float8_e5m2", ml_dtypes.float8_e5m2])
def test_byte_views(bytes_dtype, declared):
    arrays = small_problem.inputs("float8_e5m2", "float8_e4m3fn")
    wanted = expected(arrays)
    arrays["a"] = arrays["a"].view(bytes_dtype)
    arrays["b"] = arrays["b"].view(bytes_dtype)
    out = group_gemm_fp8_nt_groupwise(**arrays, a_dtype=declared, b_dtype="float8_e4m3fn")
    assert same_bits(out, wanted)


def embed(array, padding, axis=-1):
    """Copies values into a larger allocation, with `padding` elements more along `axis`."""
    shape = list(array.shape)
    shape[axis] += padding
    larger = np.ones(shape, array.dtype)
    view = larger[tuple(slice(0, size) for size in array.shape)]
    view[...] = array
    return view


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_row_strides(arrays, name):
    wanted = expected(arrays)
    arrays[name] = embed(arrays[name], 16)
    assert not arrays[name].flags.c_contiguous
    assert same_bits(group_gemm_fp8_nt_groupwise(**arrays), wanted)


@pytest.mark.parametrize("name", ["b", "b_scale"])
def test_group_strides(arrays, name):
    wanted = expected(arrays)
    arrays[name] = embed(arrays[name], 1, axis=1)
    assert same_bits(group_gemm_fp8_nt_groupwise(**arrays), wanted)


def test_out_row_stride(arrays):
    storage = np.full((CUM_M, N + 8), 7, np.float32)
    out = storage[:, :N]
    assert group_gemm_fp8_nt_groupwise(**arrays, out=out) is out
    assert same_bits(out, expected(arrays, "float32"))
    assert (storage[:, N:] == 7).all()


def test_one_row_ignores_its_stride(arrays):
    arrays["m_indptr"] = np.array([0, 0, 0, 1], np.int32)
    wanted = expected(arrays)[:1]
    row = np.lib.stride_tricks.as_strided(arrays["a"], (1, K), (-3, 1))
    arrays.update(a=row, a_scale=np.ascontiguousarray(arrays["a_scale"][:, :1]))
    assert same_bits(group_gemm_fp8_nt_groupwise(**arrays), wanted)


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_read_only_inputs(arrays, name):
    arrays[name].flags.writeable = False
    assert same_bits(group_gemm_fp8_nt_groupwise(**arrays), expected(arrays))


def test_read_only_out(arrays):
    out = np.zeros((CUM_M, N), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out: got a read-only array"):
        group_gemm_fp8_nt_groupwise(**arrays, out=out)


@pytest.mark.parametrize("name", ["a_scale", "b_scale", "m_indptr"])
def test_big_endian(arrays, name):
    arrays[name] = arrays[name].astype(arrays[name].dtype.newbyteorder(">"))
    with pytest.raises(TypeError, match=f"{name}: got dtype byte-swapped"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_big_endian_out(arrays):
    with pytest.raises(TypeError, match="out: got dtype byte-swapped float32"):
        group_gemm_fp8_nt_groupwise(**arrays, out=np.zeros((CUM_M, N), ">f4"))
    with pytest.raises(TypeError, match="out_dtype: got byte-swapped float32"):
        group_gemm_fp8_nt_groupwise(**arrays, out_dtype=np.dtype(">f4"))


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_negative_strides(arrays, name):
    arrays[name] = arrays[name][::-1]
    with pytest.raises(ValueError, match=f"{name}: got stride"):
        group_gemm_fp8_nt_groupwise(**arrays)


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "m_indptr"])
def test_transposed_and_strided_inner_axis(arrays, name):
    doubled = np.repeat(arrays[name], 2, axis=-1)
    arrays[name] = doubled[..., ::2]
    with pytest.raises(ValueError, match=f"{name}: got stride"):
        group_gemm_fp8_nt_groupwise(**arrays)


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_broadcast_rows(arrays, name):
    arrays[name] = np.broadcast_to(arrays[name][:1], arrays[name].shape)
    with pytest.raises(ValueError, match=f"{name}: got strides"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_broadcast_out(arrays):
    row = np.zeros((1, N), np.float32)
    out = np.lib.stride_tricks.as_strided(row, (CUM_M, N), (0, 4), writeable=True)
    with pytest.raises(ValueError, match="out: got strides"):
        group_gemm_fp8_nt_groupwise(**arrays, out=out)
    assert not row.any()


def test_field_of_a_structured_array(arrays):
    record = np.zeros(arrays["a_scale"].shape, np.dtype([("tag", "u1"), ("scale", "f4")]))
    arrays["a_scale"] = record["scale"]
    with pytest.raises(ValueError, match="a_scale: got byte strides"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_misaligned_scale(arrays):
    size = arrays["a_scale"].nbytes
    storage = np.zeros(size + 1, np.uint8)[1:]
    arrays["a_scale"] = storage.view(np.float32).reshape(arrays["a_scale"].shape)
    with pytest.raises(ValueError, match="a_scale: got address"):
        group_gemm_fp8_nt_groupwise(**arrays)


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_zero_dimensional(arrays, name):
    arrays[name] = np.array(1, arrays[name].dtype)
    with pytest.raises(ValueError, match=rf"{name}: got shape \(\)"):
        group_gemm_fp8_nt_groupwise(**arrays)


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_masked_array(arrays, name):
    arrays[name] = np.ma.masked_array(arrays[name].view(np.uint8), mask=False)
    with pytest.raises(TypeError, match=f"{name}: got numpy.ma.*MaskedArray"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_subclass(arrays):
    class Named(np.ndarray):
        pass

    wanted = expected(arrays)
    arrays["a"] = arrays["a"].view(Named)
    assert same_bits(group_gemm_fp8_nt_groupwise(**arrays), wanted)


@pytest.mark.parametrize(
    "cum_m, n, k, batch_size", [(0, 16, 32, 2), (4, 0, 32, 2), (4, 16, 32, 0), (0, 0, 0, 0)]
)
def test_empty_problems(cum_m, n, k, batch_size):
    fp8 = ml_dtypes.float8_e4m3fn
    out = np.full((cum_m, n), 5, np.float32)
    group_gemm_fp8_nt_groupwise(
        np.zeros((cum_m, k), fp8),
        np.zeros((batch_size, n, k), fp8),
        np.zeros((-(-k // 128), cum_m), np.float32),
        np.zeros((batch_size, -(-k // 128), -(-n // 128)), np.float32),
        np.zeros(batch_size + 1, np.int32),
        out=out,
    )
    assert (out == 5).all()


def test_k_zero_writes_zeros():
    fp8 = ml_dtypes.float8_e4m3fn
    out = group_gemm_fp8_nt_groupwise(
        np.zeros((3, 0), fp8),
        np.zeros((1, 8, 0), fp8),
        np.zeros((0, 3), np.float32),
        np.zeros((1, 0, 1), np.float32),
        np.array([0, 3], np.int32),
        out=np.full((3, 8), 5, np.float32),
    )
    assert (out == 0).all()


def test_no_leak(arrays):
    """10^4 calls keep no reference and no memory."""
    out = np.zeros((CUM_M, N), np.float32)
    arrays["m_indptr"] = np.zeros(4, np.int32)
    assert_no_leak_with_out(arrays, out)
