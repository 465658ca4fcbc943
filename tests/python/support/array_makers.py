"""ArrayMaker: arrays of a framework from NumPy's and back, for tests that run on several."""

import numpy as np
import pytest

NAMES = ("numpy", "torch", "cupy")


class ArrayMaker:
    """make(array) copies a NumPy array to the device, back(array) copies it back.

    is_gpu: whether arrays are on CUDA; by default they are where the framework sees a device.
    """

    def __init__(self, name: str, is_gpu: bool | None = None):
        module = pytest.importorskip(name, reason=f"{name} is not installed")
        self.name = name
        sees_gpu = {"numpy": lambda: False, "torch": torch_sees_gpu, "cupy": cupy_sees_gpu}[name]()
        if name == "cupy" and not sees_gpu:
            pytest.skip("CuPy sees no CUDA device")
        self.is_gpu = sees_gpu if is_gpu is None else is_gpu
        if self.is_gpu and not sees_gpu:
            pytest.skip(f"{name} has no arrays on a CUDA device here")
        if name == "cupy" and not self.is_gpu:
            pytest.skip("CuPy has no arrays on the CPU")
        self._module = module

    def make(self, array: np.ndarray):
        if self.name == "torch":
            from torch_problem import to_torch

            return to_torch(array, "cuda" if self.is_gpu else "cpu")
        if self.name == "cupy":
            if array.dtype.isbuiltin == 1:  # CuPy knows it
                return self._module.asarray(array)
            return self._module.asarray(array.view(np.uint8)).view(array.dtype).reshape(array.shape)
        return array

    def back(self, array) -> np.ndarray:
        if self.name == "torch":
            from torch_problem import to_numpy

            return to_numpy(array)
        return array.get() if self.name == "cupy" else array


def torch_sees_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def cupy_sees_gpu() -> bool:
    import cupy

    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False
