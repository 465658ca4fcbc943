"""64-bit addressing: arrays whose element count passes 2^31, with few rows to compute.

On the host the arrays are virtual memory that is hardly touched; a GPU needs the bytes for real.
"""

import numpy as np
import pytest

import groupgemm_fp8 as gg
from numeric.cases import Case, exact_problem
from numeric.compare import assert_exact
from numeric.formats import OUT_FORMATS, numpy_dtype
from numeric.problem import Problem

pytestmark = pytest.mark.large

FAR = (1 << 29) + 8  # elements between the steps of an axis, of which the fifth begins past 2^31


class SparseArray:
    """An array of which only some rows of the slowest axis are ever written or read."""

    def __init__(self, backend, shape, dtype):
        self._memory = backend.memory
        self._dtype = numpy_dtype(dtype)
        self._row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * self._dtype.itemsize
        self._buffer = self._memory.empty(shape[0] * self._row_bytes)
        self.argument = self._memory.view(self._buffer, 0, shape, self._dtype)

    def write(self, row: int, values: np.ndarray) -> None:
        self._memory.write(self._buffer, row * self._row_bytes, values)

    def read(self, row: int, num_rows: int) -> np.ndarray:
        data = self._memory.read(self._buffer, row * self._row_bytes, num_rows * self._row_bytes)
        return data.view(self._dtype)


def run_far(backend, core: Problem, first_row: int, first_group: int) -> np.ndarray:
    """Runs core's rows at first_row and its weights at first_group of far larger arrays.

    The bits of core's rows come back; the rows before them were proved untouched.
    """
    cum_m, batch_size = first_row + core.cum_m, first_group + core.batch_size
    needed = cum_m * core.k + batch_size * core.n * core.k + 4 * cum_m * (core.n + 1) + 2**30
    if needed > backend.memory.capacity():
        pytest.skip(f"needs {needed >> 20} MiB of {backend.memory.name} memory")
    a = SparseArray(backend, (cum_m, core.k), core.a_dtype)
    b = SparseArray(backend, (batch_size, core.n, core.k), core.b_dtype)
    a_scale = SparseArray(backend, (cum_m, core.a_scale.shape[1]), "float32")
    b_scale = SparseArray(backend, (batch_size, *core.b_scale.shape[1:]), "float32")
    out = SparseArray(backend, (cum_m, core.n), core.out_dtype)
    bounds = np.full(batch_size + 1, first_row, np.int32)
    bounds[first_group:] = first_row + core.m_indptr
    m_indptr = SparseArray(backend, bounds.shape, "int32")
    m_indptr.write(0, bounds)
    for array, values in ((a, core.a), (a_scale, core.a_scale)):
        array.write(first_row, values)
    for array, values in ((b, core.b), (b_scale, core.b_scale)):
        array.write(first_group, values)
    sentinel = np.full((core.cum_m, core.n), 0x4B, dtype=OUT_FORMATS[core.out_dtype].bits)
    out.write(first_row, sentinel)
    before = max(first_row - 8, 0)
    out.write(before, sentinel[: first_row - before])
    arguments = [array.argument for array in (a, b, a_scale, b_scale, m_indptr)]
    keywords = {
        "scale_granularity_mnk": core.granularity,
        "scale_major_mode": "K",
        "out": out.argument,
        "backend": backend.name,
    }
    workspace = backend.garbage_workspace(gg.plan(*arguments, **keywords).workspace_bytes)
    gg.group_gemm_fp8_nt_groupwise(*arguments, **keywords, workspace=workspace)
    bits_type = OUT_FORMATS[core.out_dtype].bits
    untouched = out.read(before, first_row - before).view(bits_type)
    assert (untouched == 0x4B).all()
    return out.read(first_row, core.cum_m).view(bits_type).reshape(core.cum_m, core.n)


def test_rows_of_a_past_2_to_31_elements(backend):
    core = exact_problem(Case((2, 0, 7), 8, 7168))
    first_row = 2**31 // 7168 + 3
    assert_exact(core, run_far(backend, core, first_row, 0))


def test_weights_past_2_to_31_elements(backend):
    core = exact_problem(Case((3, 9), 4096, 2048))
    first_group = 2**31 // (4096 * 2048) + 1
    assert_exact(core, run_far(backend, core, 0, first_group))


