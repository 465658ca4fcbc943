"""A grouped product in memory: the arrays of one call, on a machine.

random_problem() makes the bench's; demo fills in its own arrays. Where the weights that a run reads
fit into the last-level cache, several copies are kept, and runs cycle through the copies.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

import groupgemm_fp8

from .timing import Contender

_BLOCK_VALUES = 8_000_016  # FP8 values drawn before repeating; no power of two, so rows differ
_BLOCK_SCALES = 1_000_003  # scales drawn before repeating
_CACHE_MULTIPLE = 3  # the weights that runs cycle through exceed the cache by this factor
_MAX_WEIGHT_BYTES = 16 << 30  # of all copies; peers may hold as many of their own
_MAX_WEIGHT_SETS = 256  # tiny weights stay in the cache rather than need many thousand copies


@dataclass
class Settings:
    """Settings of a call that the caller of a command may choose."""

    out_dtype: str = "bfloat16"
    granularity: tuple[int, int, int] = (1, 128, 128)
    scale_major: str = "MN"
    backend: str | None = None


@dataclass
class Problem:
    """The arrays of one call; b and b_scale hold one entry for each copy of the weights."""

    machine: object
    settings: Settings
    indptr: np.ndarray  # m_indptr on the host
    a: object
    a_scale: object
    b: list
    b_scale: list
    m_indptr: object = field(init=False)
    out: object = field(init=False)

    def __post_init__(self):
        self.m_indptr = self.machine.upload(self.indptr)
        self.out = self.machine.empty((self.a.shape[0], self.n), self.settings.out_dtype)

    @property
    def n(self):
        return self.b[0].shape[1]

    @property
    def k(self):
        return self.a.shape[1]

    def arguments(self, set_idx=0, backend=None):
        """Returns the keyword arguments of group_gemm_fp8_nt_groupwise.

        backend, if given, takes the place of the settings' backend.
        """
        return {
            "a": self.a,
            "b": self.b[set_idx],
            "a_scale": self.a_scale,
            "b_scale": self.b_scale[set_idx],
            "m_indptr": self.m_indptr,
            "scale_granularity_mnk": self.settings.granularity,
            "scale_major_mode": self.settings.scale_major,
            "out": self.out,
            "backend": backend or self.settings.backend,
        }

    def plan(self, backend=None):
        return groupgemm_fp8.plan(**self.arguments(backend=backend))

    def contender(self, backend=None):
        """Returns this package's runs of the problem, with the workspace they need.

        backend, if given, takes the place of the settings' backend, and names the contender.
        """
        num_bytes = self.plan(backend).workspace_bytes
        on_gpu = self.machine.device_type == "cuda"  # host arrays may be aligned to too little
        workspace = self.machine.empty((num_bytes,), "uint8") if num_bytes and on_gpu else None
        calls = [self.arguments(set_idx, backend) for set_idx in range(len(self.b))]
        for call in calls:
            call.update(stream=self.machine.stream, workspace=workspace)
        num_sets = len(calls)

        def launch(idx):
            groupgemm_fp8.group_gemm_fp8_nt_groupwise(**calls[idx % num_sets])

        return Contender(backend or "groupgemm_fp8", launch, num_sets)


def indptr_of(rows):
    """Returns m_indptr of groups with these many rows."""
    return np.concatenate([[0], np.cumsum(rows)]).astype(np.int32)


@functools.cache
def random_block():
    """Returns FP8 values and float32 scales to fill arrays with, the same in every run.

    Their size keeps a result in every output type's range.
    """
    import ml_dtypes

    rng = np.random.default_rng(0)
    values = rng.standard_normal(_BLOCK_VALUES, dtype=np.float32) * 100
    values = np.clip(values, -448, 448).astype(ml_dtypes.float8_e4m3fn)
    return values, rng.uniform(2.0**-10, 2.0**-8, _BLOCK_SCALES).astype(np.float32)


def random_problem(case, machine, settings, num_sets=None):
    """Returns a problem of random values with as many sets of weights as exceed the cache.

    num_sets, if given, is how many sets there are instead.
    """
    values, factors = random_block()

    def scales(*shape):
        return machine.filled(shape, "float32", factors)

    indptr = indptr_of(case.rows)
    a_scale_shape, b_scale_shape = scale_shapes(case, settings)
    read_bytes = case.active_groups * case.n * case.k
    num_sets = num_sets or num_weight_sets(read_bytes, machine, case.weight_bytes())
    return Problem(
        machine,
        settings,
        indptr,
        a=machine.filled((case.total_rows, case.k), values.dtype, values),
        a_scale=scales(*a_scale_shape),
        b=[
            machine.filled((case.groups, case.n, case.k), values.dtype, values)
            for _ in range(num_sets)
        ],
        b_scale=[scales(*b_scale_shape) for _ in range(num_sets)],
    )


def scale_shapes(case, settings):
    """Returns the shapes of a_scale and b_scale."""
    gm, gn, gk = settings.granularity
    m_blocks, n_blocks, k_blocks = -(-case.total_rows // gm), -(-case.n // gn), -(-case.k // gk)
    if settings.scale_major == "MN":
        return (k_blocks, m_blocks), (case.groups, k_blocks, n_blocks)
    return (m_blocks, k_blocks), (case.groups, n_blocks, k_blocks)


def num_weight_sets(read_bytes, machine, held_bytes=None):
    """Returns how many copies of the weights make those that a run reads too large for the cache.

    held_bytes is the size of a copy where groups without rows, which are not read, add to it.
    """
    cache = groupgemm_fp8.device_info(machine.device_type, machine.device_id).l2_bytes
    if cache <= 0 or read_bytes == 0:
        return 1
    most = max(1, min(_MAX_WEIGHT_SETS, _MAX_WEIGHT_BYTES // (held_bytes or read_bytes)))
    return min(max(1, -(-_CACHE_MULTIPLE * cache // read_bytes)), most)
