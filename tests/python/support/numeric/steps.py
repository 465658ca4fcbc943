"""Runs the steps around the product through the C functions of moe.h, in guarded memory.

StepRunner places every array between guard bands, runs one step on the CPU or a GPU, checks that
nothing was written but what the step may write, and returns NumPy arrays.
"""

import ctypes

import numpy as np

from groupgemm_fp8 import _ffi, _ffi_moe, _library
from numeric.arena import WILD_INDEX_BYTE, Arena, input_arena
from numeric.formats import FP8_NAN, numpy_dtype
from numeric.memory import DeviceMemory, HostMemory
from numeric.problem import ceil_div

FLOAT_DTYPES = ("bfloat16", "float16", "float32")
DTYPE_CODES = {
    "float8_e4m3fn": _ffi.DTYPE_FLOAT8_E4M3FN,
    "float8_e5m2": _ffi.DTYPE_FLOAT8_E5M2,
    "bfloat16": _ffi.DTYPE_BFLOAT16,
    "float16": _ffi.DTYPE_FLOAT16,
    "float32": _ffi.DTYPE_FLOAT32,
    "int32": _ffi_moe.DTYPE_INT32,
    "int64": _ffi_moe.DTYPE_INT64,
}
MAJOR_CODES = {"MN": _ffi.SCALE_MAJOR_MN, "K": _ffi.SCALE_MAJOR_K}


def dtype_code(array: np.ndarray) -> int:
    """The GGFP8_DTYPE_* of an array."""
    return DTYPE_CODES[array.dtype.name]


def step_stride(arena: Arena, axis: int) -> int:
    """The stride of an axis in elements."""
    return arena.strides[axis] // arena.dtype.itemsize


class Step:
    """A step whose arrays lie in memory: launch() runs it, results() checks and reads it."""

    def __init__(self, runner, function, args, inputs, outputs):
        self._runner = runner
        self._function = function
        self.args = args
        self.inputs = inputs  # {name: Arena}
        self.outputs = outputs  # {name: (Arena, what may be written: a mask or None for all)}
        arenas = inputs | {name: arena for name, (arena, _) in outputs.items()}
        for name, arena in arenas.items():
            argument = arena.upload()
            setattr(args, name, runner.address(argument))
        self.workspace = None

    def launch(self, stream: int = 0) -> None:
        extra = () if self.workspace is None else self.workspace
        self._runner.check(self._function(ctypes.byref(self.args), *extra, stream or None))

    def results(self) -> list[np.ndarray]:
        for arena in self.inputs.values():
            arena.assert_unchanged(arena.download())
        results = []
        for arena, writable in self.outputs.values():
            after = arena.download()
            mask = np.ones(arena.shape, bool) if writable is None else writable
            arena.assert_unchanged(after, mask)
            results.append(np.ascontiguousarray(arena.host_view(after)))
        return results

    def run(self) -> list[np.ndarray]:
        self.launch()
        return self.results()


