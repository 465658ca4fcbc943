"""The time of a product with groups of every layout, beside the call with an m_indptr of int32.

    python python/benchmarks/layouts.py
    python python/benchmarks/layouts.py --backend mma --seconds 2 --limit 1.01

The same rows are multiplied in every layout: packed, with starts aligned to 16, in slabs of 256 and
of 4096 rows, with and without the hint expected_m. Runs of a contender are captured into one CUDA
graph; graphs are replayed in random order, each after an untimed replay of its own, because a
device near its power limit takes some milliseconds to find its clock. Printed are medians in
microseconds per run and their ratio to the call with m_indptr; with --limit the exit status is 1 if
one of them is above it. Weights exceed the L2 cache in every shape.

Needs a GPU and PyTorch.
"""

import argparse
import ctypes
import random
import statistics
import sys
import time
from dataclasses import dataclass

import torch

from groupgemm_fp8 import _ffi, _library

# groups, rows of each, n, k: decoding, some rows, a prefill.
SHAPES = (
    (32, 4, 4096, 7168),
    (32, 16, 4096, 7168),
    (128, 8, 1536, 2048),
    (32, 192, 4096, 7168),
    (8, 4096, 4096, 7168),
)
INDPTR, ENDS, COUNTS, MASKED = range(4)
INT32, INT64 = 6, 7
GRAPH_SECONDS = 0.02
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
    dtype: int
    alignment: int = 1
    slab: int = 0
    hint: bool = False


LAYOUTS = (
    Layout("indptr int32", INDPTR, INT32),
    Layout("indptr int64", INDPTR, INT64),
    Layout("ends int32", ENDS, INT32),
    Layout("ends int64, starts at 16", ENDS, INT64, alignment=16),
    Layout("counts int32", COUNTS, INT32),
    Layout("counts int64, starts at 16", COUNTS, INT64, alignment=16),
    Layout("masked, slabs of 256", MASKED, INT32, slab=256),
    Layout("masked, slabs of 256, hint", MASKED, INT32, slab=256, hint=True),
    Layout("masked, slabs of 4096", MASKED, INT64, slab=4096),
    Layout("masked, slabs of 4096, hint", MASKED, INT64, slab=4096, hint=True),
)


def plan_of(args):
    info = _ffi.PlanInfo(struct_size=ctypes.sizeof(_ffi.PlanInfo))
    status = _library.load().ggfp8_group_gemm_plan(ctypes.byref(args), ctypes.byref(info))
    _library.check(status)
    return info


def launch(args, workspace):
    stream = torch.cuda.current_stream().cuda_stream
    product = _library.load().ggfp8_group_gemm_nt_groupwise
    pointer, num_bytes = workspace.data_ptr(), workspace.numel()
    _library.check(product(ctypes.byref(args), pointer, num_bytes, stream))


