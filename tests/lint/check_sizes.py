"""Keeps files readable: check_sizes.py [repository] fails on files over 400 lines, lines over 100
columns, functions over 50 lines, and files that do not open with a comment or docstring.

The public header is longer by design, since it is the reference of the C API. Documents are exempt.
A function of Python counts without its docstring. A function of C++ is found by the format that
clang-format gives it: a head of one or more lines that ends with ") {" or a word after ")", and a
closing brace below the head's first column.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

MAX_LINES = 400
MAX_COLUMNS = 100
MAX_FUNCTION_LINES = 50
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


# The last line of a head: of a function, and of what else has a body.
FUNCTION_HEAD = re.compile(r".*\)( const| noexcept| override| -> .+)* \{$")
OTHER_HEAD = re.compile(r"\s*(\} )?(if|else|for|while|switch|do|catch|namespace|return|#)\b")
LAMBDA = re.compile(r"(?<!operator\[)\]\(")
HEAD_END = re.compile(r"(^$|[;{}:>]$|^\s*(//|#))")


def c_functions(lines):
    """Yields the first and the last line of each function of C or C++."""
    for number, line in enumerate(lines):
        if not FUNCTION_HEAD.match(line) or LAMBDA.search(line):
            continue
        first = number
        while first > 0 and not HEAD_END.search(lines[first - 1]):
            first -= 1
        indent = len(lines[first]) - len(lines[first].lstrip())
        if OTHER_HEAD.match(lines[first]):
            continue
        closing = " " * indent + "}"
        last = next((i for i in range(number, len(lines)) if lines[i].rstrip(";") == closing), None)
        if last is not None:
            yield first + 1, last + 1


def python_functions(text):
    """Yields the first and the last line of each function of Python, the docstring left out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0].end_lineno + 1 if ast.get_docstring(node) else node.lineno
            yield first, node.end_lineno


def functions(name, text):
    if Path(name).suffix == ".py":
        yield from python_functions(text)
    elif Path(name).suffix in {".h", ".c", ".cpp", ".cu", ".cuh"}:
        yield from c_functions(text.splitlines())


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
    for first, last in functions(name, text):
        if last - first + 1 > MAX_FUNCTION_LINES:
            yield (
                f"{name}:{first}: a function of {last - first + 1} lines, "
                f"at most {MAX_FUNCTION_LINES} wanted"
            )
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
