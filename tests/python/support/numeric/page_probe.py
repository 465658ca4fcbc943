"""Runs a backend over buffers that touch unmapped pages; a bad access ends the process.

test_unmapped_page.py starts it as `python -m numeric.page_probe end|start BACKEND`: every array
ends (or starts) exactly at a page that may not be touched. Prints "ok" and the number of calls.
"""

import ctypes
import mmap
import sys

import numpy as np

import groupgemm_fp8 as gg
from numeric.cases import Case, exact_problem, rows_for
from numeric.compare import assert_exact
from numeric.formats import DTYPE_PAIRS, OUT_DTYPES, OUT_FORMATS, numpy_dtype
from numeric.memory import DeviceView
from numeric.problem import Problem
from numeric.runner import HOST_BACKENDS, Runner

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
        self.argument = np.ndarray(shape, dtype, self._map, offset)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for fence in (address, address + PAGE + inner):
            if protect(fence, PAGE, PROT_NONE) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")

    def write(self, values: np.ndarray) -> None:
        self.argument.view(values.dtype)[...] = values

    def read(self) -> np.ndarray:
        return self.argument

    def free(self) -> None:
        """Nothing: the pages go with the last array."""


class FencedDeviceArray:
    """Likewise on CUDA device 0, in addresses of which those around the array have no memory."""

    def __init__(self, shape, dtype, at_end: bool):
        from cuda.bindings import driver

        from groupgemm_fp8._cli.device import DeviceArray

        self._driver = driver
        self._call("cuInit", 0)
        place = driver.CUmemLocation()
        place.type, place.id = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE, 0
        memory = driver.CUmemAllocationProp()
        memory.type = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
        memory.location = place
        access = driver.CUmemAccessDesc()
        access.location = place
        access.flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
        least = driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM

        dtype = np.dtype(dtype)
        num_bytes = int(np.prod(shape)) * dtype.itemsize
        page = self._call("cuMemGetAllocationGranularity", memory, least)
        self._inner = -(-max(num_bytes, 1) // page) * page
        self._all = self._inner + 2 * page
        self._reserved = int(self._call("cuMemAddressReserve", self._all, 0, 0, 0))
        self._mapped = self._reserved + page
        self._memory = self._call("cuMemCreate", self._inner, memory, 0)
        self._call("cuMemMap", self._mapped, self._inner, 0, self._memory, 0)
        self._call("cuMemSetAccess", self._mapped, self._inner, [access], 1)
        address = self._mapped + (self._inner - num_bytes if at_end else 0)
        self._bytes = DeviceArray(address, (num_bytes,), np.uint8, 0, base=self)
        self.argument = DeviceView(self._bytes, 0, shape, dtype, None)

    def _call(self, name: str, *arguments):
        status, *results = getattr(self._driver, name)(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise RuntimeError(f"{name}: {status}")
        return results[0] if results else None

    def write(self, values: np.ndarray) -> None:
        self._bytes.copy_from_numpy(np.ascontiguousarray(values).reshape(-1).view(np.uint8))

    def read(self) -> np.ndarray:
        return self._bytes.numpy().view(self.argument.dtype).reshape(self.argument.shape)

    def free(self) -> None:
        self._call("cuMemUnmap", self._mapped, self._inner)
        self._call("cuMemRelease", self._memory)
        self._call("cuMemAddressFree", self._reserved, self._all)


def probe(p: Problem, at_end: bool, request: str) -> None:
    mn_major = p.scale_major == "MN"
    make = FencedArray if request in HOST_BACKENDS else FencedDeviceArray
    arrays = []
    for values, dtype in (
        (p.a, numpy_dtype(p.a_dtype)),
        (p.b, numpy_dtype(p.b_dtype)),
        (p.a_scale.T if mn_major else p.a_scale, np.float32),
        (p.b_scale.transpose(0, 2, 1) if mn_major else p.b_scale, np.float32),
        (p.m_indptr, np.int32),
    ):
        arrays.append(make(values.shape, dtype, at_end))
        arrays[-1].write(values)
    out = make((p.cum_m, p.n), numpy_dtype(p.out_dtype), at_end)
    gg.group_gemm_fp8_nt_groupwise(
        *(array.argument for array in arrays), p.granularity, p.scale_major, out=out.argument,
        backend=request,
    )  # fmt: skip
    assert_exact(p, out.read().view(OUT_FORMATS[p.out_dtype].bits))
    for array in (*arrays, out):
        array.free()


def cases():
    """Sizes with tails along every axis, in all types; the last rows fill the largest tiles."""
    count = 0
    for n in (8, 24, 136, 200):
        for k in (16, 48, 144, 320):
            for rows in ((1,), (0, 3, 0), (5, 0, 70), (1100,)):
                for granularity in ((1, 128, 128), (1, 1, 32), (128, 64, 96)):
                    types = (*DTYPE_PAIRS[count % 4], OUT_DTYPES[count % 3])
                    legal = rows_for(granularity[0], rows)
                    yield Case(legal, n, k, granularity, *types, ("MN", "K")[count % 2])
                    count += 1


def cases_of_configurations():
    """Cases with tails of n and k, for every configuration that a GPU backend has."""
    for n, k, granularity in (
        (136, 336, (1, 128, 128)), (1408, 192, (1, 128, 128)), (136, 336, (1, 64, 64)),
        (1408, 176, (1, 128, 64)),
    ):  # fmt: skip
        for major in ("MN", "K"):
            for rows in ((1, 33, 0, 200), (257,)):
                yield Case(rows, n, k, granularity, scale_major=major)


def main(at_end: bool, backend: str) -> int:
    count = 0
    for case in cases():
        if Runner(backend).fit(case) != case:
            continue
        probe(exact_problem(case), at_end, backend)
        count += 1
    if backend in HOST_BACKENDS:
        return count
    for problem in map(exact_problem, cases_of_configurations()):
        for runner in Runner(backend).configured(problem):
            probe(problem, at_end, runner.request)
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
        print("ok", main(sys.argv[1] == "end", sys.argv[2]))
    else:
        print("no such instruction set")
