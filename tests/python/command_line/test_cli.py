"""The command line as a user runs it, on the CPU with tiny sizes."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import groupgemm_fp8
from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import bench, layer, peers
from numeric.runner import HOST_BACKENDS
from tiny_commands import TINY_BENCH, TINY_DEMO


def run_cli(*arguments):
    command = [sys.executable, "-m", "groupgemm_fp8", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def wrong_results(monkeypatch):
    """Makes the package's product wrong in one element of every call."""
    correct = groupgemm_fp8.group_gemm_fp8_nt_groupwise

    def damaged(**arguments):
        result = correct(**arguments)
        result[-1, -1] = result[-1, -1] * 2 + 1
        return result

    monkeypatch.setattr(groupgemm_fp8, "group_gemm_fp8_nt_groupwise", damaged)


class TestInfo:
    def test_text(self):
        result = run_cli("info")
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith(f"groupgemm_fp8 {groupgemm_fp8.__version__}")
        assert "\nbuild: " in result.stdout
        assert "\ncpu: " in result.stdout
        assert "\n  cpu: runs\n" in result.stdout
        assert "\n  groups: indptr, ends, counts, masked\n" in result.stdout
        assert "\npackages: numpy " in result.stdout

    def test_json(self, capsys):
        assert main(["info", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        cpu = facts["devices"][0]
        assert facts["backends"] == groupgemm_fp8.backends()
        assert (cpu["type"], cpu["id"], cpu["evidence"]) == ("cpu", 0, "executed")
        assert cpu["backends"]["cpu"] is None
        assert cpu["group_layouts"] == ["indptr", "ends", "counts", "masked"]
        refusals = [why for name, why in cpu["backends"].items() if name not in HOST_BACKENDS]
        assert all(refusals)
        has_gpu = any(device["type"] == "cuda" for device in facts["devices"])
        assert has_gpu == (facts["no_cuda_reason"] is None)


class TestDemo:
    @pytest.mark.parametrize("out_dtype", ["bfloat16", "float16", "float32"])
    def test_is_correct(self, out_dtype, capsys):
        assert main([*TINY_DEMO, "--out-dtype", out_dtype]) == 0
        text = capsys.readouterr().out
        steps = [line.split("  ")[3] for line in text.splitlines() if line.startswith("step ")]
        assert steps == [
            "route",
            "quantise and scatter",
            "product: gate, up",
            "activate and quantise",
            "product: down",
            "combine",
        ]
        assert "48 rows, n 288, k 272" in text
        assert "48 rows, n 272, k 144" in text
        assert "26880 of 26880 checked, 0 outside" in text
        assert text.endswith("result    correct\n")

    def test_as_a_process(self):
        result = run_cli(*TINY_DEMO)
        assert result.returncode == 0, result.stderr
        assert "backend   cpu, " in result.stdout
        assert result.stderr == ""

    def test_a_wrong_result_fails(self, wrong_results, capsys):
        assert main(TINY_DEMO) == 1
        text = capsys.readouterr().out
        assert "2 outside their bound" in text  # of both products
        assert text.endswith("result    WRONG\n")

    @pytest.mark.parametrize("step", ["route", "quantize_groupwise", "combine"])
    def test_a_wrong_step_fails(self, step, monkeypatch, capsys):
        correct = getattr(groupgemm_fp8, step)

        def damaged(**arguments):
            result = correct(**arguments)
            if step == "route":
                result.m_indptr[1] += 1
            elif step == "combine":
                result[-1] = 0
            else:
                result[1][:] = 0
            return result

        monkeypatch.setattr(groupgemm_fp8, step, damaged)
        assert main(TINY_DEMO) == 1
        assert capsys.readouterr().out.endswith("result    WRONG\n")

    def test_a_token_has_different_experts(self):
        index = layer.random_experts(np.random.default_rng(3), 50, 8, 3, 1.0)
        assert (index.shape, index.dtype) == ((50, 3), np.int64)
        assert all(len(set(experts)) == 3 for experts in index.tolist())
        assert index.min() >= 0
        assert index.max() < 8


class TestBench:
    def test_json(self, tmp_path):
        path = tmp_path / "bench.json"
        result = run_cli(*TINY_BENCH, "--json", str(path))
        assert result.returncode == 0, result.stderr
        assert "geometric mean of efficiency: " in result.stdout
        data = json.loads(path.read_text())
        assert data["schema"] == 1
        assert data["version"] == groupgemm_fp8.__version__
        assert data["device"]["label"] == "cpu"
        assert data["settings"]["granularity"] == [1, 128, 128]
        ceilings = data["ceilings"]
        assert [case["groups"] for case in data["cases"]] == [2, 3]
        for case in data["cases"]:
            rows = 5 * case["groups"]
            moved = rows * 256 + case["groups"] * 128 * 256 + 2 * rows * 128
            moved += 4 * (rows * 2 + case["groups"] * 1 * 2)
            floor = max(
                2 * rows * 128 * 256 / ceilings["operations_per_second"],
                moved / ceilings["bytes_per_second"],
            )
            assert case["rows"] == rows
            assert case["floor_us"] == pytest.approx(floor * 1e6)
            assert case["efficiency"] == pytest.approx(case["floor_us"] / case["us"])
            assert case["us_low"] <= case["us"] <= case["us_high"]
            assert case["backend"] in HOST_BACKENDS
            assert case["config"]
            assert case["peers"] == {}

    def test_a_run_that_is_cut_short_leaves_what_it_measured(self, tmp_path, monkeypatch, capsys):
        measure = bench._measure

        def measure_one(case, *arguments):
            if case.groups == 3:
                raise KeyboardInterrupt
            return measure(case, *arguments)

        monkeypatch.setattr(bench, "_measure", measure_one)
        path = tmp_path / "bench.json"
        assert main([*TINY_BENCH, "--ceiling-tflops", "1", "--json", str(path)]) == 130
        assert [case["groups"] for case in json.loads(path.read_text())["cases"]] == [2]

    def test_lines_are_aligned(self, capsys):
        assert main([*TINY_BENCH, "--ceiling-tflops", "0.1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        start = next(idx for idx, line in enumerate(lines) if line.startswith("case "))
        table = lines[start : start + 3]
        assert len({line.index(" cpu/") for line in table[1:]}) == 1
        assert table[0].index(" kernel") == table[1].index(" cpu/")
        assert "ceilings: 100 GFLOP/s (given)" in lines

    def test_case_file_filter_and_call_options(self, tmp_path, capsys):
        path = tmp_path / "cases.json"
        uniform = [
            {"name": name, "groups": 2, "rows": 4, "n": 128, "k": 128} for name in ("one", "two")
        ]
        skewed = {"name": "two skewed", "groups": 4, "total_rows": 10, "alpha": 1, "n": 64, "k": 64}
        path.write_text(json.dumps({"uniform": uniform, "zipf": [skewed]}))
        options = ["--cases", str(path), "--filter", "two", "--scale-major", "K"]
        options += ["--granularity", "1,64,128", "--out-dtype", "float32", "--backend", "cpu"]
        report_path = tmp_path / "out.json"
        options += ["--json", str(report_path), "--ceiling-tflops", "1", "--seconds", "0.02"]
        assert main(["bench", "--device", "cpu", *options]) == 0
        data = json.loads(report_path.read_text())
        assert [case["name"] for case in data["cases"]] == ["two", "two skewed"]
        assert data["cases"][1]["rows"] == 10
        assert data["settings"]["scale_major"] == "K"

    def test_group_rows_have_to_fit_the_granularity(self, capsys):
        options = ["--granularity", "128,128,128", "--ceiling-tflops", "1"]
        assert main([*TINY_BENCH, *options]) == 2
        assert "multiples of 128" in capsys.readouterr().err
        assert main([*TINY_BENCH, *options, "--rows", "128"]) == 0

    def test_peers_say_why_they_are_missing(self, tmp_path, capsys):
        path = tmp_path / "out.json"
        options = ["--peers", "--ceiling-tflops", "1", "--json", str(path)]
        assert main([*TINY_BENCH, *options]) == 0
        text = capsys.readouterr().out
        record = json.loads(path.read_text())["cases"][0]
        for name in peers.peer_kinds():
            assert f"{name}: n/a: runs on CUDA only" in text
            assert record["peers"][name]["unavailable"] == "runs on CUDA only"

    def test_a_wrong_result_is_not_timed(self, wrong_results, capsys):
        assert main([*TINY_BENCH, "--ceiling-tflops", "1"]) == 1
        assert "wrong result: 1 of" in capsys.readouterr().err

    def test_host(self, capsys):
        options = ["--groups", "1", "--rows", "1", "--n", "8", "--k", "16", "--seconds", "0.01"]
        assert main(["bench", "--host", "--device", "cpu", *options]) == 0
        text = capsys.readouterr().out
        assert "first call " in text
        assert re.search(r" [mu]s per call", text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["info", "--unknown"],
        ["demo", "--tokens", "0"],
        ["demo", "--tokens", "many"],
        ["demo", "--experts", "2", "--top-k", "3"],
        ["demo", "--device", "tpu"],
        ["demo", "--device", "cuda:99"],
        ["demo", "--out-dtype", "float64"],
        ["demo", "--device", "cpu", "--backend", "none-of-that-name"],
        ["demo", "--device", "cpu", "--hidden", "100"],
        ["bench", "--groups", "4"],
        ["bench", "--seconds", "-1"],
        ["bench", "--granularity", "1,128"],
        ["bench", "--cases", "no-such-file.json"],
        ["bench", "--filter", "no case has this name"],
        ["bench", "--json", "/no/such/folder/x.json"],
        ["bench", "--json", "."],
        ["bench", "--plot", "x.bmp"],
        ["bench", "--plot", "/no/such/folder/x.svg"],
        ["bench", "--peers", "cutlass"],
        ["bench", "--compile-jobs", "2"],
        ["bench", "--tokens", "2"],
        ["bench", "--layer", "qwen3-30b,llama"],
        ["bench", "--layer", "--peers"],
        ["bench", "--layer", "--from", "x.json"],
        ["bench", "--layer", "--scale-major", "K"],
        ["bench", "--layer", "--out-dtype", "float16"],
        ["bench", "--from", "no-such-file.json"],
        ["bench", "--from", "x.json", "--host"],
        ["bench", "--device", "cpu", "--groups", "1", "--rows", "1", "--n", "9", "--k", "64"],
        ["bench", "--device", "cpu", "--groups", "1", "--rows", "1", "--n", "8", "--k", "8"],
        [*TINY_BENCH, "--cases", "x.json"],
    ],
)
def test_a_bad_request_is_one_line_and_status_2(arguments, capsys):
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.startswith("groupgemm_fp8")
    assert captured.err.count("\n") == 1


def test_a_bad_request_as_a_process():
    result = run_cli("demo", "--tokens", "0")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "--tokens: got '0', wanted an integer of at least 1" in result.stderr
