"""Other libraries' grouped FP8 products, timed beside this one on the same memory through torch."""

from __future__ import annotations

from . import CommandError
from .ceilings import cuda_torch
from .peer import UnavailableError, check_result, require_cuda_torch
from .peers_deepgemm import DeepGemmContiguous, DeepGemmMasked
from .peers_humming import HummingByBlock, HummingByRow
from .peers_torch import TorchGroupedMm
from .timing import TorchContender

_FAMILIES = {
    "torch": (TorchGroupedMm,),
    "deepgemm": (DeepGemmContiguous, DeepGemmMasked),
    "humming": (HummingByRow, HummingByBlock),
}


def peer_kinds(families="all"):
    """Returns {name: class} of the peers of a --peers option, in the order of reports."""
    wanted = list(_FAMILIES) if families == "all" else families.split(",")
    unknown = [name for name in wanted if name not in _FAMILIES]
    if unknown:
        raise CommandError(f"--peers: got {unknown[0]!r}, wanted {', '.join(_FAMILIES)} or all")
    return {kind.name: kind for name in wanted for kind in _FAMILIES[name]}


def prepare_peers(problem, kinds):
    """Returns (contenders, {name: reason}) of the peers that can and cannot run the problem.

    problem.out holds this package's result of set 0, with which the peers' results are compared.
    """
    contenders, reasons = [], {}
    for kind in kinds.values():
        try:
            contenders.append(_prepared(kind, problem))
        except UnavailableError as error:
            reasons[kind.name] = str(error)
        except Exception as error:  # a peer's failure of any kind is its own, not the bench's
            text = (str(error).splitlines() or [""])[0]
            reasons[kind.name] = f"{type(error).__name__}: {text}"
    return contenders, reasons


def _prepared(kind, problem):
    """Returns a contender of a peer whose first result is right."""
    machine = problem.machine
    if machine.device_type != "cuda":
        raise UnavailableError("runs on CUDA only")
    require_cuda_torch()
    peer = kind(problem)
    peer.prepare()
    _wait(peer)
    contender = TorchContender(peer.name, peer.launch, len(problem.b))
    contender.run_eagerly(machine.cuda_stream, 1)
    machine.synchronize()
    contender.capture(machine.cuda_stream, 1)()  # what fails in a graph fails here, alone
    machine.synchronize()
    check_result(peer)
    _wait(peer)
    return contender


def _wait(peer):
    import torch

    torch.cuda.synchronize(peer.device)


def release_memory():
    """Returns to the device what torch keeps cached from earlier problems."""
    torch = cuda_torch()
    if torch is not None:
        torch.cuda.empty_cache()
