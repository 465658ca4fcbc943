"""A CUDA device for tests of the command line: a double of the runtime, and the CPU backend."""

import ctypes

import numpy as np

import groupgemm_fp8
from groupgemm_fp8._cli import ceilings, peer, peers
from groupgemm_fp8._cli import device as _device
from host_runtime import HostRuntime


def install(monkeypatch):
    """Puts a device in place whose memory is the host's; returns its runtime."""
    runtime = HostRuntime()
    product, plan, device_info = (
        groupgemm_fp8.group_gemm_fp8_nt_groupwise,
        groupgemm_fp8.plan,
        groupgemm_fp8.device_info,
    )

    def on_host(function):
        def call(**arguments):
            assert arguments.pop("stream", 5) == 5
            for name, value in arguments.items():
                if isinstance(value, _device.DeviceArray):
                    memory = (ctypes.c_uint8 * value.nbytes).from_address(value.ptr)
                    arguments[name] = np.frombuffer(memory, value.dtype).reshape(value.shape)
            return function(**arguments)

        return call

    def info(device_type, device_id):
        if device_type == "cpu":
            return device_info(device_type, device_id)
        return groupgemm_fp8.DeviceInfo("a pretended GPU", 8, 0, 100, 1 << 16)

    monkeypatch.setattr(_device, "_runtime", lambda: runtime)
    monkeypatch.setattr(groupgemm_fp8, "group_gemm_fp8_nt_groupwise", on_host(product))
    monkeypatch.setattr(groupgemm_fp8, "plan", on_host(plan))
    monkeypatch.setattr(groupgemm_fp8, "device_info", info)
    monkeypatch.setattr(groupgemm_fp8, "device_count", lambda device_type: 1)
    for module in (ceilings, peer, peers):
        monkeypatch.setattr(module, "cuda_torch", lambda: None)
    return runtime
