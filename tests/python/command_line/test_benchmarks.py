"""The scripts and case files of python/benchmarks: they run, and what they measure is in bounds."""

import importlib.util
import json
import subprocess
import sys
import types

import numpy as np
import pytest

from groupgemm_fp8._cli.case_files import packaged_cases, read_cases
from groupgemm_fp8._cli.device import device_unavailable_reason
from numeric.process import BENCHMARKS, run_python

FIRST_CALL_LIMIT_MS = 300


def first_call(*arguments) -> dict:
    return json.loads(run_python(str(BENCHMARKS / "first_call.py"), *arguments))


def load_benchmark(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_first_call_on_the_cpu():
    result = first_call("--device", "cpu", "--processes", "2")
    assert result["processes"] == 2
    steps = result["load_ms"] + result["first_call_ms"]
    assert 0 < result["beyond_context_ms"] <= 2 * steps


def test_first_call_over_its_limit():
    command = [sys.executable, BENCHMARKS / "first_call.py", "--device", "cpu"]
    limits = ["--processes", "1", "--limit-ms", "1e-6"]
    assert subprocess.run([*command, *limits], capture_output=True, timeout=120).returncode == 1


def test_first_call_on_a_gpu():
    """Library load and first launch, beyond CUDA's own context: nothing is compiled there."""
    reason = device_unavailable_reason()
    if reason is not None:
        pytest.skip(reason)
    result = first_call("--processes", "3")
    assert result["beyond_context_ms"] < FIRST_CALL_LIMIT_MS, result


def test_host_overhead():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    script = str(BENCHMARKS / "host_overhead.py")
    printed = run_python(script, "--device", "cpu", "--seconds", "0.01")
    names = ["plain call, new output", "operator, out=", "numpy: plain call, out="]
    if importlib.util.find_spec("jax") is not None:
        names += ["groupgemm_fp8.jax, eager", "groupgemm_fp8.jax, in jax.jit"]
    for name in names:
        line = next(line for line in printed.splitlines() if line.startswith(name))
        assert float(line.split()[-2]) > 0
    assert "torch._scaled_grouped_mm: not measured: it runs on CUDA alone" in printed


def test_cpu_backends():
    """Every contender has a line with its ratios; wrong results of a backend end the script."""
    options = ("--shape", "2x128x256", "--rows", "3", "--repeats", "1")
    printed = run_python(str(BENCHMARKS / "cpu_backends.py"), *options)
    lines = {line.split()[1]: line.split()[2:] for line in printed.splitlines()[1:]}
    assert {"cpu", "numpy"} <= lines.keys()
    assert float(lines["cpu"][3]) == 1.0
    has_torch = importlib.util.find_spec("torch") is not None
    assert ("torch" in lines) == ("read" in lines) == has_torch


def test_layouts():
    """Every layout is timed, and has the rows of the first: the exit status says so."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    script = str(BENCHMARKS / "layouts.py")
    if not torch.cuda.is_available():
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (1, "layouts: needs a GPU that PyTorch can use\n")
        return
    shapes = ("3x5x256x256", "3x300x256x256")
    printed = run_python(script, "--rounds", "2", "--hints", "9", "--shapes", *shapes)
    first, second = printed.split("x 300 rows")
    for name in ("indptr int64", "ends int64, starts at 16", "masked, slabs of 4096, hint 9"):
        assert all(f"  {name} " in part for part in (first, second))
    assert "slabs of 256" in first
    assert "slabs of 256" not in second


def test_interval_of_a_median():
    """It holds the true ratio, is narrow, and a few samples far off do not move it."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    timing = load_benchmark("layout_timing")
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(40):
        ratios = [*rng.normal(1.004, 0.003, 40), 1.5, 0.5, 1.9]
        median, low, high = timing.median_and_interval(ratios)
        assert low <= median <= high
        assert high - low < 0.006
        missed += not low <= 1.004 <= high
    assert missed <= 6  # 2 are to be expected


def test_cases_of_models():
    """They are legal, differ from the packaged ones and reach from 1 to 512 groups."""
    cases = read_cases(BENCHMARKS / "cases_models.json")
    packaged = {(case.rows, case.n, case.k) for case in packaged_cases("cases.json")}
    assert all(case.n % 8 == 0 and case.k % 16 == 0 for case in cases)
    assert not packaged & {(case.rows, case.n, case.k) for case in cases}
    assert len({case.name for case in cases}) == len(cases)
    assert {1, 512} <= {case.groups for case in cases}
    assert {192, 1408} <= {case.k for case in cases}
    assert any(case.n % 128 for case in cases)
    assert any(case.k % 128 for case in cases)


def test_moe_steps(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    target = tmp_path / "steps.json"
    options = ["--device", "cpu", "--seconds", "0.01", "--only", "route", "--json", str(target)]
    printed = run_python(str(BENCHMARKS / "moe_steps.py"), *options)
    (row,) = json.loads(target.read_text())["rows"]
    assert row["name"] in printed
    assert 0 < row["us"] < row["others_us"]["torch"] * 100


def test_peers_of_the_steps(monkeypatch):
    """A kernel of another library is found where it can be imported, and checked before it runs."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    peers = load_benchmark("moe_steps_peers")
    names = ["torchao", "torchao.kernel", "torchao.kernel.blockwise_quantization"]
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    assert peers.find_peers("weights") == {} == peers.find_peers("route")

    def quantise(x):
        blocks = x.float().view(2, 128, 3, 128)
        scale = blocks.abs().amax(dim=(1, 3), keepdim=True) / 448
        return (blocks / scale).to(torch.float8_e4m3fn).view(x.shape), scale.view(2, 3)

    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules[names[-1]].fp8_blockwise_weight_quant = quantise
    assert peers.find_peers("weights") == {"torchao": quantise}
    x = torch.randn(256, 384, generator=torch.Generator().manual_seed(0))
    peers.check_peer("torchao", quantise, x, 128)
    with pytest.raises(RuntimeError, match="torchao: got a relative error of"):
        peers.check_peer("torchao", lambda x: quantise(2 * x), x, 128)


def test_moe_transformers(tmp_path):
    for name in ("torch", "transformers"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    target = tmp_path / "models.json"
    options = ["--device", "cpu", "--small", "--layers", "1", "--tokens", "3", "--seconds", "0.01"]
    script = str(BENCHMARKS / "moe_transformers.py")
    run_python(script, *options, "--json", str(target), OMP_NUM_THREADS="1")
    records = json.loads(target.read_text())["records"]
    assert [record["model"] for record in records] == ["qwen3-30b", "deepseek-v3"]
    for record in records:
        assert 0 < record["difference"] < 0.1
        assert min(record["eager_us"].values()) > 0
        assert record["graph_us"] == {"bf16": None, "fp8": None}
