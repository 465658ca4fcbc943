"""Mutants as data: the lists in this folder."""

from dataclasses import dataclass
from pathlib import Path

import tomllib

MEMBERS = {"file", "old", "new", "killers", "equivalent", "needs"}


@dataclass(frozen=True)
class Mutant:
    """A change of a source file, and the tests that must fail with it."""

    list_name: str
    number: int  # in its list, from 1
    file: str
    old: str
    new: str
    killers: tuple[str, ...]
    equivalent: str | None  # why no test can tell the mutant; it is not run then
    needs: str | None  # the GPU that its killers need

    @property
    def name(self) -> str:
        return f"{self.list_name}:{self.number}"

    def __str__(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.file}: {_short(old)} -> {_short(new)} [{', '.join(self.killers)}]"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_lists(folder: Path) -> list[Mutant]:
    """All mutants, list by list."""
    return [mutant for path in sorted(folder.glob("*.toml")) for mutant in _read_list(path)]


def _read_list(path: Path) -> list[Mutant]:
    entries = tomllib.loads(path.read_text())["mutant"]
    mutants = []
    for number, entry in enumerate(entries, 1):
        unknown = set(entry) - MEMBERS
        if unknown or (not entry.get("killers") and "equivalent" not in entry):
            raise ValueError(f"{path.stem}:{number}: got {sorted(entry)}, wanted {sorted(MEMBERS)}")
        mutants.append(
            Mutant(
                path.stem,
                number,
                entry["file"],
                entry["old"].strip("\n"),
                entry["new"].strip("\n"),
                tuple(entry.get("killers", ())),
                entry.get("equivalent"),
                entry.get("needs"),
            )
        )
    return mutants
