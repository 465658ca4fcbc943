"""The time of a product with groups of every layout, beside the call with an m_indptr of int32.

    python python/benchmarks/layouts.py
    python python/benchmarks/layouts.py --backend mma --seconds 2 --limit 1.01
    python python/benchmarks/layouts.py --shapes 32x16x4096x7168 --hints 16 64 192 --peers deepgemm

The same rows are multiplied in every layout: packed, with starts aligned to 16, in slabs of 256 and
of 4096 rows, with and without the hint expected_m. Rows of no group hold NaN, and so does `out`:
after the measurement every layout's rows are compared with those of the first, bit by bit, and
nothing else may have been written. Runs of a contender are captured into one CUDA graph; graphs are
replayed in random order, each after an untimed replay of its own, because a device near its power
limit takes some milliseconds to find its clock. Printed are medians in microseconds per run, and
medians of the ratios to the call with m_indptr in the same round. That call takes part twice: the
ratio of the second shows the noise. With --limit the exit status is 1 if a ratio of this library is
above it. Weights exceed the L2 cache in every shape.

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
SLABS = (256, 4096)
INDPTR, ENDS, COUNTS, MASKED = range(4)
INT32, INT64 = 6, 7
GRAPH_SECONDS = 0.02
NAN_BYTE = 0x7F  # of both FP8 types
POISON = 0x7FAB  # a NaN of bfloat16 that no product gives
MAX_PEER_ERROR = 3e-2
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

    def places(self, groups, rows):
        """Returns the number of rows of a, and where each row of a group lies among them."""
        pitch = self.slab or -(-rows // self.alignment) * self.alignment
        starts = torch.arange(groups, device="cuda") * pitch
        each = torch.arange(rows, device="cuda")
        return groups * pitch, (starts[:, None] + each).flatten()

    def group_array(self, groups, rows):
        pitch = -(-rows // self.alignment) * self.alignment
        values = {
            INDPTR: [group * pitch for group in range(groups + 1)],
            ENDS: [group * pitch + rows for group in range(groups)],
            COUNTS: [rows] * groups,
            MASKED: [rows] * groups,
        }[self.kind]
        dtype = torch.int64 if self.dtype == INT64 else torch.int32
        return torch.tensor(values, dtype=dtype, device="cuda")


def layouts_of(rows, hints):
    """Returns the layouts to time, the call with m_indptr first, and the same once more."""
    layouts = [
        Layout("indptr int32", INDPTR),
        Layout("indptr int32, again", INDPTR),
        Layout("indptr int64", INDPTR, INT64),
        Layout("ends int32", ENDS),
        Layout("ends int64, starts at 16", ENDS, INT64, alignment=16),
        Layout("counts int32", COUNTS),
        Layout("counts int64, starts at 16", COUNTS, INT64, alignment=16),
    ]
    for slab in (slab for slab in SLABS if slab >= rows):
        name, dtype = f"masked, slabs of {slab}", INT32 if slab == SLABS[0] else INT64
        layouts.append(Layout(name, MASKED, dtype, slab=slab))
        for hint in hints or (rows,):
            layouts.append(Layout(f"{name}, hint {hint}", MASKED, dtype, slab=slab, hint=hint))
    return layouts


class Weights:
    """b, and the rows of the groups one after another: all contenders of a shape share them."""

    def __init__(self, shape):
        groups, rows, n, k = shape
        kb, nb = -(-k // 128), -(-n // 128)
        self.b = _fp8(groups, n, k)
        self.b_scale = torch.rand(groups, kb, nb, device="cuda")
        self.rows = _fp8(groups * rows, k)
        self.rows_scale = torch.rand(groups * rows, kb, device="cuda")


def _fp8(*shape):
    return torch.randint(0x28, 0x48, shape, dtype=torch.uint8, device="cuda")


class Contender:
    """A product of one shape in one layout: its arrays, its graph, its samples."""

    def __init__(self, layout, shape, weights):
        groups, rows, n, k = shape
        self.name, self.plan, self.samples = layout.name, "", []
        num_rows, self._places = layout.places(groups, rows)
        slabs = groups if layout.slab else 1
        kb = weights.rows_scale.shape[1]
        self.a = torch.full((num_rows, k), NAN_BYTE, dtype=torch.uint8, device="cuda")
        self.a[self._places] = weights.rows
        by_row = torch.full((num_rows, kb), torch.nan, device="cuda")
        by_row[self._places] = weights.rows_scale
        self.a_scale = by_row.view(slabs, -1, kb).transpose(1, 2).contiguous()  # rows run fastest
        self.out = torch.full((num_rows, n), POISON, dtype=torch.int16, device="cuda")

    def launch(self):
        raise NotImplementedError

    def prepare(self):
        """Makes a graph that is long enough to hide its launch."""
        self.launch()
        seconds = timed(self._capture(20)) / 20
        self._num_runs = max(20, min(2000, int(GRAPH_SECONDS / seconds)))
        self._graph = self._capture(self._num_runs)

    def _capture(self, num_runs):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(num_runs):
                self.launch()
        return graph

    def enqueue(self):
        self._graph.replay()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        self._graph.replay()
        end.record()
        return self, begin, end

    def record(self, begin, end):
        self.samples.append(begin.elapsed_time(end) * 1e3 / self._num_runs)

    def result(self):
        """The rows of groups, as bits."""
        return self.out[self._places]

    def fault(self, wanted):
        """Says what is wrong with the result, or returns None."""
        if not torch.equal(self.result(), wanted):
            return "rows differ from those of the first layout"
        others = torch.ones(len(self.out), dtype=torch.bool, device="cuda")
        others[self._places] = False
        if not (self.out[others] == POISON).all():
            return "rows of no group were written"
        return None


class Product(Contender):
    """This library's."""

    def __init__(self, layout, shape, weights, backend):
        super().__init__(layout, shape, weights)
        groups, rows, n, k = shape
        array = layout.group_array(groups, rows)
        is_m_indptr = layout.kind == INDPTR and layout.dtype == INT32
        self._args = Args(
            struct_size=ctypes.sizeof(Args), a=self.a.data_ptr(), b=weights.b.data_ptr(),
            a_scale=self.a_scale.data_ptr(), b_scale=weights.b_scale.data_ptr(),
            out=self.out.data_ptr(), m_indptr=array.data_ptr() if is_m_indptr else None,
            groups=None if is_m_indptr else array.data_ptr(),
            cum_m=len(self.a), n=n, k=k, batch_size=groups, backend=backend,
            a_scale_stride=self.a_scale.shape[2], b_scale_stride=weights.b_scale.shape[2],
            group_layout=layout.kind, group_dtype=layout.dtype,
            group_alignment=layout.alignment, expected_m=layout.hint,
        )  # fmt: skip
        plan = _ffi.PlanInfo(struct_size=ctypes.sizeof(_ffi.PlanInfo))
        _call("ggfp8_group_gemm_plan", ctypes.byref(self._args), ctypes.byref(plan))
        self.plan = f"{plan.backend.decode()}: {plan.config.decode()}"
        self._workspace = torch.empty(plan.workspace_bytes, dtype=torch.uint8, device="cuda")
        self._arrays = (array, weights)

    def launch(self):
        stream = torch.cuda.current_stream().cuda_stream
        workspace = (self._workspace.data_ptr(), self._workspace.numel())
        _call("ggfp8_group_gemm_nt_groupwise", ctypes.byref(self._args), *workspace, stream)


