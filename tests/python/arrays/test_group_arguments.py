"""m_indptr, m_ends, m_counts and their options in Python's functions: results, plans, errors.

All layouts on all frameworks and backends are in test_groups_of_arrays.py.
"""

import numpy as np
import pytest

import small_problem
from group_calls import COUNTS, LAYOUTS, T, call_of
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise, plan, supports, workspace_size
from small_problem import CUM_M, K_BLOCKS, N_BLOCKS, K, N, expected, same_bits


@pytest.mark.parametrize("layout", LAYOUTS)
def test_call_plan_and_workspace(layout):
    call = call_of(layout)
    out = group_gemm_fp8_nt_groupwise(**call, validate=True)
    wanted = expected(small_problem.inputs())
    if layout == "masked":
        assert out.shape == (len(COUNTS), T, N)
        out = np.concatenate([out[group, :count] for group, count in enumerate(COUNTS)])
    assert same_bits(out, wanted)
    assert plan(**call).group_layout == layout
    assert workspace_size(**call) == 0
    assert supports("cpu", **call) == (True, "")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_given_out(layout):
    call = call_of(layout)
    shape = (len(COUNTS), T, N) if layout == "masked" else (CUM_M, N)
    out = np.full(shape, 7, np.float32)
    assert group_gemm_fp8_nt_groupwise(**call, out=out) is out
    if layout == "masked":
        assert all((out[group, count:] == 7).all() for group, count in enumerate(COUNTS))


def test_position_of_m_indptr_may_be_none():
    call = call_of("ends")
    inputs = [call[name] for name in ("a", "b", "a_scale", "b_scale")]
    out = group_gemm_fp8_nt_groupwise(*inputs, None, (1, 128, 128), "MN", m_ends=call["m_ends"])
    assert same_bits(out, expected(small_problem.inputs()))


def test_group_alignment():
    """The third group starts at row 8, and the rows before it are poison."""
    arrays = small_problem.inputs()
    a = np.full((12, K), 0x7F, np.uint8).view(arrays["a"].dtype)
    scales = np.full((K_BLOCKS, 12), np.nan, np.float32)
    for to, rows in ((slice(0, 2), slice(0, 2)), (slice(8, 12), slice(2, 6))):
        a[to], scales[:, to] = arrays["a"][rows], arrays["a_scale"][:, rows]
    call = {"a": a, "b": arrays["b"], "a_scale": scales, "b_scale": arrays["b_scale"]}
    for groups in ({"m_counts": COUNTS}, {"m_ends": np.array([2, 2, 12])}):
        out = np.zeros((12, N), np.float32)
        group_gemm_fp8_nt_groupwise(**call, **groups, group_alignment=8, out=out, validate=True)
        rows = np.concatenate([out[:2], out[8:]])
        assert same_bits(rows, expected(arrays, "float32"))
        assert not out[2:8].any()


@pytest.mark.parametrize("major", ["MN", "K"])
@pytest.mark.parametrize("b_major", [None, "MN", "K"])
def test_majors(major, b_major):
    arrays = small_problem.inputs()
    if major == "K":
        arrays["a_scale"] = np.ascontiguousarray(arrays["a_scale"].T)
    if (b_major or major) == "K":
        arrays["b_scale"] = np.ascontiguousarray(arrays["b_scale"].swapaxes(1, 2))
    out = group_gemm_fp8_nt_groupwise(**arrays, scale_major_mode=major, b_scale_major_mode=b_major)
    assert N_BLOCKS == K_BLOCKS  # both majors have one shape here: the bits tell them apart
    assert same_bits(out, expected(small_problem.inputs()))


def test_expected_m_is_a_hint():
    call = call_of("masked")
    wanted = group_gemm_fp8_nt_groupwise(**call)
    for expected_m in (0, 1, 3, np.int64(4), 10**6):
        out = group_gemm_fp8_nt_groupwise(**call, expected_m=expected_m)
        assert np.array_equal(out[2, :4].view(np.uint16), wanted[2, :4].view(np.uint16))


