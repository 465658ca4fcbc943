"""The `cpu` backend touches no byte beside its arrays: they end or start at unmapped pages."""

import pytest

from numeric.process import run_python


@pytest.mark.parametrize("edge", ["end", "start"])
def test_no_access_beside_the_arrays(backend, edge):
    if backend.is_gpu:
        pytest.skip("page protection holds for host memory")
    assert run_python("-m", "numeric.page_probe", edge) == "ok 144"
