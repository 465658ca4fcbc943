"""The peers of the bench: what each library is handed, and that a wrong peer is not timed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8.__main__ import main  # noqa: E402
from groupgemm_fp8._cli import CommandError, cases, peer, peers, problem  # noqa: E402
from groupgemm_fp8._cli import peers_deepgemm as deepgemm  # noqa: E402
from groupgemm_fp8._cli.machine import HostMachine  # noqa: E402
from peer_doubles import install_deep_gemm, install_grouped_mm, install_humming  # noqa: E402

ROWS = (3, 0, 130, 1)
KINDS = list(peers.peer_kinds().values())


def install_all(monkeypatch, factor=1.0):
    for install in (install_deep_gemm, install_humming, install_grouped_mm):
        install(monkeypatch, factor)


def computed(scale_major="MN", rows=ROWS, n=256, k=384, **settings):
    """Returns a problem with this package's result of the first of two sets of weights."""
    case = cases.Case("x", rows, n=n, k=k)
    settings = problem.Settings(scale_major=scale_major, **settings)
    result = problem.random_problem(case, HostMachine(), settings, num_sets=2)
    result.contender().launch(0)
    return result


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("scale_major", ["MN", "K"])
class TestResults:
    def test_a_right_peer_passes(self, monkeypatch, kind, scale_major):
        install_all(monkeypatch)
        prepared = kind(computed(scale_major))
        prepared.prepare()
        prepared.launch(0)
        peer.check_result(prepared)

    @pytest.mark.parametrize("factor", [1.1, float("nan")])
    def test_a_wrong_peer_is_refused(self, monkeypatch, kind, scale_major, factor):
        install_all(monkeypatch, factor)
        prepared = kind(computed(scale_major))
        prepared.prepare()
        prepared.launch(0)
        with pytest.raises(peer.UnavailableError, match="wrong result"):
            peer.check_result(prepared)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
class TestPreparation:
    def test_runs_cycle_through_the_sets_of_weights(self, monkeypatch, kind):
        install_all(monkeypatch)
        both = computed()
        both.b[1].view(np.uint8)[:] = 0  # the second set gives zeros
        prepared = kind(both)
        prepared.prepare()
        results = []
        for idx in range(3):
            prepared.launch(idx)
            results.append(prepared.result_rows(torch.arange(sum(ROWS))).float().abs().sum() > 0)
        assert results == [True, False, True]

    @pytest.mark.parametrize("rows", [(1,), (0, 0, 5), (128, 128), (300, 0)])
    def test_every_row_has_its_place(self, monkeypatch, kind, rows):
        install_all(monkeypatch)
        prepared = kind(computed(rows=rows))
        prepared.prepare()
        prepared.launch(0)
        everything = torch.arange(sum(rows))
        got, wanted = prepared.result_rows(everything), prepared.expected_rows(everything)
        torch.testing.assert_close(got.float(), wanted.float(), rtol=2e-2, atol=1e-3)

    def test_a_missing_library_is_named(self, monkeypatch, kind):
        for name in ("deep_gemm", "humming"):
            monkeypatch.setitem(__import__("sys").modules, name, None)
        monkeypatch.delattr(torch, "_scaled_grouped_mm", raising=False)
        with pytest.raises(peer.UnavailableError, match="importable|does not have it"):
            kind(computed()).prepare()


@pytest.mark.parametrize(
    "kind, sizes, message",
    [
        ("humming", {"n": 192}, "multiples of 128"),
        ("humming", {"k": 192}, "multiples of 128"),
        ("humming", {"out_dtype": "float16"}, "bfloat16 only"),
        ("deep_gemm masked", {"out_dtype": "float32"}, "bfloat16 only"),
        ("deep_gemm contiguous", {"granularity": (1, 64, 128)}, "1, 128, 128"),
    ],
)
def test_a_problem_that_a_peer_does_not_know(monkeypatch, kind, sizes, message):
    install_all(monkeypatch)
    with pytest.raises(peer.UnavailableError, match=message):
        peers.peer_kinds()[kind](computed(**sizes)).prepare()


def test_padding_without_end_is_refused(monkeypatch):
    install_deep_gemm(monkeypatch)
    monkeypatch.setattr(deepgemm, "_MAX_PADDED_BYTES", 1000)
    with pytest.raises(peer.UnavailableError, match="padding takes"):
        deepgemm.DeepGemmMasked(computed()).prepare()


def test_groups_of_padded_rows():
    groups = deepgemm.groups_of_padded_rows(np.array([0, 2, 2, 130]))
    assert len(groups) == 256
    assert list(groups[:3]) == [0, 0, -1]
    assert set(groups[128:]) == {2}


def test_families():
    assert list(peers.peer_kinds("torch")) == ["torch._scaled_grouped_mm"]
    assert list(peers.peer_kinds("humming,torch"))[-1] == "torch._scaled_grouped_mm"
    with pytest.raises(CommandError, match="--peers: got 'cutlass', wanted torch, deepgemm"):
        peers.peer_kinds("torch,cutlass")


def test_a_failure_of_any_kind_is_the_peers_own(monkeypatch):
    class Broken(peer.Peer):
        name = "broken"

        def prepare(self):
            raise AssertionError("two\nlines")

    machine = HostMachine()
    host = computed()
    host.machine = machine
    monkeypatch.setattr(machine, "device_type", "cuda", raising=False)
    monkeypatch.setattr(peers, "require_cuda_torch", lambda: None)
    contenders, reasons = peers.prepare_peers(host, {"broken": Broken})
    assert contenders == []
    assert reasons == {"broken": "AssertionError: two"}


def test_compiling_ahead_takes_other_processes(capsys):
    sizes = ["--groups", "2", "--rows", "5", "--n", "128", "--k", "256"]
    options = ["--device", "cpu", "--seconds", "0.01", "--ceiling-tflops", "1", *sizes]
    assert main(["bench", *options, "--peers", "torch", "--compile-jobs", "2"]) == 0
    text = capsys.readouterr().out
    assert "peers compiled ahead in" in text
    assert "all of them ran on 0 of the cases" in text  # they run on CUDA only
