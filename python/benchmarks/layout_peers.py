"""The masked kernels of other libraries that layouts.py times on the same slabs.

Each compiles its kernel at the first run. The layouts of weights and scales that a peer wants are
made before anything is timed. Results may differ in their last bits.
"""

import json

import torch
from layout_products import MASKED, Contender, Layout

MAX_ERROR = 3e-2
NUM_LOCKS = 2048  # what Humming's own layer allocates


class _Peer(Contender):
    """A peer's product of slabs, with the true number of rows as its hint."""

    def __init__(self, name, slab, arena):
        layout = Layout(f"{name}, slabs of {slab}", MASKED, slab=slab)
        super().__init__(layout, arena)
        groups, rows, _, _ = arena.shape
        self.counts = layout.group_array(groups, rows)

    def fault(self, wanted):
        wanted = wanted.view(torch.bfloat16).float()
        error = (self.result().view(torch.bfloat16).float() - wanted).norm() / wanted.norm()
        return None if error < MAX_ERROR else f"relative error {error:.1e}"


class DeepGemmMasked(_Peer):
    """deep_gemm.m_grouped_fp8_gemm_nt_masked"""

    def __init__(self, slab, arena):
        import deep_gemm

        super().__init__("deep_gemm", slab, arena)
        groups, rows, n, k = arena.shape
        self._kernel = deep_gemm.m_grouped_fp8_gemm_nt_masked
        a = self.a.view(torch.float8_e4m3fn).view(groups, slab, k)
        self._arguments = (
            (a, self.a_scale.transpose(1, 2)),
            (arena.b.view(torch.float8_e4m3fn), arena.b_scale.transpose(1, 2).contiguous()),
            self.out.view(torch.bfloat16).view(groups, slab, n),
            self.counts,
            rows,
        )

    def launch(self):
        self._kernel(*self._arguments)


class HummingMasked(_Peer):
    """humming.ops.humming_gemm of type grouped_masked, with the scales of a row together."""

    rows_adjacent = False

    def __init__(self, slab, arena):
        from humming import ops

        super().__init__("humming m-major" if self.rows_adjacent else "humming", slab, arena)
        groups, rows, _, _ = arena.shape
        self._gemm = ops.humming_gemm
        config, weights, tuning = self._configure(arena)
        num_rows, kb = len(self.a), arena.rows_scale.shape[1]
        scales = (kb, num_rows) if self.rows_adjacent else (num_rows, kb)
        self._input_scale = torch.ones(scales, device="cuda")
        self._options = {
            "layer_config": config.to_str(),
            "compute_config": json.dumps(self._how()),
            "tuning_config": json.dumps(tuning),
            "inputs": self.a.view(torch.float8_e4m3fn),
            "input_scale": self._input_scale,
            "expert_layout": self.counts,
            "locks": torch.zeros(NUM_LOCKS, dtype=torch.int32, device="cuda"),
            "outputs": self.out.view(torch.bfloat16),
            "valid_shape_m": groups * rows,
            **weights,
        }

    def _how(self):
        return {"gemm_type": "grouped_masked", "use_m_major_input_scale": self.rows_adjacent}

    def _configure(self, arena):
        """Returns Humming's description of the layer, its weights, and how its kernel is tuned."""
        from humming.schema import HummingInputSchema, HummingWeightSchema
        from humming.transform import prepare_layer_config, transform_humming_tensors
        from humming.tune import get_heuristics_config

        groups, rows, n, k = arena.shape
        config = prepare_layer_config(
            shape_n=n,
            shape_k=k,
            weight_schema=HummingWeightSchema(
                b_dtype="float8e4m3", weight_scale_group_size=128, weight_scale_group_size_n=128
            ),
            input_schema=HummingInputSchema(a_dtype="float8e4m3", input_scale_group_size=128),
            num_experts=groups,
            torch_dtype=torch.bfloat16,
            device=torch.device("cuda:0"),
        )
        scale = arena.b_scale.transpose(1, 2).contiguous()
        weight = arena.b.view(torch.int32)
        weights = transform_humming_tensors(config, {"weight": weight, "weight_scale": scale})
        how = self._how()
        tuning = get_heuristics_config(config, shape_m=groups * rows, device="cuda:0", **how)
        return config, weights, tuning

    def write_rows(self):
        super().write_rows()
        by_row = self._input_scale.T if self.rows_adjacent else self._input_scale
        by_row[self.places] = self.arena.rows_scale

    def launch(self):
        self._gemm(**self._options)


class HummingMaskedByBlock(HummingMasked):
    """humming.ops.humming_gemm with the rows of a scale block together."""

    rows_adjacent = True


PEERS = {"deepgemm": (DeepGemmMasked,), "humming": (HummingMasked, HummingMaskedByBlock)}
