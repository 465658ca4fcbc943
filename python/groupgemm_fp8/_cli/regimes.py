"""Regimes of a bench: records grouped by how well they fill the device and by what limits them."""

from __future__ import annotations

import math
import statistics

FEW_TILES, FEW_WAVES, MANY_WAVES = "few tiles", "few waves", "many waves"
_FEW_WAVES = 4
BEST_PEER = "best peer"


def regime_of(num_tiles, num_processors):
    """Returns the regime of a number of 128 x 128 tiles on this many SMs."""
    if num_tiles < num_processors:
        return FEW_TILES
    return FEW_WAVES if num_tiles <= _FEW_WAVES * num_processors else MANY_WAVES


def describe(num_processors):
    """Returns the line that defines the regimes."""
    return (
        f"{FEW_TILES}: fewer than {num_processors} tiles of 128 x 128; {FEW_WAVES}: up to "
        f"{_FEW_WAVES * num_processors}; {MANY_WAVES}: more"
    )


def ratios_of(records):
    """Returns {peer: [(ratio, record)]}: the peer's time over this package's, above 1 if slower.

    The last entry is the best peer of each record.
    """
    ratios = {}
    for record in records:
        measured = {name: peer["us"] for name, peer in record["peers"].items() if "us" in peer}
        for name, microseconds in measured.items():
            ratios.setdefault(name, []).append((microseconds / record["us"], record))
        if measured:
            best = min(measured.values()) / record["us"]
            ratios.setdefault(BEST_PEER, []).append((best, record))
    if BEST_PEER in ratios:
        ratios[BEST_PEER] = ratios.pop(BEST_PEER)  # last, after peers that other records add
    return ratios


def regimes_of(records):
    """Returns {regime: records} with those that occur: all, then by size, then by bound."""
    regimes = {"all": list(records)}
    for regime in (FEW_TILES, FEW_WAVES, MANY_WAVES):
        regimes[regime] = [record for record in records if record["regime"] == regime]
    for bound in sorted({record["bound"] for record in records}):
        regimes[f"{bound}-bound"] = [record for record in records if record["bound"] == bound]
    return {name: members for name, members in regimes.items() if members}


def geometric_mean(values):
    """Returns the geometric mean of the values that are known, or None without any."""
    known = [value for value in values if value]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else None


def summary_of(values):
    """Returns the figures of a distribution: count, mean, and five points of it."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "count": len(ordered),
        "geometric_mean": geometric_mean(ordered),
        "below_1": sum(value < 1.0 for value in ordered),
        "least": ordered[0],
        "low": ordered[round(0.1 * last)],
        "median": statistics.median(ordered),
        "high": ordered[round(0.9 * last)],
        "greatest": ordered[-1],
    }
