"""The products that layouts.py times: arrays that all of them share, and this library's calls.

All contenders of a shape share a, out, b and the scales, of the size of the largest layout, because
the place of an array in memory can change a time by more than a layout does. Each contender
computes the rows at its own places. A contender is checked once, before anything is timed, with NaN
in all other rows.
"""

import ctypes
from dataclasses import dataclass

import torch

from groupgemm_fp8 import _ffi, _library

INDPTR, ENDS, COUNTS, MASKED = range(4)
INT32, INT64 = 6, 7
GRAPH_SECONDS = 0.005
MAX_GRAPH_RUNS = 1000
NAN_BYTE = 0x7F  # of both FP8 types
POISON = 0x7FAB  # a NaN of bfloat16 that no product gives
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


@dataclass(frozen=True)
class Layout:
    """A layout to time: kind, type of the array, alignment of starts, rows of a slab, the hint."""

    name: str
    kind: int
    dtype: int = INT32
    alignment: int = 1
    slab: int = 0
    hint: int = 0

    def pitch(self, rows):
        """Returns how far apart the starts of neighbouring groups are."""
        return self.slab or -(-rows // self.alignment) * self.alignment

    def places(self, groups, rows):
        """Returns where each row of a group lies among the rows of a."""
        starts = torch.arange(groups, device="cuda") * self.pitch(rows)
        return (starts[:, None] + torch.arange(rows, device="cuda")).flatten()

    def group_array(self, groups, rows):
        pitch = self.pitch(rows)
        values = {
            INDPTR: [group * pitch for group in range(groups + 1)],
            ENDS: [group * pitch + rows for group in range(groups)],
            COUNTS: [rows] * groups,
            MASKED: [rows] * groups,
        }[self.kind]
        dtype = torch.int64 if self.dtype == INT64 else torch.int32
        return torch.tensor(values, dtype=dtype, device="cuda")


def packed_layouts():
    """Returns the layouts without slabs: the call with an int32 m_indptr first, and once more."""
    return [
        Layout("indptr int32", INDPTR),
        Layout("indptr int32, again", INDPTR),
        Layout("indptr int64", INDPTR, INT64),
        Layout("ends int32", ENDS),
        Layout("ends int64, starts at 16", ENDS, INT64, alignment=16),
        Layout("counts int32", COUNTS),
        Layout("counts int64, starts at 16", COUNTS, INT64, alignment=16),
    ]


def slab_layouts(slab, hints):
    """Returns the layouts with slabs of so many rows: without a hint, and with each hint."""
    dtype = INT64 if slab % 4096 == 0 else INT32
    name = f"masked, slabs of {slab}"
    layouts = [Layout(name, MASKED, dtype, slab=slab)]
    return layouts + [
        Layout(f"{name}, hint {hint}", MASKED, dtype, slab=slab, hint=hint) for hint in hints
    ]


class Arena:
    """The arrays that contenders of a shape share: b, the rows to multiply, room for any layout."""

    def __init__(self, shape, layouts):
        groups, rows, n, k = shape
        self.shape = shape
        self.num_rows = max(groups * layout.pitch(rows) for layout in layouts)
        kb, nb = -(-k // 128), -(-n // 128)
        self.b = _fp8(groups, n, k)
        self.b_scale = torch.rand(groups, kb, nb, device="cuda")
        self.rows = _fp8(groups * rows, k)
        self.rows_scale = torch.rand(groups * rows, kb, device="cuda")
        self.a = torch.empty(self.num_rows, k, dtype=torch.uint8, device="cuda")
        self.scales = torch.empty(self.num_rows * kb, device="cuda")
        self.out = torch.empty(self.num_rows, n, dtype=torch.int16, device="cuda")

    def poison(self):
        self.a.fill_(NAN_BYTE)
        self.scales.fill_(torch.nan)
        self.out.fill_(POISON)

    def randomise(self):
        """Fills a and its scales with random numbers, so that every layout has such rows."""
        self.a.random_(0x28, 0x48)
        self.scales.uniform_()


def _fp8(*shape):
    return torch.randint(0x28, 0x48, shape, dtype=torch.uint8, device="cuda")


class Contender:
    """A product of one shape in one layout: its views of the arena, its graph, its ratios."""

    def __init__(self, layout, arena):
        groups, rows, _, _ = arena.shape
        self.name, self.plan, self.arena = layout.name, "", arena
        self.times, self.ratios = [], []  # of a run, in microseconds; to the first contender
        num_rows = groups * layout.pitch(rows)
        self.places = layout.places(groups, rows)
        self.a, self.out = arena.a[:num_rows], arena.out[:num_rows]
        slabs, kb = groups if layout.slab else 1, arena.rows_scale.shape[1]
        # (slabs, k-blocks, rows): rows run fastest
        self.a_scale = arena.scales[: num_rows * kb].view(slabs, kb, num_rows // slabs)

    def launch(self):
        raise NotImplementedError

    def write_rows(self):
        """Writes the rows to multiply, and their scales, to the contender's places."""
        self.a[self.places] = self.arena.rows
        slab_rows = self.a_scale.shape[2]
        by_row = self.a_scale.transpose(1, 2)
        by_row[self.places // slab_rows, self.places % slab_rows] = self.arena.rows_scale

    def result(self):
        """Runs once on poisoned arrays; returns the rows of groups, as bits."""
        self.arena.poison()
        self.write_rows()
        self.launch()
        return self.out[self.places]

    def fault(self, wanted):
        """Says what is wrong with the result, or returns None."""
        if not torch.equal(self.result(), wanted):
            return "rows differ from those of the first layout"
        others = torch.ones(len(self.out), dtype=torch.bool, device="cuda")
        others[self.places] = False
        if not (self.out[others] == POISON).all():
            return "rows of no group were written"
        return None

    def prepare(self):
        """Makes a graph that is long enough to hide its launch."""
        seconds = _timed(self._capture(20)) / 20
        self.num_runs = max(3, min(MAX_GRAPH_RUNS, int(GRAPH_SECONDS / seconds)))
        self.replay = self._capture(self.num_runs).replay

    def _capture(self, num_runs):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(num_runs):
                self.launch()
        return graph


def _timed(graph):
    """Seconds of a second replay."""
    graph.replay()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    graph.replay()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) * 1e-3


class Product(Contender):
    """This library's."""

    def __init__(self, layout, arena, backend):
        super().__init__(layout, arena)
        groups, rows, n, k = arena.shape
        array = layout.group_array(groups, rows)
        is_m_indptr = layout.kind == INDPTR and layout.dtype == INT32
        self._args = Args(
            struct_size=ctypes.sizeof(Args), a=self.a.data_ptr(), b=arena.b.data_ptr(),
            a_scale=self.a_scale.data_ptr(), b_scale=arena.b_scale.data_ptr(),
            out=self.out.data_ptr(), m_indptr=array.data_ptr() if is_m_indptr else None,
            groups=None if is_m_indptr else array.data_ptr(),
            cum_m=len(self.a), n=n, k=k, batch_size=groups, backend=backend,
            a_scale_stride=self.a_scale.shape[2], b_scale_stride=arena.b_scale.shape[2],
            group_layout=layout.kind, group_dtype=layout.dtype,
            group_alignment=layout.alignment, expected_m=layout.hint,
        )  # fmt: skip
        plan = _ffi.PlanInfo(struct_size=ctypes.sizeof(_ffi.PlanInfo))
        _call("ggfp8_group_gemm_plan", ctypes.byref(self._args), ctypes.byref(plan))
        self.plan = f"{plan.backend.decode()}: {plan.config.decode()}"
        self._workspace = torch.empty(plan.workspace_bytes, dtype=torch.uint8, device="cuda")
        self._array = array

    def launch(self):
        stream = torch.cuda.current_stream().cuda_stream
        workspace = (self._workspace.data_ptr(), self._workspace.numel())
        _call("ggfp8_group_gemm_nt_groupwise", ctypes.byref(self._args), *workspace, stream)


def _call(function, *arguments):
    _library.check(getattr(_library.load(), function)(*arguments))
