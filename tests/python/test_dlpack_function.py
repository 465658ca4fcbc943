"""The library's builtin function for tensors, called as the short way of calls on PyTorch does."""

import ctypes
import gc
import sys
import threading

import pytest

import small_problem
from small_problem import BATCH_SIZE, CUM_M, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from groupgemm_fp8 import _call_torch, _ffi, _library, group_gemm_fp8_nt_groupwise  # noqa: E402
from torch_problem import needs_exchange_api, tensors_of, to_numpy  # noqa: E402

pytestmark = needs_exchange_api


# Constants by place.
PACKED, REMEMBERED, ARRAY, PARAMETER, REQUIRES_GRAD, IS_GRAD_ENABLED = range(6)
IS_NEGATED, COUNT_WRITE, EMPTY, KEYWORDS = range(6, 10)
# Arguments by place: a, b, a_scale, b_scale, m_indptr and these.
OUT, STREAM, WORKSPACE, OPTIONS = range(5, 9)


@pytest.fixture
def function_call():
    """The builtin function and the arguments of a call that it takes."""
    tensors = tensors_of(small_problem.inputs())
    _call_torch.forget()
    group_gemm_fp8_nt_groupwise(**tensors)
    (known,) = _call_torch._known.values()
    return known.function, [*tensors.values(), None, None, None, tuple(known.options)]


def with_constant(function, place, value):
    """A function like this one but for one constant."""
    constants = list(function.__self__)
    constants[place] = value
    return _library.dlpack_function(tuple(constants))


def test_function(function_call):
    function, arguments = function_call
    out, other = function(*arguments), torch.zeros(1)
    assert same_bits(to_numpy(out), expected(small_problem.inputs()))
    assert sys.getrefcount(out) == sys.getrefcount(other)
    arguments[OUT] = out
    for stream in (None, 0, (1 << 64) - 2):  # without effect on the CPU
        arguments[STREAM] = stream
        assert function(*arguments) is out
    assert sys.getrefcount(out) == sys.getrefcount(other) + 1


def raises(*arguments, **options):
    raise RuntimeError("as a framework may")


class Raises:
    """As what a framework answers."""

    def __bool__(self):
        raise RuntimeError("neither true nor false")


REFUSED_CONSTANTS = [
    (PACKED, b""),
    (PACKED, bytes(56)),
    (PACKED, bytes(57)),
    (PACKED, None),
    (ARRAY, torch.nn.Parameter),
    (REQUIRES_GRAD, "no_such_attribute"),
    (REQUIRES_GRAD, "is_cpu"),  # is true, and gradients are enabled
    (REQUIRES_GRAD, 1),
    (IS_NEGATED, None),
    (IS_NEGATED, raises),
    (IS_NEGATED, lambda array: Raises()),
    (IS_NEGATED, lambda array: True),
    (EMPTY, None),
    (EMPTY, raises),
    (EMPTY, lambda *sizes, **options: torch.zeros(1, 1)),
    (EMPTY, lambda *sizes, **options: 1),
    (EMPTY, lambda *sizes, **options: torch.nn.Parameter(torch.zeros(sizes))),
    (KEYWORDS, []),
    (KEYWORDS, [None]),
    (KEYWORDS, None),
]
REFUSED_ARGUMENTS = [
    (0, None),
    (1, torch.zeros(3, N, 4).numpy()),
    (4, torch.zeros(BATCH_SIZE + 1)),
    (OUT, torch.zeros(CUM_M, N, dtype=torch.float64)),
    (OUT, torch.zeros(CUM_M, N + 8)),
    (OUT, torch._neg_view(torch.zeros(CUM_M, N))),
    (OUT, torch.zeros(CUM_M, N, requires_grad=True)),
    (OUT, torch.nn.Buffer(torch.zeros(CUM_M, N)).as_subclass(type("T", (torch.Tensor,), {}))),
    (OUT, 1),
    (STREAM, -1),
    (STREAM, 1 << 64),
    (WORKSPACE, torch.zeros(4096)),
    (WORKSPACE, 1),
]
GRANULARITY = [1, 128, 128]
OTHER_OPTIONS = [
    *((place, object()) for place in range(7)),
    (0, tuple(GRANULARITY)),
    (0, GRANULARITY),
    (2, True),
]
OTHER_ARGUMENTS = [
    (STREAM, b""),
    (STREAM, True),
    (STREAM, "0"),
    (STREAM, torch.zeros(1)),
    (OPTIONS, ()),
    (OPTIONS, [None] * 7),
    (OPTIONS, 1),
]


