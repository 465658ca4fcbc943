"""Case files: JSON documents of bench cases, the user's and the package's own."""

from __future__ import annotations

import json
from importlib import resources

from . import CommandError
from .cases import Case, zipf_rows

FORMAT = """\
A case file is a JSON object with one or both of these lists; other keys are ignored:

  {"uniform": [{"name": "up, 8 x 64", "groups": 8, "rows": 64, "n": 4096, "k": 7168}],
   "zipf": [{"name": "skewed", "groups": 64, "total_rows": 2048, "alpha": 1.0,
             "n": 1536, "k": 2048}]}

uniform: every group has `rows` rows. zipf: the i-th largest of the groups has a share of
`total_rows` that is proportional to 1 / i**alpha."""

_FIELDS = {
    "uniform": {"name": str, "groups": int, "rows": int, "n": int, "k": int},
    "zipf": {
        "name": str,
        "groups": int,
        "total_rows": int,
        "alpha": (int, float),
        "n": int,
        "k": int,
    },
}


def read_cases(path):
    """Reads a case file of the user's."""
    return parse_cases(read_json("--cases", path), path)


def packaged_cases(file_name):
    """Reads a case file of this package."""
    text = resources.files(__package__).joinpath(file_name).read_text(encoding="utf-8")
    return parse_cases(json.loads(text), file_name)


def read_json(option, path):
    """Returns the JSON document of a file; `option` names the file in messages."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise CommandError(f"{option} {path}: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CommandError(f"{option} {path}: not JSON: {error}") from None


def parse_cases(document, source):
    """Checks a case document and returns its cases in order; `source` names it in messages."""
    if not isinstance(document, dict):
        raise CommandError(f"{source}: got {type(document).__name__}, wanted an object")
    cases = []
    for kind, fields in _FIELDS.items():
        entries = document.get(kind, [])
        if not isinstance(entries, list):
            raise CommandError(f"{source}: {kind}: got {type(entries).__name__}, wanted a list")
        for position, entry in enumerate(entries):
            _check_entry(entry, fields, f"{source}: {kind}[{position}]")
            if kind == "uniform":
                rows = (entry["rows"],) * entry["groups"]
            else:
                rows = zipf_rows(entry["groups"], entry["total_rows"], entry["alpha"])
            cases.append(Case(entry["name"], rows, entry["n"], entry["k"]))
    if not cases:
        raise CommandError(f"{source}: got no case, wanted a list {' or '.join(_FIELDS)}")
    return cases


def _check_entry(entry, fields, where):
    for field, kind in fields.items():
        value = entry.get(field) if isinstance(entry, dict) else None
        if isinstance(value, bool) or not isinstance(value, kind):
            raise CommandError(f"{where}: {field}: got {value!r}, wanted {_describe(kind)}")
        if kind is int and value < 1:
            raise CommandError(f"{where}: {field}: got {value}, wanted at least 1")
    if entry.get("alpha", 0) < 0:
        raise CommandError(f"{where}: alpha: got {entry['alpha']}, wanted at least 0")


def _describe(kind):
    return {str: "a text", int: "an integer"}.get(kind, "a number")
