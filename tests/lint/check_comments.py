"""Holds the writing rule of comments: check_comments.py [repository] fails on banned words and on
comments that open with a fragment.

Order is said by before and after, places in memory by before, after and past the end: "behind" and
"in front" leave open which of these is meant. A comment that stands on lines of its own begins with
a verb or with the name of the thing. CHECKED lists the folders that the check covers. Docstrings of
Python are not comments and are not read.
"""

import re
import subprocess
import sys
from pathlib import Path

CHECKED = ("cmake", "cpp", "python", "tests")
SUFFIXES = {".h", ".c", ".cpp", ".cu", ".cuh", ".py", ".cmake", ".txt", ".sh"}
HASH_SUFFIXES = {".py", ".cmake", ".txt", ".sh"}

BANNED = re.compile(r"\b(behind|in front)\b")
FRAGMENT = re.compile(r"(Of|Those|What|Where|As|Among|The same|Whole warps)\b")
COMMENT = re.compile(r"(?P<code>.*?)(?://|/\*|^\s*\*)\s*(?P<text>.*)")
HASH_COMMENT = re.compile(r"(?P<code>[^#\"']*)#\s*(?P<text>.*)")


def check_text(name, text):
    """Yields the faults of one file. A comment block begins after a line without a comment."""
    pattern = HASH_COMMENT if Path(name).suffix in HASH_SUFFIXES else COMMENT
    was_comment = False
    for number, line in enumerate(text.splitlines(), 1):
        found = pattern.match(line)
        is_comment = found is not None and not found["code"].strip()
        if found and (word := BANNED.search(found["text"])):
            yield f'{name}:{number}: "{word[0]}" in a comment, wanted before, after or past'
        if is_comment and not was_comment and (opening := FRAGMENT.match(found["text"])):
            yield f'{name}:{number}: a comment opens with "{opening[0]}", wanted a verb or a name'
        was_comment = is_comment


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
