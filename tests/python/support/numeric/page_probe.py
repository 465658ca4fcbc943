"""Runs the `cpu` backend over buffers that touch unmapped pages; a bad access ends the process.

test_unmapped_page.py starts it as `python -m numeric.page_probe end|start`: every array ends (or
starts) exactly at a page that may not be touched. Prints "ok" and the number of calls.
"""

import ctypes
import mmap
import sys

import numpy as np

import groupgemm_fp8 as gg
from numeric.cases import Case, exact_problem, rows_for
from numeric.compare import assert_exact
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES, OUT_FORMATS, numpy_dtype

PAGE = mmap.PAGESIZE
PROT_NONE = 0


class FencedArray:
    """An array in pages of its own between two pages without any access right."""

    def __init__(self, shape, dtype, at_end: bool):
        dtype = np.dtype(dtype)
        num_bytes = int(np.prod(shape)) * dtype.itemsize
        inner = -(-max(num_bytes, 1) // PAGE) * PAGE
        self._map = mmap.mmap(-1, inner + 2 * PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        offset = PAGE + (inner - num_bytes if at_end else 0)
        self.array = np.ndarray(shape, dtype, self._map, offset)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for fence in (address, address + PAGE + inner):
            if protect(fence, PAGE, PROT_NONE) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")


def fenced(values, dtype, at_end):
    result = FencedArray(values.shape, dtype, at_end)
    result.array.view(values.dtype)[...] = values
    return result.array


def probe(case: Case, at_end: bool) -> None:
    p = exact_problem(case)
    mn_major = p.scale_major == "MN"
    a_scale = np.ascontiguousarray(p.a_scale.T if mn_major else p.a_scale)
    b_scale = np.ascontiguousarray(p.b_scale.transpose(0, 2, 1) if mn_major else p.b_scale)
    out = FencedArray((p.cum_m, p.n), numpy_dtype(p.out_dtype), at_end).array
    gg.group_gemm_fp8_nt_groupwise(
        fenced(p.a, numpy_dtype(p.a_dtype), at_end),
        fenced(p.b, numpy_dtype(p.b_dtype), at_end),
        fenced(a_scale, np.float32, at_end),
        fenced(b_scale, np.float32, at_end),
        fenced(p.m_indptr, np.int32, at_end),
        p.granularity, p.scale_major, out=out, backend="cpu",
    )  # fmt: skip
    assert_exact(p, out.view(OUT_FORMATS[p.out_dtype].bits))


def main(at_end: bool) -> int:
    count = 0
    for n in (8, 24, 136, 200):
        for k in (16, 48, 144, 320):
            for rows in ((1,), (0, 3, 0), (5, 0, 70)):
                for granularity in ((1, 128, 128), (1, 1, 32), (128, 64, 96)):
                    types = (*DTYPE_PAIRS[count % 4], OUT_DTYPES[count % 3])
                    legal = rows_for(granularity[0], rows)
                    probe(Case(legal, n, k, granularity, *types, ("MN", "K")[count % 2]), at_end)
                    count += 1
    return count


def has_instruction_set() -> bool:
    """Whether the processor has what GGFP8_CPU_ISA names."""
    try:
        gg.device_info("cpu")
    except ValueError as error:
        if "GGFP8_CPU_ISA" not in str(error):
            raise
        return False
    return True


if __name__ == "__main__":
    if has_instruction_set():
        print("ok", main(at_end=sys.argv[1] == "end"))
    else:
        print("no such instruction set")
