"""DeepGEMM's two grouped kernels: rows padded to whole tiles, or a fixed room for each group.

Both want other shapes than ragged rows. The copies into those shapes and the transposition of the
scales are done once, before anything is timed.
"""

from __future__ import annotations

import itertools

import numpy as np

from .peer import (
    Peer,
    UnavailableError,
    as_tensor,
    require_block_scales,
    require_torch,
    scales_of,
)

_ROW_MULTIPLE = 128
_MAX_PADDED_BYTES = 24 << 30


class _DeepGemm(Peer):
    """Base of both kernels: holds b with its scales, and rows that are copied to padded places."""

    def prepare(self):
        try:
            import deep_gemm
        except ImportError as error:
            raise UnavailableError(f"deep_gemm is not importable: {error}") from None
        problem = self.problem
        require_block_scales(problem)
        self._places, num_rows = self.padded_places(problem.indptr)
        needed = num_rows * (problem.k + 2 * problem.n)
        if needed > _MAX_PADDED_BYTES:
            raise UnavailableError(f"padding takes {needed / 2**30:.0f} GiB")
        torch = require_torch()
        places = self.tensor(self._places)
        a = torch.zeros(num_rows, problem.k, dtype=torch.uint8, device=self.device)
        a[places] = as_tensor(problem.a).view(torch.uint8)
        rows_scale = scales_of(problem)[0]
        a_scale = torch.zeros(num_rows, rows_scale.shape[1], device=self.device)
        a_scale[places] = rows_scale
        out = torch.empty(num_rows, problem.n, dtype=torch.bfloat16, device=self.device)
        a = a.view(torch.float8_e4m3fn)
        self._a, self._out = self.shaped(a), self.shaped(out)
        self._a_scale = deep_gemm.get_mn_major_tma_aligned_tensor(self.shaped(a_scale))
        self._b = [
            (as_tensor(b), scales_of(problem, idx)[1].contiguous())
            for idx, b in enumerate(problem.b)
        ]
        self.bind(deep_gemm)

    def padded_places(self, indptr):
        """Returns the padded row that holds each row, and the number of padded rows."""
        raise NotImplementedError

    def shaped(self, rows):
        """Returns padded rows in the kernel's shape."""
        raise NotImplementedError

    def bind(self, deep_gemm):
        """Stores the kernel and the arguments that only this kernel has."""
        raise NotImplementedError

    def launch(self, idx):
        b = self._b[idx % len(self._b)]
        self._kernel((self._a, self._a_scale), b, self._out, *self._rest)

    def result_rows(self, rows):
        places = self.tensor(self._places)[rows]
        return self._out.reshape(-1, self.problem.n)[places]


class DeepGemmContiguous(_DeepGemm):
    """deep_gemm.m_grouped_fp8_gemm_nt_contiguous."""

    name = "deep_gemm contiguous"
    label = "DG cont."
    note = "groups padded to 128 rows; padding and scale layout not timed"

    def padded_places(self, indptr):
        starts = _padded_starts(indptr)
        shifts = np.repeat(starts[:-1] - indptr[:-1], np.diff(indptr))
        return np.arange(indptr[-1]) + shifts, int(starts[-1])

    def shaped(self, rows):
        return rows

    def bind(self, deep_gemm):
        self._kernel = deep_gemm.m_grouped_fp8_gemm_nt_contiguous
        self._rest = (self.tensor(groups_of_padded_rows(self.problem.indptr)),)


class DeepGemmMasked(_DeepGemm):
    """deep_gemm.m_grouped_fp8_gemm_nt_masked."""

    name = "deep_gemm masked"
    label = "DG masked"
    note = "room for the largest group in every group; copies and scale layout not timed"

    def padded_places(self, indptr):
        counts = np.diff(indptr)
        self._room = -(-int(counts.max()) // _ROW_MULTIPLE) * _ROW_MULTIPLE
        shifts = np.repeat(np.arange(len(counts)) * self._room - indptr[:-1], counts)
        return np.arange(indptr[-1]) + shifts, len(counts) * self._room

    def shaped(self, rows):
        return rows.view(-1, self._room, rows.shape[-1])

    def bind(self, deep_gemm):
        counts = np.diff(self.problem.indptr).astype(np.int32)
        self._kernel = deep_gemm.m_grouped_fp8_gemm_nt_masked
        self._rest = (self.tensor(counts), -(-int(counts.sum()) // len(counts)))


def _padded_starts(indptr):
    """Returns where each group starts if every group is padded, and where the last one ends."""
    padded = -(-np.diff(indptr) // _ROW_MULTIPLE) * _ROW_MULTIPLE
    return np.concatenate([[0], np.cumsum(padded)])


def groups_of_padded_rows(indptr):
    """Returns each padded row's group, -1 in rows of padding."""
    groups = []
    for group, (first, last) in enumerate(itertools.pairwise(indptr)):
        padding = -(last - first) % _ROW_MULTIPLE
        groups += [np.full(last - first, group), np.full(padding, -1)]
    return np.concatenate(groups).astype(np.int32)
