"""The charts of the bench, and its view of an earlier run."""

import json
import sys

import pytest

from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import chart_cases
from tiny_commands import TINY_BENCH

TINY_PLOT = [*TINY_BENCH, "--ceiling-tflops", "1"]


def peer(us, efficiency=0.5):
    return {"note": "a note", "us": us, "efficiency": efficiency}


def record(name, peers, us=10.0, efficiency=0.9):
    return {
        "name": name,
        "n": 4096,
        "k": 7168,
        "regime": "few tiles",
        "bound": "memory",
        "us": us,
        "us_low": us,
        "us_high": us,
        "efficiency": efficiency,
        "teraops_per_second": 1.0,
        "terabytes_per_second": 1.0,
        "backend": "sm90",
        "config": "a tile",
        "peers": peers,
    }


def run_document(sample=None):
    missing = {"note": "a note", "unavailable": "no"}
    both = {"deep_gemm contiguous": peer(12.0), "deep_gemm masked": peer(11.0), "humming": missing}
    return {
        "device": {"label": "cuda:0", "name": "a GPU", "num_processors": 132},
        "sample": sample,
        "cases": [record("first, 8 x 16", both), record("second, n 4096", both, us=12.0)],
    }


@pytest.fixture
def earlier_run(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run_document()))
    return str(path)


def test_the_fastest_kernel_stands_for_a_library():
    series = chart_cases.series_of(run_document()["cases"])
    assert list(series) == ["groupgemm_fp8", "DeepGEMM"]
    assert series["DeepGEMM"] == [(0.5, 11.0), (0.5, 11.0)]


class TestEarlierRun:
    def test_shows_the_table(self, earlier_run, capsys):
        assert main(["bench", "--from", earlier_run]) == 0
        text = capsys.readouterr().out
        assert text.startswith("device: cuda:0: a GPU\ncase ")
        assert "10.0 us" in text
        assert "humming: n/a: no" in text

    def test_filter(self, earlier_run, capsys):
        assert main(["bench", "--from", earlier_run, "--filter", "8 x 16", "nothing"]) == 0
        text = capsys.readouterr().out
        assert "first" in text
        assert "second" not in text

    def test_a_sample_is_summed_up(self, tmp_path, capsys):
        path = tmp_path / "sample.json"
        path.write_text(json.dumps(run_document({"seed": 1})))
        assert main(["bench", "--from", str(path)]) == 0
        assert "time of best peer over ours" in capsys.readouterr().out

    def test_shows_what_bench_wrote(self, tmp_path, capsys):
        path = tmp_path / "run.json"
        assert main([*TINY_PLOT, "--json", str(path)]) == 0
        measured = capsys.readouterr().out.splitlines()
        assert main(["bench", "--from", str(path)]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[1:] == measured[3:]  # the same but for the ceilings

    @pytest.mark.parametrize(
        "text, message",
        [
            ("{", "not JSON"),
            ("{}", "got no cases, wanted a file that bench --json wrote"),
            ('{"device": {}, "cases": [{"name": "x"}]}', "cases[0]: backend is missing"),
        ],
    )
    def test_another_file_is_refused(self, tmp_path, capsys, text, message):
        path = tmp_path / "other.json"
        path.write_text(text)
        assert main(["bench", "--from", str(path)]) == 2
        assert message in capsys.readouterr().err


class TestCharts:
    @pytest.fixture(autouse=True)
    def matplotlib(self):
        pytest.importorskip("matplotlib")

    def test_of_a_measurement(self, tmp_path):
        path = tmp_path / "bench.png"
        assert main([*TINY_PLOT, "--plot", str(path)]) == 0
        assert path.read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("sample", [None, {"seed": 1}])
    def test_of_an_earlier_run_is_the_same_every_time(self, tmp_path, sample):
        source = tmp_path / "run.json"
        source.write_text(json.dumps(run_document(sample)))
        charts = [tmp_path / name for name in ("a.svg", "b.svg")]
        for chart in charts:
            assert main(["bench", "--from", str(source), "--plot", str(chart)]) == 0
        first, second = (chart.read_text() for chart in charts)
        assert first == second
        wanted = ["seed 1", "few tiles"] if sample else ["DeepGEMM", "first, 8 x 16", "12.0 us"]
        assert all(text in first for text in wanted)

    def test_without_matplotlib_fails_before_measuring(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert main([*TINY_PLOT, "--plot", "x.png"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "pip install matplotlib" in captured.err
