"""One timing loop for everything the bench compares.

A Contender enqueues one run at a time. On a GPU many runs are captured into one CUDA graph, so
that launch latency is hidden, and graphs of all contenders are replayed in turn between events.
Each timed replay comes directly after an untimed one of the same graph, because a device near its
power limit takes some milliseconds to find the clock that a contender leaves it. The power drawn
by the previous contender still affects the clock, so the order is shuffled in every round. On the
CPU single calls are timed in turn. Every figure is a median in seconds per run.
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from dataclasses import dataclass

from .device import Event, Graph

_GRAPH_SECONDS = (0.005, 0.02)  # least and greatest length of one replay: a launch costs 10 us
_MAX_GRAPH_RUNS = 2000
_QUEUED_ROUNDS = 4  # rounds enqueued before the host waits, so that the device never idles
_MIN_SAMPLES = 3
_BURST_CALLS = 100
_SETTLING_SHARE = 0.25  # of the samples, dropped at the start: clocks and caches settle


@dataclass(frozen=True)
class Timing:
    """Times that one contender took."""

    seconds: float  # median of one run
    low: float  # 10th percentile
    high: float  # 90th percentile
    runs: int  # runs that the median is over


class Contender:
    """Enqueues run number idx with launch(idx), on the stream it was made for.

    num_sets is the number of input sets that launch() cycles through.
    """

    def __init__(self, name, launch, num_sets=1):
        self.name = name
        self.launch = launch
        self.num_sets = num_sets

    def run_eagerly(self, stream, count):
        for idx in range(count):
            self.launch(idx)

    def capture(self, stream, count):
        """Returns a function that replays `count` runs on the stream with one launch."""
        graph = Graph()
        with graph.capture(stream):
            self.run_eagerly(stream, count)
        return lambda: graph.launch(stream)


class TorchContender(Contender):
    """A contender whose launch() calls torch: torch's allocator has to know of the capture."""

    def run_eagerly(self, stream, count):
        import torch

        with torch.cuda.stream(_torch_stream(stream)):
            super().run_eagerly(stream, count)

    def capture(self, stream, count):
        import torch

        torch_stream = _torch_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=torch_stream):
            for idx in range(count):
                self.launch(idx)

        def replay():
            with torch.cuda.stream(torch_stream):
                graph.replay()

        return replay


def _torch_stream(stream):
    import torch

    return torch.cuda.ExternalStream(stream.handle, device=f"cuda:{stream.device_id}")


def time_on_host(contenders, seconds, clock=time.perf_counter):
    """Times single synchronous calls in turn, in seconds of `clock`; returns {name: Timing}."""
    for contender in contenders:
        contender.launch(0)
    samples = {contender.name: [] for contender in contenders}
    deadline = time.perf_counter() + seconds
    rounds = 0
    while rounds < _MIN_SAMPLES or time.perf_counter() < deadline:
        for contender in contenders:
            start = clock()
            contender.launch(rounds)
            samples[contender.name].append(clock() - start)
        rounds += 1
    return {name: _summary(values, 1) for name, values in samples.items()}


def time_on_gpu(contenders, stream, seconds):
    """Times graph replays in turn on the stream; returns {name: Timing}."""
    gc.collect()  # nothing may be freed on the device during a capture
    graph_seconds = _graph_seconds(len(contenders), seconds)
    batches = [_Batch(contender, stream, graph_seconds) for contender in contenders]
    random_order = random.Random(0)
    deadline = time.perf_counter() + seconds
    while len(batches[0].samples) < _MIN_SAMPLES or time.perf_counter() < deadline:
        marks = []
        for _ in range(_QUEUED_ROUNDS):
            random_order.shuffle(batches)
            marks += [(batch, batch.enqueue(stream)) for batch in batches]
        stream.synchronize()
        for batch, (start, end) in marks:
            batch.samples.append(start.elapsed(end) / batch.runs)
    return {batch.name: _summary(batch.samples, batch.runs) for batch in batches}


def repeated_on_gpu(contender, stream):
    """Returns a function that replays a graph of a few milliseconds and waits for its end."""
    batch = _Batch(contender, stream, _GRAPH_SECONDS[0])

    def work():
        batch.replay()
        stream.synchronize()

    return work


def _graph_seconds(num_contenders, seconds):
    """Returns the length of a replay with which the queued rounds fit into `seconds`."""
    least, greatest = _GRAPH_SECONDS
    return min(greatest, max(least, seconds / (2 * _QUEUED_ROUNDS * num_contenders)))


class _Batch:
    """A contender's graph, long enough to hide its launch, and its samples."""

    def __init__(self, contender, stream, graph_seconds):
        self.name = contender.name
        self.samples = []
        contender.run_eagerly(stream, contender.num_sets)
        stream.synchronize()
        first = contender.capture(stream, contender.num_sets)
        start, end = _timed(first, stream)
        stream.synchronize()
        rounds = math.ceil(graph_seconds / max(start.elapsed(end), 1e-7))
        rounds = min(rounds, max(1, _MAX_GRAPH_RUNS // contender.num_sets))
        self.runs = rounds * contender.num_sets
        self.replay = contender.capture(stream, self.runs)

    def enqueue(self, stream):
        self.replay()
        return _timed(self.replay, stream)


def _timed(replay, stream):
    """Enqueues a replay between two events and returns them."""
    start, end = Event(stream.device_id), Event(stream.device_id)
    start.record(stream)
    replay()
    end.record(stream)
    return start, end


def _summary(samples, runs_per_sample):
    settled = sorted(samples[int(len(samples) * _SETTLING_SHARE) :])
    last = len(settled) - 1
    return Timing(
        seconds=statistics.median(settled),
        low=settled[round(0.1 * last)],
        high=settled[round(0.9 * last)],
        runs=len(settled) * runs_per_sample,
    )


def host_time_per_call(contender, stream, synchronize, seconds):
    """Times the host's part of one call: the wait for the result is left out.

    Calls come in bursts that fit into the device's queue, with a wait after each burst.
    """
    contender.run_eagerly(stream, 1)
    synchronize()
    samples = []
    deadline = time.perf_counter() + seconds
    while len(samples) < _MIN_SAMPLES or time.perf_counter() < deadline:
        start = time.perf_counter()
        contender.run_eagerly(stream, _BURST_CALLS)
        samples.append((time.perf_counter() - start) / _BURST_CALLS)
        synchronize()
    return _summary(samples, _BURST_CALLS)
