"""Packed UE8M0 scales in groupgemm_fp8.flashinfer: the bits of the calls with float32 scales."""

import ml_dtypes
import numpy as np
import pytest

import array_makers
import small_problem
from group_calls import COUNTS, call_of
from groupgemm_fp8 import flashinfer
from small_problem import BATCH_SIZE, CUM_M, K_BLOCKS, N_BLOCKS, N, same_bits

INDICES = np.array([0, 0, 2, 2, 2, 2], np.int32)


@pytest.fixture(params=array_makers.NAMES)
def framework(request) -> array_makers.ArrayMaker:
    return array_makers.ArrayMaker(request.param)


def random_exponents(shape, every=False) -> np.ndarray:
    rng = np.random.default_rng(8)
    if every:
        size = int(np.prod(shape))
        return rng.permutation(np.resize([0, 1, 254, 255, 127, 60], size)).reshape(shape)
    return rng.integers(120, 135, shape)


def float32_of(exponents: np.ndarray) -> np.ndarray:
    return exponents.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float32)


def packed(exponents: np.ndarray) -> np.ndarray:
    """(..., rows, k-blocks) in words of four, the unused bytes of the last one being garbage."""
    *rest, num_blocks = exponents.shape
    padded = np.full((*rest, -(-num_blocks // 4) * 4), 0xA5, np.uint8)
    padded[..., :num_blocks] = exponents
    return padded.view(np.int32)


def rows_adjacent(words: np.ndarray) -> np.ndarray:
    """Words with the rows next to each other in memory, as DeepGEMM has them."""
    return np.ascontiguousarray(words.swapaxes(-1, -2)).swapaxes(-1, -2)


class Scales:
    """Exponents of both scales, and what a call gets of them."""

    def __init__(self, a_shape, every=False):
        self.a = random_exponents(a_shape, every)
        self.b = random_exponents((BATCH_SIZE, N_BLOCKS, K_BLOCKS), every)

    def wide(self) -> list[np.ndarray]:
        return [float32_of(self.a), float32_of(self.b)]

    def packed(self) -> list[np.ndarray]:
        return [packed(self.a), packed(np.repeat(self.b, 128, axis=1)[:, :N])]


def rows_of(framework, arrays, scales, last):
    """The result of a function that has a group per row."""
    made = [framework.make(x) for x in (*arrays, *scales, last)]
    return framework.back(flashinfer.group_deepgemm_fp8_nt_groupwise(*made, out_dtype="float32"))


def slabs_of(framework, arrays, scales, last):
    """The rows of groups of the function that has slabs."""
    made = [framework.make(x) for x in (*arrays, *scales, last)]
    function = flashinfer.batch_deepgemm_fp8_nt_groupwise
    out = framework.back(function(*made, 3, out_dtype="float32", backend="cake"))
    return np.concatenate([out[group, :count] for group, count in enumerate(COUNTS)])


def case_of(kind, every=False):
    """The function, a and b, scales, and the array that says where the groups are."""
    if kind == "rows":
        arrays = small_problem.inputs()
        return rows_of, (arrays["a"], arrays["b"]), Scales((CUM_M, K_BLOCKS), every), INDICES
    call = call_of("masked")
    shape = (*call["a"].shape[:2], K_BLOCKS)
    return slabs_of, (call["a"], call["b"]), Scales(shape, every), COUNTS


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("kind", ["rows", "slabs"])
def test_bits(framework, kind, every):
    """Packed scales of one argument or of both, in either order of axes."""
    product, arrays, scales, last = case_of(kind, every)
    wide, short = scales.wide(), scales.packed()
    wanted = product(framework, arrays, wide, last)
    assert np.isnan(wanted).any() == every
    for a_scale in (wide[0], short[0], rows_adjacent(short[0])):
        for b_scale in (wide[1], short[1], rows_adjacent(short[1])):
            assert same_bits(product(framework, arrays, (a_scale, b_scale), last), wanted)


def test_five_k_blocks(framework):
    """More blocks than a word holds, one row of groups each."""
    rng = np.random.default_rng(3)
    arrays = [rng.integers(0x28, 0x48, shape, np.uint8) for shape in ((6, 640), (3, 128, 640))]
    arrays = [x.view(ml_dtypes.float8_e4m3fn) for x in arrays]
    a, b = random_exponents((6, 5)), random_exponents((3, 1, 5))
    wanted = rows_of(framework, arrays, (float32_of(a), float32_of(b)), INDICES)
    short = (packed(a), rows_adjacent(packed(np.repeat(b, 128, axis=1))))
    assert same_bits(rows_of(framework, arrays, short, INDICES), wanted)


def test_given_out_and_compiled():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch_problem import to_numpy, to_torch

    _, arrays, scales, last = case_of("rows")
    made = [to_torch(x) for x in (*arrays, *scales.packed(), last)]
    wide = [to_torch(x) for x in (*arrays, *scales.wide(), last)]
    function = flashinfer.group_deepgemm_fp8_nt_groupwise
    wanted = to_numpy(function(*wide, out_dtype=torch.float32))
    out = torch.zeros(CUM_M, N)
    assert function(*made, out=out) is out
    assert same_bits(to_numpy(out), wanted)

    def product(*arrays):
        return function(*arrays, out_dtype=torch.float32) * 1

    compiled = torch.compile(product, fullgraph=True, backend="aot_eager")
    assert same_bits(to_numpy(compiled(*made)), wanted)


WORDS = np.zeros((CUM_M, 1), np.int32)
WRONG = [
    ({"a_scale": WORDS[1:]}, r"a_scale: got shape \(5, 1\), wanted \(6, 1\) for packed scales"),
    ({"b_scale": WORDS}, r"b_scale: got shape \(6, 1\), wanted \(3, 136, 1\) for packed scales"),
    (
        {"a_scale": WORDS, "scale_granularity_mnk": (1, 1, 128)},
        r"a_scale: got packed scales \(int32\) with scale_granularity_mnk \(1, 1, 128\), wanted",
    ),
    (
        {"a_scale": WORDS, "scale_granularity_mnk": 128},
        r"a_scale: got packed scales \(int32\) with scale_granularity_mnk 128, wanted",
    ),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_errors(change, message):
    _, arrays, scales, last = case_of("rows")
    wide = scales.wide()
    call = dict(zip(("a", "b", "a_scale", "b_scale"), (*arrays, *wide), strict=True))
    with pytest.raises(ValueError, match=f"^{message}"):
        flashinfer.group_deepgemm_fp8_nt_groupwise(**{**call, "m_indices": last, **change})


def test_other_types_are_refused():
    """Two of the four functions take float32 alone, and none takes other types."""
    _, arrays, scales, last = case_of("rows")
    short, wide = scales.packed(), scales.wide()
    contiguous = flashinfer.group_gemm_fp8_nt_groupwise_contiguous
    with pytest.raises(TypeError, match="^a_scale: got dtype int32, wanted float32"):
        contiguous(*arrays, short[0], wide[1], last)
    function = flashinfer.group_deepgemm_fp8_nt_groupwise
    with pytest.raises(TypeError, match="^a_scale: got dtype int16, wanted float32"):
        function(*arrays, short[0].astype(np.int16), wide[1], last)
    ue8m0 = wide[1].astype(ml_dtypes.float8_e8m0fnu)
    with pytest.raises(TypeError, match="^b_scale: got dtype float8_e8m0fnu, .* convert"):
        function(*arrays, wide[0], ue8m0, last)
    with pytest.raises(TypeError, match="a: got builtins.list"):
        function([], arrays[1], *short, last)