def _call(function, *arguments):
    _library.check(getattr(_library.load(), function)(*arguments))


class DeepGemmMasked(Contender):
    """deep_gemm.m_grouped_fp8_gemm_nt_masked on the same slabs, with the true mean as its hint."""

    def __init__(self, slab, shape, weights):
        import deep_gemm

        groups, rows, n, k = shape
        layout = Layout(f"deep_gemm masked, slabs of {slab}", MASKED, slab=slab)
        super().__init__(layout, shape, weights)
        self._kernel = deep_gemm.m_grouped_fp8_gemm_nt_masked
        a = self.a.view(torch.float8_e4m3fn).view(groups, slab, k)
        b_scale = weights.b_scale.transpose(1, 2).contiguous()
        self._rest = (
            (a, self.a_scale.transpose(1, 2)),
            (weights.b.view(torch.float8_e4m3fn), b_scale),
            self.out.view(torch.bfloat16).view(groups, slab, n),
            layout.group_array(groups, rows),
            rows,
        )

    def launch(self):
        self._kernel(*self._rest)

    def fault(self, wanted):
        wanted = wanted.view(torch.bfloat16).float()
        error = (self.result().view(torch.bfloat16).float() - wanted).norm() / wanted.norm()
        return None if error < MAX_PEER_ERROR else f"relative error {error:.1e}"


