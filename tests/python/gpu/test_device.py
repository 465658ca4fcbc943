"""CUDA memory without a framework: its bookkeeping on a runtime that lives in host memory, and
the real thing where there is a GPU.
"""

import gc

import ml_dtypes
import numpy as np
import pytest

from groupgemm_fp8._cli import device as _device
from host_runtime import HostRuntime


@pytest.fixture
def runtime(monkeypatch):
    host = HostRuntime()
    monkeypatch.setattr(_device, "_runtime", lambda: host)
    return host


@pytest.fixture
def gpu():
    reason = _device.device_unavailable_reason()
    if reason is not None:
        pytest.skip(reason)
    return _device


DTYPES = ["uint8", "int32", "float32", "bfloat16", "float8_e4m3fn", "float8_e5m2"]


def random_array(dtype, shape):
    dtype = _device.as_dtype(dtype)
    count = int(np.prod(shape)) * dtype.itemsize
    raw = np.random.default_rng(1).integers(0, 256, count, dtype=np.uint8)
    return raw.view(dtype).reshape(shape)


def same_bytes(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


def test_reason_is_a_sentence_or_none():
    reason = _device.device_unavailable_reason()
    assert reason is None or len(reason) > 10


def test_missing_cuda_python_is_a_reason(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings", None)
    assert "pip install cuda-python" in _device.device_unavailable_reason()


@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(runtime, dtype):
    array = random_array(dtype, (3, 5, 7))
    copy = _device.DeviceArray.from_numpy(array)
    assert copy.nbytes == array.nbytes
    assert same_bytes(copy.numpy(), array)


def test_a_strided_source_is_copied_dense(runtime):
    array = np.arange(24, dtype=np.int32).reshape(4, 6)[:, ::2]
    assert same_bytes(_device.DeviceArray.from_numpy(array).numpy(), array.copy())


def test_memory_is_freed_once_with_the_last_view(runtime):
    array = _device.DeviceArray.empty((4, 8), "float32")
    view = array[1:3].view("uint8")
    del array
    gc.collect()
    assert len(runtime.allocated) == 1
    del view
    gc.collect()
    assert not runtime.allocated


def test_slices_and_views_share_memory(runtime):
    array = random_array("float8_e4m3fn", (6, 16))
    copy = _device.DeviceArray.from_numpy(array)
    assert same_bytes(copy[2:5].numpy(), array[2:5])
    assert same_bytes(copy[4:4].numpy(), array[4:4])
    assert same_bytes(copy.view("uint8", (3, 32)).numpy(), array.view(np.uint8).reshape(3, 32))
    copy[1:2].copy_from_numpy(array[5:6])
    assert same_bytes(copy.numpy()[1:2], array[5:6])


@pytest.mark.parametrize("length", [0, 1, 6, 7, 8, 50, 1000])
def test_tile_repeats_the_block(runtime, length):
    block = np.arange(7, dtype=np.uint8)
    array = _device.DeviceArray.empty((length,), "uint8")
    array.tile(block)
    assert same_bytes(array.numpy(), np.resize(block, length))


def test_array_interface(runtime):
    array = _device.DeviceArray.empty((2, 8), "float8_e4m3fn")
    interface = array.__cuda_array_interface__
    assert interface["version"] == 3
    assert interface["shape"] == (2, 8)
    assert interface["typestr"] == "<V1"
    assert interface["data"] == (array.ptr, False)
    assert interface["stream"] == 1


def test_the_packages_allocation_hook(runtime):
    array = _device.DeviceArray.__ggfp8_empty__((2, 3), "bfloat16", 0)
    assert array.shape == (2, 3)
    assert array.dtype == ml_dtypes.bfloat16


def test_empty_arrays_own_nothing(runtime):
    array = _device.DeviceArray.empty((0, 8), "float32")
    assert array.ptr == 0
    assert array.numpy().shape == (0, 8)
    assert not runtime.allocated


def test_a_failing_call_is_named_and_the_device_restored(runtime):
    runtime.current = 3
    with pytest.raises(_device.CudaError, match="cudaMalloc: cudaErrorMemoryAllocation: out of"):
        _device.DeviceArray.empty((runtime.limit + 1,), "uint8", device_id=1)
    assert runtime.current == 3


@pytest.mark.parametrize(
    "wrong, error",
    [
        (lambda array: array[0], TypeError),
        (lambda array: array[::2], ValueError),
        (lambda array: array.view("uint8", (5,)), ValueError),
        (lambda array: array.copy_from_numpy(np.zeros(4, np.int64)), ValueError),
    ],
)
def test_wrong_use_is_refused(runtime, wrong, error):
    with pytest.raises(error):
        wrong(_device.DeviceArray.empty((4,), "int32"))


def test_streams_events_and_graphs(runtime):
    source = _device.DeviceArray.from_numpy(np.arange(5))
    target = _device.DeviceArray.empty((5,), source.dtype)
    stream, graph = _device.Stream(), _device.Graph()
    with graph.capture(stream):
        stream.copy(target, source)
    assert same_bytes(target.numpy(), np.arange(5))
    start, end = _device.Event(), _device.Event()
    start.record(stream)
    graph.launch(stream)
    end.record(stream)
    assert start.elapsed(end) == pytest.approx(1e-3)
    assert stream.__cuda_stream__() == (0, 5)
    del stream, start, end, graph
    gc.collect()
    destroyed = [call for call in runtime.calls if "Destroy" in call]
    assert sorted(destroyed) == [
        "cudaEventDestroy",
        "cudaEventDestroy",
        "cudaGraphDestroy",
        "cudaGraphExecDestroy",
        "cudaStreamDestroy",
    ]


def test_an_error_inside_a_capture_ends_the_capture(runtime):
    graph = _device.Graph()
    stream = type("FakeStream", (), {"handle": 5})()
    with pytest.raises(ZeroDivisionError), graph.capture(stream):
        raise ZeroDivisionError
    assert runtime.calls[-2:] == ["cudaStreamEndCapture", "cudaGraphDestroy"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_gpu_round_trip(gpu, dtype):
    array = random_array(dtype, (33, 65))
    copy = gpu.DeviceArray.from_numpy(array)
    assert same_bytes(copy.numpy(), array)
    assert same_bytes(copy[3:9].numpy(), array[3:9])


def test_gpu_tile(gpu):
    block = np.random.default_rng(2).integers(0, 256, 100_003, dtype=np.uint8)
    array = gpu.DeviceArray.empty((1_000_000,), "uint8")
    array.tile(block)
    assert same_bytes(array.numpy(), np.resize(block, 1_000_000))


def test_gpu_graph_replays_with_new_contents(gpu):
    source = gpu.DeviceArray.from_numpy(np.arange(1000, dtype=np.int32))
    target = gpu.DeviceArray.from_numpy(np.zeros(1000, dtype=np.int32))
    stream, graph = gpu.Stream(), gpu.Graph()
    with graph.capture(stream):
        stream.copy(target, source)
    for first in (5, 9):
        source.copy_from_numpy(np.arange(first, first + 1000, dtype=np.int32))
        graph.launch(stream)
        stream.synchronize()
        assert target.numpy()[0] == first


def test_gpu_events_measure(gpu):
    source = gpu.DeviceArray.empty((1 << 26,), "uint8")
    target = gpu.DeviceArray.empty((1 << 26,), "uint8")
    stream, start, end = gpu.Stream(), gpu.Event(), gpu.Event()
    start.record(stream)
    stream.copy(target, source)
    end.record(stream)
    end.synchronize()
    assert 0.0 < start.elapsed(end) < 1.0


def test_gpu_failures_are_reported(gpu):
    with pytest.raises(gpu.CudaError, match="cudaMalloc: cudaErrorMemoryAllocation"):
        gpu.DeviceArray.empty((1 << 50,), "uint8")
    assert gpu.device_unavailable_reason() is None
