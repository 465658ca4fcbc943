"""The chart of a few cases: how close each library comes to the least time the hardware allows."""

from __future__ import annotations

from .units import time_text

_WIDTH_INCHES = 8.3  # 800 pixels in a browser
_BAR_INCHES = 0.122
_GAP_INCHES = 0.1  # between cases
_MARGIN_INCHES = 1.05  # title, axis and legend
_OURS = "groupgemm_fp8"
_COLORS = {  # all of them show on a white and on a black page
    _OURS: "#2f81f7",
    "DeepGEMM": "#d29922",
    "Humming": "#a371f7",
    "torch": "#8b949e",
}
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
        offsets = [case + (position - (num_bars - 1) / 2) * step for case in range(len(records))]
        values = [bar[0] if bar else 0.0 for bar in bars]
        axes.barh(offsets, values, height=step * 0.9, color=_COLORS[name], label=name)
        for offset, bar in zip(offsets, bars, strict=True):
            if bar:
                _write_time(axes, offset, *bar, is_ours=name == _OURS)
    axes.set_yticks(range(len(records)), [_label(record) for record in records])
    # A reader's fonts may be wider than those that the labels were placed with.
    axes.tick_params(axis="y", length=0, pad=8)
    axes.set_ylim(len(records) - 0.5, -0.5)  # the first case on top
    greatest = max(bar[0] for bars in series.values() for bar in bars if bar)
    axes.set_xlim(0, max(1.0, greatest) * 1.08)
    axes.set_xticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_xlabel("share of what the hardware allows (floor / time), longer is better")
    axes.set_title(f"Grouped FP8 products on {_device(data)}", fontsize=10, loc="left", pad=18)
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
    """Returns a case's name, with its sizes in a second line where they are known."""
    if "n" not in record or f"n {record['n']}" in record["name"]:
        return record["name"]
    sizes = f"n {record['n']}, k {record['k']}"
    rows = f"{record['rows']} rows, " if "rows" in record else ""
    return f"{record['name']}\n{rows}{sizes}"


def _device(data):
    device = data["device"]
    return device["name"] if device["label"] != "cpu" else f"a CPU: {device['name']}"


def _write_time(axes, offset, value, microseconds, is_ours):
    """Writes the time beside the end of a bar."""
    axes.annotate(
        time_text(microseconds * 1e-6),
        (value, offset),
        xytext=(3, 0),
        textcoords="offset points",
        va="center_baseline",
        fontsize=7.5,
        fontweight="bold" if is_ours else "normal",
    )
