"""The bench's results: one record for each case, its line of text, and the JSON document."""

from __future__ import annotations

import json
from dataclasses import asdict

import groupgemm_fp8

from . import CommandError
from .cases import floor_of
from .regimes import geometric_mean, regime_of
from .shapes import regret_lines
from .units import bandwidth_text, rate_text, share_text, time_text

_SCHEMA = 1
_MAX_SPREAD = 0.3  # from the 10th to the 90th percentile, relative to the median
_MAX_EFFICIENCY = 1.02  # the ceilings of a steady machine are reached to within this


def make_record(case, plan, timing, ceilings, moved_bytes, peers, num_processors):
    """Returns a case's result as plain data; peers maps a name to (note, Timing or reason)."""
    floor = floor_of(
        case.operations,
        moved_bytes,
        ceilings.operations_per_second,
        ceilings.bytes_per_second,
        ceilings.energy,
    )
    record = {
        "name": case.name,
        "origin": case.origin,
        "groups": case.groups,
        "active_groups": case.active_groups,
        "rows": case.total_rows,
        "n": case.n,
        "k": case.k,
        "tiles": case.num_tiles,
        "regime": regime_of(case.num_tiles, num_processors),
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
    record["noise"] = _noise(record)
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


def _noise(record):
    """Returns why a result is too noisy to trust, or None."""
    if (record["efficiency"] or 0.0) > _MAX_EFFICIENCY:
        return "faster than the measured ceilings allow"
    return wide_spread(record)


def wide_spread(record):
    """Returns that a result's samples lie too far apart to trust, in words, or None."""
    if (spread_of(record) or 0.0) > _MAX_SPREAD:
        return f"spread above {_MAX_SPREAD:.0%}"
    return None


def spread_of(record):
    """Returns the width of the middle four fifths of the samples over the median, or None."""
    if "us_low" not in record or "us_high" not in record:
        return None
    return (record["us_high"] - record["us_low"]) / record["us"]


def spread_text(record, noise):
    """Returns "7%", "40%?" for a result that is too noisy to trust, or "n/a"."""
    spread = spread_of(record)
    return ("n/a" if spread is None else f"{spread:.0%}") + ("?" if noise else "")


class Table:
    """Aligned text: a heading once, then a line for each record as it comes."""

    def __init__(self, name_width, peer_labels, has_regret=False):
        self._name_width = max(name_width, len("case"))
        self._peer_labels = peer_labels  # {name: heading of its column}
        self._has_regret = has_regret  # whether tile shapes were timed beside the chosen one

    def heading(self):
        text = f"{'case':{self._name_width}} {'time':>9} {'spread':>7} {'rate':>12} "
        text += f"{'bandwidth':>10} {'eff.':>5} {'bound':8}"
        for label in self._peer_labels.values():
            text += f" {label:>{_width(label)}}"
        return f"{text} regret kernel" if self._has_regret else f"{text} kernel"

    def line(self, record):
        spread = spread_text(record, record.get("noise"))
        text = (
            f"{record['name']:{self._name_width}} {time_text(record['us'] * 1e-6):>9} {spread:>7} "
            f"{rate_text(record['teraops_per_second'] * 1e12):>12} "
            f"{bandwidth_text(record['terabytes_per_second'] * 1e12):>10} "
            f"{share_text(record['efficiency']):>5} {record['bound']:8}"
        )
        for name, label in self._peer_labels.items():
            peer = record["peers"].get(name, {})
            shown = time_text(peer["us"] * 1e-6) if "us" in peer else "n/a"
            text += f" {shown:>{_width(label)}}"
        if not self._has_regret:
            return f"{text} {kernel_of(record)}"
        regret = f"{record['regret']:.3f}" if "regret" in record else "n/a"
        best = record.get("best_shape", record.get("config"))
        shown = "" if best == record.get("config") else f", best {best}"
        return f"{text} {regret:>6} {kernel_of(record)}{shown}"


def kernel_of(record):
    """Returns "sm90/128x192": the backend and, where it is known, its configuration."""
    return "/".join(filter(None, (record["backend"], record.get("config"))))


def _width(label):
    return max(len(label) + 1, 9)


def closing_lines(records):
    """Returns the lines under the table: the means, and what peers were and why some were not."""
    mean = geometric_mean([record["efficiency"] for record in records])
    lines = [f"geometric mean of efficiency: {share_text(mean)} ({len(records)} cases)"]
    watts = [record["watts"] for record in records if record.get("watts")]
    if watts:
        lines.append(f"power: {min(watts):.0f} to {max(watts):.0f} W; joules are in the JSON file")
    noise = [record["noise"] for record in records if record.get("noise")]
    if noise:
        reasons = "; ".join(dict.fromkeys(noise))
        lines.append(f"?: too noisy to trust, {len(noise)} of {len(records)} cases: {reasons}")
    lines += regret_lines(records)
    for name in peer_names(records):
        lines += _peer_lines(name, [record for record in records if name in record["peers"]])
    return lines


def peer_names(records):
    """Returns the names of all peers in the records, in their order."""
    return list(dict.fromkeys(name for record in records for name in record["peers"]))


def _peer_lines(name, records):
    """Yields what a peer took, and in how many cases it could not run and why."""
    results = [record["peers"][name] for record in records]
    ratios = [
        peer["us"] / record["us"]
        for record, peer in zip(records, results, strict=True)
        if "us" in peer
    ]
    if ratios:
        yield (
            f"{name} ({results[0]['note']}): takes {geometric_mean(ratios):.2f} times as long in "
            f"the geometric mean of {len(ratios)} cases"
        )
    missing = [peer["unavailable"] for peer in results if "unavailable" in peer]
    for reason in dict.fromkeys(missing):
        count = missing.count(reason)
        cases = "" if count == len(records) else f" in {count} of {len(records)} cases"
        yield f"{name}: n/a{cases}: {reason}"


def ceiling_lines(ceilings):
    """Returns the lines above the table: what efficiency is measured against."""
    rate, bandwidth = ceilings.operations_per_second, ceilings.bytes_per_second
    shown = rate_text(rate) if rate else "unknown, only the memory bound counts"
    return [
        f"ceilings: {shown} ({ceilings.operations_source})",
        f"          {bandwidth_text(bandwidth)} ({ceilings.bytes_source})",
        *([_energy_line(ceilings.energy)] if ceilings.energy else []),
    ]


def _energy_line(energy):
    """Returns the energy of a multiply-add, which is two operations, and of a byte."""
    return (
        f"          {energy.watts:.0f} W above idle; {2e12 * energy.joules_per_operation:.2f} pJ "
        f"for a multiply-add, {1e12 * energy.joules_per_byte:.0f} pJ for a byte"
    )


def document(machine_facts, settings, ceilings, records, sample=None):
    """Returns everything as one JSON object; `sample` says how random cases were drawn."""
    return {
        "schema": _SCHEMA,
        "version": groupgemm_fp8.__version__,
        "device": machine_facts,
        "settings": asdict(settings),
        "ceilings": asdict(ceilings),
        "sample": sample,
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
