"""The time of a product with groups of every layout, beside the call with an m_indptr of int32.

    python python/benchmarks/layouts.py --limit 1.01
    python python/benchmarks/layouts.py --backend mma --rounds 20
    python python/benchmarks/layouts.py --shapes 32x16x4096x7168 --slabs 256 4096 --only-slabs \
        --peers deepgemm humming
    python python/benchmarks/layouts.py --shapes 32x300x4096x7168 --only-slabs --hints 1 64 192

The same numbers of rows are multiplied in every layout: packed, with starts aligned to 16, and in
slabs, with and without the hint expected_m. Before anything is timed every layout's rows are
compared with those of the first, bit by bit, with NaN in all other rows, and nothing else may have
been written. Each contender is a CUDA graph of many calls, compared with the first in pairs
(layout_timing.py). Printed are the median time of a run in microseconds, the median of the ratios
to the call with m_indptr, and its confidence interval of 95 %. That call takes part twice: the
ratio of the second shows what the measurement can tell. Weights exceed the L2 cache in every shape.

With --limit the exit status is 1 unless the upper ends of the intervals are at most the limit, for
all layouts whose kernel is that of the first. A call of slabs without a hint, or with another one,
may get another kernel.

Needs a GPU and PyTorch.
"""

import argparse
import statistics
import sys

import torch
from layout_peers import PEERS
from layout_products import Arena, Product, packed_layouts, slab_layouts
from layout_timing import measure, median_and_interval

# groups, rows of each, n, k: decoding, some rows, a prefill.
SHAPES = (
    (32, 4, 4096, 7168),
    (32, 16, 4096, 7168),
    (128, 8, 1536, 2048),
    (32, 192, 4096, 7168),
    (8, 4096, 4096, 7168),
)
SLABS = (256, 4096)


def contenders_of(shape, chosen):
    """Returns the contenders of a shape, the call with m_indptr first, and what is wrong."""
    slabs = [slab for slab in chosen.slabs if slab >= shape[1]]
    layouts = packed_layouts()[: 2 if chosen.only_slabs else None]
    for slab in slabs:
        layouts += slab_layouts(slab, chosen.hints or (shape[1],))
    arena = Arena(shape, layouts)
    backend = chosen.backend.encode() if chosen.backend else None
    contenders = [Product(layout, arena, backend) for layout in layouts]
    wanted = contenders[0].result()
    faults = [_fault(contender, wanted) for contender in contenders]
    for kind in (kind for name in chosen.peers for kind in PEERS[name]):
        for slab in slabs:
            contenders += _ready_peer(kind, slab, arena, wanted)
    arena.randomise()
    for contender in contenders if chosen.rounds else ():
        contender.prepare()
    return contenders, [fault for fault in faults if fault]


def _fault(contender, wanted):
    fault = contender.fault(wanted)
    return f"{contender.name}: {fault}" if fault else None


def _ready_peer(kind, slab, arena, wanted):
    """Returns a peer that gives the right result, or nothing."""
    try:
        peer = kind(slab, arena)
        fault = peer.fault(wanted)
    except Exception as error:  # a peer's failure of any kind is its own
        fault = f"{type(error).__name__}: {error}"
    if fault is None:
        return [peer]
    print(f"{kind.__name__}, slabs of {slab}, left out: {fault}", file=sys.stderr)
    return []


def report(shape, contenders):
    """Prints a table; returns the highest end of an interval of a layout with the first kernel."""
    groups, rows, n, k = shape
    print(f"\n{groups} x {rows} rows, n {n}, k {k}", flush=True)
    first = contenders[0]
    print(f"  {first.name:36}{statistics.median(first.times):10.2f} us{'':27}{first.plan}")
    worst = 0.0
    for contender in contenders[1:]:
        ratio, low, high = median_and_interval(contender.ratios)
        time = f"{statistics.median(contender.times):10.2f} us"
        interval = f"{ratio:9.4f} ({low:.4f}-{high:.4f})"
        print(f"  {contender.name:36}{time}{interval}  {contender.plan}")
        if contender.plan == first.plan:
            worst = max(worst, high)
    return worst


def shape_of(text):
    """Returns (groups, rows, n, k) of a text such as 32x16x4096x7168."""
    sizes = tuple(int(size) for size in text.split("x"))
    if len(sizes) != 4:
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted GROUPSxROWSxNxK")
    return sizes


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", type=shape_of, default=SHAPES, metavar="GxROWSxNxK")
    parser.add_argument("--slabs", nargs="+", type=int, default=SLABS, help="rows of a slab")
    parser.add_argument("--only-slabs", action="store_true", help="leave packed layouts out")
    parser.add_argument("--hints", nargs="+", type=int, help="hints to time (default: the mean)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=(), help="masked kernels")
    parser.add_argument("--backend", help="the backend to time (default: automatic)")
    parser.add_argument("--rounds", type=int, default=40, help="pairs of each contender (40)")
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
        contenders, wrong = contenders_of(shape, chosen)
        faults += wrong
        for fault in wrong:
            print(f"  WRONG {fault}")
        if chosen.rounds:
            measure(contenders, chosen.rounds)
            worst = max(worst, report(shape, contenders))
        del contenders
        torch.cuda.empty_cache()
    print(f"\nhighest end of an interval, with the kernel of the first call: {worst:.4f}")
    return int(bool(faults) or (chosen.limit is not None and worst > chosen.limit))


if __name__ == "__main__":
    sys.exit(main())
