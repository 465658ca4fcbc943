"""Intake through DLPack capsules and CUDA array interfaces of every kind, and CUDA streams."""

import contextlib
import ctypes
import types

import ml_dtypes
import numpy as np
import pytest

import small_problem
from dlpack_producer import CudaInterface, Producer
from groupgemm_fp8 import _arrays, _request, _streams, group_gemm_fp8_nt_groupwise
from groupgemm_fp8._arrays import readers
from small_problem import CUM_M, N, expected, same_bits


@pytest.fixture
def arrays():
    return small_problem.inputs()


def read(x, stream=0):
    return readers[type(x)]("x", x, lambda ordinal: stream)


@pytest.mark.parametrize("version", [None, (1, 0), (1, 3)])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("offset", [0, 16])
def test_capsules(arrays, version, dense, offset):
    call = {
        name: Producer(array, version=version, dense=dense, offset=offset)
        for name, array in arrays.items()
    }
    out = Producer(np.zeros((CUM_M, N), np.float32), version=version)
    assert group_gemm_fp8_nt_groupwise(**call, out=out) is out
    assert same_bits(out.array, expected(arrays, "float32"))
    assert all("stream" not in request for request in call["a"].requests)


@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale"])
def test_strides(arrays, name):
    """Rows may be further apart than they are long; they may not run backwards."""
    array = arrays[name]
    wide = np.zeros((*array.shape[:-1], array.shape[-1] + 16), array.dtype)
    wide[..., : array.shape[-1]] = array
    out = np.zeros((CUM_M, N), np.float32)
    strided = Producer(wide[..., : array.shape[-1]])
    group_gemm_fp8_nt_groupwise(**{**arrays, name: strided}, out=out)
    assert same_bits(out, expected(arrays, "float32"))
    with pytest.raises(ValueError, match=f"{name}: got strides"):
        group_gemm_fp8_nt_groupwise(**{**arrays, name: Producer(array[::-1])}, out=out)


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_zero_dimensional(arrays, name):
    scalar = Producer(np.zeros((), arrays[name].dtype))
    with pytest.raises(ValueError, match=rf"{name}: got shape \(\)"):
        group_gemm_fp8_nt_groupwise(**{**arrays, name: scalar}, out=np.zeros((CUM_M, N)))


def test_no_elements(arrays):
    """An array without elements need not have memory."""
    arrays["a"] = Producer(arrays["a"][:0], data=None)
    arrays["a_scale"] = arrays["a_scale"][:, :0]
    arrays["m_indptr"] = np.zeros_like(arrays["m_indptr"])
    out = np.zeros((0, N), np.float32)
    assert group_gemm_fp8_nt_groupwise(**arrays, out=out) is out


def test_out_must_be_given(arrays):
    call = {name: Producer(array) for name, array in arrays.items()}
    with pytest.raises(TypeError, match="out: got None, but Producer cannot allocate"):
        group_gemm_fp8_nt_groupwise(**call)


def test_capsule_is_not_consumed(arrays):
    producer = Producer(arrays["a"])
    view = read(producer)
    assert '"dltensor_versioned"' in repr(view.owner)


def test_read_only(arrays):
    out = Producer(np.zeros((CUM_M, N), np.float32), readonly=True)
    with pytest.raises(ValueError, match="out: got a read-only array"):
        group_gemm_fp8_nt_groupwise(**arrays, out=out)


