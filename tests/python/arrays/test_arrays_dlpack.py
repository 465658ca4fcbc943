"""Arrays that speak DLPack: capsules of every kind, and what is refused."""

import datetime

import numpy as np
import pytest

import small_problem
from described import described
from dlpack_producer import Producer
from groupgemm_fp8 import _library, group_gemm_fp8_nt_groupwise
from groupgemm_fp8._call import Call
from small_problem import CUM_M, N, expected, same_bits


@pytest.fixture
def arrays():
    return small_problem.inputs()


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
    call = Call((producer,))
    described(producer, call=call)
    (capsule,) = call.owners
    assert '"dltensor_versioned"' in repr(capsule)


def test_read_only(arrays):
    out = Producer(np.zeros((CUM_M, N), np.float32), readonly=True)
    with pytest.raises(ValueError, match="out: got a read-only array"):
        group_gemm_fp8_nt_groupwise(**arrays, out=out)


@pytest.mark.parametrize(
    "members, error, message",
    [
        ({"data": None}, ValueError, "got an array of shape .* without memory"),
        (
            {"code": 2, "bits": 8},
            TypeError,
            "got dtype float8 .* which does not say which float of 8 bits",
        ),
        ({"code": 11}, TypeError, "got dtype float8_e4m3fnuz,"),
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
    with pytest.raises(kind, match="b_scale: got .*Refusing, which cannot be read: not today"):
        group_gemm_fp8_nt_groupwise(**arrays)


def test_pinned_host_memory_is_cpu(arrays):
    call = {**arrays, "a": Producer(arrays["a"], device_type=3)}
    out = np.zeros((CUM_M, N), np.float32)
    group_gemm_fp8_nt_groupwise(**call, out=out)
    assert same_bits(out, expected(arrays, "float32"))


@pytest.mark.parametrize("device_type", [2, 13])
@pytest.mark.parametrize("stream, wanted", [(0, 1), (2, 2), (12345, 12345)])
def test_cuda_producer_gets_the_stream(arrays, device_type, stream, wanted):
    producer = Producer(arrays["a"], device_type=device_type, device_id=1)
    assert described(producer, stream).device == (device_type, 1)
    assert producer.requests[-1]["stream"] == wanted


@pytest.mark.parametrize("name", ["out", "workspace"])
def test_what_is_written_must_be_no_copy(arrays, name):
    """The producer is asked for its own memory, and what it exports as a copy is refused."""
    target = np.zeros((CUM_M, N), np.float32) if name == "out" else np.zeros(512, np.uint8)
    producer = Producer(target)
    options = {"out": np.zeros((CUM_M, N), np.float32), name: producer}
    group_gemm_fp8_nt_groupwise(**arrays, **options)
    assert producer.requests[0]["copy"] is False
    producer.is_copied = True
    with pytest.raises(
        ValueError, match=f"{name}: got an array that its framework exports as a co"
    ):
        group_gemm_fp8_nt_groupwise(**arrays, **options)
    for other in ("a", "m_indptr"):  # what is read may be a copy
        copied = Producer(arrays[other])
        copied.is_copied = True
        out = np.zeros((CUM_M, N), np.float32)
        group_gemm_fp8_nt_groupwise(**{**arrays, other: copied}, out=out)
        assert same_bits(out, expected(arrays, "float32"))
        assert "copy" not in copied.requests[-1]


@pytest.mark.parametrize("unknown", ["copy", "max_version", "both"])
def test_producers_that_know_fewer_keywords(arrays, unknown):
    class Older(Producer):
        def __dlpack__(self, **options):
            refused = ("copy", "max_version") if unknown == "both" else (unknown,)
            for keyword in refused:
                if keyword in options:
                    raise TypeError(f"unexpected keyword argument {keyword!r}")
            return super().__dlpack__(**options)

    out = Older(np.zeros((CUM_M, N), np.float32))
    call = {name: Older(array) for name, array in arrays.items()}
    assert group_gemm_fp8_nt_groupwise(**call, out=out) is out
    assert same_bits(out.array, expected(arrays, "float32"))


LIARS = {
    "device": (
        {"device_type": 1, "device_id": 0},
        (2, 1),
        "DLPack capsule on device .1, 0., wanted",
    ),
    "ordinal": (
        {"device_type": 2, "device_id": 1},
        (2, 0),
        "DLPack capsule on device .2, 1., wanted",
    ),
    "bits": ({"bits": 16}, None, "DLPack code 10 with 16 bits, wanted 8 bits"),
    "sizes": ({"shape": None}, None, "DLPack capsule of 2 axes without sizes"),
    "axes": ({"ndim": -1}, None, "DLPack capsule of -1 axes"),
}


@pytest.mark.parametrize("lie", LIARS)
def test_capsules_that_contradict_themselves(arrays, lie):
    members, said, sentence = LIARS[lie]
    producer = Producer(arrays["a"], **members)
    if said is not None:
        producer.__class__ = type("Liar", (Producer,), {"__dlpack_device__": lambda self: said})
    with pytest.raises((TypeError, ValueError), match=f"a: got a? ?{sentence}"):
        group_gemm_fp8_nt_groupwise(**{**arrays, "a": producer}, stream=1)


class Other:
    """An object whose __dlpack__ and __dlpack_device__ return what they are told to."""

    def __init__(self, capsule, device):
        self.capsule, self.device = capsule, device

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **options):
        return self.capsule


# The capsules are NumPy's, without a name, and one of the standard library.
ODD = {
    "no device": (None, None),
    "device of another kind": (None, "cpu"),
    "device of one number": (None, (1,)),
    "device of three numbers": (None, (1, 0, 0)),
    "device of texts": (None, ("cpu", "0")),
    "huge device": (None, (2**70, 2**70)),
    "huge ordinal": (None, (2, 2**70)),
    "negative ordinal": (None, (2, -1)),
    "no capsule": (None, (1, 0)),
    "capsule of another kind": (5, (1, 0)),
    "text": ("dltensor", (1, 0)),
    "capsule without a name": (np.zeros(3).__array_struct__, (1, 0)),
    "capsule of another name": (datetime.datetime_CAPI, (1, 0)),
    "the class": (Producer, (1, 0)),
}


@pytest.mark.parametrize("name", [*small_problem.NAMES, "out"])
@pytest.mark.parametrize("what", ODD)
def test_odd_producers(arrays, what, name):
    """Whatever is missing or impossible, the error is of the documented set and names the array."""
    arrays["out"] = np.zeros((CUM_M, N), np.float32)
    arrays[name] = Other(*ODD[what])
    with pytest.raises((TypeError, ValueError), match=f"^{name}: got "):
        group_gemm_fp8_nt_groupwise(**arrays, stream=1)


def test_unfinished_arrays_are_waited_for(arrays):
    """An array that is being computed, as of JAX, is exported after it is ready."""

    class Unfinished(Producer):
        is_ready = False

        def block_until_ready(self):
            self.is_ready = True

        def __dlpack__(self, **options):
            assert self.is_ready
            return super().__dlpack__(**options)

    out = np.zeros((CUM_M, N), np.float32)
    call = {name: Unfinished(array) for name, array in arrays.items()}
    group_gemm_fp8_nt_groupwise(**call, out=out)
    assert same_bits(out, expected(arrays, "float32"))


def test_capsules_live_until_the_call_has_returned(arrays, monkeypatch):
    """The library reads sizes and strides in the capsule's memory."""
    deleted, alive = [], []
    library = _library.load()
    call = {}
    for name, array in arrays.items():
        call[name] = Producer(array, deleted=deleted)

    class Library:
        def __getattr__(self, name):
            return getattr(library, name)

        def ggfp8_group_gemm_nt_groupwise_tensors(self, *arguments):
            alive.append(not deleted)
            return library.ggfp8_group_gemm_nt_groupwise_tensors(*arguments)

    monkeypatch.setattr(_library, "load", Library)
    out = np.zeros((CUM_M, N), np.float32)
    group_gemm_fp8_nt_groupwise(**call, out=out)
    assert alive == [True]
    assert len(deleted) == len(arrays)
    assert same_bits(out, expected(arrays, "float32"))
