"""`mypy --strict` accepts a caller of the package, and finds a caller's mistakes."""

import subprocess
import sys
from pathlib import Path

import pytest

import groupgemm_fp8

pytest.importorskip("mypy", reason="mypy is not installed")

CALLER = Path(__file__).with_name("typed_caller.py")
PACKAGES = Path(groupgemm_fp8.__file__).parents[1]

# A line of the caller, and a mistake in its place.
MISTAKES = {
    '(1, 128, 128), "K", 2, out,': '(1, 128, 128), 2, "K", out,',
    "mma_sm=2": "mma_sn=2",
    "group_alignment=8": 'group_alignment="8"',
    "expected_m=3": "expected_n=3",
    'scale_major_mode="K")': "scale_major_mode=1)",
    'supports("cpu", *arrays,': "supports(1, *arrays,",
    "chosen.backend": "chosen.back",
    "(1, 128))": '(1, 128), dtyp="float8_e5m2")',
}


def check(path: Path, cache: Path) -> tuple[bool, str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--no-error-summary", f"--cache-dir={cache}", str(path)]
    run = subprocess.run(
        command, capture_output=True, text=True, env={"MYPYPATH": str(PACKAGES)}, check=False
    )
    return run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("mypy")


def test_a_caller_is_accepted(cache):
    ok, errors = check(CALLER, cache)
    assert ok, errors


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_found(cache, tmp_path, line):
    text = CALLER.read_text()
    assert text.count(line) == 1
    wrong = tmp_path / "typed_caller.py"
    wrong.write_text(text.replace(line, MISTAKES[line]))
    ok, errors = check(wrong, cache)
    assert not ok
    assert "error:" in errors
