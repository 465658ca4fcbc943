"""The command line as a user runs it: on the CPU with tiny sizes, and on a pretended GPU."""

import ctypes
import gc
import json
import subprocess
import sys

import numpy as np
import pytest

import groupgemm_fp8
from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import ceilings, demo, info, peers
from groupgemm_fp8._cli import device as _device
from host_runtime import HostRuntime

TINY_GRID = ["--groups", "2", "3", "--rows", "5", "--n", "128", "--k", "256"]
TINY_BENCH = ["bench", "--device", "cpu", "--seconds", "0.02", *TINY_GRID]
TINY_DEMO = [
    "demo", "--device", "cpu", "--tokens", "24", "--experts", "5", "--n", "136", "--k", "272",
]  # fmt: skip


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


@pytest.fixture
def pretended_gpu(monkeypatch):
    """A CUDA device whose memory is the host's and whose kernels are the CPU backend."""
    runtime = HostRuntime()
    product, plan, device_info = (
        groupgemm_fp8.group_gemm_fp8_nt_groupwise,
        groupgemm_fp8.plan,
        groupgemm_fp8.device_info,
    )

    def on_host(function):
        def call(**arguments):
            assert arguments.pop("stream", 5) == 5
            for name, value in arguments.items():
                if isinstance(value, _device.DeviceArray):
                    memory = (ctypes.c_uint8 * value.nbytes).from_address(value.ptr)
                    arguments[name] = np.frombuffer(memory, value.dtype).reshape(value.shape)
            return function(**arguments)

        return call

    def info(device_type, device_id):
        if device_type == "cpu":
            return device_info(device_type, device_id)
        return groupgemm_fp8.DeviceInfo("a pretended GPU", 8, 0, 100, 1 << 16)

    monkeypatch.setattr(_device, "_runtime", lambda: runtime)
    monkeypatch.setattr(groupgemm_fp8, "group_gemm_fp8_nt_groupwise", on_host(product))
    monkeypatch.setattr(groupgemm_fp8, "plan", on_host(plan))
    monkeypatch.setattr(groupgemm_fp8, "device_info", info)
    monkeypatch.setattr(groupgemm_fp8, "device_count", lambda device_type: 1)
    for module in (ceilings, peers):
        monkeypatch.setattr(module, "cuda_torch", lambda: None)
    return runtime


class TestOnAPretendedGpu:
    def test_demo(self, pretended_gpu, capsys):
        assert main([*TINY_DEMO, "--device", "cuda"]) == 0
        text = capsys.readouterr().out
        assert "device    cuda:0: a pretended GPU" in text
        assert text.endswith("result    correct\n")
        gc.collect()
        assert not pretended_gpu.allocated

    def test_bench_replays_graphs_over_all_weight_sets(self, pretended_gpu, tmp_path, capsys):
        path = tmp_path / "bench.json"
        options = ["--device", "auto", "--peers", "--json", str(path), "--seconds", "0.01"]
        assert main(["bench", *options, *TINY_GRID]) == 0
        text = capsys.readouterr().out
        assert "device copy, " in text
        assert "torch._scaled_grouped_mm: n/a: torch with CUDA is not installed" in text
        data = json.loads(path.read_text())
        assert data["device"]["label"] == "cuda:0"
        for case in data["cases"]:
            # Three times 64 KiB of cache are 3 sets of 64 KiB or of 96 KiB; 20 replays of a
            # millisecond fill a graph, which takes a millisecond again.
            sets = {2: 3, 3: 2}[case["groups"]]
            assert case["us"] == pytest.approx(1000 / (20 * sets))
            assert case["bound"] == "memory"
        assert pretended_gpu.calls.count("cudaStreamBeginCapture") == 2 * 3

    def test_a_case_that_does_not_fit_is_skipped(self, pretended_gpu, capsys):
        sizes = ["--groups", "1", "--rows", "1", "--n", "512", "65536", "--k", "512"]
        assert main(["bench", "--device", "cuda", "--seconds", "0.01", *sizes]) == 0
        text = capsys.readouterr().out
        assert "1 x 1, n 65536, k 512: skipped: cudaMalloc: cudaErrorMemoryAllocation" in text
        assert "(1 cases)" in text

    def test_host_time(self, pretended_gpu, capsys):
        assert main(["bench", "--host", "--device", "cuda", "--seconds", "0.01"]) == 0
        assert "us per call, without waiting" in capsys.readouterr().out

    def test_info(self, pretended_gpu, capsys, monkeypatch):
        monkeypatch.setattr(groupgemm_fp8, "supports", lambda name, **_: (False, "a reason"))
        assert main(["info"]) == 0
        text = capsys.readouterr().out
        assert "cuda:0: a pretended GPU, compute capability 8.0, 100 SMs, 0 MiB L2" in text
        assert "note: compiled for, not executed by the project on" in text
        assert "cpu: does not run: a reason" in text

    @pytest.mark.parametrize("capability", [(8, 9), (10, 0), (10, 3), (11, 0), (12, 0), (12, 1)])
    def test_info_of_hardware_that_no_test_ran_on(
        self, pretended_gpu, capsys, monkeypatch, capability
    ):
        known = groupgemm_fp8.device_info

        def pretended(device_type="cuda", device_id=0):
            info = known(device_type, device_id)
            if device_type == "cpu":
                return info
            return info._replace(compute_major=capability[0], compute_minor=capability[1])

        monkeypatch.setattr(groupgemm_fp8, "device_info", pretended)
        monkeypatch.setattr(groupgemm_fp8, "supports", lambda name, **_: (True, None))
        assert main(["info"]) == 0
        text = capsys.readouterr().out
        assert "note: compiled for and inspected, not executed by the project on" in text


