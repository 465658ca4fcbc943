"""Groups of every layout: where the rows of a problem's groups go, and the array that says so."""

from dataclasses import dataclass

import numpy as np

from numeric.problem import Problem, ceil_div

KINDS = ("indptr", "ends", "counts", "masked")


@dataclass(frozen=True, eq=False)
class Groups:
    """The group array of a call and what it means; masked groups have a slab of rows each."""

    kind: str
    values: np.ndarray
    num_rows: int  # of one slab; of all groups where there is one
    counts: tuple[int, ...]
    starts: tuple[int, ...]  # first row of each group, in its slab
    alignment: int = 1

    @property
    def has_slabs(self) -> bool:
        return self.kind == "masked"

    @property
    def rows_shape(self) -> tuple[int, ...]:
        """The axes of a and out before the last."""
        return (len(self.counts), self.num_rows) if self.has_slabs else (self.num_rows,)

    def rows_of(self, group: int) -> tuple:
        """The index of a group's rows in a or out."""
        rows = slice(self.starts[group], self.starts[group] + self.counts[group])
        return (group, rows) if self.has_slabs else (rows,)

    def covered(self) -> np.ndarray:
        """Which rows the call writes."""
        rows = np.zeros(self.rows_shape, dtype=bool)
        for group in range(len(self.counts)):
            rows[self.rows_of(group)] = True
        return rows

    def source_rows(self, problem: Problem) -> np.ndarray:
        """The rows of a problem that the groups' rows are: the first ones of each of its groups."""
        firsts = [int(first) for first in problem.m_indptr[:-1]]
        rows = [np.arange(n) + first for n, first in zip(self.counts, firsts, strict=True)]
        return np.concatenate([np.empty(0, dtype=int), *rows])


def make_groups(
    kind: str,
    counts: tuple[int, ...],
    dtype: str = "int32",
    alignment: int = 1,
    spare: int = 0,
    num_rows: int | None = None,
) -> Groups:
    """Groups of so many rows. spare: rows before the first group of an indptr, after the last one
    of the others, and in each slab past the largest count. num_rows: instead, of a slab.
    """
    if kind == "masked":
        values, starts = counts, (0,) * len(counts)
        used = max(counts, default=0)
    else:
        first = spare if kind == "indptr" else 0
        starts, row = [], first
        for count in counts:
            row = ceil_div(row, alignment) * alignment
            starts.append(row)
            row += count
        ends = [start + count for start, count in zip(starts, counts, strict=True)]
        values = {"indptr": [first, *ends], "ends": ends, "counts": counts}[kind]
        used = row
    num_rows = used + spare if num_rows is None else num_rows
    array = np.array(values, dtype=dtype)
    return Groups(kind, array, num_rows, tuple(counts), tuple(starts), alignment)
