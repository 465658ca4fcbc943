"""The chart of a few cases: how close each library comes to the least time the hardware allows."""

from __future__ import annotations

from .units import time_text

_WIDTH_INCHES = 8.3  # 800 pixels in a browser
_BAR_INCHES = 0.17
_GAP_INCHES = 0.16  # between cases
_MARGIN_INCHES = 1.35  # title, axis and legend
_OURS = "groupgemm_fp8"
_COLORS = ("#0969da", "#57606a", "#8c959f", "#c4cad1")  # ours, then peers in shades of grey
_FAMILIES = {"deep_gemm": "DeepGEMM", "humming": "Humming", "torch": "torch"}


def draw_cases(data):
    """Returns a figure with one group of horizontal bars for each case."""
    from matplotlib import pyplot

    records = data["cases"]
    series = series_of(records)
    num_bars = len(series)
    height = len(records) * (num_bars * _BAR_INCHES + _GAP_INCHES) + _MARGIN_INCHES
    figure, axes = pyplot.subplots(figsize=(_WIDTH_INCHES, height), layout="constrained")
    step = 1.0 / (num_bars + _GAP_INCHES / _BAR_INCHES)
    for position, (name, bars) in enumerate(series.items()):
        color = _COLORS[min(position, len(_COLORS) - 1)]
        offsets = [case + (position - (num_bars - 1) / 2) * step for case in range(len(records))]
        values = [bar[0] if bar else 0.0 for bar in bars]
        axes.barh(offsets, values, height=step * 0.88, color=color, label=name)
        for offset, bar in zip(offsets, bars, strict=True):
            _write_time(axes, offset, bar, is_ours=name == _OURS)
    axes.set_yticks(range(len(records)), [_label(record) for record in records])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(records) - 0.5, -0.5)  # the first case on top
    greatest = max(bar[0] for bars in series.values() for bar in bars if bar)
    axes.set_xlim(0, max(1.0, greatest) * 1.13)
    axes.axvline(1.0, color="#cf222e", linewidth=1.0, linestyle="--", zorder=0)
    axes.set_xlabel("least time that the hardware allows / measured time (longer is better)")
    axes.set_title(f"Grouped FP8 products on {_device(data)}", fontsize=11, loc="left", pad=22)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if num_bars > 1:
        place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
        axes.legend(ncols=num_bars, frameon=False, handlelength=1.0, **place)
    return figure


def series_of(records):
    """Returns {library: [(efficiency, microseconds) or None for each record]}, ours first.

    A library with several kernels is shown with the fastest of them.
    """
    series = {_OURS: [(record["efficiency"] or 0.0, record["us"]) for record in records]}
    for family, label in _FAMILIES.items():
        bars = [_best_of(record, family) for record in records]
        if any(bars):
            series[label] = bars
    return series


def _best_of(record, family):
    peers = [
        (peer["efficiency"] or 0.0, peer["us"])
        for name, peer in record["peers"].items()
        if name.startswith(family) and "us" in peer
    ]
    return min(peers, key=lambda bar: bar[1], default=None)


def _label(record):
    """Returns a case's name, with n and k in a second line where they are known."""
    if "n" not in record or f"n {record['n']}" in record["name"]:
        return record["name"]
    return f"{record['name']}\nn {record['n']}, k {record['k']}"


def _device(data):
    device = data["device"]
    return device["name"] if device["label"] != "cpu" else f"a CPU: {device['name']}"


def _write_time(axes, offset, bar, is_ours):
    value, text = (bar[0], time_text(bar[1] * 1e-6)) if bar else (0.0, "not measured")
    axes.annotate(
        text,
        (value, offset),
        xytext=(3, 0),
        textcoords="offset points",
        va="center_baseline",
        bbox={"color": "white", "pad": 0.8},  # hides the line at 1.0
        fontsize=8,
        fontweight="bold" if is_ours else "normal",
        color=_COLORS[0] if is_ours else "#57606a",
    )
