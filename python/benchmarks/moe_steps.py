"""The steps around the product (quantise, activate, route, combine) against memory bandwidth.

    python python/benchmarks/moe_steps.py
    python python/benchmarks/moe_steps.py --device cpu --json steps.json
    python python/benchmarks/moe_steps.py --device cpu --one-thread
    python python/benchmarks/moe_steps.py --scale-major K

On a GPU each step is captured many times into a CUDA graph, on input sets that together exceed the
L2 cache several times. A floor is the bytes that must be read and written over --bandwidth, or a
time where the number of launches decides. On the CPU calls are timed one by one, and a floor is the
bytes over the bandwidth of torch's copy of 256 MiB, on as many threads, in turn with the step.
--one-thread counts the time of the processor in place of the time that passes, which other programs
take part of. The plain torch form of each step runs in turn with it, and on a GPU a kernel of
another library where moe_steps_peers.py finds one. Scales are MN-major, or K-major as in moe_ffn.

Needs torch, and on a GPU cuda-python.
"""

import argparse
import ctypes
import json
import math
import os
import time
from dataclasses import asdict, dataclass

import torch
from moe_steps_peers import check_peer, find_peers

from groupgemm_fp8 import _ffi, _ffi_moe, _library
from groupgemm_fp8._cli.timing import Contender, TorchContender, time_on_gpu, time_on_host

BLOCK = 128
FP8_MAX = 448.0
H200_BYTES_PER_SECOND = 4.3e12
ROTATED_BYTES = 512 << 20  # of all input sets: ten times an H200's L2 cache
MAX_SETS = 128
COPY_BYTES = 256 << 20

LIBRARY = _ffi_moe.bind(_library.load())


@dataclass(frozen=True)
class Case:
    """One step at one size. floor_us: where it is not the bytes that decide."""

    name: str
    step: str
    tokens: int
    top_k: int = 1
    k: int = 7168
    groups: int = 256
    floor_us: float = 0.0

    @property
    def rows(self):
        return self.tokens * self.top_k


GPU_CASES = (
    Case("quantise 8192 x 7168", "quantize", 8192),
    Case("gather + quantise 4096 x 8, k 7168", "gather", 4096, 8),
    Case("quantise + scatter 4096 x 8, k 7168", "scatter", 4096, 8),
    Case("activate + quantise 32768 x (2 x 2048)", "silu", 32768, k=2048),
    Case("combine 4096 x 8, k 7168", "combine", 4096, 8),
    Case("route 4096 x 8 of 256", "route", 4096, 8, floor_us=10.0),
    Case("route 16384 x 8 of 256", "route", 16384, 8, floor_us=20.0),
    Case("quantise weights 8 x 4096 x 7168", "weights", 8 * 4096),
    Case("quantise 64 x 7168", "quantize", 64, floor_us=3.0),
    Case("gather + quantise 64 x 8, k 7168", "gather", 64, 8, floor_us=3.0),
    Case("quantise + scatter 64 x 8, k 7168", "scatter", 64, 8, floor_us=3.0),
    Case("activate + quantise 512 x (2 x 2048)", "silu", 512, k=2048, floor_us=3.0),
    Case("combine 64 x 8, k 7168", "combine", 64, 8, floor_us=3.0),
    Case("route 64 x 8 of 256", "route", 64, 8, floor_us=5.0),
)
CPU_CASES = (
    Case("quantise 4096 x 7168", "quantize", 4096),
    Case("gather + quantise 1024 x 8, k 7168", "gather", 1024, 8),
    Case("quantise + scatter 1024 x 8, k 7168", "scatter", 1024, 8),
    Case("activate + quantise 8192 x (2 x 2048)", "silu", 8192, k=2048),
    Case("combine 1024 x 8, k 7168", "combine", 1024, 8),
    Case("quantise weights 4096 x 7168", "weights", 4096),
    Case("route 4096 x 8 of 256", "route", 4096, 8),
)


