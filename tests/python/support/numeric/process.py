"""Runs Python in a fresh process that sees the same library and test modules; script folders."""

import os
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).resolve().parents[1]
REPOSITORY = Path(__file__).resolve().parents[4]
EXAMPLES = REPOSITORY / "python" / "examples"
BENCHMARKS = REPOSITORY / "python" / "benchmarks"


def run_python(*arguments: str, timeout: int = 120, **variables: str) -> str:
    """Runs `python *arguments` with more environment variables; returns what it printed.

    Asserts that it succeeded: a crash or an exception there fails the test here.
    """
    path = os.pathsep.join([str(SUPPORT), *filter(None, sys.path)])
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
