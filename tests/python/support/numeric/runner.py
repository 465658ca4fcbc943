"""Runner: runs a Problem on one backend, in watched memory, and returns the output's bits.

The `backend` fixture hands one to every test; configured() has runners that ask for one of the
backend's configurations each. Invariant: a result is returned only after plan() named this backend
and the configuration that was asked for, every guard byte is intact, every input is unchanged and
every row that no group covers still holds what it held.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest

import groupgemm_fp8 as gg
from numeric.arena import DENSE, WILD_INDEX_BYTE, Arena, Layout, input_arena
from numeric.cases import Case
from numeric.formats import OUT_FORMATS, numpy_dtype
from numeric.memory import DeviceMemory, HostMemory
from numeric.problem import Problem

# Backends that take everything in the contract: for them a refusal is a failure, not a skip.
COMPLETE_BACKENDS = ("amx", "cpu", "mma")

# Scale granularities of n and of k that a backend takes; those that are not listed take 128.
COLUMN_GRANULARITIES_TAKEN = {"sm90": (64, 128)}
K_GRANULARITIES_TAKEN = {"sm90": (64, 128)}

# Backends that take arrays of the host.
HOST_BACKENDS = ("amx", "cpu")

INPUTS = ("a", "b", "a_scale", "b_scale", "m_indptr")


def place_inputs(memory, p: Problem, layout: Layout) -> dict[str, Arena]:
    """The inputs of a problem, each in an arena of its own, in the order of the arguments."""
    last_two = (0, 1) if p.scale_major == "K" else (1, 0)
    a_scale = p.a_scale.transpose(last_two)
    b_scale = p.b_scale.transpose(0, *(1 + axis for axis in last_two))
    a_dtype, b_dtype = numpy_dtype(p.a_dtype), numpy_dtype(p.b_dtype)
    b_pads = (layout.b_group_pad, layout.b_row_pad)
    b_scale_pads = (layout.b_scale_group_pad, layout.b_scale_pad)
    arenas = (
        input_arena(memory, "a", p.a, a_dtype, (layout.a_row_pad,), layout.a_shift),
        input_arena(memory, "b", p.b, b_dtype, b_pads, layout.b_shift),
        input_arena(
            memory, "a_scale", a_scale, np.float32, (layout.a_scale_pad,), layout.scale_shift
        ),
        input_arena(memory, "b_scale", b_scale, np.float32, b_scale_pads, layout.scale_shift),
        input_arena(
            memory, "m_indptr", p.m_indptr, np.int32, (), layout.index_shift, WILD_INDEX_BYTE
        ),
    )
    return {arena.name: arena for arena in arenas}


class Call:
    """The arrays of one call in watched memory; launch it as often as wanted."""

    def __init__(self, runner: "Runner", problem: Problem, layout: Layout = DENSE, seed: int = 0):
        self.runner = runner
        self.problem = problem
        self.workspace = None
        self._layout = layout
        self.inputs = place_inputs(runner.memory, problem, layout)
        self.out = Arena(
            runner.memory, "out", (problem.cum_m, problem.n), numpy_dtype(problem.out_dtype),
            (layout.out_row_pad,), layout.out_shift, None, seed,
        )  # fmt: skip
        self.arguments = [arena.upload() for arena in self.inputs.values()]
        self.out_argument = self.out.upload()

    def format_keywords(self) -> dict:
        return {
            "scale_granularity_mnk": self.problem.granularity,
            "scale_major_mode": self.problem.scale_major,
            "out": self.out_argument,
        }

    def plan(self):
        return gg.plan(*self.arguments, **self.format_keywords(), backend=self.runner.request)

    def launch(self, **options) -> None:
        """Runs the call, or enqueues it on a GPU."""
        if self.workspace is not None:
            options.setdefault("workspace", self.workspace)
        keywords = self.format_keywords() | {"backend": self.runner.request} | options
        result = gg.group_gemm_fp8_nt_groupwise(*self.arguments, **keywords)
        assert result is self.out_argument

    def rewrite(self, problem: Problem) -> None:
        """New contents of the inputs, of the same shapes and addresses; out is as at first."""
        fresh = place_inputs(self.runner.memory, problem, self._layout)
        for name, arena in self.inputs.items():
            arena.rewrite(fresh[name].image)
        self.out.rewrite(self.out.image)
        self.problem = problem

    def result(self, writable: np.ndarray | None = None) -> np.ndarray:
        """The output's bits, after every byte the call must not write was checked.

        writable: the rows that may change, by default those the groups cover.
        """
        for arena in self.inputs.values():
            arena.assert_unchanged(arena.download())
        after = self.out.download()
        self.out.assert_unchanged(after, self.problem.covered() if writable is None else writable)
        out = np.ascontiguousarray(self.out.host_view(after))
        return out.view(OUT_FORMATS[self.problem.out_dtype].bits)


class Runner:
    """One backend on this machine, which chooses its configurations or is asked for one."""

    config = None  # asked for; None: the backend's choice

    def __init__(self, name: str):
        self.name = name
        self.is_gpu = name not in HOST_BACKENDS
        self.memory = DeviceMemory() if self.is_gpu else HostMemory()

    @property
    def request(self) -> str:
        """The argument `backend` of calls."""
        return self.name if self.config is None else f"{self.name}/{self.config}"

    def configured(self, problem: Problem) -> list["Runner"]:
        """Runners of the configurations that take a problem, or this one if it has none."""
        configs = gg.configurations(self.name)
        if not configs:
            return [self]
        runners = [copy.copy(self) for _ in configs]
        for runner, config in zip(runners, configs, strict=True):
            runner.config = config
        taking = [runner for runner in runners if runner.takes(problem)]
        assert taking, f"no configuration of {self.name} takes {problem.describe()}"
        return taking

    def takes(self, p: Problem) -> bool:
        """Whether the backend, or the configuration, takes a problem with dense arrays."""
        phantom, step = self.memory.phantom, 1 if p.scale_major == "K" else -1
        ok, _ = gg.supports(
            self.request,
            phantom(p.a.shape, numpy_dtype(p.a_dtype)),
            phantom(p.b.shape, numpy_dtype(p.b_dtype)),
            phantom(p.a_scale.shape[::step], np.float32),
            phantom((p.b_scale.shape[0], *p.b_scale.shape[1:][::step]), np.float32),
            phantom(p.m_indptr.shape, np.int32),
            p.granularity,
            p.scale_major,
            out=phantom((p.cum_m, p.n), numpy_dtype(p.out_dtype)),
        )
        return ok

    def fit(self, case: Case) -> Case:
        """The case, with 128 for a granularity of n or k that the backend does not take.

        For tests whose subject is not the granularity: a refusal would skip them.
        """
        if self.name in COMPLETE_BACKENDS:
            return case
        gm, gn, gk = case.granularity
        columns = COLUMN_GRANULARITIES_TAKEN.get(self.name, (128,))
        ks = K_GRANULARITIES_TAKEN.get(self.name, (128,))
        return replace(
            case, granularity=(gm, gn if gn in columns else 128, gk if gk in ks else 128)
        )

    def fit_layout(self, layout: Layout) -> Layout:
        """Returns the layout with a and b at addresses that the backend takes."""
        if self.name in COMPLETE_BACKENDS:
            return layout
        return replace(layout, a_shift=layout.a_shift // 16 * 16, b_shift=layout.b_shift // 16 * 16)

    def call(self, problem: Problem, layout: Layout = DENSE, seed: int = 0) -> Call:
        """Places a problem in memory and proves that this backend would run it."""
        call = Call(self, problem, layout, seed)
        ok, reason = gg.supports(self.request, *call.arguments, **call.format_keywords())
        if not ok and self.config is None and self.name not in COMPLETE_BACKENDS:
            pytest.skip(f"backend {self.name} refuses: {reason}")
        assert ok, f"backend {self.request} must take {problem.describe()}: {reason}"
        plan = call.plan()
        has_output = problem.cum_m > 0 and problem.n > 0 and problem.batch_size > 0
        assert plan.backend == (self.name if has_output else "none")
        assert self.config is None or plan.config == (self.config if has_output else "none")
        call.workspace = self.garbage_workspace(plan.workspace_bytes)
        return call

    def run(self, problem: Problem, layout: Layout = DENSE, seed: int = 0, **options) -> np.ndarray:
        """Places, runs, checks every guard byte, and returns the output's bits."""
        call = self.call(problem, layout, seed)
        call.launch(**options)
        return call.result()

    def garbage_workspace(self, num_bytes: int):
        """A workspace full of one bits, or None for no bytes."""
        if num_bytes == 0:
            return None
        buffer = self.memory.upload(np.full(num_bytes, 0xFF, dtype=np.uint8))
        return self.memory.view(buffer, 0, (num_bytes,), np.uint8)


def unavailable_reason(name: str) -> str | None:
    """Why a backend cannot run on this machine, in words, or None."""
    if name in HOST_BACKENDS:
        memory = HostMemory()
    else:
        from groupgemm_fp8._cli.device import device_unavailable_reason

        reason = device_unavailable_reason()
        if reason is not None:
            return f"backend {name} needs a GPU: {reason}"
        memory = DeviceMemory()
    shapes = (
        ((1, 128), "float8_e4m3fn"), ((1, 8, 128), "float8_e4m3fn"), ((1, 1), "float32"),
        ((1, 1, 1), "float32"), ((2,), "int32"),
    )  # fmt: skip
    arrays = [
        memory.view(memory.empty(4096), 0, shape, numpy_dtype(dtype)) for shape, dtype in shapes
    ]
    ok, reason = gg.supports(name, *arrays)
    return None if ok else f"backend {name} refuses this device: {reason}"