def timed(graph):
    """Seconds of a second replay."""
    graph.replay()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    graph.replay()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) * 1e-3


def contenders_of(shape, chosen):
    """Returns the contenders of a shape, ready to be timed, the call with m_indptr first."""
    weights = Weights(shape)
    backend = chosen.backend.encode() if chosen.backend else None
    layouts = layouts_of(shape[1], chosen.hints)
    contenders = [Product(layout, shape, weights, backend) for layout in layouts]
    for contender in contenders:
        contender.prepare()
    for slab in (slab for slab in SLABS if chosen.peers and slab >= shape[1]):
        try:
            peer = DeepGemmMasked(slab, shape, weights)
            peer.prepare()
            contenders.append(peer)
        except Exception as error:  # a peer's failure of any kind is its own
            print(f"deep_gemm, slabs of {slab}: {type(error).__name__}: {error}", file=sys.stderr)
    return contenders


def measure(contenders, seconds):
    """Times all contenders in turn."""
    order = random.Random(0)
    deadline = time.perf_counter() + seconds
    while len(contenders[0].samples) < 5 or time.perf_counter() < deadline:
        shuffled = order.sample(contenders, len(contenders))
        marks = [contender.enqueue() for contender in shuffled]
        torch.cuda.synchronize()
        for contender, begin, end in marks:
            contender.record(begin, end)


def report(shape, contenders):
    """Prints a table; returns the largest ratio of this library's layouts, and the faults."""
    groups, rows, n, k = shape
    print(f"\n{groups} x {rows} rows, n {n}, k {k}", flush=True)
    base, wanted = contenders[0].samples, contenders[0].result()
    ratios, faults = [], []
    for contender in contenders:
        pairs = zip(contender.samples, base, strict=True)
        ratio = statistics.median(own / first for own, first in pairs)
        ratios += [ratio] if isinstance(contender, Product) else []
        median = statistics.median(contender.samples)
        print(f"  {contender.name:36}{median:10.2f} us{ratio:9.4f}   {contender.plan}")
        fault = contender.fault(wanted)
        faults += [f"{contender.name}: {fault}"] if fault else []
    for fault in faults:
        print(f"  WRONG {fault}")
    return max(ratios[2:]), faults


def shape_of(text):
    """Returns (groups, rows, n, k) of a text such as 32x16x4096x7168."""
    sizes = tuple(int(size) for size in text.split("x"))
    if len(sizes) != 4:
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted GROUPSxROWSxNxK")
    return sizes


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", type=shape_of, default=SHAPES, metavar="GxROWSxNxK")
    parser.add_argument("--hints", nargs="+", type=int, help="hints to time (default: the mean)")
    parser.add_argument("--peers", choices=["deepgemm"], help="also time its masked kernel")
    parser.add_argument("--backend", help="the backend to time (default: automatic)")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each shape (2)")
    parser.add_argument("--limit", type=float, help="largest ratio to the call with m_indptr")
    return parser.parse_args()


def main():
    chosen = options()
    if not torch.cuda.is_available():
        print("layouts: needs a GPU that PyTorch can use")
        return 1
    torch.manual_seed(0)
    worst, faults = 0.0, []
    for shape in chosen.shapes:
        contenders = contenders_of(shape, chosen)
        measure(contenders, chosen.seconds)
        ratio, wrong = report(shape, contenders)
        worst, faults = max(worst, ratio), faults + wrong
        del contenders
        torch.cuda.empty_cache()
    print(f"\nlargest ratio to the call with an m_indptr of int32: {worst:.4f}")
    return int(bool(faults) or (chosen.limit is not None and worst > chosen.limit))


if __name__ == "__main__":
    sys.exit(main())