class Arrays:
    """The arrays of one input set, on one device, and the calls on them."""

    def __init__(self, case, device, seed, scale_major="MN"):
        generator = torch.Generator(device).manual_seed(seed)
        bf16 = {"dtype": torch.bfloat16, "device": device}
        rows, k = case.rows, case.k
        x_rows = case.tokens if case.step in ("gather", "scatter") else rows
        width = 2 * k if case.step == "silu" else k
        self.case, self.device = case, device
        self.scale_major = _ffi.SCALE_MAJOR_K if scale_major == "K" else _ffi.SCALE_MAJOR_MN
        self.index = torch.randint(
            0, case.groups, (case.tokens, case.top_k), device=device, generator=generator
        )
        self.row_index = torch.empty(rows, dtype=torch.int32, device=device)
        self.position = torch.empty((case.tokens, case.top_k), dtype=torch.int32, device=device)
        self.m_indptr = torch.empty(case.groups + 1, dtype=torch.int32, device=device)
        self.workspace = None
        if case.step in ("gather", "scatter", "combine", "route"):
            self.route()
        if case.step == "route":
            return
        self.x = torch.randn((x_rows, width), generator=generator, **bf16)
        if case.step == "combine":
            shape = (case.tokens, case.top_k)
            self.weight = torch.rand(shape, device=device, generator=generator)
            self.out = torch.empty((case.tokens, k), **bf16)
            return
        self.block_rows = BLOCK if case.step == "weights" else 1
        blocks = (k // BLOCK, math.ceil(rows / self.block_rows))
        self.codes = torch.empty((rows, k), dtype=torch.float8_e4m3fn, device=device)
        self.scale = torch.empty(blocks, dtype=torch.float32, device=device)

    def place(self):
        """The members that name the device."""
        on_cpu = self.device == "cpu"
        return {"device_type": _ffi.DEVICE_CPU if on_cpu else _ffi.DEVICE_CUDA}

    def call(self, stream=None):
        """Runs the step of the library."""
        step = self.case.step
        method = {"silu": self.silu, "combine": self.combine, "route": self.route}
        method.get(step, self.quantize)(stream)

    def quantize(self, stream=None):
        gathers, scatters = self.case.step == "gather", self.case.step == "scatter"
        _library.check(
            LIBRARY.ggfp8_quantize_groupwise(
                _ffi_moe.QuantizeGroupwiseArgs(
                    x=self.x.data_ptr(),
                    row_index=self.row_index.data_ptr() if gathers else None,
                    out=self.codes.data_ptr(),
                    scale=self.scale.data_ptr(),
                    rows=len(self.x) if scatters else self.case.rows,
                    k=self.case.k,
                    x_rows=len(self.x) if gathers else 0,
                    position=self.position.data_ptr() if scatters else None,
                    top_k=self.case.top_k if scatters else 0,
                    out_rows=self.case.rows if scatters else 0,
                    block_rows=self.block_rows,
                    scale_major=self.scale_major,
                    **self.place(),
                ),
                stream,
            )
        )

    def silu(self, stream=None):
        _library.check(
            LIBRARY.ggfp8_silu_mul_quantize_groupwise(
                _ffi_moe.SiluMulQuantizeGroupwiseArgs(
                    gate_up=self.x.data_ptr(),
                    out=self.codes.data_ptr(),
                    scale=self.scale.data_ptr(),
                    rows=self.case.rows,
                    k=self.case.k,
                    scale_major=self.scale_major,
                    **self.place(),
                ),
                stream,
            )
        )

    def combine(self, stream=None):
        _library.check(
            LIBRARY.ggfp8_combine(
                _ffi_moe.CombineArgs(
                    x=self.x.data_ptr(),
                    position=self.position.data_ptr(),
                    weight=self.weight.data_ptr(),
                    out=self.out.data_ptr(),
                    x_rows=len(self.x),
                    num_tokens=self.case.tokens,
                    top_k=self.case.top_k,
                    k=self.case.k,
                    **self.place(),
                ),
                stream,
            )
        )

    def route(self, stream=None):
        args = _ffi_moe.RouteArgs(
            top_k_index=self.index.data_ptr(),
            row_index=self.row_index.data_ptr(),
            position=self.position.data_ptr(),
            m_indptr=self.m_indptr.data_ptr(),
            num_tokens=self.case.tokens,
            top_k=self.case.top_k,
            batch_size=self.case.groups,
            top_k_index_dtype=_ffi_moe.DTYPE_INT64,
            **self.place(),
        )
        if self.workspace is None:
            size = ctypes.c_size_t()
            _library.check(LIBRARY.ggfp8_route_workspace_size(args, ctypes.byref(size)))
            self.workspace = torch.empty(size.value, dtype=torch.uint8, device=self.device)
        pointer = self.workspace.data_ptr() or None
        _library.check(LIBRARY.ggfp8_route(args, pointer, self.workspace.numel(), stream))

    def torch_form(self):
        """Runs the step in plain torch; returns its result."""
        step = self.case.step
        if step == "route":
            flat = self.index.reshape(-1)
            order = torch.argsort(flat, stable=True)
            position = torch.empty_like(order)
            position[order] = torch.arange(order.numel(), device=self.device)
            ends = torch.cumsum(torch.bincount(flat, minlength=self.case.groups), 0)
            return order // self.case.top_k, position, ends
        if step == "combine":
            chosen = self.x[self.position.reshape(-1)].view(*self.position.shape, -1)
            return (chosen * self.weight.unsqueeze(-1).to(chosen.dtype)).sum(1)
        x = self.x[self.row_index] if step in ("gather", "scatter") else self.x
        if step == "silu":
            gate, up = x.chunk(2, dim=-1)
            x = torch.nn.functional.silu(gate) * up
        rows = self.block_rows
        blocks = x.float().view(-1, rows, self.case.k // BLOCK, BLOCK)
        scale = (blocks.abs().amax(dim=(1, 3), keepdim=True) / FP8_MAX).clamp(min=1e-30)
        return (blocks / scale).to(torch.float8_e4m3fn), scale

    def num_bytes(self):
        """Returns the bytes that the step must read and write."""
        if self.case.step == "route":
            return self.index.nbytes + self.row_index.nbytes + self.position.nbytes
        if self.case.step == "combine":
            return self.x.nbytes + self.out.nbytes
        return self.x.nbytes + self.codes.nbytes + self.scale.nbytes


def peer_contenders(sets):
    """Contenders of other libraries on the same inputs, each after a check of its result."""
    contenders = []
    for name, quantise in find_peers(sets[0].case.step).items():
        check_peer(name, quantise, sets[0].x, sets[0].block_rows)
        contenders.append(
            TorchContender(name, lambda idx, f=quantise: f(sets[idx % len(sets)].x), len(sets))
        )
    return contenders


def measure(case, options, stream, copy, clock):
    """One line of the table, as a dict. copy: a contender, whose bandwidth counts on the CPU."""
    device, seconds, bytes_per_second = options.device, options.seconds, options.bandwidth
    sets = [Arrays(case, device, 0, options.scale_major)]
    wanted = math.ceil(ROTATED_BYTES / sets[0].num_bytes()) if device != "cpu" else 1
    num_sets = min(max(wanted, 2), MAX_SETS) if device != "cpu" else 1
    sets += [Arrays(case, device, seed, options.scale_major) for seed in range(1, num_sets)]
    handle = None if stream is None else stream.handle
    ours = Contender("ours", lambda idx: sets[idx % num_sets].call(handle), num_sets)
    if stream is None:
        plain = Contender("torch", lambda _: sets[0].torch_form())
        times = time_on_host([copy, ours, plain], seconds, clock)
        bytes_per_second = 2 * COPY_BYTES / times["copy"].seconds
    else:
        torch.cuda.synchronize()
        plain = TorchContender("torch", lambda idx: sets[idx % num_sets].torch_form(), num_sets)
        # bincount waits for the device, so that torch's form of a routing cannot be captured.
        contenders = [ours] if case.step == "route" else [ours, plain, *peer_contenders(sets)]
        times = time_on_gpu(contenders, stream, seconds)
    num_bytes = sets[0].num_bytes()
    floor = case.floor_us or num_bytes / bytes_per_second * 1e6
    ours_us = times["ours"].seconds * 1e6
    others = {name: t.seconds * 1e6 for name, t in times.items() if name not in ("ours", "copy")}
    return {
        "name": case.name,
        "bytes": num_bytes,
        "us": ours_us,
        "gb_per_s": num_bytes / ours_us * 1e-3,
        "floor_us": floor,
        "fraction": floor / ours_us,
        "bytes_per_second": bytes_per_second,
        "others_us": others,
        "case": asdict(case),
    }


def use_one_thread():
    """Makes torch and the library compute on the calling thread alone."""
    torch.set_num_threads(1)
    os.environ["GGFP8_NUM_THREADS"] = "1"
    _library.check(LIBRARY.ggfp8_reload_environment())


def make_copy(device):
    """Returns the contender that copies COPY_BYTES."""
    source = torch.rand(COPY_BYTES // 4, device=device)
    target = torch.empty_like(source)
    kind = Contender if device == "cpu" else TorchContender
    return kind("copy", lambda _: target.copy_(source))


def copy_bandwidth(copy, stream, seconds, clock):
    """Bytes read and written per second by a copy."""
    if stream is None:
        times = time_on_host([copy], seconds, clock)
    else:
        torch.cuda.synchronize()
        times = time_on_gpu([copy], stream, seconds)
    return 2 * COPY_BYTES / times["copy"].seconds


def print_row(row):
    against = "  ".join(f"{name} {us / row['us']:.1f}" for name, us in row["others_us"].items())
    print(
        f"{row['name']:40} {row['us']:10.2f} {row['floor_us']:10.2f} {row['fraction']:9.2f} "
        f"{row['gb_per_s']:9.1f} {row['bytes_per_second'] * 1e-9:9.1f}  {against}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--one-thread", action="store_true", help="on the CPU one thread, by the processor's time"
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="per case")
    parser.add_argument(
        "--bandwidth", type=float, default=H200_BYTES_PER_SECOND, help="bytes per second of floors"
    )
    parser.add_argument("--scale-major", choices=("MN", "K"), default="MN")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--json", help="also write the results to this file")
    options = parser.parse_args()

    stream = None
    clock = time.perf_counter
    if options.one_thread:
        clock = time.thread_time
        use_one_thread()
    cases = CPU_CASES
    if options.device == "cuda":
        from groupgemm_fp8._cli.device import Stream

        stream = Stream()
        cases = GPU_CASES
    copy = make_copy(options.device)
    copied = copy_bandwidth(copy, stream, options.seconds, clock)
    print(f"copy: {copied * 1e-9:.1f} GB/s read and written")
    titles = ("us", "floor us", "fraction", "GB/s", "at floor", "others / ours")
    widths = (10, 10, 9, 9, 9, 14)
    print(" " * 40, *(title.rjust(width) for title, width in zip(titles, widths, strict=True)))
    rows = []
    for case in cases:
        if options.only in case.name:
            rows.append(measure(case, options, stream, copy, clock))
            print_row(rows[-1])
    if options.json:
        result = {"device": options.device, "copy_bytes_per_second": copied, "rows": rows}
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
