"""Holds the writing rule: check_comments.py [repository] fails on banned words in comments,
docstrings and documents, and on comments and docstrings that open with a fragment.

Order is said by before and after, places in memory by before, after and past the end: the words of
BANNED leave open which of these is meant. A comment that stands on lines of its own begins with a
verb or with the name of the thing, and so does a docstring. Sections of documents may be called
"What ..." or "Where ...": documents are read for banned words alone. CHECKED lists what the check
covers.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

CHECKED = ("cmake", "cpp", "docs", "python", "tests", "*.md")
SUFFIXES = {".h", ".c", ".cpp", ".cu", ".cuh", ".py", ".cmake", ".txt", ".sh", ".md"}
HASH_SUFFIXES = {".py", ".cmake", ".txt", ".sh"}

BANNED = re.compile(r"\b(behind|in\s+front)\b", re.IGNORECASE)
FRAGMENT = re.compile(r"(Of|Those|What|Where|As|Among|The same|Whole warps)\b")
COMMENT = re.compile(r"(?P<code>.*?)(?://|/\*|^\s*\*)\s*(?P<text>.*)")
HASH_COMMENT = re.compile(r"(?P<code>[^#\"']*)#\s*(?P<text>.*)")


def banned(place, text, where):
    if word := BANNED.search(text):
        yield f'{place}: "{word[0]}" in a {where}, wanted before, after or past'


def opening(place, text, where):
    if found := FRAGMENT.match(text):
        yield f'{place}: a {where} opens with "{found[0]}", wanted a verb or a name'


def check_comments(name, text):
    """Yields the faults of a file's comments. A block begins after a line without a comment."""
    pattern = HASH_COMMENT if Path(name).suffix in HASH_SUFFIXES else COMMENT
    was_comment = False
    for number, line in enumerate(text.splitlines(), 1):
        found = pattern.match(line)
        is_comment = found is not None and not found["code"].strip()
        if found:
            yield from banned(f"{name}:{number}", found["text"], "comment")
        if is_comment and not was_comment:
            yield from opening(f"{name}:{number}", found["text"], "comment")
        was_comment = is_comment


def check_docstrings(name, text):
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and (docstring := ast.get_docstring(node)) is not None:
            place = f"{name}:{node.body[0].lineno}"
            yield from banned(place, docstring, "docstring")
            yield from opening(place, docstring, "docstring")


def check_document(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        yield from banned(f"{name}:{number}", line, "document")


def check_text(name, text):
    """Yields the faults of one file."""
    if Path(name).suffix == ".md":
        yield from check_document(name, text)
        return
    yield from check_comments(name, text)
    if Path(name).suffix == ".py":
        yield from check_docstrings(name, text)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *CHECKED]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    names = sorted(n for n in listed.splitlines() if Path(n).suffix in SUFFIXES)
    names = [name for name in names if (root / name).is_file()]
    errors = [error for name in names for error in check_text(name, (root / name).read_text())]
    print(*errors, sep="\n", end="\n" if errors else "")
    print(f"check_comments: {len(names)} files, {len(errors)} errors")
    return 1 if errors or not names else 0


if __name__ == "__main__":
    sys.exit(main())
