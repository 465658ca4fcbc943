"""The steps on objects that have nothing but an array interface or DLPack: no shape, no dtype."""

import ctypes

import numpy as np
import pytest

import groupgemm_fp8 as gg
from dlpack_producer import Producer
from numeric.formats import numpy_dtype


class Interface:
    """A host array without attributes beside its interface."""

    def __init__(self, array):
        self._array = array

    @property
    def __array_interface__(self):
        return {**self._array.__array_interface__, "version": 3}


def arrays():
    """The inputs of every step, and NumPy arrays to write."""
    x = np.linspace(-3, 3, 4 * 256, dtype=np.float32).reshape(4, 256)
    index = np.array([[0, 1], [1, 0], [2, 2], [0, 2]], np.int32)
    position = np.arange(8, dtype=np.int32).reshape(4, 2)
    return x, index, position


def codes(shape):
    return np.zeros(shape, numpy_dtype("float8_e4m3fn"))


@pytest.mark.parametrize("give", [Interface, Producer])
def test_given_outputs(give):
    x, _, position = arrays()
    out, scale = codes((4, 128)), np.zeros((1, 4), np.float32)
    wanted = gg.silu_mul_quantize_groupwise(x)
    gg.silu_mul_quantize_groupwise(give(x), out=out, out_scale=scale)
    assert out.tobytes() == wanted[0].tobytes()
    assert scale.tobytes() == wanted[1].tobytes()

    weight = np.ones((4, 2), np.float32)
    rows = np.concatenate([x, x])
    summed = np.zeros((4, 256), np.float32)
    gg.combine(give(rows), give(position), give(weight), out=summed)
    assert summed.tobytes() == gg.combine(rows, position, weight).tobytes()


def test_new_outputs():
    """Objects with an array interface get arrays of NumPy."""
    x, index, position = arrays()
    weight = np.ones((4, 2), np.float32)
    rows = np.concatenate([x, x])
    calls = {
        gg.silu_mul_quantize_groupwise: (x,),
        gg.route: (index,),
        gg.combine: (rows, position, weight),
    }
    for function, inputs in calls.items():
        rest = {"batch_size": 3} if function is gg.route else {}
        got = function(*map(Interface, inputs), **rest)
        wanted = function(*inputs, **rest)
        got, wanted = ((x,) if isinstance(x, np.ndarray) else x for x in (got, wanted))
        assert [x.tobytes() for x in got] == [x.tobytes() for x in wanted]


@pytest.mark.parametrize("rows", [8, 11])
def test_new_scales_have_the_rows_of_a_given_out(rows):
    x, _, position = arrays()
    out = codes((rows, 256))
    _, scale = gg.quantize_groupwise(x, (1, 128), position=position, out=out)
    assert scale.shape == (2, rows)
    _, wanted = gg.quantize_groupwise(x, (1, 128))
    assert scale[:, :8].tobytes() == np.repeat(wanted, 2, axis=1).tobytes()


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3), (-1, 256), (4, -2)])
def test_wrong_shapes_have_their_own_sentence(shape):
    """A new output would have the sizes of such an array."""
    _, _, position = arrays()
    weight = np.ones((4, 2), np.float32)
    wrong = Producer(np.zeros((1,) * len(shape), np.float32))
    wrong.members["shape"] = (ctypes.c_int64 * len(shape))(*shape)
    out = np.zeros((4, 256), np.float32)
    for name, call in (
        ("gate_up", lambda: gg.silu_mul_quantize_groupwise(wrong, out=codes((4, 128)), **SCALE)),
        ("x", lambda: gg.combine(wrong, position, weight, out=out)),
        ("position", lambda: gg.combine(out, wrong, weight)),
    ):
        with pytest.raises((ValueError, TypeError), match=f"^{name}: got"):
            call()


SCALE = {"out_scale": np.zeros((1, 4), np.float32)}
