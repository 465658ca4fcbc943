"""Humming's grouped kernel with scale blocks, for both layouts of the scales of a.

The kernel is compiled for each problem at the first run and takes rows as they are. The change of
the weights' layout and of the scales' is done once, before anything is timed.
"""

from __future__ import annotations

import json

from .peer import (
    Peer,
    UnavailableError,
    as_tensor,
    require_block_scales,
    require_torch,
    scales_of,
)

_BLOCK = 128
_ROW_ALIGNMENT = 4  # of the scales of a whose rows lie next to each other
_NUM_LOCKS = 2048  # what Humming's own layer allocates


class _Humming(Peer):
    """Base of the two peers, which differ in the layout of the scales of a."""

    note = "JIT-compiled; layout of weights and scales not timed"
    rows_adjacent = False  # whether the scales of a are stored with their rows next to each other

    def prepare(self):
        try:
            from humming import ops
            from humming.schema import HummingInputSchema, HummingWeightSchema
            from humming.transform import prepare_layer_config, transform_humming_tensors
            from humming.tune import get_heuristics_config
        except ImportError as error:
            raise UnavailableError(f"humming is not importable: {error}") from None
        problem = self.problem
        require_block_scales(problem)
        if problem.n % _BLOCK or problem.k % _BLOCK:
            raise UnavailableError("needs n and k that are multiples of 128")
        torch = require_torch()
        config = prepare_layer_config(
            shape_n=problem.n,
            shape_k=problem.k,
            weight_schema=HummingWeightSchema(
                b_dtype="float8e4m3",
                weight_scale_group_size=_BLOCK,
                weight_scale_group_size_n=_BLOCK,
            ),
            input_schema=HummingInputSchema(a_dtype="float8e4m3", input_scale_group_size=_BLOCK),
            num_experts=len(problem.indptr) - 1,
            torch_dtype=torch.bfloat16,
            device=torch.device(self.device),
        )
        self._gemm = ops.humming_gemm
        self._weights = [
            self._weight_set(config, idx, transform_humming_tensors)
            for idx in range(len(problem.b))
        ]
        num_rows = int(problem.indptr[-1])
        how = {"gemm_type": "grouped_contiguous", "use_m_major_input_scale": self.rows_adjacent}
        tuning = get_heuristics_config(config, shape_m=num_rows, device=self.device, **how)
        self._options = {
            "layer_config": config.to_str(),
            "compute_config": json.dumps(how),
            "tuning_config": json.dumps(tuning),
            "inputs": as_tensor(problem.a),
            "input_scale": self._input_scale(num_rows),
            "expert_layout": self.tensor(problem.indptr),
            "locks": torch.zeros(_NUM_LOCKS, dtype=torch.int32, device=self.device),
        }
        self._out = torch.empty(num_rows, problem.n, dtype=torch.bfloat16, device=self.device)

    def _weight_set(self, config, idx, transform):
        torch = require_torch()
        weight = as_tensor(self.problem.b[idx]).view(torch.int32)
        scale = scales_of(self.problem, idx)[1].contiguous()
        return transform(config, {"weight": weight, "weight_scale": scale})

    def _input_scale(self, num_rows):
        torch = require_torch()
        scale = scales_of(self.problem)[0]
        if not self.rows_adjacent:
            return scale.contiguous()
        padded = -(-num_rows // _ROW_ALIGNMENT) * _ROW_ALIGNMENT
        result = torch.zeros(scale.shape[1], padded, device=self.device)
        result[:, :num_rows] = scale.T
        return result

    def launch(self, idx):
        weights = self._weights[idx % len(self._weights)]
        self._gemm(**self._options, **weights, outputs=self._out)

    def result_rows(self, rows):
        return self._out[rows]


class HummingByRow(_Humming):
    """humming.ops.humming_gemm with the scales of a row next to each other."""

    name = "humming"
    label = "Humming"


class HummingByBlock(_Humming):
    """humming.ops.humming_gemm with the rows of a scale block next to each other."""

    name = "humming m-major"
    label = "Humming m"
    rows_adjacent = True
