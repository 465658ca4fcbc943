"""`bench --shapes`: which shapes are timed, the regret, and what is refused.

The shapes are doubles: the CPU backend computes, and each takes a time of its own.
"""

import json
import time

import pytest

import groupgemm_fp8
from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import report, shapes
from groupgemm_fp8._cli.timing import Timing
from tiny_commands import TINY_BENCH, TINY_GRID

CHOSEN = "128x128"
SECONDS = {"64x64": 0.02, CHOSEN: 0.01, "32x32": 0.001}  # of a call
TOO_LARGE = "256x256"
REFUSAL = "backend: the requested one does not take this call: cpu refuses: needs more rows"
CEILING = ["--ceiling-tflops", "1"]


@pytest.fixture
def shaped(monkeypatch):
    """Gives the package's backends shapes; returns a dictionary for faults: of a shape,
    "other bits" or "writes nothing".
    """
    product, plan = groupgemm_fp8.group_gemm_fp8_nt_groupwise, groupgemm_fp8.plan
    faults = {}

    def split(arguments):
        backend, _, config = (arguments["backend"] or "").partition("/")
        return config or CHOSEN, arguments | {"backend": backend or None}

    def shaped_product(**arguments):
        config, arguments = split(arguments)
        time.sleep(SECONDS[config])
        fault = faults.get(config)
        if fault == "writes nothing":
            return arguments["out"]
        result = product(**arguments)
        if fault == "other bits":
            result[-1, -1] = result[-1, -1] * 2 + 1
        return result

    def shaped_plan(**arguments):
        config, arguments = split(arguments)
        if config == TOO_LARGE:
            raise ValueError(REFUSAL)
        return plan(**arguments)._replace(config=config)

    monkeypatch.setattr(groupgemm_fp8, "configurations", lambda name: [*SECONDS, TOO_LARGE])
    monkeypatch.setattr(groupgemm_fp8, "group_gemm_fp8_nt_groupwise", shaped_product)
    monkeypatch.setattr(groupgemm_fp8, "plan", shaped_plan)
    return faults


def measured(path, *options):
    assert main(["bench", *options, *CEILING, "--json", str(path)]) == 0
    return json.loads(path.read_text())["cases"]


