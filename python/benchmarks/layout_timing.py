"""Pairs of graph replays, and what their ratios say: the timing of layouts.py.

A device near its power limit changes its clock from one millisecond to the next, by more than
layouts differ. Each contender is therefore compared with the first in pairs of replays that follow
one another at once; a pair gives one ratio. Contenders of the same kernel draw the same power and
form a pair as A B B A or B A A B, which cancels a steady drift. A contender of another kernel
leaves another clock, so there each timed replay follows an untimed one of the same graph.
"""

import random

import torch

QUEUED_PAIRS = 8  # pairs enqueued before the host waits, so that the device never idles
RESAMPLES = 2000
CONFIDENCE = 0.95


def measure(contenders, rounds):
    """Gives every contender but the first `rounds` ratios to the first, in random order."""
    order = random.Random(0)
    first = contenders[0]
    pairs = [contender for contender in contenders[1:] for _ in range(rounds)]
    order.shuffle(pairs)
    for begin in range(0, len(pairs), QUEUED_PAIRS):
        queued = pairs[begin : begin + QUEUED_PAIRS]
        marks = [_enqueue_pair(first, other, order.random() < 0.5) for other in queued]
        torch.cuda.synchronize()
        for other, (of_first, of_other) in zip(queued, marks, strict=True):
            base, own = (_time(spans, who) for spans, who in ((of_first, first), (of_other, other)))
            first.times.append(base)
            other.times.append(own)
            other.ratios.append(own / base)


def _enqueue_pair(first, other, is_first_first):
    """Enqueues replays of both; returns the spans of each."""
    one, two = (first, other) if is_first_first else (other, first)
    if first.plan == other.plan:
        outer, inner = [_enqueue(one)], [_enqueue(two), _enqueue(two)]
        outer.append(_enqueue(one))
    else:
        one.replay()
        outer = [_enqueue(one)]
        two.replay()
        inner = [_enqueue(two)]
    return (outer, inner) if is_first_first else (inner, outer)


def _enqueue(contender):
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    contender.replay()
    end.record()
    return begin, end


def _time(spans, contender):
    """Microseconds of a run."""
    total = sum(begin.elapsed_time(end) for begin, end in spans)
    return total * 1e3 / (len(spans) * contender.num_runs)


def median_and_interval(ratios):
    """Returns the median of the ratios and its confidence interval, by resampling.

    Resampling takes as many ratios as there are, with repetitions, and looks at their median.
    """
    values = torch.tensor(ratios, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    picks = torch.randint(len(values), (RESAMPLES, len(values)), generator=generator)
    tail = (1 - CONFIDENCE) / 2
    medians = values[picks].quantile(0.5, dim=1)
    low, high = medians.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return values.quantile(0.5).item(), low, high
