"""Draws a bench's figures with matplotlib, which is optional: a chart of cases or of a sample."""

from __future__ import annotations

import pathlib

from . import CommandError, options

TEXT_COLOR = "#7d7d7d"  # can be read on a white and on a black page: the chart is transparent
_FORMATS = (".svg", ".png", ".pdf")
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": TEXT_COLOR,
    "axes.labelcolor": TEXT_COLOR,
    "axes.edgecolor": TEXT_COLOR,
    "xtick.color": TEXT_COLOR,
    "ytick.color": TEXT_COLOR,
    "svg.fonttype": "none",  # text stays text: smaller files, and readers can search it
    "svg.hashsalt": "groupgemm_fp8",  # the same figures give the same file
}
_DPI = 150


def require_plot_target(path):
    """Fails before anything is measured if the chart cannot be drawn or written."""
    if pathlib.Path(path).suffix.lower() not in _FORMATS:
        raise CommandError(f"--plot {path}: wanted a name that ends in {', '.join(_FORMATS)}")
    options.require_writable("--plot", path)
    try:
        import matplotlib
    except ImportError:
        raise CommandError("--plot: matplotlib is not installed (pip install matplotlib)") from None
    matplotlib.use("Agg")


def write_plot(path, data):
    """Writes the chart of a bench's JSON document: ratios of a sample with peers, or cases."""
    from matplotlib import pyplot, rc_context

    from .chart_cases import draw_cases
    from .chart_sample import draw_sample

    has_peers = any("us" in peer for case in data["cases"] for peer in case["peers"].values())
    with rc_context(_STYLE):
        figure = (draw_sample if data.get("sample") and has_peers else draw_cases)(data)
        metadata = {"Date": None} if path.lower().endswith(".svg") else None
        try:
            figure.savefig(path, dpi=_DPI, metadata=metadata, transparent=True)
        except (OSError, ValueError) as error:
            raise CommandError(f"--plot {path}: {error}") from None
        finally:
            pyplot.close(figure)
