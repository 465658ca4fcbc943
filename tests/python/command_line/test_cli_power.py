"""Power and energy in the bench: NVML's counter, the floor that knows power, and its figures."""

import json
import sys
import types

import pytest

from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import CommandError, cases, ceilings, power, regimes
from groupgemm_fp8._cli.timing import Contender, Timing
from tiny_commands import TINY_BENCH


class Nvml(types.ModuleType):
    """A double of pynvml: a device that draws `watts`, and a counter that moves every 100 ms."""

    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, watts=500.0):
        super().__init__("pynvml")
        self.watts, self.now, self.handles = watts, 0.0, []

    def nvmlInit(self):  # noqa: N802
        pass

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        self.handles.append(index)
        return index

    def nvmlDeviceGetHandleByUUID(self, name):  # noqa: N802
        self.handles.append(name)
        return name

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):  # noqa: N802
        return 700_000

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return int(self.watts * int(self.now * 10 + 1e-6) * 100)


@pytest.fixture
def nvml(monkeypatch):
    double = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", double)
    clock = types.SimpleNamespace(perf_counter=lambda: double.now)
    monkeypatch.setattr(power, "time", clock)  # the clock of this module alone
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return double


class TestPowerMeter:
    def test_a_window_begins_and_ends_with_a_step(self, nvml):
        meter = power.PowerMeter(0)
        assert meter.limit_watts == 700.0

        def work():
            nvml.now += 0.005

        nvml.now = 0.042  # in the middle of a step
        assert meter.mean_watts(work, 0.3) == pytest.approx(500.0)

    def test_a_counter_that_stands_still(self, nvml):
        nvml.watts = 0.0

        def work():
            nvml.now += 0.005

        with pytest.raises(CommandError, match="does not move"):
            power.PowerMeter(0).mean_watts(work, 0.3)

    @pytest.mark.parametrize(
        "visible, device, handle",
        [("", 1, 1), ("3,2", 1, 2), ("GPU-abc", 0, "GPU-abc"), ("5", 0, 5)],
    )
    def test_numbers_devices_as_cuda_does(self, nvml, monkeypatch, visible, device, handle):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        power.PowerMeter(device)
        assert nvml.handles == [handle]

    def test_what_is_missing_is_named(self, nvml, monkeypatch):
        def fails():
            raise nvml.NVMLError("no permission")

        monkeypatch.setattr(nvml, "nvmlInit", fails)
        with pytest.raises(CommandError, match="--energy: NVML: no permission"):
            power.PowerMeter(0)
        monkeypatch.setitem(sys.modules, "pynvml", None)
        with pytest.raises(CommandError, match="pip install nvidia-ml-py"):
            power.PowerMeter(0)


class TestFloor:
    # 600 W above idle, 1 pJ for an operation and 40 pJ for a byte.
    ENERGY = power.Energy(1e-12, 40e-12, 600.0)

    def floor(self, operations, moved_bytes):
        return cases.floor_of(operations, moved_bytes, 600e12, 4e12, self.ENERGY)

    def test_operations_and_bytes_share_the_power(self):
        floor = self.floor(600e9, 3e9)  # 1 ms of operations, 0.75 ms of bytes
        assert floor.bound == "energy"
        assert floor.seconds == pytest.approx(1e-3 + 0.2e-3)

    def test_a_dense_product_stays_bound_by_operations(self):
        assert self.floor(600e9, 0.1e9) == cases.Floor(1e-3, "compute")

    def test_bytes_alone_draw_too_little(self):
        assert self.floor(6e9, 4e9) == cases.Floor(1e-3, "memory")

    def test_energy_is_a_regime_of_its_own(self):
        records = [
            {"name": name, "regime": regimes.MANY_WAVES, "bound": name} for name in ("energy", "x")
        ]
        assert list(regimes.regimes_of(records))[-2:] == ["energy-bound", "x-bound"]


def test_ceilings_measure_the_energy_above_idle(monkeypatch):
    class Machine:
        device_type = "cuda"

        def time(self, contenders, seconds):
            return {contenders[0].name: Timing(1.0, 1.0, 1.0, 1)}

        def repeated(self, contender):
            return contender.name

    class Meter:
        limit_watts = 700.0

        def mean_watts(self, work, seconds):
            return {"read": 420.0, "dense": 690.0}.get(work, 100.0)

    monkeypatch.setattr(
        ceilings, "_gpu_read", lambda machine, clock: (4e12 / clock(Contender("read", None)), "")
    )
    monkeypatch.setattr(
        ceilings, "_gpu_gemm", lambda machine, clock: (1e15 / clock(Contender("dense", None)), "")
    )
    energy = ceilings.measure_ceilings(Machine(), 0.1, meter=Meter()).energy
    assert energy == power.Energy(pytest.approx(590e-15), pytest.approx(80e-12), 600.0)
    assert ceilings.measure_ceilings(Machine(), 0.1).energy is None


def test_bench_measures_power(pretended_gpu, nvml, tmp_path, capsys):
    nvml_now = nvml.nvmlDeviceGetTotalEnergyConsumption

    def moves_with_time(handle):
        nvml.now += 0.05
        return nvml_now(handle)

    nvml.nvmlDeviceGetTotalEnergyConsumption = moves_with_time
    path = tmp_path / "bench.json"
    assert main([*TINY_BENCH, "--device", "cuda", "--energy", "--json", str(path)]) == 0
    assert "power: " in capsys.readouterr().out
    for case in json.loads(path.read_text())["cases"]:
        assert case["watts"] > 0
        assert case["joules"] == pytest.approx(case["watts"] * case["us"] * 1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--energy", "--device", "cpu"], "--energy: is measured on a GPU only"),
        (["--energy", "--ceiling-tflops", "1"], "needs a measured dense rate"),
    ],
)
def test_a_bad_request(arguments, message, capsys):
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err
