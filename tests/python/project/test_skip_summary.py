"""The line that says what the skipped tests need."""

import pytest

from skip_summary import need_of, summary


@pytest.mark.parametrize(
    "reason, need",
    [
        ("Skipped: PyTorch is not installed", "PyTorch"),
        ("Skipped: PyTorch sees no CUDA device", "a GPU"),
        ("Skipped: JAX has no CUDA device: no plugin", "a GPU"),
        ("Skipped: JAX is not installed", "JAX"),
        ("Skipped: jax is not installed", "JAX"),
        ("Skipped: torch is not installed", "PyTorch"),
        ("Skipped: README.md needs torch", "PyTorch"),
        ("Skipped: transformers is not installed", "transformers"),
        ("Skipped: cuda-python is not usable (No module named 'cuda')", "a GPU"),
        ("Skipped: backend sm90 needs a GPU: no driver", "a GPU"),
        ("Skipped: this build of the library has no GPU backend", "a GPU"),
        ("Skipped: needs a Hopper GPU, this is another", "a GPU"),
        ("Skipped: needs another GPU, one of Hopper: this is a pretended GPU", "another GPU"),
        ("Skipped: backend sm100 refuses this device: compute capability 9.0", "another GPU"),
        ("Skipped: backend amx refuses this device: no AMX", "AMX"),
        ("Skipped: PyTorch sees fewer than two CUDA devices", "two GPUs"),
        ("Skipped: JAX has one CUDA device, two are needed", "two GPUs"),
        ("Skipped: takes long; -m soak runs it", "time"),
        ("Skipped: no C++ compiler", "something else"),
    ],
)
def test_reasons(reason, need):
    assert need_of(reason) == need


def test_line():
    reasons = ["needs a GPU"] * 3 + ["JAX is not installed"] * 2 + ["a rare reason"]
    assert summary(reasons) == (
        "CPU only: 3 tests need a GPU (pip install '.[cuda]' on a GPU machine), "
        "2 need JAX (pip install jax), 1 need something else; -rs shows every reason"
    )
    assert summary(["JAX is not installed"]).startswith("skipped: 1 tests need JAX (")
    other = ["backend sm100 refuses this device: compute capability 9.0"]
    assert summary(other).startswith("skipped: 1 tests need another GPU (")
    assert summary([]) is None
