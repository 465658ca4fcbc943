"""The chart of a random sample: how the best peer's time relates to ours, regime by regime."""

from __future__ import annotations

from .regimes import BEST_PEER, ratios_of, regimes_of, summary_of

_WIDTH_INCHES = 8.3  # 800 pixels in a browser
_ROW_INCHES = 0.62
_MARGIN_INCHES = 1.3  # title and axis
_FASTER, _SLOWER = "#2f81f7", "#db6d28"
_JITTER = 0.3  # of a row's height, so that points do not hide each other
_TICKS = (0.25, 0.33, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0)


def draw_sample(data):
    """Returns a figure with a row of points for each regime; every point is a problem."""
    from matplotlib import pyplot

    ratios = {id(record): ratio for ratio, record in ratios_of(data["cases"])[BEST_PEER]}
    rows = {
        regime: [ratios[id(record)] for record in members if id(record) in ratios]
        for regime, members in regimes_of(data["cases"]).items()
    }
    rows = {regime: values for regime, values in rows.items() if values}
    height = _ROW_INCHES * len(rows) + _MARGIN_INCHES
    figure, axes = pyplot.subplots(figsize=(_WIDTH_INCHES, height), layout="constrained")
    for position, values in enumerate(rows.values()):
        colors = [_FASTER if value >= 1.0 else _SLOWER for value in values]
        offsets = [position + _JITTER * (idx % 5 - 2) / 2 for idx in range(len(values))]
        axes.scatter(values, offsets, s=14, c=colors, alpha=0.75, linewidths=0)
        mean = summary_of(values)["geometric_mean"]
        axes.plot(
            [mean, mean],
            [position - 0.4, position + 0.4],
            color=axes.xaxis.label.get_color(),
            linewidth=2.0,
        )
    axes.set_xscale("log")
    low, high = min(ratios.values()), max(ratios.values())
    axes.set_xlim(min(low, 0.9) / 1.05, max(high, 1.1) * 1.05)
    ticks = [tick for tick in _TICKS if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1.0, color=axes.xaxis.label.get_color(), linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(rows)), [_label(*row) for row in rows.items()])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("time of the best peer / ours (above 1 ours is faster); bar: geometric mean")
    axes.set_title(_title(data), fontsize=10, loc="left")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _label(regime, values):
    summary = summary_of(values)
    faster = summary["count"] - summary["below_1"]
    return f"{regime}\nmean {summary['geometric_mean']:.2f}, {faster} of {summary['count']} faster"


def _title(data):
    sample = data["sample"]
    return (
        f"{len(data['cases'])} random problems (seed {sample['seed']}) on {data['device']['name']}"
    )
