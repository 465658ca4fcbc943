"""Arrays that have an array interface, some of them nothing else. Nothing runs on a GPU here."""

import gc

import ml_dtypes
import numpy as np
import pytest

import small_problem
from cuda_problem import cuda_problem
from described import described
from dlpack_producer import CudaInterface
from groupgemm_fp8 import _ffi, _library, group_gemm_fp8_nt_groupwise
from groupgemm_fp8._call import Call
from small_problem import CUM_M, N, expected, same_bits


def test_cuda_interface():
    x = CudaInterface(ml_dtypes.float8_e5m2, (4, 16), strides=(32, 1), readonly=True, ordinal=1)
    call = Call((x,))
    assert described(x, call=call) == (x.address, (2, 1), (12, 8, 1), (4, 16), (32, 1))
    assert call.is_read_only
    assert described(CudaInterface(np.float32, (2, 3, 4))).strides == (12, 4, 1)


def test_a_mask_is_refused():
    class Masked(CudaInterface):
        @property
        def __cuda_array_interface__(self):
            return {**super().__cuda_array_interface__, "mask": object()}

    with pytest.raises(TypeError, match="x: got a masked array"):
        described(Masked(np.float32, (2, 3)))


def test_new_arrays_by_protocol():
    made = []

    class Allocating(CudaInterface):
        @classmethod
        def __ggfp8_empty__(cls, shape, dtype_name, device_id):
            made.append((shape, dtype_name, device_id))
            return cls(dtype_name, shape, ordinal=device_id)

    a = Allocating(np.uint8, (CUM_M, 16), ordinal=3)
    call = Call((a,))
    call.describe("a", a)
    out, _ = call.empty("out", a, (CUM_M, N), "float16")
    assert made == [((CUM_M, N), "float16", 3)]
    assert type(out) is Allocating


@pytest.mark.parametrize(
    "raised, wanted",
    [(KeyError, ValueError), (TypeError, TypeError), (MemoryError, MemoryError)],
)
def test_errors_of_an_allocation(raised, wanted):
    """A framework's own errors of memory keep their type; others name the argument."""

    class Failing(CudaInterface):
        @classmethod
        def __ggfp8_empty__(cls, shape, dtype_name, device_id):
            raise raised("no")

    a = Failing(np.uint8, (CUM_M, 16))
    call = Call((a,))
    call.describe("a", a)
    sentence = (
        "^no$" if wanted is MemoryError else "^out: got .*Failing, which cannot be read: .*no"
    )
    with pytest.raises(wanted, match=sentence):
        call.empty("out", a, (CUM_M, N), "float16")


@pytest.mark.parametrize("name", small_problem.NAMES)
def test_two_cuda_devices(name):
    call = cuda_problem()
    x = call[name]
    call[name] = CudaInterface(x.dtype, x.shape, ordinal=1)
    other = "b" if name == "a" else name
    with pytest.raises(ValueError, match=f"{other}: got an array on cuda:., wanted cuda:. like a"):
        group_gemm_fp8_nt_groupwise(**call, out=CudaInterface(np.float32, (CUM_M, N)))


class OnlyInterface:
    """An object with nothing but one array interface."""

    def __init__(self, name, array, **changes):
        interface = {**array.__array_interface__, "version": 3, **changes}
        self._keep = array
        self._interface = {key: value for key, value in interface.items() if value != "missing"}
        setattr(type(self), name, property(lambda self: self._interface))


def host(array, **changes):
    kind = type("Host", (OnlyInterface,), {})
    return kind("__array_interface__", array, **changes)


def cuda(array, **changes):
    kind = type("Cuda", (OnlyInterface,), {})
    return kind("__cuda_array_interface__", array, **changes)


def test_host_objects_with_nothing_but_an_interface():
    arrays = small_problem.inputs()
    call = {name: host(array) for name, array in arrays.items()}
    for name in ("a", "b"):
        call[name] = host(arrays[name].view(np.uint8))
    out = np.zeros((CUM_M, N), np.float32)
    declared = {"a_dtype": "float8_e4m3fn", "b_dtype": "float8_e4m3fn"}
    group_gemm_fp8_nt_groupwise(**call, out=host(out), **declared)
    assert same_bits(out, expected(arrays, "float32"))


@pytest.mark.parametrize("ordinal", [0, 1])
def test_the_driver_tells_the_device(devices, ordinal):
    """An interface does not carry it, and not every object has an attribute for it."""
    x = np.zeros((4, 16), np.uint8)
    devices.known[x.ctypes.data] = (2, ordinal)
    assert described(cuda(x)).device == (2, ordinal)
    assert devices.asked == [x.ctypes.data]


def test_host_memory_is_no_cuda_array(devices):
    x = np.zeros((4, 16), np.uint8)
    with pytest.raises(
        ValueError, match="x: got a CUDA array at 0x.*, which is no address of a CUD"
    ):
        described(cuda(x))


