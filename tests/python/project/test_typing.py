"""`mypy --strict` accepts callers of the package, the examples too, and finds their mistakes."""

import subprocess
import sys
from pathlib import Path

import pytest

import groupgemm_fp8
from numeric.process import EXAMPLES, SUPPORT

pytest.importorskip("mypy", reason="mypy is not installed")

CALLER = SUPPORT / "typed_caller.py"
# Name of an example: the framework that it imports.
FRAMEWORKS = {
    "flashinfer_name.py": None,
    "jax_expert_parallel.py": "jax",
    "moe_layer.py": "torch",
    "torch_expert_parallel.py": "torch",
}
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
    "route(index, 8)": "route(index, None)",
    "limit=7.0": 'limit="7.0"',
    '"MN", alpha=1.7': "1.7",
    'out_dtype="float32")': 'dtype="float32")',
}


def check(path: Path, cache: Path) -> tuple[bool, str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--no-error-summary", f"--cache-dir={cache}", str(path)]
    command += ["--untyped-calls-exclude=jax"]  # some of JAX's functions have no types
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


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_example_is_accepted(cache, name):
    if framework := FRAMEWORKS[name]:
        pytest.importorskip(framework, reason=f"{framework} is not installed")
    ok, errors = check(EXAMPLES / name, cache)
    assert ok, errors


def test_all_examples_are_known():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(FRAMEWORKS)


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_found(cache, tmp_path, line):
    text = CALLER.read_text()
    assert text.count(line) == 1
    wrong = tmp_path / "typed_caller.py"
    wrong.write_text(text.replace(line, MISTAKES[line]))
    ok, errors = check(wrong, cache)
    assert not ok
    assert "error:" in errors
