"""Which stream a call runs on, and for which stream new arrays are made. Nothing runs here."""

import contextlib
import ctypes
import types

import numpy as np
import pytest

import small_problem
from cuda_problem import cuda_problem
from dlpack_producer import CudaInterface, Producer
from groupgemm_fp8 import _call, group_gemm_fp8_nt_groupwise
from groupgemm_fp8._call import Call
from groupgemm_fp8._frameworks import Framework, frameworks
from small_problem import CUM_M, N


def stream_of(arrays, stream=None) -> int:
    """The stream of a call with these arrays, in the order in which they are asked."""
    call = Call(tuple(arrays), stream)
    for x in arrays:
        call.describe("x", x)
    return call.stream_handle()


@pytest.mark.parametrize("stream, handle", [(None, 0), (1, 1), (2, 2), (0x7F00, 0x7F00)])
def test_current_stream_of_the_interface(stream, handle):
    assert stream_of(cuda_problem(stream=stream).values()) == handle


def test_explicit_stream_goes_first():
    arrays = cuda_problem(stream=0x7F00).values()
    assert stream_of(arrays, stream=0) == 0
    assert stream_of(arrays, stream=9) == 9


def test_a_stream_has_no_effect_on_the_cpu():
    assert stream_of(small_problem.inputs().values(), stream=9) == 0


def test_no_framework_knows_the_stream():
    arrays = [Producer(array, device_type=2) for array in small_problem.inputs().values()]
    with pytest.raises(ValueError, match=r"stream: Producer cannot tell .* pass stream="):
        group_gemm_fp8_nt_groupwise(*arrays)
    assert stream_of(arrays, stream=5) == 5
    assert arrays[1].requests[-1]["stream"] == 5
    # An out of another framework knows its own.
    out = CudaInterface(np.float32, (CUM_M, N), stream=77)
    assert stream_of([arrays[0], out, *arrays[1:]]) == 77
    assert arrays[1].requests[-1]["stream"] == 77


def stream_object(**attributes):
    return types.SimpleNamespace(**attributes)


class CudaStream:
    def __cuda_stream__(self):
        return (0, 48)


@pytest.mark.parametrize(
    "stream, handle",
    [
        (0, 0),
        (2**63, 2**63),
        (np.int64(7), 7),
        (np.uint64(2**63), 2**63),
        (stream_object(cuda_stream=16), 16),
        (stream_object(ptr=32), 32),
        (CudaStream(), 48),
        (stream_object(handle=64), 64),
        (stream_object(handle=ctypes.c_void_p(80)), 80),
        (stream_object(handle=ctypes.c_void_p(None)), 0),
    ],
)
def test_stream_objects(stream, handle):
    assert _call._stream(stream) == (handle, None)


@pytest.mark.parametrize("stream", [np.float32(7), np.zeros(2, int), np.array(7.5), 7.0, True, "7"])
def test_what_is_no_stream(stream):
    with pytest.raises(TypeError, match="^stream: got .*, wanted "):
        _call._stream(stream)


@pytest.mark.parametrize(
    "stream",
    [
        stream_object(cuda_stream=0, device_index=1),  # PyTorch's, such as a default stream
        stream_object(ptr=7, device_id=1),  # CuPy's
    ],
)
def test_stream_of_another_device(stream):
    """The handle of a default stream is 0 on every device: its object alone tells."""
    sentence = "stream: got a stream of cuda:1, wanted one of cuda:0 like the arrays"
    with pytest.raises(ValueError, match=sentence):
        group_gemm_fp8_nt_groupwise(**cuda_problem(ordinal=0), stream=stream)
    assert stream_of(cuda_problem(ordinal=1).values(), stream) == getattr(stream, "ptr", 0)


def test_stream_without_a_device():
    stream = stream_object(ptr=7, device_id=-1)  # CuPy's word for any device
    assert stream_of(cuda_problem(ordinal=1).values(), stream) == 7


@pytest.mark.parametrize("stream, wanted", [(None, None), (0, 0), (9, 9)])
def test_new_arrays_are_made_for_an_explicit_stream(monkeypatch, stream, wanted):
    """The allocator serves the call's stream while it makes the array."""
    serving, served = [], []

    @contextlib.contextmanager
    def on_stream(like, ordinal, handle):
        serving.append((ordinal, handle))
        yield
        serving.pop()

    def empty(like, shape, dtype, ordinal):
        served.extend(serving)
        return CudaInterface(dtype, shape, ordinal=ordinal)

    framework = frameworks[CudaInterface]._replace(empty=empty, on_stream=on_stream)
    assert type(framework) is Framework
    monkeypatch.setitem(frameworks, CudaInterface, framework)
    a = CudaInterface(np.uint8, (4, 16), stream=77, ordinal=3)
    call = Call((a,), stream)
    call.describe("a", a)
    call.empty("out", a, (4, 8), "float16")
    assert served == ([] if wanted is None else [(3, wanted)])


class FakeCuda:
    """torch.cuda with one device whose current stream has the handle 5."""

    def __init__(self, monkeypatch, torch, reader):
        monkeypatch.setattr(torch.cuda, "ExternalStream", lambda handle, device: (handle, device))
        monkeypatch.setattr(torch.cuda, "default_stream", lambda ordinal: ("default", ordinal))
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
        monkeypatch.setattr(reader, "current_stream", lambda x, ordinal: 5)


@pytest.mark.parametrize(
    "handle, wanted", [(0, ("default", 3)), (1, ("default", 3)), (2, (2, 3)), (0x7F, (0x7F, 3))]
)
def test_pytorch_allocates_for_the_stream(monkeypatch, handle, wanted):
    """PyTorch makes another stream of ExternalStream(0): the default stream has its own object."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from groupgemm_fp8._readers import torch as reader

    FakeCuda(monkeypatch, torch, reader)
    assert reader.on_stream(None, 3, handle) == wanted


def test_pytorch_allocates_for_its_current_stream_as_always(monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from groupgemm_fp8._readers import torch as reader

    FakeCuda(monkeypatch, torch, reader)
    assert isinstance(reader.on_stream(None, 3, 5), contextlib.nullcontext)


@pytest.mark.parametrize("has_raw_stream", [True, False])
def test_current_stream_of_pytorch(monkeypatch, has_raw_stream):
    """The handle comes from PyTorch's own function, or from the stream object without it."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from groupgemm_fp8._readers import torch as reader

    if has_raw_stream:
        monkeypatch.setattr(reader, "_raw_stream", {0: 11, 1: 12}.__getitem__)
    else:
        monkeypatch.setattr(reader, "_raw_stream", None)
        streams = {ordinal: types.SimpleNamespace(cuda_stream=11 + ordinal) for ordinal in (0, 1)}
        monkeypatch.setattr(torch.cuda, "current_stream", streams.__getitem__)
    assert [reader.current_stream(None, ordinal) for ordinal in (0, 1)] == [11, 12]