class TestInfo:
    def test_gpu_code_says_what_was_executed(self):
        on_cpu = "needs arrays on a CUDA device"
        rows = info._gpu_code({"sm90": on_cpu, "sm100": on_cpu, "mma": on_cpu, "cpu": None})
        inspected = "compiled and inspected, not executed on that hardware"
        evidence = {(row["backend"], row["compute_capabilities"]): row["evidence"] for row in rows}
        assert evidence["sm90", "9.0"] == evidence["mma", "9.0"] == "executed, all tests"
        assert evidence["sm100", "10.x, 11.0"] == evidence["mma", "8.9, 12.x"] == inspected
        left_out = "this library was built without it: no headers"
        rows = info._gpu_code({"sm100": left_out, "mma": on_cpu, "cpu": None})
        assert {row["backend"] for row in rows} == {"mma"}
        assert info._gpu_code({"cpu": None}) == []

    def test_text(self):
        result = run_cli("info")
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith(f"groupgemm_fp8 {groupgemm_fp8.__version__}")
        assert "\ncpu: " in result.stdout
        assert "\n  cpu: runs\n" in result.stdout
        assert "\npackages: numpy " in result.stdout

    def test_json(self, capsys):
        assert main(["info", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        cpu = facts["devices"][0]
        assert facts["backends"] == groupgemm_fp8.backends()
        assert (cpu["type"], cpu["id"], cpu["executed"]) == ("cpu", 0, True)
        assert cpu["backends"]["cpu"] is None
        refusals = [reason for name, reason in cpu["backends"].items() if name != "cpu"]
        assert all(refusals)
        has_gpu = any(device["type"] == "cuda" for device in facts["devices"])
        assert has_gpu == (facts["no_cuda_reason"] is None)


class TestDemo:
    @pytest.mark.parametrize("out_dtype", ["bfloat16", "float16", "float32"])
    def test_is_correct(self, out_dtype, capsys):
        assert main([*TINY_DEMO, "--out-dtype", out_dtype]) == 0
        text = capsys.readouterr().out
        assert "48 rows, n 136, k 272" in text
        assert "6528 of 6528 checked, 0 outside" in text
        assert text.endswith("result    correct\n")

    def test_as_a_process(self):
        result = run_cli(*TINY_DEMO)
        assert result.returncode == 0, result.stderr
        assert "backend   cpu, " in result.stdout
        assert result.stderr == ""

    def test_a_wrong_result_fails(self, wrong_results, capsys):
        assert main(TINY_DEMO) == 1
        text = capsys.readouterr().out
        assert "1 outside their bound" in text
        assert text.endswith("result    WRONG\n")

    def test_route_sorts_every_choice_by_expert(self):
        tokens, rows = demo.route(np.random.default_rng(3), 50, 8, 3)
        assert rows.sum() == 150
        assert sorted(tokens) == sorted(np.repeat(np.arange(50), 3))
        ends = np.cumsum(rows)
        for first, last in zip(ends - rows, ends, strict=True):
            assert len(set(tokens[first:last])) == last - first  # an expert sees a token once


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
            assert case["backend"] == "cpu"
            assert case["config"]
            assert case["peers"] == {}

    def test_lines_are_aligned(self, capsys):
        assert main([*TINY_BENCH, "--ceiling-tflops", "0.1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        start = next(idx for idx, line in enumerate(lines) if line.startswith("case "))
        table = lines[start : start + 3]
        assert len({line.index(" cpu/") for line in table[1:]}) == 1
        assert table[0].index(" kernel") == table[1].index(" cpu/")
        assert "ceilings: 0.1 TFLOP/s (given)" in lines

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
        assert "us per call" in text

    def test_plot(self, tmp_path):
        pytest.importorskip("matplotlib")
        path = tmp_path / "bench.png"
        assert main([*TINY_BENCH, "--ceiling-tflops", "1", "--plot", str(path)]) == 0
        assert path.read_bytes().startswith(b"\x89PNG")

    def test_plot_without_matplotlib_fails_before_measuring(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert main([*TINY_BENCH, "--plot", "x.png"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "pip install matplotlib" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["info", "--unknown"],
        ["demo", "--tokens", "0"],
        ["demo", "--tokens", "many"],
        ["demo", "--experts", "2", "--top-k", "3"],
        ["demo", "--device", "tpu"],
        ["demo", "--device", "cuda:99"],
        ["demo", "--out-dtype", "float64"],
        ["demo", "--device", "cpu", "--backend", "none-of-that-name"],
        ["demo", "--device", "cpu", "--k", "100"],
        ["bench", "--groups", "4"],
        ["bench", "--seconds", "-1"],
        ["bench", "--granularity", "1,128"],
        ["bench", "--cases", "no-such-file.json"],
        ["bench", "--filter", "no case has this name"],
        ["bench", "--json", "/no/such/folder/x.json"],
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
