"""A backend touches no byte beside its arrays: they end or start at unmapped pages."""

import pytest

import groupgemm_fp8
from numeric.process import run_python
from numeric.runner import COMPLETE_BACKENDS, unavailable_reason


@pytest.mark.parametrize("isa", ["portable", "neon", "avx2", "avx512"])
@pytest.mark.parametrize("edge", ["end", "start"])
def test_no_access_beside_the_arrays(edge, isa):
    answer = run_python("-m", "numeric.page_probe", edge, "cpu", GGFP8_CPU_ISA=isa)
    if answer == "no such instruction set":
        pytest.skip(f"this processor has no {isa}")
    assert answer == "ok 192"


@pytest.mark.parametrize("edge", ["end", "start"])
def test_no_access_of_amx_beside_the_arrays(edge):
    reason = unavailable_reason("amx") if "amx" in groupgemm_fp8.backends() else "not in this build"
    if reason is not None:
        pytest.skip(reason)
    assert run_python("-m", "numeric.page_probe", edge, "amx") == "ok 192"


@pytest.mark.parametrize("edge", ["end", "start"])
def test_no_access_of_a_gpu_beside_the_arrays(gpu_backend, edge):
    word, count = run_python("-m", "numeric.page_probe", edge, gpu_backend.name).split()
    assert word == "ok"
    # sm90: 64 cases with its choice, 8 problems in each of 9 shapes and 8 in 4 with scales of 64 k.
    least = {"sm90": 64 + 8 * 9 + 8 * 4}.get(gpu_backend.name, 64)
    assert int(count) >= (193 if gpu_backend.name in COMPLETE_BACKENDS else least)


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
@pytest.mark.parametrize("edge", ["end", "start"])
def test_no_access_of_a_step_beside_its_arrays(edge, isa):
    answer = run_python("-m", "numeric.fenced_arena", edge, "cpu", GGFP8_CPU_ISA=isa)
    if answer == "no such instruction set":
        pytest.skip(f"this processor has no {isa}")
    assert answer == "ok 170"


@pytest.mark.parametrize("edge", ["end", "start"])
def test_no_access_of_a_step_on_a_gpu_beside_its_arrays(gpu_steps, edge):
    assert run_python("-m", "numeric.fenced_arena", edge, gpu_steps.device) == "ok 170"
