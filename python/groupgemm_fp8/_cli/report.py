"""The bench's results: one record for each case, its line of text, and the JSON document."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import groupgemm_fp8

from . import CommandError
from .cases import floor_of

_SCHEMA = 1


def make_record(case, plan, timing, ceilings, moved_bytes, peers):
    """Returns a case's result as plain data; peers maps a name to (note, Timing or reason)."""
    floor = floor_of(
        case.operations, moved_bytes, ceilings.operations_per_second, ceilings.bytes_per_second
    )
    record = {
        "name": case.name,
        "groups": case.groups,
        "active_groups": case.active_groups,
        "rows": case.total_rows,
        "n": case.n,
        "k": case.k,
        "backend": plan.backend,
        "config": plan.config,
        "workspace_bytes": plan.workspace_bytes,
        "floor_us": floor.seconds * 1e6,
        "bound": floor.bound,
        **_figures(timing, floor),
        "teraops_per_second": case.operations / timing.seconds * 1e-12,
        "terabytes_per_second": moved_bytes / timing.seconds * 1e-12,
        "peers": {},
    }
    for name, (note, outcome) in peers.items():
        if isinstance(outcome, str):
            record["peers"][name] = {"note": note, "unavailable": outcome}
        else:
            record["peers"][name] = {"note": note, **_figures(outcome, floor)}
    return record


def _figures(timing, floor):
    return {
        "us": timing.seconds * 1e6,
        "us_low": timing.low * 1e6,
        "us_high": timing.high * 1e6,
        "runs": timing.runs,
        "efficiency": floor.seconds / timing.seconds if floor.seconds else None,
    }


class Table:
    """Aligned text: a heading once, then a line for each record as it comes."""

    def __init__(self, name_width, peer_labels):
        self._name_width = name_width
        self._peer_labels = peer_labels  # {name: heading of its column}

    def heading(self):
        text = f"{'case':{self._name_width}} {'us':>10} {'TFLOP/s':>9} {'TB/s':>7} {'eff.':>6} "
        text += f"{'bound':8}"
        for label in self._peer_labels.values():
            text += f" {label + ' us':>{_width(label)}}"
        return f"{text} kernel"

    def line(self, record):
        text = (
            f"{record['name']:{self._name_width}} {record['us']:10.1f} "
            f"{_scaled(record['teraops_per_second']):>9} "
            f"{_scaled(record['terabytes_per_second']):>7} "
            f"{_share(record['efficiency']):>6} {record['bound']:8}"
        )
        for name, label in self._peer_labels.items():
            peer = record["peers"][name]
            shown = f"{peer['us']:.1f}" if "us" in peer else "n/a"
            text += f" {shown:>{_width(label)}}"
        return f"{text} {record['backend']}/{record['config']}"


def _width(label):
    return max(len(label) + 3, 10)


def _scaled(value):
    """Three significant places for values around and above one, more for small ones."""
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.4f}"


def _share(value):
    return "n/a" if value is None else f"{value:.2f}"


def geometric_mean(values):
    """Returns the geometric mean of the values that are known, or None without any."""
    known = [value for value in values if value]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else None


def closing_lines(records):
    """Returns the lines under the table: the means, and what peers were and why some were not."""
    mean = geometric_mean([record["efficiency"] for record in records])
    lines = [f"geometric mean of efficiency: {_share(mean)} ({len(records)} cases)"]
    for name, first in records[0]["peers"].items():
        results = [record["peers"][name] for record in records]
        ratios = [
            peer["us"] / record["us"]
            for record, peer in zip(records, results, strict=True)
            if "us" in peer
        ]
        if ratios:
            lines.append(
                f"{name} ({first['note']}): takes {geometric_mean(ratios):.2f} times as long in "
                f"the geometric mean of {len(ratios)} cases"
            )
        for reason in dict.fromkeys(p["unavailable"] for p in results if "unavailable" in p):
            lines.append(f"{name}: n/a: {reason}")
    return lines


def ceiling_lines(ceilings):
    """Returns the lines above the table: what efficiency is measured against."""
    rate, bandwidth = ceilings.operations_per_second, ceilings.bytes_per_second
    rate_text = f"{rate * 1e-12:.4g} TFLOP/s" if rate else "unknown, only the memory bound counts"
    return [
        f"ceilings: {rate_text} ({ceilings.operations_source})",
        f"          {bandwidth * 1e-12:.4g} TB/s ({ceilings.bytes_source})",
    ]


def document(machine_facts, settings, ceilings, records):
    """Returns everything as one JSON object."""
    return {
        "schema": _SCHEMA,
        "version": groupgemm_fp8.__version__,
        "device": machine_facts,
        "settings": asdict(settings),
        "ceilings": asdict(ceilings),
        "cases": records,
        "geometric_mean_efficiency": geometric_mean([r["efficiency"] for r in records]),
    }


def write_json(path, data):
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2)
            file.write("\n")
    except OSError as error:
        raise CommandError(f"--json {path}: {error.strerror}") from None
