"""Figures of README.md and docs/performance.md come from the files of bench alone."""

import json
import re
import runpy
import shutil
import subprocess
import sys

import pytest

from numeric.process import REPOSITORY

SCRIPT = "docs/speed_tables.py"
DOCUMENTS = ("README.md", "docs/performance.md")


def run_script(root, *arguments):
    command = [sys.executable, str(root / SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    """A copy of the documents, their figures and the script."""
    (tmp_path / "docs").mkdir()
    for name in (SCRIPT, "docs/speed.json", *DOCUMENTS):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def record(name, us, peer_us, regime):
    """A record of bench with one peer of each family; Humming and one of DeepGEMM are missing."""
    peers = {
        "deep_gemm contiguous": {"note": "a note", "us": peer_us},
        "deep_gemm masked": {"note": "a note", "unavailable": "no"},
        "humming row": {"note": "a note", "unavailable": "no"},
        "torch._scaled_grouped_mm": {"note": "a note", "us": 2 * peer_us},
    }
    return {"name": name, "us": us, "regime": regime, "peers": peers}


SAMPLE = {
    "device": {"num_processors": 132},
    "cases": [
        record("3 uniform, 7 rows, n 128, k 128", 4.0, 2.0, "few tiles"),
        record("5 ragged, 70 rows, n 128, k 128", 9.0, 9.0, "few tiles"),
        record("9 zipf 1.0, 900 rows, n 4096, k 7168", 50.0, 60.0, "many waves"),
    ],
}


def test_the_documents_have_the_figures_of_the_files():
    result = run_script(REPOSITORY, "--check")
    assert result.returncode == 0, result.stdout


def test_the_chart_has_the_times_of_the_readme():
    script = runpy.run_path(str(REPOSITORY / SCRIPT))
    speed = json.loads((REPOSITORY / "docs" / "speed.json").read_text())
    records = [record for record in speed["cases"] if record["name"] in script["README_CASES"]]
    times = [time for x in records for time in (x["us"], *script["peer_times"](x).values())]
    wanted = sorted(f"{time:.0f} us" for time in times if time is not None)
    chart = (REPOSITORY / "docs" / "speed.svg").read_text()
    assert sorted(re.findall(r">(\d+ us)</text>", chart)) == wanted


def test_every_part_of_a_document_is_written_by_a_function():
    script = runpy.run_path(str(REPOSITORY / SCRIPT))
    texts = [(REPOSITORY / name).read_text() for name in DOCUMENTS]
    found = [match["name"] for text in texts for match in script["PART"].finditer(text)]
    assert sorted(found) == sorted(script["PARTS"])
    assert sum(text.count("<!-- end of figures -->") for text in texts) == len(found)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_another_figure_is_found_and_put_right(copy, name):
    path = copy / name
    text = path.read_text()
    row = next(line for line in text.splitlines() if line.startswith("| 8 x 4096 rows"))
    path.write_text(text.replace(row, row.replace("1504", "1499")))
    result = run_script(copy, "--check")
    assert (result.returncode, path.name in result.stdout) == (1, True)
    assert run_script(copy).returncode == 0
    assert path.read_text() == text


def test_new_times_reach_tables_and_sentences(copy):
    path = copy / "docs" / "speed.json"
    speed = json.loads(path.read_text())
    del speed["note"]
    for case in speed["cases"]:
        case["us"] /= 2
        case["efficiency"] *= 2
    path.write_text(json.dumps(speed))
    assert run_script(copy, "--note", "One GPU, on a Monday.").returncode == 0
    readme, performance = ((copy / name).read_text() for name in DOCUMENTS)
    assert "| 8 x 4096 rows, n 4096, k 7168 | 752 | 1500 | 2202 | 1770 | 1.99 |" in readme
    assert "takes 2.16\n  times as long" in readme
    assert "2.164 times as long" in performance
    for text in (readme, performance):
        assert text.count("\nOne GPU, on a Monday.\n") == 1


def test_a_sample_replaces_the_sentences_about_it(copy):
    before = (copy / "README.md").read_text()
    (copy / "docs" / "sample.json").write_text(json.dumps(SAMPLE))
    assert run_script(copy, "--note", "One GPU, on a Monday.").returncode == 0
    readme, performance = ((copy / name).read_text() for name in DOCUMENTS)
    start = readme.index("**Where it is slower:**")
    sentence = " ".join(readme[start : readme.index("<!--", start)].split())
    assert sentence.startswith(
        "**Where it is slower:** some small calls, and decode beside Humming. In 3 random problems "
        "on one H200 the better of DeepGEMM and torch takes 0.84 times our time on geometric mean: "
        "0.71 with fewer than 132 tiles, 1.20 with more. A peer is faster in 1 of the 3, at worst "
        "by a factor of 2.0 ("
    )
    assert "| fewer than 132 | 2 | 0.71 | 1 |\n| more | 1 | 1.20 | 0 |\n| all | 3 |" in performance
    assert "| 3 uniform, 7 rows, n 128, k 128 | 4.0 us | 2.0 us |" in performance
    assert performance.count("\nOne GPU, on a Monday.\n") == 1  # speed.json has its own note
    assert len(readme.splitlines()) <= len(before.splitlines())
