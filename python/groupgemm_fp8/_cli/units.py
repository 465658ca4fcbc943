"""Quantities as text, in the unit that fits their size."""

from __future__ import annotations

_TIMES = ((10.0, 1.0, "s"), (0.01, 1e3, "ms"), (0.0, 1e6, "us"))  # from, factor, unit
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def time_text(seconds):
    """Returns "226 us", "12.0 ms" or "11.5 s"; microseconds reach to 10 ms, for kernels."""
    factor, unit = next(time[1:] for time in _TIMES if seconds >= time[0])
    return f"{three_digits(seconds * factor)} {unit}"


def rate_text(operations_per_second):
    """Returns "179 GFLOP/s"."""
    return _prefixed(operations_per_second, "FLOP/s")


def bandwidth_text(bytes_per_second):
    """Returns "4.20 TB/s"."""
    return _prefixed(bytes_per_second, "B/s")


def share_text(value):
    """Returns "0.93", or "n/a" for a share that is not known."""
    return "n/a" if value is None else f"{value:.2f}"


def three_digits(value):
    """Returns three significant digits, four and more where the value has them before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _prefixed(value, unit):
    factor, prefix = next((p for p in _PREFIXES if value >= p[0]), (1.0, ""))
    return f"{three_digits(value / factor)} {prefix}{unit}"
