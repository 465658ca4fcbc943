"""Other libraries' grouped FP8 products, timed beside this one on the same memory through torch.

A peer has a name, a label for table columns, a note on how its problem differs, prepare(problem),
which raises an UnavailableError with the reason, and launch(idx), which enqueues run idx on
torch's current stream.
"""

from __future__ import annotations

import itertools

import numpy as np

from .ceilings import cuda_torch
from .timing import TorchContender


def release_memory():
    """Returns to the device what torch keeps cached from earlier problems."""
    torch = cuda_torch()
    if torch is not None:
        torch.cuda.empty_cache()


class UnavailableError(Exception):
    """The peer cannot run here or cannot run this problem; the text says why."""


def peer_kinds():
    """Returns {name: class} of all peers, in the order in which they are reported."""
    return {peer.name: peer for peer in _PEERS}


def prepare_peers(problem):
    """Returns (contenders, {name: reason}) of the peers that can and cannot run the problem."""
    contenders, reasons = [], {}
    for kind in _PEERS:
        peer = kind()
        try:
            if problem.machine.device_type != "cuda":
                raise UnavailableError("runs on CUDA only")
            peer.prepare(problem)
            contender = TorchContender(peer.name, peer.launch, len(problem.b))
            contender.run_eagerly(problem.machine.cuda_stream, 1)
            problem.machine.synchronize()
            contenders.append(contender)
        except UnavailableError as error:
            reasons[peer.name] = str(error)
        except Exception as error:  # a peer's failure of any kind is its own, not the bench's
            text = (str(error).splitlines() or [""])[0]
            reasons[peer.name] = f"{type(error).__name__}: {text}"
    return contenders, reasons


def _torch():
    torch = cuda_torch()
    if torch is None:
        raise UnavailableError("torch with CUDA is not installed")
    return torch


def _as_torch(array):
    """Returns a torch tensor on the memory of a DeviceArray of e4m3 values."""
    torch = _torch()
    raw = torch.as_tensor(array.view("uint8"), device=f"cuda:{array.device_id}")
    return raw.view(torch.float8_e4m3fn).view(array.shape)


class TorchGroupedMm:
    """torch._scaled_grouped_mm."""

    name = "torch._scaled_grouped_mm"
    label = "torch"
    note = "row-wise scales: an easier problem"

    def prepare(self, problem):
        torch = _torch()
        if not hasattr(torch, "_scaled_grouped_mm"):
            raise UnavailableError(f"torch {torch.__version__} does not have it")
        device = f"cuda:{problem.machine.device_id}"
        self._grouped_mm = torch._scaled_grouped_mm
        self._a = _as_torch(problem.a)
        self._b = [_as_torch(b).transpose(-2, -1) for b in problem.b]
        self._a_scale = torch.rand(self._a.shape[0], device=device)
        self._b_scale = torch.rand(self._b[0].shape[0], problem.n, device=device)
        ends = torch.from_numpy(problem.indptr[1:].copy())
        self._options = {
            "offs": ends.to(device),
            "out_dtype": torch.bfloat16,
            "use_fast_accum": True,
        }
        torch.cuda.synchronize(device)

    def launch(self, idx):
        b = self._b[idx % len(self._b)]
        self._grouped_mm(self._a, b, self._a_scale, self._b_scale, **self._options)


class DeepGemmContiguous:
    """deep_gemm.m_grouped_fp8_gemm_nt_contiguous, groups padded to its row multiple."""

    name = "deep_gemm contiguous"
    label = "deep_gemm"
    note = "groups padded to 128 rows; padding and scale layout not timed"

    _ROW_MULTIPLE = 128

    def prepare(self, problem):
        torch = _torch()
        try:
            import deep_gemm
        except ImportError as error:
            raise UnavailableError(f"not importable: {error}") from None
        device = f"cuda:{problem.machine.device_id}"
        sources, groups = self._padded_rows(problem.indptr)
        a = _as_torch(problem.a)
        padded = torch.zeros(len(sources), problem.k, dtype=torch.uint8, device=device)
        real = torch.from_numpy(np.flatnonzero(sources >= 0)).to(device)
        picked = torch.from_numpy(sources[sources >= 0]).to(device)
        padded[real] = a.view(torch.uint8)[picked]
        k_blocks, n_blocks = -(-problem.k // 128), -(-problem.n // 128)
        a_scale = torch.rand(len(sources), k_blocks, device=device)
        align = getattr(deep_gemm, "get_mn_major_tma_aligned_tensor", None)
        self._a = (padded.view(torch.float8_e4m3fn), align(a_scale) if align else a_scale)
        self._b = [
            (_as_torch(b), torch.rand(b.shape[0], n_blocks, k_blocks, device=device))
            for b in problem.b
        ]
        self._out = torch.empty(len(sources), problem.n, dtype=torch.bfloat16, device=device)
        self._groups = torch.from_numpy(groups).to(device)
        self._run = deep_gemm.m_grouped_fp8_gemm_nt_contiguous
        torch.cuda.synchronize(device)

    def launch(self, idx):
        self._run(self._a, self._b[idx % len(self._b)], self._out, self._groups)

    @classmethod
    def _padded_rows(cls, indptr):
        """Returns each padded row's source row and group, -1 in rows of padding."""
        sources, groups = [], []
        for group, (first, last) in enumerate(itertools.pairwise(indptr)):
            padding = -(last - first) % cls._ROW_MULTIPLE
            sources += [np.arange(first, last), np.full(padding, -1)]
            groups += [np.full(last - first, group), np.full(padding, -1)]
        return np.concatenate(sources), np.concatenate(groups).astype(np.int32)


_PEERS = (TorchGroupedMm, DeepGemmContiguous)
