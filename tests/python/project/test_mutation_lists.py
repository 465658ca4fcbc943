"""The lists of mutants: every text is in its file once, and every killer exists."""

import sys

import pytest

from numeric.process import REPOSITORY

LISTS = REPOSITORY / "tests" / "mutation"

if sys.version_info < (3, 11):
    pytest.skip("Python 3.11 reads the lists", allow_module_level=True)


@pytest.fixture(scope="module")
def mutants():
    sys.path.insert(0, str(LISTS))
    try:
        from mutant import read_lists
    finally:
        sys.path.remove(str(LISTS))
    return read_lists(LISTS)


def test_texts_are_where_the_lists_say(mutants):
    for mutant in mutants:
        assert mutant.old != mutant.new, mutant.name
        count = (REPOSITORY / mutant.file).read_text().count(mutant.old)
        assert count == 1, f"{mutant.name}: its old text is there {count} times"


def test_killers_exist(mutants):
    for mutant in mutants:
        for killer in mutant.killers:
            assert _exists(killer), f"{mutant.name}: {killer}"


def test_there_are_mutants_of_every_area(mutants):
    runs = [mutant for mutant in mutants if mutant.equivalent is None]
    assert len(runs) >= 120
    areas = ("api", "core", "backends/cpu", "host", "steps", "xla", "cuda")
    for folder in (*(f"cpp/src/{area}" for area in areas), "python/groupgemm_fp8"):
        assert any(mutant.file.startswith(folder) for mutant in runs), folder


def _exists(killer: str) -> bool:
    if killer.startswith("tests/python/"):
        path, _, name = killer.partition("::")
        return (REPOSITORY / path).exists() and f"def {name}" in (REPOSITORY / path).read_text()
    if killer == "build":  # the compiler
        return True
    kind, _, name = killer.rpartition(" ")[2].partition(".")
    suffix = {"c": ".c", "cpp": ".cpp", "fuzz": ".cpp"}[kind]
    return (REPOSITORY / "tests" / kind / f"{name}{suffix}").exists()