@pytest.mark.parametrize(
    "members, error, message",
    [
        ({"data": None}, ValueError, "got an array without memory"),
        ({"code": 2, "bits": 8}, TypeError, "got dtype float8,"),
        ({"code": 11}, TypeError, "got dtype DLPack code 11 with 8 bits,"),
        ({"lanes": 4}, TypeError, "got dtype float8_e4m3fnx4,"),
        ({"device_type": 10}, ValueError, "got DLPack device type 10"),
    ],
)
def test_refused_members(arrays, members, error, message):
    arrays["a"] = Producer(arrays["a"], **members)
    with pytest.raises(error, match=f"a: {message}"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_future_version(arrays):
    arrays["a"] = Producer(arrays["a"], version=(2, 0))
    with pytest.raises(ValueError, match="a: got DLPack version 2, wanted 1"):
        group_gemm_fp8_nt_groupwise(**arrays)


@pytest.mark.parametrize("error", [BufferError, RuntimeError, TypeError])
def test_producer_that_refuses(arrays, error):
    class Refusing(Producer):
        def __dlpack__(self, **options):
            raise error("not today")

    arrays["b_scale"] = Refusing(arrays["b_scale"])
    kind = TypeError if error is TypeError else ValueError
    with pytest.raises(kind, match="b_scale: cannot be read through DLPack: not today"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_pinned_host_memory_is_cpu(arrays):
    assert read(Producer(arrays["a"], device_type=3)).device == (1, 0)


@pytest.mark.parametrize("device_type", [2, 13])
@pytest.mark.parametrize("stream, wanted", [(0, 1), (2, 2), (12345, 12345)])
def test_cuda_producer_gets_the_stream(arrays, device_type, stream, wanted):
    producer = Producer(arrays["a"], device_type=device_type, device_id=1)
    assert read(producer, stream).device == (2, 1)
    assert producer.requests[-1]["stream"] == wanted


def cuda_problem(**options):
    """A problem of CUDA array interfaces; its memory does not exist."""
    arrays = small_problem.inputs()
    return {
        name: CudaInterface(array.dtype, array.shape, **options) for name, array in arrays.items()
    }


def test_cuda_interface(arrays):
    x = CudaInterface(ml_dtypes.float8_e5m2, (4, 16), strides=(32, 1), readonly=True, ordinal=1)
    view = read(x)
    assert view[:6] == (x.address, (4, 16), (32, 1), "float8_e5m2", (2, 1), True)
    assert read(CudaInterface(np.float32, (2, 3, 4))).strides == (12, 4, 1)


def test_cuda_interface_with_a_mask():
    class Masked(CudaInterface):
        @property
        def __cuda_array_interface__(self):
            return {**super().__cuda_array_interface__, "mask": object()}

    with pytest.raises(TypeError, match="x: got a masked array"):
        read(Masked(np.float32, (2, 3)))


def test_fresh_out_by_protocol():
    made = []

    class Allocating(CudaInterface):
        @classmethod
        def __ggfp8_empty__(cls, shape, dtype_name, device_id):
            made.append((shape, dtype_name, device_id))
            return cls(dtype_name, shape, ordinal=device_id)

    call = cuda_problem(ordinal=3)
    a = call["a"]
    call["a"] = Allocating(a.dtype, a.shape, ordinal=3)
    request = _request.build(**call, out_dtype="float16", allocate=True)
    assert made == [((CUM_M, N), "float16", 3)]
    assert type(request.out) is Allocating
    assert request.device == (2, 3)


@pytest.mark.parametrize("stream, wanted", [(None, None), (0, 0), (9, 9)])
def test_fresh_out_is_made_for_an_explicit_stream(monkeypatch, stream, wanted):
    """The allocator serves the call's stream while it makes the output."""
    serving, served = [], []

    @contextlib.contextmanager
    def on_stream(ordinal, handle):
        serving.append((ordinal, handle))
        yield
        serving.pop()

    def empty(like, shape, dtype, device):
        served.extend(serving)
        return CudaInterface(dtype, shape, ordinal=device[1])

    framework = _arrays.framework_of(CudaInterface)._replace(empty=empty, on_stream=on_stream)
    monkeypatch.setattr(_arrays, "framework_of", lambda kind: framework)
    call = cuda_problem(ordinal=3, stream=77)
    _request.build(**call, out_dtype="float16", stream=stream, allocate=True)
    assert served == ([] if wanted is None else [(3, wanted)])


@pytest.mark.parametrize("stream, handle", [(None, 0), (1, 1), (2, 2), (0x7F00, 0x7F00)])
def test_current_stream_of_the_interface(stream, handle):
    assert _request.build(**cuda_problem(stream=stream)).stream == handle


def test_explicit_stream_goes_first():
    call = cuda_problem(stream=0x7F00)
    assert _request.build(**call, stream=0).stream == 0
    assert _request.build(**call, stream=9).stream == 9


def test_no_framework_knows_the_stream():
    arrays = small_problem.inputs()
    call = {name: Producer(array, device_type=2) for name, array in arrays.items()}
    with pytest.raises(ValueError, match=r"stream: Producer cannot tell .* pass stream="):
        _request.build(**call)
    assert _request.build(**call, stream=5).stream == 5
    assert call["b"].requests[-1]["stream"] == 5
    # An out of another framework knows its own.
    out = CudaInterface(np.float32, (CUM_M, N), stream=77)
    assert _request.build(**call, out=out).stream == 77
    assert call["b"].requests[-1]["stream"] == 77


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
        (stream_object(cuda_stream=16), 16),
        (stream_object(ptr=32), 32),
        (CudaStream(), 48),
        (stream_object(handle=64), 64),
        (stream_object(handle=ctypes.c_void_p(80)), 80),
        (stream_object(handle=ctypes.c_void_p(None)), 0),
    ],
)
def test_stream_objects(stream, handle):
    assert _streams.handle_of(stream) == handle


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_two_cuda_devices(name):
    call = cuda_problem()
    x = call[name]
    call[name] = CudaInterface(x.dtype, x.shape, ordinal=1)
    other = "b" if name == "a" else name
    with pytest.raises(ValueError, match=f"{other}: got an array on cuda:., wanted cuda:. like a"):
        _request.build(**call)
