"""Reads tested.json, which states what the project has tested on which GPUs."""

from __future__ import annotations

import functools
import json
import re
from importlib import resources

_UNKNOWN = "compiled"  # what is known about a device that no entry names
_ANY_CARD = ("inspected", "compiled")  # evidence that needs no card


@functools.cache
def tested():
    """Returns the document tested.json."""
    return json.loads(resources.files(__package__).joinpath("tested.json").read_text("utf-8"))


def gpu_backends():
    """Returns the names of the backends for GPUs, the fastest first."""
    return list(dict.fromkeys(entry["backend"] for entry in tested()["gpu_code"]))


def gpu_architectures():
    """Returns the architectures of a library that was built with everything."""
    entries = tested()["gpu_code"]
    return list(dict.fromkeys(name for entry in entries for name in entry["architectures"]))


def gpu_code(backends, architectures=None):
    """Returns what is known about the GPU code of these backends, an entry for each kind of GPU.

    architectures, where they are known, are those that the library was compiled for.
    """
    document = tested()
    return [
        {
            "backend": entry["backend"],
            "compute_capabilities": ", ".join(entry["capabilities"]),
            "cards": entry["cards"],
            "evidence": document["evidence"][entry["evidence"]],
        }
        for entry in document["gpu_code"]
        if entry["backend"] in backends
        and (architectures is None or {*architectures} & {*entry["architectures"]})
    ]


def evidence_for(name, capability):
    """Returns what is known about a device of this name and (major, minor): a key of "evidence".

    What was executed on one card says nothing about another card of the same capability.
    """
    names = {f"{capability[0]}.{capability[1]}", f"{capability[0]}.x"}
    known = [entry for entry in tested()["gpu_code"] if names & {*entry["capabilities"]}]
    for entry in known:
        if any(re.search(rf"\b{re.escape(card)}\b", name) for card in entry["cards"]):
            return entry["evidence"]
    return next((x["evidence"] for x in known if x["evidence"] in _ANY_CARD), _UNKNOWN)
