"""Doubles of the libraries that the bench compares with: they compute on the CPU, in float32.

Each has the names, shapes and layouts of the library that it stands for and refuses others.
"""

import json
import sys
import types

import torch


def product(a, b):
    """Returns float32 rows of values (rows, k) and weights (n, k), each with its scales.

    Scales of a are (rows, k-blocks), scales of b are (n-blocks, k-blocks), blocks have 128.
    """
    (values, a_scale), (weights, b_scale) = a, b
    depth = torch.arange(values.shape[1]) // 128
    columns = torch.arange(weights.shape[0]) // 128
    left = values.float() * a_scale[:, depth]
    return left @ (weights.float() * b_scale[columns][:, depth]).T


def install_deep_gemm(monkeypatch, factor=1.0):
    """Puts a double in place of deep_gemm; its results are off by `factor`."""
    double = types.ModuleType("deep_gemm")

    def contiguous(a, b, out, groups):
        assert a[0].dtype == torch.float8_e4m3fn
        assert groups.dtype == torch.int32
        assert len(groups) == len(a[0]) == len(out)
        assert len(groups) % 128 == 0
        assert all(len(set(tile.tolist()) - {-1}) == 1 for tile in groups.view(-1, 128))
        for group in range(len(b[0])):
            rows = groups == group
            out[rows] = factor * product((a[0][rows], a[1][rows]), (b[0][group], b[1][group])).to(
                out.dtype
            )

    def masked(a, b, out, counts, expected_rows):
        assert a[0].shape[0] == b[0].shape[0] == out.shape[0] == len(counts)
        assert counts.dtype == torch.int32
        assert isinstance(expected_rows, int)
        assert expected_rows > 0
        for group, count in enumerate(counts.tolist()):
            rows = (a[0][group, :count], a[1][group, :count])
            result = factor * product(rows, (b[0][group], b[1][group]))
            out[group, :count] = result.to(out.dtype)

    double.m_grouped_fp8_gemm_nt_contiguous = contiguous
    double.m_grouped_fp8_gemm_nt_masked = masked
    double.get_mn_major_tma_aligned_tensor = lambda scales: scales
    monkeypatch.setitem(sys.modules, "deep_gemm", double)


class _Config(dict):
    def to_str(self):
        return json.dumps(self)


def _prepare_layer_config(*, weight_schema, input_schema, torch_dtype, device, **sizes):
    assert weight_schema == {
        "b_dtype": "float8e4m3",
        "weight_scale_group_size": 128,
        "weight_scale_group_size_n": 128,
    }
    assert input_schema == {"a_dtype": "float8e4m3", "input_scale_group_size": 128}
    assert torch_dtype == torch.bfloat16
    assert device == torch.device("cpu")
    return _Config(sizes)


def _transform_humming_tensors(config, tensors):
    sizes = (config["num_experts"], config["shape_n"], config["shape_k"])
    weight, scale = tensors["weight"], tensors["weight_scale"]
    assert weight.dtype == torch.int32
    assert weight.shape == (*sizes[:2], sizes[2] // 4)
    assert scale.shape == (sizes[0], sizes[1] // 128, sizes[2] // 128)
    return {"weight": weight, "weight_scale": scale.transpose(1, 2).contiguous()}


def install_humming(monkeypatch, factor=1.0):
    """Puts a double in place of humming; its results are off by `factor`."""

    def gemm(*, layer_config, compute_config, tuning_config, inputs, input_scale, outputs, **rest):
        config, how = json.loads(layer_config), json.loads(compute_config)
        assert json.loads(tuning_config) == {"shape_m": len(inputs)}
        assert how["gemm_type"] == "grouped_contiguous"
        assert input_scale.is_contiguous()
        rows_padded = -(-len(inputs) // 4) * 4
        if how["use_m_major_input_scale"]:
            assert input_scale.shape == (config["shape_k"] // 128, rows_padded)
            input_scale = input_scale.T[: len(inputs)]
        assert input_scale.shape == (len(inputs), config["shape_k"] // 128)
        ends = rest["expert_layout"].tolist()
        weight = rest["weight"].view(torch.float8_e4m3fn)
        for group in range(config["num_experts"]):
            rows = slice(ends[group], ends[group + 1])
            scale = rest["weight_scale"][group].T
            result = product((inputs[rows], input_scale[rows]), (weight[group], scale))
            outputs[rows] = (factor * result).to(outputs.dtype)

    modules = {
        "humming": {},
        "humming.ops": {"humming_gemm": gemm},
        "humming.schema": {"HummingInputSchema": dict, "HummingWeightSchema": dict},
        "humming.transform": {
            "prepare_layer_config": _prepare_layer_config,
            "transform_humming_tensors": _transform_humming_tensors,
        },
        "humming.tune": {
            "get_heuristics_config": lambda config, shape_m, **how: {"shape_m": shape_m}
        },
    }
    for name, members in modules.items():
        double = types.ModuleType(name)
        vars(double).update(members)
        monkeypatch.setitem(sys.modules, name, double)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, double)


def install_grouped_mm(monkeypatch, factor=1.0):
    """Puts a double in place of torch._scaled_grouped_mm; its results are off by `factor`."""

    def grouped_mm(a, b, a_scale, b_scale, *, offs, out_dtype, use_fast_accum):
        assert b.shape[1] == a.shape[1]
        assert offs.dtype == torch.int32
        out = torch.zeros(len(a), b.shape[2], dtype=out_dtype)
        first = 0
        for group, last in enumerate(offs.tolist()):
            rows = slice(first, last)
            result = a[rows].float() @ b[group].float()
            scales = a_scale[rows, None] * b_scale[group]
            out[rows] = (factor * result * scales).to(out_dtype)
            first = last
        return out

    monkeypatch.setattr(torch, "_scaled_grouped_mm", grouped_mm, raising=False)
