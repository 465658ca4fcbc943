"""An experts' layer in memory: its arrays on a machine, its steps, and the call that does all.

Weights are FP8 with scales from the start, as a checkpoint stores them. Each step writes into
arrays of its own, so that steps can be timed alone; run one after another they make the layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import groupgemm_fp8

from .cases import Case, Floor, floor_of
from .device import as_dtype
from .problem import Problem, Settings, indptr_of, num_weight_sets, random_block
from .timing import Contender

_BLOCK = 128
_BLOCK_NORMALS = 1_000_003  # values of x drawn before repeating
_WEIGHT_DEVIATION = 0.25  # of random_block()'s values times its scales
_LAUNCH_SECONDS = 3e-6  # of device time: least of a step that is one kernel
# A routing is several kernels that wait for each other; a pair is a token and one of its experts.
_ROUTE_SECONDS, _ROUTE_SECONDS_PER_PAIR = 5e-6, 0.115e-9


@dataclass(frozen=True)
class Step:
    """One step of a layer, and what it must do at least."""

    name: str
    sizes: str
    launch: Callable[[int], object]  # run number idx; runs cycle through the copies of the weights
    num_bytes: int
    operations: int = 0
    launch_seconds: float = 0.0  # on a GPU

    def floor(self, machine, ceilings):
        """Returns the least time of the step, with what sets it."""
        floor = floor_of(
            self.operations,
            self.num_bytes,
            ceilings.operations_per_second,
            ceilings.bytes_per_second,
        )
        if machine.device_type == "cuda" and self.launch_seconds > floor.seconds:
            return Floor(self.launch_seconds, "launch")
        return floor


class Layer:
    """A layer of these sizes with random values, for tokens with a given choice of experts.

    up and down are the two products; the output of each step is the input of the next one.
    """

    def __init__(self, machine, sizes, top_k_index, dtype="bfloat16", backend=None):
        self.machine, self.sizes, self.index = machine, sizes, top_k_index
        tokens, top_k = top_k_index.shape
        rng = np.random.default_rng(1)
        normals = rng.standard_normal(_BLOCK_NORMALS, dtype=np.float32).astype(as_dtype(dtype))
        weight = rng.uniform(0.5 / top_k, 1.5 / top_k, (tokens, top_k)).astype(np.float32)
        self.x = machine.pooled(machine.filled((tokens, sizes.hidden), dtype, normals))
        self.top_k_index = machine.pooled(machine.upload(top_k_index))
        self.top_k_weights = machine.upload(weight)
        self.rows = np.bincount(top_k_index.reshape(-1), minlength=sizes.experts)
        settings = Settings(out_dtype=dtype, scale_major="K", backend=backend)
        shape = (sizes.hidden, sizes.intermediate)
        num_sets = num_weight_sets(3 * sizes.experts * shape[0] * shape[1], machine)
        self.up = self._product(settings, 2 * shape[1], shape[0], num_sets)
        self.down = self._product(settings, shape[0], shape[1], num_sets)
        self.out = machine.empty((tokens, sizes.hidden), dtype)
        self.routing = self._route()
        self.up.m_indptr = self.down.m_indptr = self.routing.m_indptr

    def _product(self, settings, n, k, num_sets):
        """Returns a product whose `a` has memory, but no values yet."""
        machine, experts = self.machine, self.sizes.experts
        values, factors = random_block()
        factors = factors / np.float32(_WEIGHT_DEVIATION * k**0.5)
        b_scale_shape = (experts, -(-n // _BLOCK), -(-k // _BLOCK))
        return Problem(
            machine,
            settings,
            indptr_of(self.rows),
            a=machine.empty((self.index.size, k), "float8_e4m3fn"),
            a_scale=machine.empty((self.index.size, -(-k // _BLOCK)), "float32"),
            b=[machine.filled((experts, n, k), values.dtype, values) for _ in range(num_sets)],
            b_scale=[machine.filled(b_scale_shape, "float32", factors) for _ in range(num_sets)],
        )

    @property
    def num_sets(self):
        return len(self.up.b)

    def contender(self):
        """Returns runs of the whole layer as one call."""
        return Contender("moe_ffn", self.launch, self.num_sets)

    def launch(self, idx):
        set_idx = idx % self.num_sets
        groupgemm_fp8.moe_ffn(
            x=self.x,
            gate_up=self.up.b[set_idx],
            gate_up_scale=self.up.b_scale[set_idx],
            down=self.down.b[set_idx],
            down_scale=self.down.b_scale[set_idx],
            top_k_index=self.top_k_index,
            top_k_weights=self.top_k_weights,
            out=self.out,
            stream=self.machine.stream,
        )

    def steps(self):
        """Returns the steps in their order."""
        item = self.up.out.dtype.itemsize
        (tokens, hidden), rows = self.x.shape, self.index.size
        inter = self.sizes.intermediate
        routed_bytes = self.index.nbytes + 2 * 4 * rows
        scattered_bytes = tokens * hidden * item + _quantised_bytes(rows, hidden)
        activated_bytes = rows * 2 * inter * item + _quantised_bytes(rows, inter)
        combined_bytes = (rows + tokens) * hidden * item
        seconds = _ROUTE_SECONDS + rows * _ROUTE_SECONDS_PER_PAIR
        once = {"launch_seconds": _LAUNCH_SECONDS}
        text = f"{tokens} x {self.index.shape[1]} choices of {self.sizes.experts}"
        return [
            Step("route", text, self._route, routed_bytes, launch_seconds=seconds),
            Step(
                "quantise and scatter",
                f"{tokens} x {hidden} to {rows} rows",
                self._quantise,
                scattered_bytes,
                **once,
            ),
            _product_step("product: gate, up", self.up, self.rows),
            Step(
                "activate and quantise",
                f"{rows} x (2 x {inter})",
                self._activate,
                activated_bytes,
                **once,
            ),
            _product_step("product: down", self.down, self.rows),
            Step(
                "combine",
                f"{rows} rows to {tokens} x {hidden}",
                self._combine,
                combined_bytes,
                **once,
            ),
        ]

    def _route(self, _idx=0):
        return groupgemm_fp8.route(
            top_k_index=self.top_k_index,
            batch_size=self.sizes.experts,
            stream=self.machine.stream,
        )

    def _quantise(self, _idx):
        groupgemm_fp8.quantize_groupwise(
            x=self.x,
            granularity=(1, _BLOCK),
            scale_major_mode="K",
            position=self.routing.position,
            check_finite=False,
            out=self.up.a,
            out_scale=self.up.a_scale,
            stream=self.machine.stream,
        )

    def _activate(self, _idx):
        groupgemm_fp8.silu_mul_quantize_groupwise(
            gate_up=self.up.out,
            scale_major_mode="K",
            m_indptr=self.routing.m_indptr,
            out=self.down.a,
            out_scale=self.down.a_scale,
            stream=self.machine.stream,
        )

    def _combine(self, _idx):
        groupgemm_fp8.combine(
            x=self.down.out,
            position=self.routing.position,
            weight=self.top_k_weights,
            out=self.out,
            stream=self.machine.stream,
        )


def random_experts(rng, num_tokens, num_experts, top_k, skew=0.0):
    """Returns each token's experts, (num_tokens, top_k) int64, all different.

    skew is the standard deviation of an expert's popularity, in logits.
    """
    popularity = rng.normal(0.0, skew, num_experts)
    logits = popularity + rng.normal(0.0, 1.0, (num_tokens, num_experts))
    experts = np.argpartition(-logits, top_k - 1, axis=1)[:, :top_k]
    return np.ascontiguousarray(experts, np.int64)


def _product_step(name, problem, rows):
    case = Case(name, tuple(rows.tolist()), problem.n, problem.k)
    return Step(
        name,
        f"{case.total_rows} rows, n {case.n}, k {case.k}",
        problem.contender().launch,
        case.moved_bytes(problem.out.dtype.itemsize),
        case.operations,
    )


def _quantised_bytes(rows, k):
    """Returns the bytes of FP8 values and of their scales."""
    return rows * (k + 4 * -(-k // _BLOCK))
