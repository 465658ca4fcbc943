"""RawCall: a call of the C function with plain pointers, in watched memory, in any group layout.

For what Python's functions do not say. The rows of a problem are placed where the groups of the
layout are; all other rows, and their scales, are poison. Invariant: as runner's.
"""

import ctypes

import numpy as np
import pytest

from groupgemm_fp8 import _ffi, _library
from numeric.arena import WILD_INDEX_BYTE, Arena, input_arena
from numeric.formats import FP8_NAN, OUT_FORMATS, numpy_dtype
from numeric.group_layouts import KINDS, Groups
from numeric.problem import Problem, ceil_div
from numeric.runner import COMPLETE_BACKENDS, Runner

DTYPES = {
    "float8_e4m3fn": 1, "float8_e5m2": 2, "bfloat16": 3, "float16": 4, "float32": 5, "int32": 6,
    "int64": 7,
}  # fmt: skip
MAJORS = {"MN": 1, "K": 2}
CTYPES = {
    "N": ctypes.c_size_t, "P": ctypes.c_void_p, "q": ctypes.c_int64, "i": ctypes.c_int32,
    "I": ctypes.c_uint32,
}  # fmt: skip


class Args(ctypes.Structure):
    """ggfp8_group_gemm_args"""

    _fields_ = [
        (name, ctypes.c_char_p if name == "backend" else CTYPES[code])
        for name, code in _ffi.ARGS_FIELDS
    ]


def address(view) -> int:
    return view.ptr if hasattr(view, "ptr") else view.ctypes.data


def placed(problem: Problem, groups: Groups) -> np.ndarray:
    """The rows of a, moved to where the groups are, between rows of NaN."""
    result = np.full((*groups.rows_shape, problem.k), FP8_NAN, dtype=np.uint8)
    for group, count in enumerate(groups.counts):
        first = int(problem.m_indptr[group])
        result[groups.rows_of(group)] = problem.a[first : first + count]
    return result


def placed_scales(problem: Problem, groups: Groups) -> np.ndarray:
    """The rows of a_scale, moved likewise."""
    gm = problem.granularity[0]
    shape = (*groups.rows_shape[:-1], ceil_div(groups.num_rows, gm), problem.a_scale.shape[1])
    result = np.full(shape, np.nan, dtype=np.float32)
    for group, count in enumerate(groups.counts):
        to, source = groups.starts[group] // gm, int(problem.m_indptr[group]) // gm
        rows = slice(to, to + ceil_div(count, gm))
        values = problem.a_scale[source : source + ceil_div(count, gm)]
        result[(group, rows) if groups.has_slabs else rows] = values
    return result


def swapped(array: np.ndarray, major: str) -> np.ndarray:
    return array if major == "K" else np.ascontiguousarray(array.swapaxes(-1, -2))


