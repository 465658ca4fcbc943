"""A CUDA device for tests of the command line: a double of the runtime, and the CPU backend."""

import ctypes

import numpy as np

import groupgemm_fp8
from groupgemm_fp8._cli import ceilings, peer, peers
from groupgemm_fp8._cli import device as _device
from groupgemm_fp8._cli.pooled import PooledArray
from host_runtime import HostRuntime

_COMPUTING = (
    "combine",
    "group_gemm_fp8_nt_groupwise",
    "moe_ffn",
    "plan",
    "quantize_groupwise",
    "route",
    "silu_mul_quantize_groupwise",
)


def install(monkeypatch):
    """Puts a device in place whose memory is the host's; returns its runtime."""
    runtime = HostRuntime()
    device_info = groupgemm_fp8.device_info

    def on_host(function):
        def call(**arguments):
            assert arguments.pop("stream", 5) == 5
            for name, value in arguments.items():
                if isinstance(value, _device.DeviceArray):
                    memory = (ctypes.c_uint8 * value.nbytes).from_address(value.ptr)
                    arguments[name] = np.frombuffer(memory, value.dtype).reshape(value.shape)
            result = function(**arguments)
            return result if "out" in arguments else on_device(result)

        return call

    def on_device(result):
        """New arrays of NumPy as new arrays on the device; anything else as it is."""
        if isinstance(result, tuple):
            parts = [on_device(part) for part in result]
            return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
        if not isinstance(result, np.ndarray):
            return result
        array = PooledArray.__ggfp8_empty__(result.shape, result.dtype.name, 0)
        array.copy_from_numpy(result)
        return array

    def info(device_type, device_id):
        if device_type == "cpu":
            return device_info(device_type, device_id)
        return groupgemm_fp8.DeviceInfo("a pretended GPU", 8, 0, 100, 1 << 16)

    monkeypatch.setattr(_device, "_runtime", lambda: runtime)
    for name in _COMPUTING:
        monkeypatch.setattr(groupgemm_fp8, name, on_host(getattr(groupgemm_fp8, name)))
    monkeypatch.setattr(groupgemm_fp8, "device_info", info)
    monkeypatch.setattr(groupgemm_fp8, "device_count", lambda device_type: 1)
    for module in (ceilings, peer, peers):
        monkeypatch.setattr(module, "cuda_torch", lambda: None)
    return runtime
