"""Objects that show a protocol while their type does not, as wrappers of a pointer are written."""

import numpy as np
import pytest

import groupgemm_fp8 as gg
import small_problem
from described import described
from dlpack_producer import CudaInterface, Producer
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise
from groupgemm_fp8._call import Call
from small_problem import CUM_M, N, expected, same_bits


class Wrapper:
    """An object of a type that shows nothing."""


def host(array):
    x = Wrapper()
    x.keep, x.__array_interface__ = array, {**array.__array_interface__, "version": 3}
    return x


def cuda(array, **changes):
    x = Wrapper()
    interface = {**array.__array_interface__, "version": 3, **changes}
    x.keep, x.__cuda_array_interface__ = array, interface
    return x


def by_dlpack(array):
    x, producer = Wrapper(), Producer(array)
    x.__dlpack__, x.__dlpack_device__ = producer.__dlpack__, producer.__dlpack_device__
    return x


DECLARED = {"a_dtype": "float8_e4m3fn", "b_dtype": "float8_e4m3fn"}


def inputs_of(give):
    arrays = small_problem.inputs()
    bytes_of = {name: arrays[name].view(np.uint8) for name in ("a", "b")}
    return {name: give(array) for name, array in (arrays | bytes_of).items()}


@pytest.mark.parametrize("give", [host, by_dlpack])
def test_product_of_host_objects(give):
    out = np.zeros((CUM_M, N), np.float32)
    group_gemm_fp8_nt_groupwise(**inputs_of(give), out=give(out), **DECLARED)
    assert same_bits(out, expected(small_problem.inputs(), "float32"))


def test_objects_with_an_array_interface_get_arrays_of_numpy():
    out = group_gemm_fp8_nt_groupwise(**inputs_of(host), **DECLARED)
    assert same_bits(out, expected(small_problem.inputs()))


@pytest.mark.parametrize("give", [cuda, by_dlpack])
def test_objects_that_cannot_allocate(devices, give):
    call = inputs_of(give)
    devices.known[call["a"].keep.ctypes.data if give is cuda else 0] = (2, 0)
    for x in call.values() if give is cuda else ():
        devices.known[x.keep.ctypes.data] = (2, 0)
    with pytest.raises(TypeError, match="out: got None, but Wrapper cannot allocate; pass out="):
        group_gemm_fp8_nt_groupwise(**call, **DECLARED, stream=0)


@pytest.mark.parametrize("ordinal", [0, 1])
def test_the_driver_tells_the_device(devices, ordinal):
    x = np.zeros((4, 16), np.uint8)
    devices.known[x.ctypes.data] = (2, ordinal)
    assert described(cuda(x)).device == (2, ordinal)
    assert devices.asked == [x.ctypes.data]


@pytest.mark.parametrize("name", [*small_problem.NAMES, "out"])
def test_host_pointer_among_cuda_arrays(devices, name):
    """The driver knows that an object's address is the host's."""
    call = inputs_of(lambda x: x)
    call["out"] = np.zeros((CUM_M, N), np.float32)
    for other, x in call.items():
        if other != name:
            devices.known[x.ctypes.data] = (2, 0)
    call = {other: cuda(x) for other, x in call.items()}
    with pytest.raises(ValueError, match=f"{name}: got a CUDA array at 0x.*no address of a CUDA"):
        group_gemm_fp8_nt_groupwise(**call, **DECLARED, stream=0)


@pytest.mark.parametrize("stream, handle", [(None, 0), (1, 1), (0x7F00, 0x7F00)])
def test_the_interface_tells_the_stream(devices, stream, handle):
    x = np.zeros((4, 16), np.uint8)
    devices.known[x.ctypes.data] = (2, 0)
    for change in ({"stream": stream}, {} if stream is None else {"stream": stream}):
        call = Call((cuda(x, **change),))
        call.describe("x", call.arrays[0])
        assert call.stream_handle() == handle


@pytest.mark.parametrize("stream", ["text", 3.5, -1, 1 << 64, (1,)])
def test_a_stream_that_is_no_handle(devices, stream):
    x = cuda(np.zeros((4, 16), np.uint8), stream=stream)
    with pytest.raises(ValueError, match="^stream: got a Wrapper whose interface has no handle"):
        Call((x,)).stream_on(0)


@pytest.mark.parametrize("give", [Wrapper, by_dlpack, host, list])
def test_an_object_without_a_cuda_interface_tells_no_stream(give):
    other = Wrapper() if give is Wrapper else give(np.zeros((4, 16), np.float32))
    cuda_array = CudaInterface(np.float32, (4, 16), stream=0x7F00)
    assert Call((other, cuda_array)).stream_on(0) == 0x7F00
    with pytest.raises(ValueError, match=f"stream: {type(other).__name__} cannot tell its current"):
        Call((other,)).stream_on(0)


@pytest.mark.parametrize("x", [None, [1.0, 2.0], 3.0, "text", Wrapper(), object()])
def test_what_shows_nothing_is_refused(x):
    arrays = {**small_problem.inputs(), "a_scale": x}
    with pytest.raises(TypeError, match="^a_scale: got .*, wanted an array"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_an_object_is_looked_at_in_every_call():
    """The framework of the type is remembered, what an object shows is not."""
    array = np.arange(64, dtype=np.float32).reshape(4, 16)
    x = Wrapper()
    with pytest.raises(TypeError, match="x: got .*Wrapper, wanted an array"):
        described(x)
    x.__array_interface__ = array.__array_interface__
    assert described(x).data == array.ctypes.data
    del x.__array_interface__
    x.__dlpack__ = Producer(array).__dlpack__
    x.__dlpack_device__ = Producer(array).__dlpack_device__
    assert described(x).data == array.ctypes.data
    with pytest.raises(TypeError, match="x: got .*Wrapper, wanted an array"):
        described(Wrapper())


X = np.linspace(-3, 3, 4 * 256, dtype=np.float32).reshape(4, 256)


def test_steps_of_host_objects():
    wanted = gg.quantize_groupwise(X, (1, 128))
    for got in (gg.quantize_groupwise(host(X), (1, 128)), quantized_to_arrays(by_dlpack(X))):
        assert [part.tobytes() for part in got] == [part.tobytes() for part in wanted]
    got = gg.silu_mul_quantize_groupwise(host(X))
    wanted = gg.silu_mul_quantize_groupwise(X)
    assert [part.tobytes() for part in got] == [part.tobytes() for part in wanted]


def quantized_to_arrays(x):
    wanted = gg.quantize_groupwise(X, (1, 128))
    outputs = [np.zeros_like(part) for part in wanted]
    gg.quantize_groupwise(x, (1, 128), out=outputs[0], out_scale=outputs[1])
    return outputs


@pytest.mark.parametrize("give", [cuda, lambda x: CudaInterface(x.dtype, x.shape)])
def test_quantisation_of_cuda_objects_is_not_that_of_numpy(devices, give):
    """NumPy cannot read such an object: the C library hears of a CUDA array."""
    x = give(X)
    devices.known[X.ctypes.data] = (2, 0)
    fp8, scale = gg.quantize_groupwise(X, (1, 128))
    with pytest.raises(ValueError, match="out: got an array on cpu, wanted cuda:0 like x"):
        gg.quantize_groupwise(x, (1, 128), out=fp8, out_scale=scale, stream=0)
    with pytest.raises(TypeError, match="out: got None, but .* cannot allocate; pass out="):
        gg.quantize_groupwise(x, (1, 128), stream=0)