def test_output_past_2_to_31_elements(backend):
    core = exact_problem(Case((5, 12), 4096, 32))
    first_row = 2**31 // 4096 + 9
    assert_exact(core, run_far(backend, core, first_row, 0))


def test_every_offset_past_2_to_32_bytes(backend):
    """float32 output past 2^33 bytes, with a past 2^31 elements as well."""
    core = exact_problem(Case((5, 12), 1024, 1024, out_dtype="float32"))
    first_row = 2**31 // 1024 + 1
    assert_exact(core, run_far(backend, core, first_row, 1))


def far_apart(memory, values: np.ndarray, axis: int):
    """A float32 array of these values in which the steps of an axis lie FAR elements apart."""
    strides = [1] * values.ndim
    for i in range(values.ndim - 2, -1, -1):
        strides[i] = FAR if i == axis else strides[i + 1] * values.shape[i + 1]
    ends = [(size - 1) * stride for size, stride in zip(values.shape, strides, strict=True)]
    num_bytes = 4 * (sum(ends) + 1)
    if num_bytes + 2**30 > memory.capacity():
        pytest.skip(f"needs {num_bytes >> 20} MiB of {memory.name} memory")
    buffer = memory.empty(num_bytes)
    for place in np.ndindex(values.shape[:-1]):
        memory.write(buffer, 4 * int(np.dot(place, strides[:-1])), values[place])
    return memory.view(buffer, 0, values.shape, np.float32, tuple(4 * step for step in strides))


@pytest.mark.parametrize("scale_major", ["MN", "K"])
@pytest.mark.parametrize(
    "name, axis, rows",
    [("a_scale", 0, (1, 0, 2, 1, 1)), ("b_scale", 0, (1,) * 5), ("b_scale", 1, (5,))],
)
def test_scales_past_2_to_31_elements(backend, name, axis, rows, scale_major):
    """Rows, column blocks, k blocks and groups of the scales, five each, far apart in memory."""
    problem = exact_problem(Case(rows, 520, 640, scale_major=scale_major))
    scales = getattr(problem, name)
    if scale_major == "MN":
        scales = scales.swapaxes(-1, -2)
    call = backend.call(problem)
    call.arguments[list(call.inputs).index(name)] = far_apart(backend.memory, scales, axis)
    call.launch()
    assert_exact(problem, call.result())


class FarRows:
    """A matrix whose rows lie so far apart that the last one begins past 2^31 elements."""

    def __init__(self, memory, values: np.ndarray):
        self._memory, self._values = memory, values
        self._step = ((1 << 31) // (len(values) - 1) // 16 + 1) * 16 * values.itemsize
        num_bytes = (len(values) - 1) * self._step + values[0].nbytes
        if num_bytes + 2**30 > memory.capacity():
            pytest.skip(f"needs {num_bytes >> 20} MiB of {memory.name} memory")
        self._buffer = memory.empty(num_bytes)
        for row, line in enumerate(values):
            memory.write(self._buffer, row * self._step, line)
        strides = (self._step, values.itemsize)
        self.argument = memory.view(self._buffer, 0, values.shape, values.dtype, strides)

    def read(self) -> np.ndarray:
        size = self._values[0].nbytes
        steps = range(0, len(self._values) * self._step, self._step)
        rows = [self._memory.read(self._buffer, offset, size) for offset in steps]
        return np.stack(rows).view(self._values.dtype)


@pytest.mark.parametrize("name", ["a", "out"])
@pytest.mark.parametrize("n, k", [(136, 336), (1408, 192)])
def test_rows_past_2_to_31_elements_in_every_configuration(backend, n, k, name):
    """Rows of a and of out, however few a tile has."""
    problem = exact_problem(Case((130, 1, 0, 300), n, k))
    for runner in backend.configured(problem):
        call = runner.call(problem)
        if name == "a":
            codes = np.asarray(problem.a).view(np.uint8).view(numpy_dtype("float8_e4m3fn"))
            call.arguments[0] = FarRows(backend.memory, codes).argument
        else:
            out = FarRows(backend.memory, np.zeros((problem.cum_m, n), numpy_dtype("bfloat16")))
            call.out_argument = out.argument
        call.launch()
        bits = call.result() if name == "a" else out.read().view(np.uint16)
        assert_exact(problem, bits)
