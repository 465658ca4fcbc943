"""Runs a piece of Python in a fresh process that sees the same library and test modules."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = str(Path(__file__).resolve().parent.parent)


def run_python(*arguments: str, timeout: int = 120, **variables: str) -> str:
    """Runs `python *arguments` with more environment variables; returns what it printed.

    Asserts that it succeeded: a crash or an exception there fails the test here.
    """
    path = os.pathsep.join([TESTS, *filter(None, sys.path)])
    process = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | variables | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert process.returncode == 0, f"exit status {process.returncode}\n{process.stderr}"
    return process.stdout.strip()
