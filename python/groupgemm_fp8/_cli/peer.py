"""A peer: another library's grouped FP8 product, run through torch on the same problem.

A peer class describes itself (name, label, note), sets up its own arrays from a problem in
prepare(), enqueues run number idx on torch's current stream in launch(), and shows rows of its
last result. check_result() compares those rows before anything is timed.
"""

from __future__ import annotations

import numpy as np

from .ceilings import cuda_torch

_CHECKED_ROWS = 64
_MAX_ERROR = 3e-2  # of a row, relative: tensor cores truncate long sums, a wrong scale is far off


class UnavailableError(Exception):
    """The peer cannot run here or cannot run this problem; the text says why."""


class Peer:
    """The base of all peers: it holds the problem as torch tensors."""

    name = ""  # in reports
    label = ""  # in the heading of a table's column
    note = ""  # how its problem differs, and what is not timed

    def __init__(self, problem):
        self.problem = problem
        self.device = torch_device(problem.machine)

    def prepare(self):
        """Sets up the peer's arrays; raises an UnavailableError where it cannot run."""
        raise NotImplementedError

    def launch(self, idx):
        """Enqueues run number idx; runs cycle through the sets of weights."""
        raise NotImplementedError

    def result_rows(self, rows):
        """Returns these rows of the last result, numbered as in the problem."""
        raise NotImplementedError

    def expected_rows(self, rows):
        """Returns what result_rows() should be: by default this package's checked result."""
        return as_tensor(self.problem.out)[rows]

    def tensor(self, array):
        """Copies a NumPy array to the peer's device."""
        return require_torch().from_numpy(np.ascontiguousarray(array)).to(self.device)


def require_torch():
    try:
        import torch
    except ImportError:
        raise UnavailableError("torch is not installed") from None
    return torch


def require_cuda_torch():
    if cuda_torch() is None:
        raise UnavailableError("torch with CUDA is not installed")


def torch_device(machine):
    return "cpu" if machine.device_type == "cpu" else f"cuda:{machine.device_id}"


def as_tensor(array):
    """Returns a torch tensor on the memory of a machine's array."""
    torch = require_torch()
    dtypes = {
        "float8_e4m3fn": torch.float8_e4m3fn,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "float32": torch.float32,
    }
    if isinstance(array, np.ndarray):
        raw = torch.from_numpy(array.reshape(-1).view(np.uint8))
    else:
        raw = torch.as_tensor(array.view("uint8"), device=f"cuda:{array.device_id}")
    return raw.view(dtypes[array.dtype.name]).view(array.shape)


def scales_of(problem, set_idx=0):
    """Returns a_scale as (rows, k-blocks) and b_scale as (groups, n-blocks, k-blocks) views."""
    a_scale, b_scale = as_tensor(problem.a_scale), as_tensor(problem.b_scale[set_idx])
    if problem.settings.scale_major == "MN":
        return a_scale.T, b_scale.transpose(1, 2)
    return a_scale, b_scale


def require_block_scales(problem):
    """Raises an UnavailableError unless the problem has the scale blocks that peers know."""
    if tuple(problem.settings.granularity) != (1, 128, 128):
        raise UnavailableError("knows scale blocks (1, 128, 128) only")
    if problem.settings.out_dtype != "bfloat16":
        raise UnavailableError("writes bfloat16 only")


def check_result(peer):
    """Raises an UnavailableError if the last run of set 0 gave a wrong result."""
    total = int(peer.problem.indptr[-1])
    spread = np.linspace(0, total - 1, min(total, _CHECKED_ROWS)).round()
    rows = peer.tensor(np.unique(spread).astype(np.int64))
    got, wanted = peer.result_rows(rows).double(), peer.expected_rows(rows).double()
    norms = wanted.norm(dim=1)
    errors = (got - wanted).norm(dim=1) / norms.where(norms > 0, norms.new_ones(()))
    worst = float(errors.max())
    if not worst <= _MAX_ERROR:  # a NaN is wrong, too
        raise UnavailableError(f"wrong result: a row's relative error is {worst:.2e}")