class StepRunner:
    """The steps on one kind of device."""

    def __init__(self, device: str):
        self.device = device
        self.is_gpu = device == "cuda"
        self.memory = DeviceMemory() if self.is_gpu else HostMemory()
        self.library = _ffi_moe.bind(_library.load())
        self.device_type = _ffi.DEVICE_CUDA if self.is_gpu else _ffi.DEVICE_CPU

    def address(self, argument) -> int:
        return argument.ptr if self.is_gpu else argument.ctypes.data

    def check(self, status: int) -> None:
        _library.check(status)

    def _input(self, name, values, pads=(), shift=0, poison=FP8_NAN):
        return input_arena(self.memory, name, values, values.dtype, pads, shift, poison)

    def _output(self, name, shape, dtype, pads=(), shift=0, seed=0):
        return Arena(self.memory, name, shape, dtype, pads, shift, None, seed)

    def quantize(
        self, x, dtype="float8_e4m3fn", block=(1, 128), major="MN", *, row_index=None,
        position=None, out_rows=0,
        power_of_two=False, x_pads=(), out_pads=(), scale_pads=(), x_shift=0, out_shift=0, seed=0,
    ):  # fmt: skip
        """A Step that returns [codes, scale]."""
        rows = x.shape[-2] if row_index is None else len(row_index)
        rows = out_rows if position is not None else rows
        batch = x.shape[:-2]
        out_shape = (*batch, rows, x.shape[-1])
        blocks = (ceil_div(rows, block[0]), ceil_div(x.shape[-1], block[1]))
        scale_shape = (*batch, *(blocks[::-1] if major == "MN" else blocks))
        inputs = {"x": self._input("x", x, x_pads, x_shift)}
        outputs = {
            "out": self._output("out", out_shape, np.uint8, out_pads, out_shift, seed),
            "scale": self._output("scale", scale_shape, np.float32, scale_pads, 0, seed),
        }
        written = np.ones(rows, bool)
        members = {}
        if row_index is not None:
            inputs["row_index"] = self._input("row_index", row_index, poison=WILD_INDEX_BYTE)
            written = (row_index >= 0) & (row_index < len(x))
            members = {"x_rows": len(x), "row_index_dtype": dtype_code(row_index)}
        if position is not None:
            inputs["position"] = self._input("position", position, poison=WILD_INDEX_BYTE)
            written = np.isin(np.arange(rows), position)
            members = {
                "top_k": position.shape[1],
                "out_rows": rows,
                "position_row_stride": step_stride(inputs["position"], 0),
            }
            rows = len(x)
        if len(batch) == 1:
            members |= {
                "batch_size": batch[0],
                "x_batch_stride": step_stride(inputs["x"], 0),
                "out_batch_stride": step_stride(outputs["out"], 0),
                "scale_batch_stride": step_stride(outputs["scale"], 0),
            }
        args = _ffi_moe.QuantizeGroupwiseArgs(
            rows=rows,
            k=x.shape[-1],
            x_row_stride=step_stride(inputs["x"], -2),
            out_row_stride=step_stride(outputs["out"], -2),
            scale_stride=step_stride(outputs["scale"], -2),
            x_dtype=dtype_code(x),
            out_dtype=DTYPE_CODES[dtype],
            block_rows=block[0],
            block_k=block[1],
            scale_major=MAJOR_CODES[major],
            device_type=self.device_type,
            flags=_ffi_moe.FLAG_POWER_OF_TWO_SCALES if power_of_two else 0,
            **members,
        )
        return self._step("ggfp8_quantize_groupwise", args, inputs, outputs, written, major, block)

    def silu_mul_quantize(
        self, gate_up, dtype="float8_e4m3fn", block_k=128, major="MN", *, m_indptr=None, limit=0.0,
        alpha=0.0, power_of_two=False, x_pads=(), out_pads=(), x_shift=0, out_shift=0, seed=0,
    ):  # fmt: skip
        """A Step that returns [codes, scale]."""
        rows, k = gate_up.shape[0], gate_up.shape[1] // 2
        blocks = (rows, ceil_div(k, block_k))
        scale_shape = blocks[::-1] if major == "MN" else blocks
        inputs = {"gate_up": self._input("gate_up", gate_up, x_pads, x_shift)}
        outputs = {
            "out": self._output("out", (rows, k), np.uint8, out_pads, out_shift, seed),
            "scale": self._output("scale", scale_shape, np.float32, seed=seed),
        }
        written = np.ones(rows, bool)
        members = {}
        if m_indptr is not None:
            inputs["m_indptr"] = self._input("m_indptr", m_indptr, poison=WILD_INDEX_BYTE)
            begin, end = np.clip(m_indptr[[0, -1]].astype(np.int64), 0, rows)
            written = (np.arange(rows) >= begin) & (np.arange(rows) < end)
            members = {"batch_size": len(m_indptr) - 1}
        args = _ffi_moe.SiluMulQuantizeGroupwiseArgs(
            rows=rows,
            k=k,
            gate_up_row_stride=step_stride(inputs["gate_up"], 0),
            out_row_stride=step_stride(outputs["out"], 0),
            limit=limit,
            alpha=alpha,
            gate_up_dtype=dtype_code(gate_up),
            out_dtype=DTYPE_CODES[dtype],
            block_k=block_k,
            scale_major=MAJOR_CODES[major],
            device_type=self.device_type,
            flags=_ffi_moe.FLAG_POWER_OF_TWO_SCALES if power_of_two else 0,
            **members,
        )
        name = "ggfp8_silu_mul_quantize_groupwise"
        return self._step(name, args, inputs, outputs, written, major, (1, block_k))

    def _step(self, name, args, inputs, outputs, written, major, block):
        """The step of quantisation that may write the rows `written` and their scales."""
        out, scale = outputs["out"], outputs["scale"]
        out_mask = np.broadcast_to(written[:, None], out.shape)
        scale_rows = written[:: block[0]]
        scale_mask = scale_rows if major == "MN" else scale_rows[:, None]
        masks = {"out": out_mask, "scale": np.broadcast_to(scale_mask, scale.shape)}
        guarded = {key: (arena, masks[key]) for key, arena in outputs.items()}
        return Step(self, getattr(self.library, name), args, inputs, guarded)

    def route(self, top_k_index, num_groups, *, pads=(), seed=0):
        """A Step that returns [row_index, position, m_indptr]."""
        tokens, top_k = top_k_index.shape
        inputs = {"top_k_index": self._input("top_k_index", top_k_index, pads, poison=0)}
        outputs = {
            "row_index": (self._output("row_index", (tokens * top_k,), np.int32, seed=seed), None),
            "position": (self._output("position", (tokens, top_k), np.int32, seed=seed), None),
            "m_indptr": (self._output("m_indptr", (num_groups + 1,), np.int32, seed=seed), None),
        }
        args = _ffi_moe.RouteArgs(
            num_tokens=tokens,
            top_k=top_k,
            batch_size=num_groups,
            top_k_index_row_stride=step_stride(inputs["top_k_index"], 0),
            top_k_index_dtype=dtype_code(top_k_index),
            device_type=self.device_type,
        )
        step = Step(self, self.library.ggfp8_route, args, inputs, outputs)
        size = ctypes.c_size_t()
        self.check(self.library.ggfp8_route_workspace_size(ctypes.byref(args), ctypes.byref(size)))
        step.workspace = (None, 0)
        if size.value:
            step.buffer = self.memory.upload(np.full(size.value, 0xFF, np.uint8))
            step.workspace = (step.buffer.ptr, size.value)
        return step

    def combine(self, x, position, weight, *, out_dtype=None, pads=(), shift=0, seed=0):
        """A Step that returns [out]. With pads every array has a row stride of its own."""
        out_dtype = numpy_dtype(out_dtype or x.dtype.name)
        wider = lambda more: tuple(pad + more for pad in pads)  # noqa: E731
        inputs = {
            "x": self._input("x", x, pads, shift),
            "position": self._input("position", position, wider(1), poison=WILD_INDEX_BYTE),
            "weight": self._input("weight", weight, wider(2)),
        }
        shape = (len(position), x.shape[1])
        out = self._output("out", shape, out_dtype, wider(8), shift, seed)
        args = _ffi_moe.CombineArgs(
            x_rows=len(x),
            num_tokens=len(position),
            top_k=position.shape[1],
            k=x.shape[1],
            x_row_stride=step_stride(inputs["x"], 0),
            position_row_stride=step_stride(inputs["position"], 0),
            weight_row_stride=step_stride(inputs["weight"], 0),
            out_row_stride=step_stride(out, 0),
            x_dtype=dtype_code(x),
            weight_dtype=dtype_code(weight),
            out_dtype=DTYPE_CODES[out_dtype.name],
            device_type=self.device_type,
        )
        return Step(self, self.library.ggfp8_combine, args, inputs, {"out": (out, None)})