def assert_answers(function, arguments, is_wanted):
    """It answers with a number, raises nothing, and gives every reference back."""

    def call():
        assert is_wanted(function(*arguments))

    def references():
        gc.collect()
        return [sys.getrefcount(x) for x in (None, True, False, *function.__self__, *arguments)]

    call()
    before = references()
    for _ in range(1000):
        call()
    # Others may take or drop None meanwhile.
    changes = [abs(x - y) for x, y in zip(references(), before, strict=True)]
    assert max(changes) < 100


@pytest.mark.parametrize("place, value", REFUSED_CONSTANTS)
def test_function_refuses_with_wrong_constants(function_call, place, value):
    function, arguments = function_call
    assert_answers(with_constant(function, place, value), arguments, lambda answer: answer > 0)


@pytest.mark.parametrize("place, value", REFUSED_ARGUMENTS)
def test_function_refuses(function_call, place, value):
    function, arguments = function_call
    arguments[place] = value
    assert_answers(function, arguments, lambda answer: answer > 0)


def assert_knows_not(function_call, place, value):
    """And says so before it looks at anything else."""
    function, arguments = function_call
    arguments[place] = value
    arguments[0] = None
    assert_answers(function, arguments, lambda answer: answer == 0)


@pytest.mark.parametrize("place, value", OTHER_OPTIONS)
def test_function_knows_no_other_options(function_call, place, value):
    options = list(function_call[1][OPTIONS])
    options[place] = value
    assert_knows_not(function_call, OPTIONS, tuple(options))


@pytest.mark.parametrize("place, value", OTHER_ARGUMENTS)
def test_function_knows_no_other_kinds(function_call, place, value):
    assert_knows_not(function_call, place, value)


def test_function_counts_options(function_call):
    options = function_call[1][OPTIONS]
    for other in (options[:-1], (*options, None)):
        assert_knows_not(function_call, OPTIONS, other)


@pytest.mark.parametrize("remembered", [None, (), []])
def test_function_without_remembered_options(function_call, remembered):
    function, arguments = function_call
    function = with_constant(function, REMEMBERED, remembered)
    assert_answers(function, arguments, lambda answer: answer == 0)
    arguments[OPTIONS] = None
    assert type(function(*arguments)) is torch.Tensor


@pytest.mark.parametrize("place", [0, 1, 2, 3, OUT])
def test_function_asks_for_gradients(function_call, place):
    """Gradients matter where they are wanted and enabled; what cannot be told is refused."""
    function, arguments = function_call
    arguments[OUT] = torch.zeros(CUM_M, N)
    arguments[place].requires_grad_()
    assert_answers(function, arguments, lambda answer: type(answer) is int and answer > 0)
    failing = with_constant(function, IS_GRAD_ENABLED, raises)
    with torch.no_grad():
        assert_answers(function, arguments, lambda answer: answer is arguments[OUT])
        assert_answers(failing, arguments, lambda answer: type(answer) is int and answer > 0)


@pytest.mark.parametrize("place", [2, 3, OUT])
def test_function_sees_negated_arrays(function_call, place):
    function, arguments = function_call
    arguments[OUT] = torch.zeros(CUM_M, N)
    arguments[place] = torch._neg_view(arguments[place])
    assert function(*arguments) > 0


@pytest.mark.parametrize(
    "place, may_be", [(0, False), (1, True), (2, False), (3, True), (4, False)]
)
def test_function_takes_parameters_as_weights(function_call, place, may_be):
    function, arguments = function_call
    arguments[place] = torch.nn.Parameter(arguments[place], requires_grad=False)
    assert (type(function(*arguments)) is torch.Tensor) is may_be


