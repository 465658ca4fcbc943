"""The `cpu` backend touches no byte beside its arrays: they end or start at unmapped pages."""

import pytest

from numeric.process import run_python


@pytest.mark.parametrize("isa", ["portable", "neon", "avx2", "avx512"])
@pytest.mark.parametrize("edge", ["end", "start"])
def test_no_access_beside_the_arrays(backend, edge, isa):
    if backend.is_gpu:
        pytest.skip("page protection holds for host memory")
    answer = run_python("-m", "numeric.page_probe", edge, GGFP8_CPU_ISA=isa)
    if answer == "no such instruction set":
        pytest.skip(f"this processor has no {isa}")
    assert answer == "ok 144"
