"""`bench --from FILE`: shows and draws the figures that an earlier run wrote with --json."""

from __future__ import annotations

from . import CommandError, report
from .bench_cases import filtered
from .case_files import read_json
from .distribution import distribution_lines
from .peers import peer_kinds
from .plot import write_plot

_NEEDED = {"name", "us", "efficiency", "bound", "backend", "peers"}
_NEEDED |= {"teraops_per_second", "terabytes_per_second"}


def show_earlier_run(chosen):
    """Prints the table of the file, draws it with --plot, and returns the exit status."""
    data = _read(chosen.source)
    records = filtered(data["cases"], chosen.filter, lambda record: record["name"])
    data["cases"] = records
    labels = {name: kind.label for name, kind in peer_kinds().items()}
    table = report.Table(
        max(len(record["name"]) for record in records),
        {name: labels.get(name, name) for name in report.peer_names(records)},
        any("regret" in record for record in records),
    )
    device = data["device"]
    print(f"device: {device['label']}: {device['name']}")
    print(table.heading(), *map(table.line, records), sep="\n")
    print(*report.closing_lines(records), sep="\n")
    if data.get("sample"):
        print("", *distribution_lines(records, device["num_processors"]), sep="\n")
    if chosen.plot:
        write_plot(chosen.plot, data)
    return 0


def _read(path):
    """Returns the document of a file that has what the table and the chart need."""
    data = read_json("--from", path)
    records = data.get("cases") if isinstance(data, dict) else None
    if not records or not isinstance(records, list) or "device" not in data:
        raise CommandError(f"--from {path}: got no cases, wanted a file that bench --json wrote")
    for position, record in enumerate(records):
        missing = sorted(_NEEDED - set(record))
        if missing:
            raise CommandError(f"--from {path}: cases[{position}]: {missing[0]} is missing")
    return data
