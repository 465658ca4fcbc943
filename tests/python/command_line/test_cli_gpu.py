"""The command line on a pretended GPU: the CPU backend computes, the CUDA runtime is a double."""

import gc
import json
import re

import pytest

import groupgemm_fp8
from groupgemm_fp8.__main__ import main
from tiny_commands import TINY_DEMO, TINY_GRID


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
            # Three times 64 KiB of cache are 3 sets of 64 KiB or of 96 KiB; 5 replays of a
            # millisecond fill a graph, which takes a millisecond again.
            sets = {2: 3, 3: 2}[case["groups"]]
            assert case["us"] == pytest.approx(1000 / (5 * sets))
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
        assert re.search(r" [mu]s per call, without waiting", capsys.readouterr().out)

    def test_info(self, pretended_gpu, capsys, monkeypatch):
        monkeypatch.setattr(groupgemm_fp8, "supports", lambda name, **_: (False, "a reason"))
        assert main(["info"]) == 0
        text = capsys.readouterr().out
        assert "cuda:0: a pretended GPU, compute capability 8.0, 100 SMs, 0 MiB L2" in text
        assert "note: compiled, not executed on that hardware" in text
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
        assert "note: compiled and inspected, not executed on that hardware" in text
