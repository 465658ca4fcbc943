"""`bench --layer`: whole layers and their steps, on the CPU and on a pretended GPU."""

import gc
import importlib.util
import json

import numpy as np
import pytest

import groupgemm_fp8
from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import bench_layer, layer, layer_sizes, layer_torch
from groupgemm_fp8._cli.ceilings import Ceilings
from groupgemm_fp8._cli.device import DeviceArray
from groupgemm_fp8._cli.machine import HostMachine
from groupgemm_fp8._cli.pooled import PooledArray

STEPS = [
    "route",
    "quantise and scatter",
    "product: gate, up",
    "activate and quantise",
    "product: down",
    "combine",
]
TINY = layer_sizes.LayerSizes("a tiny layer", 4, 256, 128, 2)
MISSING_TORCH = "torch with CUDA" if importlib.util.find_spec("torch") else "torch"
ARGUMENTS = ["bench", "--layer", "tiny", "--tokens", "3", "20", "--seconds", "0.02"]
ARGUMENTS += ["--ceiling-tflops", "1"]


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch):
    monkeypatch.setitem(layer_sizes.MODELS, "tiny", TINY)


@pytest.fixture
def allocations(pretended_gpu, monkeypatch):
    """A list of the sizes that were allocated while a graph was captured."""
    allocate, found = pretended_gpu.cudaMalloc, []

    def cudamalloc(num_bytes):
        counts = map(pretended_gpu.calls.count, ("cudaStreamBeginCapture", "cudaStreamEndCapture"))
        begun, ended = counts
        if begun > ended:
            found.append(num_bytes)
        return allocate(num_bytes)

    monkeypatch.setattr(pretended_gpu, "cudaMalloc", cudamalloc, raising=False)
    return found