def test_function_counts_writes(function_call):
    function, arguments = function_call
    written = []
    function = with_constant(function, COUNT_WRITE, written.append)
    function(*arguments)
    assert not written
    out = arguments[OUT] = torch.zeros(CUM_M, N)
    assert function(*arguments) is out
    assert written == [(out,)]


def test_function_raises_what_counting_raises(function_call):
    function, arguments = function_call
    function = with_constant(function, COUNT_WRITE, raises)
    out = arguments[OUT] = torch.zeros(CUM_M, N)
    references = sys.getrefcount(out)
    with pytest.raises(RuntimeError, match="as a framework may"):
        function(*arguments)
    assert sys.getrefcount(out) == references
    assert same_bits(to_numpy(out), expected(small_problem.inputs(), "float32"))


def test_function_counts_its_arguments(function_call):
    function, arguments = function_call
    assert function() > 0
    assert function(*arguments[:-1]) > 0
    assert function(*arguments, None) > 0
    with pytest.raises(TypeError):
        function(*arguments, options=arguments[0])


def test_function_wants_its_constants(function_call):
    function, _ = function_call
    constants = function.__self__
    for wrong in ((), constants[:-1], (*constants, None), list(constants), None, 1):
        assert _library.dlpack_function(wrong) is None
    references = sys.getrefcount(constants)
    other = _library.dlpack_function(constants)
    assert sys.getrefcount(constants) == references + 1
    del other
    assert sys.getrefcount(constants) == references


def test_function_takes_a_workspace(function_call):
    function, arguments = function_call
    arguments[WORKSPACE] = torch.zeros(1256, dtype=torch.uint8)
    assert same_bits(to_numpy(function(*arguments)), expected(small_problem.inputs()))


class Table(ctypes.Structure):
    """The framework's DLPack table, see cpp/src/dlpack/dlpack_abi.h."""

    _fields_ = [
        ("version", ctypes.c_uint32 * 2),
        ("others", ctypes.c_void_p * 4),
        ("describe", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)),
        ("current_stream", ctypes.c_void_p),
    ]


def test_function_makes_no_output_for_another_stream(function_call):
    """On CUDA, which a table pretends: the allocator serves the current stream alone."""
    function, arguments = function_call
    size, address, *options = _ffi.DLPACK_OPTIONS.unpack(function.__self__[PACKED])
    torchs = Table.from_address(address)

    def describe(tensor, description):
        status = torchs.describe(tensor, description)
        ctypes.c_int32.from_address(description + 8).value = 2  # the type of the device
        return status

    table = Table.from_buffer_copy(torchs)
    table.describe = type(table.describe)(describe)
    packed = _ffi.DLPACK_OPTIONS.pack(size, ctypes.addressof(table), *options)
    function = with_constant(function, PACKED, packed)
    made = []

    def empty(*sizes, **keywords):
        made.append((sizes, keywords))
        raise RuntimeError("no memory")

    function = with_constant(function, EMPTY, empty)
    function = with_constant(function, KEYWORDS, [None, {"name": "cuda:0"}])
    for stream in (0, 7):
        arguments[STREAM] = stream
        assert function(*arguments) > 0
    assert not made
    arguments[STREAM] = None
    assert function(*arguments) > 0
    assert made == [((CUM_M, N), {"name": "cuda:0"})]


def test_other_threads_run_meanwhile():
    """The interpreter's lock is released while the CPU computes."""
    rows, n, k = 512, 1024, 2048
    a = torch.zeros(rows, k, dtype=torch.uint8).view(torch.float8_e4m3fn)
    b = torch.zeros(1, n, k, dtype=torch.uint8).view(torch.float8_e4m3fn)
    scales = torch.ones(k // 128, rows), torch.ones(1, k // 128, n // 128)
    call = (a, b, *scales, torch.tensor([0, rows], dtype=torch.int32))
    group_gemm_fp8_nt_groupwise(*call[:4], torch.zeros(2, dtype=torch.int32))  # is remembered
    done = threading.Event()

    def work():
        for _ in range(5):
            group_gemm_fp8_nt_groupwise(*call)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    ticks = 0
    while not done.wait(0.0005):
        ticks += 1
    thread.join()
    assert ticks > 10  # with the lock held, one or two per call
