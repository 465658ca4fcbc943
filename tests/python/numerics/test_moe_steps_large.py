"""The steps with strides and sizes whose products do not fit 32 bits."""

import ctypes

import numpy as np
import pytest

from groupgemm_fp8 import _ffi_moe
from numeric.formats import numpy_dtype
from numeric.quantize_rule import quantize
from numeric.steps import dtype_code

ROWS, K = 5, 136
STRIDE = (1 << 29) + 8  # in elements: the fifth row begins past 2^31


class SparseRows:
    """Rows far apart in an allocation, of which little is touched."""

    def __init__(self, memory, dtype):
        self.dtype = np.dtype(dtype)
        self.stride = STRIDE * self.dtype.itemsize
        num_bytes = (ROWS - 1) * self.stride + K * self.dtype.itemsize
        if num_bytes > memory.capacity() // 3:
            pytest.skip(f"needs {num_bytes >> 30} GiB, three times")
        self._memory = memory
        self.buffer = memory.empty(num_bytes)

    def write(self, values):
        for row in range(ROWS):
            self._memory.write(self.buffer, row * self.stride, values[row])

    def read(self):
        size = K * self.dtype.itemsize
        rows = [self._memory.read(self.buffer, row * self.stride, size) for row in range(ROWS)]
        return np.stack(rows).view(self.dtype)

    def address(self, steps):
        return steps.address(self.buffer)


def random_rows():
    return np.random.default_rng(0).standard_normal((ROWS, K)).astype(numpy_dtype("bfloat16"))


@pytest.mark.large
def test_quantize_rows_far_apart(steps):
    values = random_rows()
    x, out = SparseRows(steps.memory, values.dtype), SparseRows(steps.memory, np.uint8)
    x.write(values)
    out.write(np.zeros((ROWS, K), np.uint8))
    scale = steps.memory.empty(ROWS * 2 * 4)
    args = _ffi_moe.QuantizeGroupwiseArgs(
        x=x.address(steps), out=out.address(steps), scale=steps.address(scale), rows=ROWS, k=K,
        x_row_stride=STRIDE, out_row_stride=STRIDE, x_dtype=dtype_code(values),
        device_type=steps.device_type,
    )  # fmt: skip
    steps.check(steps.library.ggfp8_quantize_groupwise(ctypes.byref(args), None))
    wanted, _ = quantize(values, "float8_e4m3fn", (1, 128), "MN")
    np.testing.assert_array_equal(out.read(), wanted)


@pytest.mark.large
def test_combine_rows_far_apart(steps):
    values = random_rows()
    x, out = SparseRows(steps.memory, values.dtype), SparseRows(steps.memory, values.dtype)
    x.write(values)
    out.write(np.zeros_like(values))
    position = steps.memory.upload(np.arange(ROWS, dtype=np.int32)[::-1].copy().view(np.uint8))
    weight = steps.memory.upload(np.ones(ROWS, np.float32).view(np.uint8))
    args = _ffi_moe.CombineArgs(
        x=x.address(steps), position=steps.address(position), weight=steps.address(weight),
        out=out.address(steps), x_rows=ROWS, num_tokens=ROWS, top_k=1, k=K, x_row_stride=STRIDE,
        out_row_stride=STRIDE, x_dtype=dtype_code(values), device_type=steps.device_type,
    )  # fmt: skip
    steps.check(steps.library.ggfp8_combine(ctypes.byref(args), None))
    np.testing.assert_array_equal(out.read().view(np.uint16), values[::-1].view(np.uint16))
