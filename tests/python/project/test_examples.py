"""The Python examples: a layer, expert parallelism on the CPU, FlashInfer's name of the product."""

import re

import pytest

from numeric.process import EXAMPLES, run_python


@pytest.mark.parametrize("num_ranks", [1, 3])
def test_torch_expert_parallel(num_ranks):
    distributed = pytest.importorskip("torch.distributed", reason="PyTorch is not installed")
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("this PyTorch has no gloo")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_ranks))
    script = str(EXAMPLES / "torch_expert_parallel.py")
    options = ("--device", "cpu", "--columns", "128", "--inner", "256", "--tokens", "24")
    variables = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    printed = run_python(*launcher, script, *options, **variables)
    assert f"{num_ranks} ranks on cpu" in printed
    assert "rows that differ from one process: 0" in printed


def test_jax_expert_parallel():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    if not hasattr(jax, "shard_map"):
        pytest.skip("this JAX has no jax.shard_map")
    two_cpus = "--xla_force_host_platform_device_count=2"
    script = str(EXAMPLES / "jax_expert_parallel.py")
    printed = run_python(script, XLA_FLAGS=two_cpus, JAX_PLATFORMS="cpu")
    assert "devices   2 x cpu" in printed
    assert "131072 of 131072 equal" in printed


@pytest.mark.parametrize("arrays", ["torch", "numpy"])
def test_moe_layer(arrays):
    pytest.importorskip(arrays, reason=f"{arrays} is not installed")
    script = str(EXAMPLES / "moe_layer.py")
    lines = run_python(script, "--arrays", arrays, "--tokens", "20", "--top-k", "3").splitlines()
    assert lines[0].startswith(f"arrays  {arrays}, ")
    assert lines[1] == "layer   x (20, 512) -> out (20, 512); its steps:"
    assert lines[2].endswith("  row_index (60,), position (20, 3), m_indptr (9,)")
    assert len(lines) == 2 + 6 + 2
    assert lines[-2] == "bits    the same in one call and step by step"
    assert re.match(r"error   0\.0[0-9]+ relative to float32", lines[-1])


FLASHINFER_CODE = """
import numpy as np
import small_problem
import flashinfer
from flashinfer.gemm import group_gemm_fp8_nt_groupwise

arrays = small_problem.inputs()
out = group_gemm_fp8_nt_groupwise(
    *arrays.values(), scale_granularity_mnk=(1, 128, 128), scale_major_mode="MN", mma_sm=1,
    out_dtype="float32", backend="trtllm",
)
assert flashinfer.gemm.group_gemm_fp8_nt_groupwise is group_gemm_fp8_nt_groupwise
assert small_problem.same_bits(out, small_problem.expected(arrays, "float32"))
def test_it(): pass
print("ran", __name__)
"""


def test_flashinfer_name_runs_a_script(tmp_path):
    script = tmp_path / "uses_flashinfer.py"
    script.write_text(FLASHINFER_CODE)
    assert run_python(str(EXAMPLES / "flashinfer_name.py"), str(script)) == "ran __main__"


def test_flashinfer_name_runs_tests(tmp_path):
    (tmp_path / "test_flashinfer_code.py").write_text(FLASHINFER_CODE)
    shim = str(EXAMPLES / "flashinfer_name.py")
    printed = run_python(shim, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path))
    assert "1 passed" in printed


STAND_IN = {
    "__init__.py": "from .gemm import group_gemm_fp8_nt_groupwise, other\n",
    "gemm/__init__.py": "from .gemm_base import group_gemm_fp8_nt_groupwise, other\n",
    "gemm/gemm_base.py": (
        "from ..utils import get_compute_capability\n"
        "def group_gemm_fp8_nt_groupwise(): pass\n"
        "def other(): return 5\n"
        "def asks(): return get_compute_capability('cuda')\n"
    ),
    "utils.py": "def get_compute_capability(device): return (9, 0)\n",
}


@pytest.mark.parametrize("capability", [None, (10, 0)])
def test_flashinfer_name_replaces_only_the_function(tmp_path, capability):
    """The rest of an installed FlashInfer (here a package of that shape) stays."""
    for name, text in STAND_IN.items():
        path = tmp_path / "flashinfer" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    program = (
        f"import sys; sys.path[:0] = [{str(EXAMPLES)!r}, {str(tmp_path)!r}]\n"
        "import flashinfer_name\n"
        f"flashinfer_name.install({capability})\n"
        "import flashinfer, flashinfer.gemm, flashinfer.gemm.gemm_base as base\n"
        "from groupgemm_fp8.flashinfer import group_gemm_fp8_nt_groupwise as ours\n"
        "modules = (flashinfer, flashinfer.gemm, base)\n"
        "print(all(module.group_gemm_fp8_nt_groupwise is ours for module in modules))\n"
        "print(flashinfer.other(), flashinfer.gemm.other(), flashinfer.__file__)\n"
        "print(base.asks())\n"
    )
    lines = run_python("-c", program).splitlines()
    assert lines[0] == "True"
    assert lines[1] == f"5 5 {tmp_path / 'flashinfer' / '__init__.py'}"
    assert lines[2] == str(capability or (9, 0))