class RawCall:
    """A problem's rows in a group layout.

    pad: elements (16 times as many for a) that follow every row and slab. interleaved: the rows of
    all slabs lie between two rows of one.
    """

    def __init__(
        self,
        runner: Runner,
        problem: Problem,
        groups: Groups,
        majors: tuple[str, str] = ("MN", "MN"),
        pad: int = 0,
        interleaved: bool = False,
        **members,
    ):
        self.problem, self.groups, self.runner = problem, groups, runner
        self._majors, self._pad, self._interleaved = majors, pad, interleaved
        self.inputs = self._make_inputs(groups)
        self.out = Arena(
            runner.memory, "out", self._in_memory(np.empty((*groups.rows_shape, problem.n))).shape,
            numpy_dtype(problem.out_dtype), (8 * pad,) * len(groups.rows_shape),
        )  # fmt: skip
        self._views = {name: arena.upload() for name, arena in self.inputs.items()}
        self._views["out"] = self.out.upload()
        self.args = self._make_args(majors, members)
        self._check_support()
        self._workspace = runner.garbage_workspace(self.plan().workspace_bytes)

    def _make_inputs(self, groups: Groups) -> dict[str, Arena]:
        problem, memory, num_axes = self.problem, self.runner.memory, len(groups.rows_shape)
        a_scale = self._in_memory(swapped(placed_scales(problem, groups), self._majors[0]))
        b_scale = swapped(problem.b_scale, self._majors[1])
        fp8_pads, pads = (16 * self._pad,) * 2, (self._pad,) * 2
        a_dtype, b_dtype = numpy_dtype(problem.a_dtype), numpy_dtype(problem.b_dtype)
        a = self._in_memory(placed(problem, groups))
        arenas = (
            input_arena(memory, "a", a, a_dtype, fp8_pads[:num_axes]),
            input_arena(memory, "b", problem.b, b_dtype, fp8_pads),
            input_arena(memory, "a_scale", a_scale, np.float32, pads[:num_axes]),
            input_arena(memory, "b_scale", b_scale, np.float32, pads),
            self._group_arena(groups.values),
        )
        return {arena.name: arena for arena in arenas}

    def _in_memory(self, array: np.ndarray) -> np.ndarray:
        """An array with an axis of slabs, with its axes in the order of memory, and back."""
        return array.swapaxes(0, 1) if self._interleaved else array

    def _strides(self, arena: Arena) -> list[int]:
        """In elements, in the order of the array's axes."""
        strides = [step // arena.dtype.itemsize for step in arena.strides]
        has_slabs = arena.name in ("a", "a_scale", "out") and self._interleaved
        return [strides[1], strides[0], strides[2]] if has_slabs else strides

    def _group_arena(self, values: np.ndarray) -> Arena:
        return input_arena(
            self.runner.memory, "groups", values, values.dtype, (), 0, WILD_INDEX_BYTE
        )

    def _make_args(self, majors, members) -> Args:
        problem, groups = self.problem, self.groups
        a, b, a_scale, b_scale, out = (
            self._strides(arena)
            for arena in (*(self.inputs[x] for x in ("a", "b", "a_scale", "b_scale")), self.out)
        )
        pointers = {name: address(view) for name, view in self._views.items()}
        slabs = {}
        if groups.has_slabs:
            slabs = {
                "a_group_stride": a[0], "out_group_stride": out[0],
                "a_scale_group_stride": a_scale[0],
            }  # fmt: skip
        gm, gn, gk = problem.granularity
        return Args(
            struct_size=ctypes.sizeof(Args), **pointers, **slabs,
            cum_m=int(np.prod(groups.rows_shape)), n=problem.n, k=problem.k,
            batch_size=problem.batch_size, a_row_stride=a[-2], b_row_stride=b[1],
            b_group_stride=b[0], out_row_stride=out[-2], a_scale_stride=a_scale[-2],
            b_scale_stride=b_scale[1], b_scale_group_stride=b_scale[0],
            a_dtype=DTYPES[problem.a_dtype], b_dtype=DTYPES[problem.b_dtype],
            out_dtype=DTYPES[problem.out_dtype], scale_granularity_m=gm, scale_granularity_n=gn,
            scale_granularity_k=gk, scale_major=MAJORS[majors[0]], b_scale_major=MAJORS[majors[1]],
            device_type=_ffi.DEVICE_CUDA if self.runner.is_gpu else _ffi.DEVICE_CPU,
            backend=self.runner.request.encode(), group_layout=KINDS.index(groups.kind),
            group_dtype=DTYPES[groups.values.dtype.name], group_alignment=groups.alignment,
            **members,
        )  # fmt: skip

    def _check_support(self) -> None:
        runner = self.runner
        request = runner.request.encode()
        status = _library.load().ggfp8_backend_supports(request, ctypes.byref(self.args))
        if status == _ffi.SUCCESS:
            return
        reason = _library.load().ggfp8_last_error().decode()
        assert runner.config is None, reason
        assert runner.name not in COMPLETE_BACKENDS, reason
        pytest.skip(reason)

    def plan(self) -> _ffi.PlanInfo:
        info = _ffi.PlanInfo(struct_size=ctypes.sizeof(_ffi.PlanInfo))
        status = _library.load().ggfp8_group_gemm_plan(ctypes.byref(self.args), ctypes.byref(info))
        assert status == _ffi.SUCCESS, _library.load().ggfp8_last_error().decode()
        return info

    def launch(self, stream: int | None = None) -> int:
        """The status of the call."""
        workspace = 0 if self._workspace is None else address(self._workspace)
        num_bytes = self.plan().workspace_bytes
        return _library.load().ggfp8_group_gemm_nt_groupwise(
            ctypes.byref(self.args), workspace, num_bytes, stream
        )

    def rewrite_values(self, values: np.ndarray) -> None:
        """New contents of the group array, at the same address; out is as at first."""
        self.inputs["groups"].rewrite(self._group_arena(values).image)
        self.out.rewrite(self.out.image)

    def rewrite(self, groups: Groups) -> None:
        """Other groups of the same sizes, with their rows, at the same addresses."""
        for name, fresh in self._make_inputs(groups).items():
            self.inputs[name].rewrite(fresh.image)
        self.out.rewrite(self.out.image)
        self.groups = groups

    def result(self) -> np.ndarray:
        """The bits of the groups' rows, one group after the other; nothing else was written."""
        bits = self.written(self.groups.covered())
        rows = [bits[self.groups.rows_of(group)] for group in range(len(self.groups.counts))]
        return np.concatenate([np.empty((0, self.problem.n), bits.dtype), *rows])

    def written(self, writable: np.ndarray) -> np.ndarray:
        """The bits of out, of which only these rows may have changed."""
        for arena in self.inputs.values():
            arena.assert_unchanged(arena.download())
        after = self.out.download()
        self.out.assert_unchanged(after, self._in_memory(writable))
        out = np.ascontiguousarray(self._in_memory(self.out.host_view(after)))
        return out.view(OUT_FORMATS[self.problem.out_dtype].bits)
