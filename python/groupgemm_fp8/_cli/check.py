"""Judges a result against float64 computed from the very bytes the kernel read.

Every element must lie in an interval: with R the exact sum and T the sum of the magnitudes, the
result is accepted between round(R - E) and round(R + E). E is T times the relative error of the
backend's inner products, plus the float32 roundings of the outer sum over k-blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .device import as_dtype
from .progress import progress

# Relative error of one block's inner product. Tensor cores that sum FP8 products in 13 fraction
# bits are bounded by the large figure, everything that sums in float32 by the small one.
_FLOAT32_ERROR = 7.6e-6
_TRUNCATED_ERROR = 1.6e-2
_FLOAT32_BACKENDS = {"amx", "cpu", "mma", "sm100"}
_TRUNCATED_MMA_CAPABILITY = (8, 9)  # its mma.sync truncates as well

_UNIT_ROUNDOFF = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
_MIN_TRUNCATED_FROBENIUS = 1e-3
_MIN_FLOAT32_FROBENIUS = 1e-5


@dataclass(frozen=True)
class Sample:
    """How much of the result is compared: evenly spaced groups, rows of each, and columns."""

    groups: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check."""

    num_checked: int
    num_outside: int  # elements outside their interval
    relative_error: float  # Frobenius norm of the error over that of the exact result
    limit: float  # for relative_error

    @property
    def ok(self):
        return self.num_outside == 0 and self.relative_error <= self.limit


def check(problem, backend, capability, sample):
    """Compares a sample of problem.out, which is complete, with the exact result."""
    truncated = backend not in _FLOAT32_BACKENDS or (
        backend == "mma" and capability == _TRUNCATED_MMA_CAPABILITY
    )
    product_error = _TRUNCATED_ERROR if truncated else _FLOAT32_ERROR
    num_checked = num_outside = 0
    error_square = exact_square = 0.0
    for group, rows, columns in progress([*_blocks(problem, sample)], "check"):
        exact, magnitude = _exact(problem, group, rows, columns)
        got = _rows(problem.machine, problem.out, rows)[:, columns]
        low, high = _interval(exact, magnitude, product_error, problem)
        got = got.astype(np.float64)
        inside = (low <= got) & (got <= high)
        num_checked += got.size
        num_outside += got.size - int(inside.sum())
        error_square += float(((got - exact) ** 2).sum())
        exact_square += float((exact**2).sum())
    relative_error = float(np.sqrt(error_square / exact_square)) if exact_square else 0.0
    limit = _UNIT_ROUNDOFF[problem.settings.out_dtype]
    limit += _MIN_TRUNCATED_FROBENIUS if truncated else _MIN_FLOAT32_FROBENIUS
    return Verdict(num_checked, num_outside, relative_error, limit)


def _blocks(problem, sample):
    """Yields (group, rows, columns) of the sample; all groups with rows are candidates."""
    indptr = problem.indptr
    active = np.flatnonzero(np.diff(indptr) > 0)
    columns = _spread(0, problem.n, sample.columns)
    for group in active[_spread(0, len(active), sample.groups)]:
        yield int(group), _spread(indptr[group], indptr[group + 1], sample.rows), columns


def _spread(start, stop, count):
    """Returns at most `count` different integers of [start, stop), evenly spaced, ends first."""
    return np.unique(np.linspace(start, stop - 1, min(count, stop - start)).round().astype(int))


def _rows(machine, array, rows):
    """Returns single rows on the host: a sample of a large group lies far apart."""
    return np.concatenate([machine.download(array[row : row + 1]) for row in rows.tolist()])


def _exact(problem, group, rows, columns):
    """Returns float64 R and T of these rows and columns."""
    gm, gn, gk = problem.settings.granularity
    depth = np.arange(problem.k) // gk
    download = problem.machine.download
    a = decode(_rows(problem.machine, problem.a, rows))
    b = decode(download(problem.b[0][group : group + 1])[0][columns])
    a_scale = download(problem.a_scale)
    b_scale = download(problem.b_scale[0][group : group + 1])[0]
    if problem.settings.scale_major == "MN":
        a_scale, b_scale = a_scale.T, b_scale.T
    start = int(problem.indptr[group])
    a *= a_scale[start // gm + (rows - start) // gm][:, depth]
    b *= b_scale[columns // gn][:, depth]
    return a @ b.T, np.abs(a) @ np.abs(b).T


def _interval(exact, magnitude, product_error, problem):
    """Returns the least and the greatest result to accept, rounded to the output's type."""
    num_blocks = -(-problem.k // problem.settings.granularity[2])
    error = product_error * magnitude + (num_blocks + 2) * 2.0**-24 * 1.01 * magnitude
    error += num_blocks * 2.0**-149
    dtype = as_dtype(problem.settings.out_dtype)
    with np.errstate(over="ignore"):
        bounds = [(exact - error).astype(dtype), (exact + error).astype(dtype)]
    return [bound.astype(np.float64) for bound in bounds]


def decode(values):
    """Returns float64 of FP8 values."""
    table = np.arange(256, dtype=np.uint8).view(values.dtype).astype(np.float64)
    return table[values.view(np.uint8)]
