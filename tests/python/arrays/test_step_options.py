"""Arguments of the steps that are no arrays: one sentence for a wrong one, in every front end."""

import numpy as np
import pytest

import groupgemm_fp8 as gg

X = np.linspace(-3, 3, 4 * 256, dtype=np.float32).reshape(4, 256)
INDEX = np.array([[0, 1], [1, 0], [2, 2], [0, 2]], np.int32)
POSITION = np.arange(8, dtype=np.int32).reshape(4, 2)


@pytest.fixture(params=["numpy", "torch", "jax"])
def front_end(request):
    """(functions of the steps, makes arrays)"""
    if request.param == "numpy":
        return gg, lambda x: x
    module = pytest.importorskip(request.param)
    if request.param == "torch":
        return gg, module.from_numpy
    import groupgemm_fp8.jax

    return groupgemm_fp8.jax, module.numpy.asarray


WRONG_NUMBERS = ["x", [1], {}, -1, 0, float("nan")]


@pytest.mark.parametrize("name", ["limit", "alpha"])
@pytest.mark.parametrize("value", WRONG_NUMBERS, ids=repr)
def test_numbers_of_the_gate(front_end, name, value):
    functions, to = front_end
    with pytest.raises((TypeError, ValueError), match=rf"^{name}: got .*, wanted None or a posit"):
        functions.silu_mul_quantize_groupwise(to(X), **{name: value})


@pytest.mark.parametrize("value", ["x", [3], None, 1.5, True, -1, 1 << 40], ids=repr)
def test_wrong_batch_sizes(front_end, value):
    functions, to = front_end
    with pytest.raises((TypeError, ValueError), match="^batch_size: got .*, wanted (an int|at )"):
        functions.route(to(INDEX), value)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, lambda x: np.array(x)])
def test_integers_of_numpy(front_end, kind):
    functions, to = front_end
    got = functions.route(to(INDEX), kind(3))
    for x, wanted in zip(got, functions.route(to(INDEX), 3), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(wanted).tobytes()


@pytest.mark.parametrize("value", [1, 0, "x", None], ids=repr)
def test_flags(front_end, value):
    functions, to = front_end
    flag = {"power_of_two_scales": value}
    with pytest.raises(TypeError, match="^power_of_two_scales: got .*, wanted True or False"):
        functions.silu_mul_quantize_groupwise(to(X), **flag)
    with pytest.raises(TypeError, match="^power_of_two_scales: got .*, wanted True or False"):
        functions.quantize_groupwise(to(X), (1, 128), position=to(POSITION), **flag)