def test_arrays_without_elements_need_no_address(devices):
    x = cuda(np.zeros((0, 16), np.uint8), data=(0, False))
    assert described(x).device == (2, 0)
    assert not devices.asked


class Owner:
    """Memory that an interface's dictionary alone keeps alive."""

    def __init__(self, array, freed):
        self.array, self.freed = array, freed

    def __del__(self):
        self.freed.append(True)


@pytest.fixture
def freed_before_return(monkeypatch):
    """Lists of what was freed: in all, and before the library returned."""
    library = _library.load()
    freed, before = [], []

    class Library:
        def __getattr__(self, name):
            return getattr(library, name)

        def ggfp8_group_gemm_nt_groupwise_tensors(self, *arguments):
            before.extend(freed)
            return library.ggfp8_group_gemm_nt_groupwise_tensors(*arguments)

    monkeypatch.setattr(_library, "load", Library)
    return freed, before


def test_what_an_interface_holds_lives_until_the_call_has_returned(freed_before_return):
    freed, before = freed_before_return
    arrays = small_problem.inputs()

    class Fresh:
        @property
        def __array_interface__(self):
            owner = Owner(arrays["a_scale"].copy(), freed)
            return {**owner.array.__array_interface__, "owner": owner}

    out = group_gemm_fp8_nt_groupwise(**{**arrays, "a_scale": Fresh()})
    assert same_bits(out, expected(arrays))
    assert freed
    assert not before


@pytest.mark.parametrize("protocol", ["__array_interface__", "__cuda_array_interface__"])
def test_what_an_interface_holds_lives_as_long_as_the_call(devices, protocol):
    freed = []

    def interface(self):
        owner = Owner(np.zeros((4, 16), np.float32), freed)
        devices.known[owner.array.ctypes.data] = (2, 0)
        return {**owner.array.__array_interface__, "owner": owner}

    x = type("Fresh", (), {protocol: property(interface)})()
    call = Call((x,))
    call.describe("x", x)
    gc.collect()
    assert not freed
    del call
    gc.collect()
    assert freed == [True]


def test_number_of_axes():
    most = _ffi.MAX_RANK
    x = host(np.zeros(1, np.float32), shape=(1,) * most, strides=(4,) * most)
    assert described(x).shape == (1,) * most
    more = host(np.zeros(1, np.float32), shape=(1,) * (most + 1), strides=(4,) * (most + 1))
    with pytest.raises(ValueError, match=f"x: got {most + 1} axes, wanted at most {most}"):
        described(more)


def test_number_of_arrays():
    """A call has memory for so many descriptions, and refuses one more in every way."""
    x = np.zeros((4, 16), np.float32)
    call = Call((x,))
    for _ in range(12):
        call.describe("x", x)
    for describe in (
        lambda: call.describe("x", x),
        lambda: call.describe_shape("x", (4, 16), "float32", (1, 0)),
        lambda: call.empty("x", x, (4, 16), "float32"),
    ):
        with pytest.raises(RuntimeError, match="a call describes at most 12 arrays"):
            describe()


def test_capsules_of_numpy_live_until_the_call_has_returned():
    """The sizes of an array that is described as dense lie in its capsule."""
    x = np.zeros((4, 16), np.float32)
    call = Call((x,))
    call.describe("x", x)
    assert "capsule object" in repr(call.owners)


ODD = {
    "no data": {"data": "missing"},
    "data of another kind": {"data": 5},
    "no shape": {"shape": "missing"},
    "shape of another kind": {"shape": "two"},
    "negative address": {"data": (-8, False)},
    "huge size": {"shape": (2**70, 16)},
    "no typestr": {"typestr": "missing"},
    "typestr of another kind": {"typestr": 5},
    "unknown typestr": {"typestr": "<M8"},
    "byte-swapped": {"typestr": ">f4"},
    "many axes": {"shape": (1,) * 40},
    "fewer strides than sizes": {"strides": (16,)},
}


@pytest.mark.parametrize("make", [host, cuda])
@pytest.mark.parametrize("what", ODD)
def test_odd_interfaces(devices, make, what):
    """Whatever is missing or impossible, the error is of the documented set and names the array."""
    arrays = small_problem.inputs()
    arrays["a_scale"] = make(arrays["a_scale"], **ODD[what])
    with pytest.raises((TypeError, ValueError), match="^a_scale: got "):
        group_gemm_fp8_nt_groupwise(**arrays)


@pytest.mark.parametrize("error", [RuntimeError, KeyError, AttributeError, SystemError, OSError])
@pytest.mark.parametrize(
    "protocol", ["__dlpack__", "__array_interface__", "__cuda_array_interface__"]
)
def test_properties_that_raise(error, protocol):
    def refuse(self):
        raise error("no")

    members = {protocol: property(refuse), "__dlpack_device__": refuse}
    arrays = {**small_problem.inputs(), "b": type("Odd", (), members)()}
    with pytest.raises((TypeError, ValueError), match="^b: got .*Odd, which cannot be read: .*no"):
        group_gemm_fp8_nt_groupwise(**arrays)