class TestOnTheCpu:
    def test_text_and_json(self, tmp_path, capsys):
        path = tmp_path / "layers.json"
        assert main([*ARGUMENTS, "--device", "cpu", "--json", str(path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        start = next(idx for idx, line in enumerate(lines) if line.startswith("layer "))
        assert lines[start + 1].startswith("a tiny layer")
        shown = [line[2:34].rstrip() for line in lines[start + 2 : start + 8]]
        assert shown == STEPS
        records = json.loads(path.read_text())["layers"]
        assert [record["tokens"] for record in records] == [3, 20]
        for record in records:
            steps = record["steps"]
            assert [step["name"] for step in steps] == STEPS
            assert record["floor_us"] == pytest.approx(sum(step["floor_us"] for step in steps))
            assert record["error"] < 0.08
            assert all(step["us_low"] <= step["us"] <= step["us_high"] for step in steps)

    @pytest.mark.parametrize("high, mark", [(1.1, ""), (1.5, "?")])
    def test_a_time_that_is_too_noisy_is_marked(self, high, mark):
        times = {"us": 100.0, "us_low": 100.0, "us_high": 100.0 * high}
        figures = {**times, "floor_us": 50.0, "efficiency": 0.5}
        step = {"name": "route", "bound": "memory", **figures}
        record = {"layer": "a layer", "tokens": 3, "bf16": {}, "steps": [step], **figures}
        lines = list(bench_layer._lines(record))
        assert all(f" {round(100 * (high - 1))}%{mark} " in line for line in lines)
        note = "?: too noisy to trust, 2 of 2 figures: spread above 30%"
        assert (note in list(bench_layer._closing_lines([record]))) == bool(mark)
        heading = bench_layer._heading()
        assert lines[0].index("50.0 us") + len("50.0 us") == heading.index("floor") + len("floor")

    def test_bf16_in_the_same_run(self, tmp_path, capsys):
        pytest.importorskip("torch", reason="PyTorch is not installed")
        path = tmp_path / "layers.json"
        assert main([*ARGUMENTS, "--device", "cpu", "--json", str(path)]) == 0
        assert "bf16: torch in bfloat16" in capsys.readouterr().out
        for record in json.loads(path.read_text())["layers"]:
            assert record["bf16"]["us"] > 0

    def test_nothing_is_left_for_the_garbage_collector(self, capsys):
        """Memory of a layer must not be freed while the next one is captured."""
        pytest.importorskip("torch", reason="PyTorch is not installed")
        gc.collect()
        gc.disable()
        try:
            assert main([*ARGUMENTS, "--device", "cpu"]) == 0
            kinds = (layer.Layer, layer_torch.TorchLayer)
            assert not [x for x in gc.get_objects() if type(x) in kinds]
        finally:
            gc.enable()

    def test_a_wrong_result_is_not_timed(self, monkeypatch, capsys):
        correct = groupgemm_fp8.moe_ffn

        def damaged(**arguments):
            correct(**arguments)[:] = 1

        monkeypatch.setattr(groupgemm_fp8, "moe_ffn", damaged)
        assert main([*ARGUMENTS, "--device", "cpu"]) == 1
        assert "a tiny layer, 3 tokens: wrong result: relative error" in capsys.readouterr().err


class TestOnAPretendedGpu:
    def test_text(self, pretended_gpu, allocations, capsys):
        assert main([*ARGUMENTS, "--device", "cuda"]) == 0
        text = capsys.readouterr().out
        assert "device: cuda:0: a pretended GPU" in text
        assert f"\nbf16: n/a: {MISSING_TORCH} is not installed\n" in text
        assert " launch\n" in text  # sets the floor of small steps
        assert pretended_gpu.calls.count("cudaStreamBeginCapture") > 2 * 7
        assert allocations == []
        assert not PooledArray._blocks

    def test_a_layer_that_does_not_fit_is_skipped(self, pretended_gpu, capsys):
        pretended_gpu.limit = 1 << 17  # less than the weights of one product
        assert main([*ARGUMENTS, "--device", "cuda"]) == 2
        captured = capsys.readouterr()
        assert "a tiny layer, 3 tokens: skipped: cudaMalloc: " in captured.out
        assert "no layer fits into the device's memory" in captured.err


class TestFloors:
    def steps(self, tokens=5):
        index = layer.random_experts(np.random.default_rng(0), tokens, 4, 2)
        made = layer.Layer(HostMachine(), TINY, index)
        return {step.name: step for step in made.steps()}

    def test_bytes_by_hand(self):
        steps = self.steps()
        assert steps["route"].num_bytes == 10 * 8 + 10 * 4 + 10 * 4
        scattered = 5 * 256 * 2 + 10 * (256 + 2 * 4)
        assert steps["quantise and scatter"].num_bytes == scattered
        assert steps["activate and quantise"].num_bytes == 10 * 256 * 2 + 10 * (128 + 4)
        assert steps["combine"].num_bytes == (10 + 5) * 256 * 2
        assert steps["product: gate, up"].operations == 2 * 10 * 256 * 256

    def test_launches_set_the_floor_on_a_gpu_alone(self):
        class Gpu:
            device_type = "cuda"

        ceilings = Ceilings(1e15, "given", 4.3e12, "given")
        combine = self.steps()["combine"]
        assert combine.floor(Gpu, ceilings) == layer.Floor(3e-6, "launch")
        assert combine.floor(HostMachine, ceilings).bound == "memory"
        route = self.steps(4096)["route"]
        assert route.floor(Gpu, ceilings).seconds == pytest.approx(5e-6 + 8192 * 0.115e-9)


class TestPooledArrays:
    def test_memory_is_used_again(self, pretended_gpu):
        first = PooledArray.__ggfp8_empty__((4, 8), "float32", 0)
        address = first.ptr
        other = PooledArray.__ggfp8_empty__((4, 8), "float32", 0)
        assert other.ptr != address
        del first
        again = PooledArray.__ggfp8_empty__((128,), "uint8", 0)
        assert (again.ptr, again.shape, again.dtype) == (address, (128,), np.uint8)
        del again, other
        PooledArray.release()
        assert not pretended_gpu.allocated

    def test_a_view_leaves_memory_to_its_owner(self, pretended_gpu):
        owner = DeviceArray.from_numpy(np.arange(6, dtype=np.int32))
        view = PooledArray.of(owner)
        del owner
        assert view.numpy().tolist() == [*range(6)]
        del view
        assert not PooledArray._blocks
        assert not pretended_gpu.allocated
