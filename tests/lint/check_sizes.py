"""Keeps files readable: check_sizes.py [repository] fails on files over 400 lines, lines over 100
columns, and files that do not open with a comment or docstring.

The public header is longer by design, since it is the reference of the C API. Documents are exempt.
"""

import subprocess
import sys
from pathlib import Path

MAX_LINES = 400
MAX_COLUMNS = 100
LONG_FILES = {"cpp/include/groupgemm_fp8/groupgemm_fp8.h"}
OPENINGS = {
    ".h": ("//", "/*"),
    ".c": ("//", "/*"),
    ".cpp": ("//", "/*", "#include"),
    ".cu": ("//", "#include"),
    ".cuh": ("//",),
    ".py": ('"""', "#!"),
    ".cmake": ("#",),
    ".sh": ("#!",),
}


def tracked_files(root):
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in names.splitlines() if (root / name).is_file())


def check_file(root, name):
    text = (root / name).read_text()
    lines = text.splitlines()
    if len(lines) > MAX_LINES and name not in LONG_FILES:
        yield f"{name}: {len(lines)} lines, at most {MAX_LINES} wanted"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield f"{name}:{number}: {len(line)} columns, at most {MAX_COLUMNS} wanted"
    if text and not text.startswith(OPENINGS[Path(name).suffix]):
        yield f"{name}: does not open with a comment that says what it is"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    files = [name for name in tracked_files(root) if Path(name).suffix in OPENINGS]
    errors = [error for name in files for error in check_file(root, name)]
    print(*errors, sep="\n", end="\n" if errors else "")
    print(f"check_sizes: {len(files)} files, {len(errors)} errors")
    return 1 if errors or not files else 0


if __name__ == "__main__":
    sys.exit(main())
