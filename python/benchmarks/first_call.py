"""The time a process waits for its first product, beyond what the device itself needs to start.

    python python/benchmarks/first_call.py
    python python/benchmarks/first_call.py --processes 9 --limit-ms 300

Each of some fresh processes makes the CUDA context and uploads the arrays with cuda-python, then
loads the library, computes a small product and waits for it, and does so again. Prints JSON: the
median of every step in milliseconds. beyond_context_ms is load_ms + first_call_ms; with --limit-ms
the exit status is 1 if it is above the limit. On a GPU this needs cuda-python.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np

GROUPS, ROWS, N, K = 8, 16, 512, 512


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--processes", type=int, default=5, help="number of fresh processes (5)")
    parser.add_argument("--limit-ms", type=float, help="most that beyond_context_ms may be")
    parser.add_argument("--one", action="store_true", help="measure in this process and print it")
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(chosen.device)))
        return 0
    runs = [run_process(chosen.device) for _ in range(max(chosen.processes, 1))]
    medians = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    print(json.dumps({"device": chosen.device, "processes": len(runs), **medians}))
    return int(chosen.limit_ms is not None and medians["beyond_context_ms"] > chosen.limit_ms)


def run_process(device: str) -> dict[str, float]:
    """The steps of one fresh process."""
    command = [sys.executable, __file__, "--one", "--device", device]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


class Clock:
    """Milliseconds from one step to the next."""

    def __init__(self):
        self.steps = {}
        self._begin = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.steps[name] = (now - self._begin) * 1e3
        self._begin = time.perf_counter()


def measure(device: str) -> dict[str, float]:
    """Runs the steps in this process, which must not have used the library or the device."""
    import ml_dtypes

    arrays = [
        np.zeros((GROUPS * ROWS, K), ml_dtypes.float8_e4m3fn),
        np.zeros((GROUPS, N, K), ml_dtypes.float8_e4m3fn),
        np.ones((K // 128, GROUPS * ROWS), np.float32),
        np.ones((GROUPS, K // 128, N // 128), np.float32),
        np.arange(0, GROUPS * ROWS + 1, ROWS, dtype=np.int32),
        np.empty((GROUPS * ROWS, N), ml_dtypes.bfloat16),
    ]
    clock = Clock()
    import groupgemm_fp8
    from groupgemm_fp8._cli import device as _device

    clock.end("import_ms")
    if device == "cuda":
        arrays = [_device.DeviceArray.from_numpy(array) for array in arrays]
        stream = _device.Stream()
        options, wait = {"stream": stream.handle}, stream.synchronize
    else:
        options, wait = {}, lambda: None
    clock.end("context_ms")
    groupgemm_fp8.backends()
    clock.end("load_ms")
    *inputs, out = arrays
    for name in ("first_call_ms", "second_call_ms"):
        groupgemm_fp8.group_gemm_fp8_nt_groupwise(*inputs, out=out, **options)
        wait()
        clock.end(name)
    beyond = clock.steps["load_ms"] + clock.steps["first_call_ms"]
    return clock.steps | {"beyond_context_ms": beyond}


if __name__ == "__main__":
    sys.exit(main())