class WithoutShape:
    """An array that tells its shape by DLPack alone."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **keywords):
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_without_a_shape(layout):
    call = call_of(layout)
    for name in ("a", "b"):
        call[name] = call[name].view(np.uint8)
    out = np.zeros((len(COUNTS), T, N) if layout == "masked" else (CUM_M, N), np.float32)
    options = {"a_dtype": "float8_e4m3fn", "b_dtype": "float8_e4m3fn", "out": out}
    hidden = {name: WithoutShape(x) for name, x in call.items()}
    assert plan(**hidden, **options).group_layout == layout
    group_gemm_fp8_nt_groupwise(**hidden, **options)
    rows = np.concatenate([out[0, :2], out[2, :4]]) if layout == "masked" else out
    assert same_bits(rows, expected(small_problem.inputs(), "float32"))


WRONG = [
    ("counts", {"m_counts": None}, TypeError, "m_indptr: got None, wanted an array, or m_ends or"),
    ("ends", {"m_counts": COUNTS}, ValueError, "m_counts: got an array beside m_ends, wanted one"),
    ("indptr", {"m_ends": COUNTS}, ValueError, "m_ends: got an array beside m_indptr, wanted one"),
    ("indptr", {"m_counts": COUNTS}, ValueError, "m_counts: got an array beside m_indptr, wanted"),
    ("masked", {"m_counts": None, "m_ends": COUNTS}, ValueError, "a: got shape .*go with m_counts"),
    ("indptr", {"m_indptr": COUNTS}, ValueError, "m_indptr: got shape .* look like m_counts or m_"),
    (
        "ends",
        {"m_ends": np.zeros(4, int)},
        ValueError,
        "m_ends: got shape .* length of an m_indptr",
    ),
    (
        "counts",
        {"m_counts": COUNTS.astype("int16")},
        TypeError,
        "m_counts: got dtype int16, wanted",
    ),
    (
        "indptr",
        {"group_alignment": 8},
        ValueError,
        "group_alignment: got 8 with m_indptr, wanted 1",
    ),
    ("masked", {"group_alignment": 8}, ValueError, "group_alignment: got 8 with m_counts and an a"),
    ("ends", {"group_alignment": 0}, ValueError, "group_alignment: got 0, wanted at least 1"),
    (
        "ends",
        {"group_alignment": 1 << 31},
        ValueError,
        "group_alignment: got 2147483648, wanted at",
    ),
    ("ends", {"group_alignment": True}, TypeError, "group_alignment: got True, wanted an integer"),
    ("indptr", {"expected_m": 3}, ValueError, "expected_m: got 3 with m_indptr, wanted None"),
    ("counts", {"expected_m": 3}, ValueError, "expected_m: got 3 with m_counts and an a of two"),
    ("masked", {"expected_m": -1}, ValueError, "expected_m: got -1, wanted at least 0"),
    ("masked", {"expected_m": "3"}, TypeError, "expected_m: got '3', wanted an integer"),
    ("ends", {"b_scale_major_mode": "mn"}, ValueError, "b_scale_major_mode: got 'mn', wanted"),
    ("ends", {"b_scale_major_mode": 1}, TypeError, "b_scale_major_mode: got 1, wanted"),
    ("masked", {"out": np.zeros((15, N))}, TypeError, "out: got dtype float64"),
    (
        "masked",
        {"out": np.zeros((15, N), "f")},
        ValueError,
        r"out: got shape .*wanted \(3, 5, 136\)",
    ),
]


@pytest.mark.parametrize("layout, change, error, message", WRONG)
def test_errors(layout, change, error, message):
    call = {**call_of(layout), **change}
    for function in (group_gemm_fp8_nt_groupwise, plan, workspace_size):
        with pytest.raises(error, match=f"^{message}"):
            function(**call)


@pytest.mark.parametrize(
    "layout, values, message",
    [
        ("ends", [2, 1, 6], r"m_ends\[1\]: got 1, wanted"),
        ("counts", [2, 0, 5], r"m_counts\[2\]: got 5, wanted"),
        ("masked", [2, 0, 6], r"m_counts\[2\]: got 6, wanted"),
    ],
)
def test_validation_names_the_array(layout, values, message):
    call = call_of(layout)
    call[next(iter({"m_ends", "m_counts"} & set(call)))] = np.array(values)
    with pytest.raises(ValueError, match=message):
        group_gemm_fp8_nt_groupwise(**call, validate=True)
