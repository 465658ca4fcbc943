"""Liars: whatever an object says of itself, a call ends, and its error is a documented one."""

import inspect
import random
import re

import ml_dtypes
import numpy as np
import pytest

import groupgemm_fp8 as gg
import liars
import small_problem
from small_problem import CUM_M, N

FP8 = ml_dtypes.float8_e4m3fn
X = np.linspace(-3, 3, 4 * 256, dtype=np.float32).reshape(4, 256)
INDEX = np.array([[0, 1], [1, 0], [2, 2], [0, 2]], np.int32)
POSITION = np.arange(8, dtype=np.int32).reshape(4, 2)
WEIGHT = np.ones((4, 2), np.float32)


def zeros(shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def product_arrays():
    return {**small_problem.inputs(), "out": zeros((CUM_M, N)), "workspace": zeros(512, np.uint8)}


def layer_arrays():
    gate_up, gate_up_scale = gg.quantize_groupwise(
        np.ones((3, 256, 256), np.float32), (128, 128), scale_major_mode="K"
    )
    down, down_scale = gg.quantize_groupwise(
        np.ones((3, 256, 128), np.float32), (128, 128), scale_major_mode="K"
    )
    return {
        "x": X, "gate_up": gate_up, "gate_up_scale": gate_up_scale, "down": down,
        "down_scale": down_scale, "top_k_index": INDEX, "top_k_weights": WEIGHT,
        "out": zeros((4, 256)),
    }  # fmt: skip


QUANTISED = {"out": zeros((4, 256), FP8), "out_scale": zeros((2, 4))}
ACTIVATED = {"out": zeros((4, 128), FP8), "out_scale": zeros((1, 4))}
# Name -> the function, its honest arrays, and its other arguments.
CALLS = {
    "product": (gg.group_gemm_fp8_nt_groupwise, product_arrays(), {}),
    "new output": (gg.group_gemm_fp8_nt_groupwise, small_problem.inputs(), {}),
    "plan": (gg.plan, small_problem.inputs(), {}),
    "supports": (lambda **call: gg.supports("cpu", **call), small_problem.inputs(), {}),
    "workspace_size": (gg.workspace_size, small_problem.inputs(), {}),
    "quantise": (gg.quantize_groupwise, {"x": X, **QUANTISED}, {"granularity": (1, 128)}),
    "quantise anew": (gg.quantize_groupwise, {"x": X}, {"granularity": (1, 128)}),
    "gather": (
        gg.quantize_groupwise,
        {"x": X, "row_index": zeros(4, np.int32), **QUANTISED},
        {"granularity": (1, 128)},
    ),
    "scatter": (
        gg.quantize_groupwise,
        {"x": X, "position": POSITION, "out": zeros((8, 256), FP8), "out_scale": zeros((2, 8))},
        {"granularity": (1, 128)},
    ),
    "activate": (gg.silu_mul_quantize_groupwise, {"gate_up": X, **ACTIVATED}, {}),
    "activate anew": (
        gg.silu_mul_quantize_groupwise,
        {"gate_up": X, "m_indptr": np.array([0, 2, 4], np.int32)},
        {},
    ),
    "route": (gg.route, {"top_k_index": INDEX}, {"batch_size": 3}),
    "combine": (
        gg.combine,
        {"x": zeros((8, 256)), "position": POSITION, "weight": WEIGHT, "out": zeros((4, 256))},
        {},
    ),
    "combine anew": (
        gg.combine,
        {"x": zeros((8, 256)), "position": POSITION, "weight": WEIGHT},
        {},
    ),
    "layer": (gg.moe_ffn, layer_arrays(), {}),
}
NAMES = "|".join(
    {
        name
        for function in (
            gg.group_gemm_fp8_nt_groupwise, gg.quantize_groupwise, gg.moe_ffn,
            gg.silu_mul_quantize_groupwise, gg.route, gg.combine,
        )
        for name in inspect.signature(function).parameters
    }
)  # fmt: skip


def outcome(function, call):
    """The error of a call, or None."""
    try:
        function(**call)
    except Exception as error:
        return error
    return None


def assert_documented(function, call, seed):
    error = outcome(function, call)
    named = isinstance(error, (TypeError, ValueError)) and re.match(rf"({NAMES}): ", str(error))
    is_documented = error is None or named or isinstance(error, gg.GroupGemmError)
    assert is_documented, f"seed {seed}: {type(error).__name__}: {error}"


@pytest.mark.parametrize("name", CALLS)
def test_arrays(name):
    function, arrays, others = CALLS[name]
    for seed in range(300):
        rng = random.Random(f"{name} {seed}")
        honest = {key: liars.in_a_block(x) for key, x in arrays.items()}
        victim = rng.choice(sorted(arrays))
        call = {**honest, victim: liars.liar(rng, arrays[victim])}
        assert_documented(function, {**call, **others}, seed)


@pytest.mark.parametrize("name", ["product", "new output", "plan", "activate", "combine", "layer"])
def test_tensors_of_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch_problem import to_torch

    function, arrays, others = CALLS[name]
    for seed in range(100):
        rng = random.Random(f"{name} {seed}")
        tensors = {key: to_torch(x, "cpu") for key, x in arrays.items()}
        victim = rng.choice(sorted(arrays))
        tensors[victim] = liars.of_torch(rng, tensors[victim], torch)
        assert_documented(function, {**tensors, **others}, seed)


@pytest.mark.parametrize("name", ["m_ends", "m_counts"])
def test_groups(name):
    arrays = small_problem.inputs()
    groups = np.diff(arrays.pop("m_indptr")) if name == "m_counts" else arrays.pop("m_indptr")[1:]
    for seed in range(150):
        rng = random.Random(f"{name} {seed}")
        call = {**arrays, "m_indptr": None, name: groups}
        victim = rng.choice(["a", "out", name])
        call["out"] = zeros((CUM_M, N))
        call[victim] = liars.liar(rng, call[victim])
        assert_documented(gg.group_gemm_fp8_nt_groupwise, call, seed)


@pytest.mark.parametrize("name", ["product", "quantise", "activate", "route", "combine", "layer"])
def test_streams(name):
    function, arrays, others = CALLS[name]
    for seed in range(100):
        stream = liars.stream(random.Random(f"{name} {seed}"))
        assert_documented(function, {**arrays, **others, "stream": stream}, seed)


OPTIONS = {
    "product": ["scale_granularity_mnk", "scale_major_mode", "mma_sm", "out_dtype", "backend",
                "segment_alignment", "a_dtype", "b_dtype", "validate", "skip_check",
                "b_scale_major_mode", "group_alignment", "expected_m"],
    "quantise": ["granularity", "dtype", "scale_major_mode", "power_of_two_scales", "check_finite"],
    "activate": ["granularity", "dtype", "scale_major_mode", "limit", "alpha",
                 "power_of_two_scales"],
    "route": ["batch_size"],
    "combine": ["out_dtype"],
    "layer": ["scale_major_mode", "limit", "alpha", "power_of_two_scales"],
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    function, arrays, others = CALLS[name]
    for seed in range(200):
        rng = random.Random(f"{name} {seed}")
        option = rng.choice(OPTIONS[name])
        call = {**arrays, **others, option: liars.nonsense(rng)}
        assert_documented(function, call, f"{seed}, {option}")