class Contender:
    """A layout of one shape: its arrays, its graph, its samples."""

    def __init__(self, layout, shape, weights, backend):
        groups, rows, n, k = shape
        self.name = layout.name
        pitch = -(-rows // layout.alignment) * layout.alignment
        num_rows = groups * layout.slab if layout.kind == MASKED else groups * pitch
        kb, nb = -(-k // 128), -(-n // 128)
        mb = layout.slab or num_rows
        b, b_scale = weights
        a = torch.randint(0x28, 0x48, (num_rows, k), dtype=torch.uint8, device="cuda")
        a_scale = torch.rand(num_rows // mb, kb, mb, device="cuda")
        out = torch.empty(num_rows, n, dtype=torch.bfloat16, device="cuda")
        array = self._group_array(layout, groups, rows, pitch)
        is_m_indptr = layout.kind == INDPTR and layout.dtype == INT32
        self._arrays = (a, b, a_scale, b_scale, array, out)
        self._args = Args(
            struct_size=ctypes.sizeof(Args), a=a.data_ptr(), b=b.data_ptr(),
            a_scale=a_scale.data_ptr(), b_scale=b_scale.data_ptr(), out=out.data_ptr(),
            m_indptr=array.data_ptr() if is_m_indptr else None,
            groups=None if is_m_indptr else array.data_ptr(),
            cum_m=num_rows, n=n, k=k, batch_size=groups, a_scale_stride=mb, b_scale_stride=nb,
            backend=backend, group_layout=layout.kind, group_dtype=layout.dtype,
            group_alignment=layout.alignment, expected_m=rows if layout.hint else 0,
        )  # fmt: skip
        plan = plan_of(self._args)
        self.plan = f"{plan.backend.decode()}: {plan.config.decode()}"
        num_bytes = plan.workspace_bytes
        self._workspace = torch.empty(num_bytes, dtype=torch.uint8, device="cuda")
        self.samples = []

    @staticmethod
    def _group_array(layout, groups, rows, pitch):
        starts = [group * pitch for group in range(groups)]
        values = {
            INDPTR: [*starts, groups * pitch],
            ENDS: [start + rows for start in starts],
            COUNTS: [rows] * groups,
            MASKED: [rows] * groups,
        }[layout.kind]
        dtype = torch.int64 if layout.dtype == INT64 else torch.int32
        return torch.tensor(values, dtype=dtype, device="cuda")

    def capture(self, num_runs):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(num_runs):
                launch(self._args, self._workspace)
        return graph

    def prepare(self):
        """Makes a graph that is long enough to hide its launch."""
        launch(self._args, self._workspace)
        seconds = timed(self.capture(20)) / 20
        self._num_runs = max(20, min(2000, int(GRAPH_SECONDS / seconds)))
        self._graph = self.capture(self._num_runs)

    def enqueue(self):
        self._graph.replay()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        self._graph.replay()
        end.record()
        return self, begin, end

    def record(self, begin, end):
        self.samples.append(begin.elapsed_time(end) * 1e3 / self._num_runs)


def timed(graph):
    """Seconds of a second replay."""
    graph.replay()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    graph.replay()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) * 1e-3


def measure(shape, seconds, backend):
    """Times all layouts that hold the shape, in turn; returns the contenders."""
    groups, rows, n, k = shape
    b = torch.randint(0x28, 0x48, (groups, n, k), dtype=torch.uint8, device="cuda")
    b_scale = torch.rand(groups, -(-k // 128), -(-n // 128), device="cuda")
    layouts = [layout for layout in LAYOUTS if layout.slab == 0 or layout.slab >= rows]
    contenders = [Contender(x, shape, (b, b_scale), backend) for x in layouts]
    for contender in contenders:
        contender.prepare()
    order = random.Random(0)
    deadline = time.perf_counter() + seconds
    while len(contenders[0].samples) < 5 or time.perf_counter() < deadline:
        shuffled = order.sample(contenders, len(contenders))
        marks = [contender.enqueue() for contender in shuffled]
        torch.cuda.synchronize()
        for contender, begin, end in marks:
            contender.record(begin, end)
    return contenders


def report(shape, contenders):
    """Prints a table and returns the ratios to the first contender."""
    groups, rows, n, k = shape
    print(f"\n{groups} x {rows} rows, n {n}, k {k}")
    medians = {c: statistics.median(c.samples) for c in contenders}
    base = medians[contenders[0]]
    for contender, median in medians.items():
        ratio = median / base
        print(f"  {contender.name:30}{median:10.2f} us{ratio:9.4f}   {contender.plan}")
    return [median / base for median in medians.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", help="the backend to time (default: automatic)")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each shape (2)")
    parser.add_argument("--limit", type=float, help="largest ratio to the call with m_indptr")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        print("layouts: needs a GPU that PyTorch can use")
        return 1
    torch.manual_seed(0)
    backend = chosen.backend.encode() if chosen.backend else None
    worst = 0.0
    for shape in SHAPES:
        contenders = measure(shape, chosen.seconds, backend)
        worst = max(worst, *report(shape, contenders))
        del contenders
        torch.cuda.empty_cache()
    print(f"\nlargest ratio to the call with an m_indptr of int32: {worst:.4f}")
    return int(chosen.limit is not None and worst > chosen.limit)


if __name__ == "__main__":
    sys.exit(main())
