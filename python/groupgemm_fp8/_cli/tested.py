"""Reads tested.json, which states what the project has tested on which GPUs."""

from __future__ import annotations

import functools
import json
from importlib import resources

_UNKNOWN = "compiled"  # what is known about a device that no entry names


@functools.cache
def tested():
    """Returns the document tested.json."""
    return json.loads(resources.files(__package__).joinpath("tested.json").read_text("utf-8"))


def gpu_code(backends):
    """Returns what is known about the GPU code of these backends, an entry for each kind of GPU."""
    document = tested()
    return [
        {
            "backend": entry["backend"],
            "compute_capabilities": _listing(entry["capabilities"]),
            "evidence": document["evidence"][entry["evidence"]],
        }
        for entry in document["gpu_code"]
        if entry["backend"] in backends
    ]


def evidence_for(capability):
    """Returns "executed", "inspected" or "compiled" for a device's (major, minor)."""
    names = {f"{capability[0]}.{capability[1]}", f"{capability[0]}.x"}
    known = [
        entry["evidence"] for entry in tested()["gpu_code"] if names & {*entry["capabilities"]}
    ]
    return known[0] if known else _UNKNOWN


def _listing(capabilities):
    """Returns "8.0, 8.6, and PTX for others"; a description in words comes last."""
    *first, last = capabilities
    return ", ".join([*first, last if last[0].isdigit() else f"and {last}"])
