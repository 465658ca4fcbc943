"""Draws the bench's efficiency as a bar chart; needs matplotlib, which is optional."""

from __future__ import annotations

from . import CommandError

_CASE_INCHES = 0.36  # height that one case takes
_PEER_INCHES = 0.16  # and what each peer adds
_LABEL_SPACE = 0.08  # efficiency from which the figure fits into its bar


def require_matplotlib():
    """Imports matplotlib, or says how to get it; called before anything is measured."""
    try:
        import matplotlib
    except ImportError:
        raise CommandError("--plot: matplotlib is not installed (pip install matplotlib)") from None
    matplotlib.use("Agg")


def write_plot(path, title, records):
    """Writes one group of horizontal bars for each case: this package, then its peers."""
    from matplotlib import pyplot

    names = [record["name"] for record in records]
    series = {"groupgemm_fp8": [record["efficiency"] or 0.0 for record in records]}
    for peer in records[0]["peers"]:
        values = [record["peers"][peer].get("efficiency") or 0.0 for record in records]
        if any(values):
            series[peer] = values
    step = _CASE_INCHES + _PEER_INCHES * (len(series) - 1)
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + step * len(records)), layout="constrained")
    thickness = 0.8 / len(series)
    for position, (name, values) in enumerate(series.items()):
        offsets = [case + position * thickness for case in range(len(records))]
        axes.barh(offsets, values, height=thickness * 0.92, label=name)
        for offset, value in zip(offsets, values, strict=True):
            _label_bar(axes, offset, value)
    middle = thickness * (len(series) - 1) / 2
    axes.set_yticks([case + middle for case in range(len(records))], names, fontsize=9)
    axes.set_ylim(len(records) - 0.5 + middle, middle - 0.5)  # first case on top
    axes.axvline(1.0, color="black", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xlim(0, max(1.1, 1.1 * max(max(values, default=0.0) for values in series.values())))
    axes.set_xlabel("efficiency: least time the hardware allows / measured time")
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        figure.legend(loc="outside lower center", ncols=len(series), frameon=False, fontsize=9)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise CommandError(f"--plot {path}: {error}") from None
    finally:
        pyplot.close(figure)


def _label_bar(axes, offset, value):
    """Writes the value into the end of a bar, or beside one that is too short for it."""
    inside = value >= _LABEL_SPACE
    axes.annotate(
        f"{value:.2f}" if value else "n/a",
        (value, offset),
        xytext=(-4 if inside else 4, 0),
        textcoords="offset points",
        ha="right" if inside else "left",
        va="center_baseline",
        color="white" if inside else "black",
        fontsize=8,
    )
