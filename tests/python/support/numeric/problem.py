"""Problem: the arrays of one call in one canonical, dense form.

Generators make it, references read it, the runner lays it out in memory. Invariant: scales are
held as [row block, k block] and [group, column block, k block] whatever the call's scale major,
and FP8 arrays are held as their codes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np


def ceil_div(value: int, divisor: int) -> int:
    return -(-value // divisor)


@dataclass(frozen=True, eq=False)
class Problem:
    a: np.ndarray  # (cum_m, k) uint8 codes
    b: np.ndarray  # (batch_size, n, k) uint8 codes
    a_scale: np.ndarray  # (row blocks, k blocks) float32
    b_scale: np.ndarray  # (batch_size, column blocks, k blocks) float32
    m_indptr: np.ndarray  # (batch_size + 1,) int32
    granularity: tuple[int, int, int] = (1, 128, 128)
    a_dtype: str = "float8_e4m3fn"
    b_dtype: str = "float8_e4m3fn"
    out_dtype: str = "bfloat16"
    scale_major: str = "MN"

    @property
    def cum_m(self) -> int:
        return self.a.shape[0]

    @property
    def n(self) -> int:
        return self.b.shape[1]

    @property
    def k(self) -> int:
        return self.a.shape[1]

    @property
    def batch_size(self) -> int:
        return self.b.shape[0]

    def groups(self) -> Iterator[tuple[int, int, int]]:
        """(group, first row, end row) of every group that has rows."""
        for group in range(self.batch_size):
            begin, end = int(self.m_indptr[group]), int(self.m_indptr[group + 1])
            if begin < end:
                yield group, begin, end

    def covered(self) -> np.ndarray:
        """Which rows the call writes, for a well-formed m_indptr."""
        rows = np.arange(self.cum_m)
        return (rows >= self.m_indptr[0]) & (rows < self.m_indptr[-1])

    def scale_rows(self, begin: int, end: int) -> np.ndarray:
        """The a_scale row of each row of the group that starts at begin."""
        gm = self.granularity[0]
        return begin // gm + np.arange(end - begin) // gm

    def scale_columns(self) -> np.ndarray:
        """The b_scale column block of each output column."""
        return np.arange(self.n) // self.granularity[1]

    def k_blocks(self) -> Iterator[tuple[int, slice]]:
        """(k block, its slice of k), ascending; the last may be short."""
        gk = self.granularity[2]
        for block in range(ceil_div(self.k, gk)):
            yield block, slice(block * gk, min((block + 1) * gk, self.k))

    def with_(self, **changes) -> "Problem":
        """A copy with some members replaced."""
        return replace(self, **changes)

    def describe(self) -> str:
        """One line that names the case in a failure message."""
        return (
            f"cum_m={self.cum_m} n={self.n} k={self.k} m_indptr={self.m_indptr.tolist()[:12]} "
            f"{self.a_dtype} x {self.b_dtype} -> {self.out_dtype} "
            f"granularity={self.granularity} major={self.scale_major}"
        )
