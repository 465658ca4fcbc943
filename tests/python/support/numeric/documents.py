"""The project's Markdown documents as data: code blocks, links and anchors."""

import re
from pathlib import Path
from typing import NamedTuple

from numeric.process import REPOSITORY

_FENCE = re.compile(r"^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.M)


class Block(NamedTuple):
    """A fenced block of a document."""

    document: Path
    line: int  # of its first line of text, counted from 1
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(REPOSITORY)}:{self.line}"


def documents() -> list[Path]:
    """The documents that users read, and the notes beside the code."""
    found = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")]
    return sorted([*found, *REPOSITORY.glob("cpp/**/*.md")])


def blocks(language: str) -> list[Block]:
    """All blocks of one language, in the order of the documents."""
    return [
        Block(path, path.read_text()[: match.start("text")].count("\n") + 1, *match.groups())
        for path in documents()
        for match in _FENCE.finditer(path.read_text())
        if match["language"] == language
    ]


def inline_commands() -> list[Block]:
    """Commands of Python that stand in prose and tables, each as a block of the shell."""
    return [
        Block(path, prose[: match.start()].count("\n") + 1, "sh", match[1])
        for path in documents()
        for prose in [_without_code(path.read_text())]
        for match in re.finditer(r"`(python [^`\n]+)`", prose)
        if "..." not in match[1]
    ]


def _without_code(text: str) -> str:
    """The text with its code blocks made empty lines."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def links(path: Path) -> list[str]:
    """The targets of a document's links and images, outside of code."""
    prose = re.sub(r"`[^`\n]*`", "", _without_code(path.read_text()))
    # The text of a link may be code, which is gone by now.
    return [match["target"] for match in _LINK.finditer(prose)]


def anchors(path: Path) -> set[str]:
    """Returns the names of a document's headings in links: small letters, hyphens for spaces."""
    prose = _without_code(path.read_text())
    return {
        re.sub(r"[^\w\- ]", "", match["text"].lower()).replace(" ", "-")
        for match in _HEADING.finditer(prose)
    }