class TestBench:
    def test_the_choice_is_one_of_the_shapes(self, shaped, tmp_path, capsys):
        path = tmp_path / "bench.json"
        cases = measured(path, *TINY_BENCH[1:], "--shapes", "all")
        text = capsys.readouterr().out
        for case in cases:
            timed = case["shapes"]
            assert list(timed) == [CHOSEN, "64x64", "32x32", TOO_LARGE]
            assert timed[CHOSEN]["us"] == case["us"]
            assert timed[CHOSEN]["us_low"] <= timed[CHOSEN]["us"] <= timed[CHOSEN]["us_high"]
            assert timed[TOO_LARGE] == {"unavailable": REFUSAL}
            assert (case["config"], case["best_shape"]) == (CHOSEN, "32x32")
            assert case["regret"] == pytest.approx(case["us"] / timed["32x32"]["us"])
            assert case["regret"] > 1
            assert f"{case['regret']:.3f} {report.kernel_of(case)}, best 32x32\n" in text
        assert "mean of 2 cases" in text
        assert "the chosen shape is the best in 0\n" in text

        assert main(["bench", "--from", str(path)]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert {line for line in text.splitlines() if "best" in line} <= {*shown}

    def test_some_shapes(self, shaped, tmp_path, capsys):
        cases = measured(tmp_path / "x", *TINY_BENCH[1:], "--shapes", f"64x64,{CHOSEN}")
        for case in cases:
            assert list(case["shapes"]) == [CHOSEN, "64x64"]
            assert (case["best_shape"], case["regret"]) == (CHOSEN, 1.0)
            assert ", best " not in capsys.readouterr().out

    def test_a_sample_is_summed_up_by_regimes(self, shaped, tmp_path, capsys):
        limits = ["--max-rows", "24", "--max-weights", "1", "--seconds", "0.01"]
        sample = ["--device", "cpu", "--random", "3", "--seed", "1", *limits]
        cases = measured(tmp_path / "x", *sample, "--shapes", "all")
        lines = capsys.readouterr().out.splitlines()
        start = lines.index("regret: time of the chosen shape over that of the best")
        worst = max(case["regret"] for case in cases)
        assert lines[start + 2].split()[:2] == ["all", "3"]
        assert lines[start + 2].split()[-1] == f"{worst:.3f}"
        assert sum(line.startswith(f"  {worst:.3f}  ") for line in lines) == 1

    def test_graphs_of_shapes_that_take_the_same_time(
        self, shaped, pretended_gpu, monkeypatch, tmp_path
    ):
        """Every contender is captured; equal times are no regret."""
        monkeypatch.setitem(SECONDS, "64x64", 0)
        options = ["--device", "cuda", "--seconds", "0.01", *TINY_GRID, "--shapes", "all"]
        assert main(["bench", *options, "--json", str(tmp_path / "x")]) == 0
        cases = json.loads((tmp_path / "x").read_text())["cases"]
        assert [(case["best_shape"], case["regret"]) for case in cases] == [(CHOSEN, 1.0)] * 2
        num_contenders = 1 + 2 * 3  # the copy that measures the bandwidth, and shapes of two cases
        assert pretended_gpu.calls.count("cudaStreamBeginCapture") == 2 * num_contenders

    @pytest.mark.parametrize("fault", ["other bits", "writes nothing"])
    def test_a_wrong_shape_fails(self, shaped, capsys, fault):
        shaped["32x32"] = fault
        assert main([*TINY_BENCH, *CEILING, "--shapes", "all", "--backend", "cpu"]) == 1
        assert f"wrong result: cpu/32x32 has other bits than {CHOSEN}" in capsys.readouterr().err


def timing(seconds):
    return Timing(seconds, seconds, seconds, 1)


def test_figures_by_hand():
    plan = groupgemm_fp8.Plan("sm90", "b", 0, 1)
    timings = {"b": timing(3e-6), "a": timing(2e-6), "c": timing(4e-6)}
    figures = shapes.shape_figures(plan, timings, {"d": "too large"})
    assert (figures["best_shape"], figures["regret"]) == ("a", pytest.approx(1.5))
    assert figures["shapes"]["c"]["us"] == pytest.approx(4)
    assert figures["shapes"]["d"] == {"unavailable": "too large"}
    record = {"name": "x", "us": 3.0, "config": "b", **figures}
    best = {"name": "y", "us": 3.0, "config": "b", "best_shape": "b", "regret": 1.0}
    lines = list(shapes.regret_lines([best, record, {"name": "z", "us": 1.0}]))
    assert "1.225 in the geometric mean of 2 cases, 1.500 at worst" in lines[0]
    assert lines[0].endswith("is the best in 1")
    assert lines[1:] == ["  1.500  x: b 3.00 us, a 2.00 us"]
    assert list(shapes.regret_lines([{"name": "z", "us": 1.0}])) == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--shapes", "all", "--host"], "--shapes: does not go with --host"),
        (["--shapes", "all", "--layer"], "--shapes: does not go with --layer"),
        (["--shapes", "all", "--from", "x.json"], "so --json, --host and --shapes do not go"),
        (["--shapes", "all", "--backend", "cpu/x"], "got backend 'cpu/x', wanted a backend's name"),
        (["--shapes", "all", "--backend", "cpu"], "backend cpu has no configurations to choose"),
        (["--shapes", "all", "--backend", "nobody"], "backend: got 'nobody', wanted one of "),
    ],
)
def test_a_bad_request_is_refused_before_measuring(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_a_configuration_from_the_environment_is_no_choice(monkeypatch, capsys):
    monkeypatch.setenv("GGFP8_BACKEND", "sm90/64x64")
    assert main(["bench", "--shapes", "all"]) == 2
    assert "got backend 'sm90/64x64', wanted a backend's name alone" in capsys.readouterr().err


def test_an_unknown_shape(shaped, capsys):
    assert main(["bench", "--backend", "cpu", "--shapes", "64x64,none"]) == 2
    wanted = "--shapes: got 'none', wanted all or configurations of cpu: 64x64, 128x128, 32x32"
    assert wanted in capsys.readouterr().err


def test_a_backend_without_shapes_that_the_library_chose(capsys):
    assert main([*TINY_BENCH, *CEILING, "--shapes", "all"]) == 2
    assert "has no configurations to choose from" in capsys.readouterr().err
