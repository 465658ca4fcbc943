"""The closing table of a random sample: how ratios and efficiencies are spread over regimes."""

from __future__ import annotations

from .regimes import BEST_PEER, describe, ratios_of, regimes_of, summary_of
from .report import kernel_of
from .units import time_text

_NUM_WORST = 5
_HEADING = (
    f"{'regime':14} {'cases':>5} {'mean':>6} {'< 1':>6}"
    f" {'least':>6} {'10 %':>6} {'median':>6} {'90 %':>6} {'most':>6}"
)


def distribution_lines(records, num_processors):
    """Yields the lines: a table for each peer and for the best one, the worst cases, then the
    efficiency and, where tile shapes were timed, the regret.
    """
    yield describe(num_processors)
    ratios = ratios_of(records)
    regimes = regimes_of(records)
    for peer, pairs in ratios.items():
        yield ""
        yield f"time of {peer} over ours (above 1: ours is faster)"
        yield _HEADING
        value_of = {id(record): ratio for ratio, record in pairs}
        for regime, members in regimes.items():
            values = [value_of[id(record)] for record in members if id(record) in value_of]
            if values:
                yield _line(regime, values)
    if BEST_PEER in ratios:
        yield from _worst_lines(ratios[BEST_PEER])
    yield from _table_of("efficiency", "least time that the hardware allows over ours", regimes)
    yield from _table_of("regret", "time of the chosen shape over that of the best", regimes)


def _table_of(figure, meaning, regimes):
    """Yields the table of a figure that records have; nothing if no record has it."""
    values = {
        regime: [record[figure] for record in members if record.get(figure)]
        for regime, members in regimes.items()
    }
    if not values["all"]:
        return
    yield ""
    yield f"{figure}: {meaning}"
    yield _HEADING
    for regime, known in values.items():
        if known:
            yield _line(regime, known)


def _line(regime, values):
    summary = summary_of(values)
    points = ("least", "low", "median", "high", "greatest")
    return (
        f"{regime:14} {summary['count']:5} {summary['geometric_mean']:6.3f} "
        f"{summary['below_1']:6} " + " ".join(f"{summary[point]:6.3f}" for point in points)
    )


def _worst_lines(pairs):
    """Yields the cases in which the best peer is furthest ahead."""
    slower = [pair for pair in pairs if pair[0] < 1.0]
    yield ""
    yield f"slower than the best peer: {len(slower)} of {len(pairs)}"
    for ratio, record in sorted(slower, key=lambda pair: pair[0])[:_NUM_WORST]:
        peers = {name: peer["us"] for name, peer in record["peers"].items() if "us" in peer}
        best = min(peers, key=peers.get)
        yield (
            f"  {ratio:.3f}  {record['name']}: {time_text(record['us'] * 1e-6)}, "
            f"{best} {time_text(peers[best] * 1e-6)}, {kernel_of(record)}"
        )
