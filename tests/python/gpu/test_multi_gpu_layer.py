"""Several GPUs: the steps, the whole layer and raw pointers on a device that is not current.

Needs two CUDA devices and PyTorch; the parts of CuPy and JAX need those.
"""

import ctypes

import numpy as np
import pytest

import small_problem
from groupgemm_fp8 import _ffi, _library
from small_problem import CUM_M, N, expected, same_bits

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if torch.cuda.device_count() < 2:
    pytest.skip("PyTorch sees fewer than two CUDA devices", allow_module_level=True)

import groupgemm_fp8 as gg  # noqa: E402
import groupgemm_fp8.torch  # noqa: E402  registers the operators
from torch_problem import tensors_of, to_numpy  # noqa: E402

EXPERTS, TOKENS, HIDDEN, INTER, TOP_K = 4, 37, 256, 128, 2


@pytest.fixture(autouse=True)
def device_zero_is_current():
    torch.cuda.set_device(0)
    yield
    assert torch.cuda.current_device() == 0


def layer_arrays(device):
    """The arguments of moe_ffn, the same numbers on every device."""
    rng = np.random.default_rng(3)

    def make(*shape):
        return torch.from_numpy(0.2 * rng.standard_normal(shape, np.float32)).to(device)

    x = make(TOKENS, HIDDEN).bfloat16()
    index = torch.from_numpy(rng.integers(0, EXPERTS, (TOKENS, TOP_K))).to(device)
    weights = torch.from_numpy(rng.uniform(0, 1, (TOKENS, TOP_K)).astype(np.float32)).to(device)
    quantised = [
        part
        for matrix in (make(EXPERTS, 2 * INTER, HIDDEN), make(EXPERTS, HIDDEN, INTER))
        for part in gg.quantize_groupwise(matrix, (128, 128), scale_major_mode="K")
    ]
    return x, *quantised, index, weights


def steps_of(x, gate_up, gate_up_scale, down, down_scale, index, weights):
    """Results of every step, in order."""
    routing = gg.route(index, EXPERTS)
    a, a_scale = gg.quantize_groupwise(x, (1, 128), row_index=routing.row_index)
    gates = gg.group_gemm_fp8_nt_groupwise(
        a, gate_up, a_scale, gate_up_scale, routing.m_indptr, b_scale_major_mode="K"
    )
    activated = gg.silu_mul_quantize_groupwise(gates)
    rows = gg.group_gemm_fp8_nt_groupwise(
        activated[0], down, activated[1], down_scale, routing.m_indptr, b_scale_major_mode="K"
    )
    combined = gg.combine(rows, routing.position, weights)
    return *routing, a, a_scale, gates, *activated, rows, combined


def bytes_of(results):
    return [x.cpu().contiguous().view(torch.uint8).numpy().tobytes() for x in results]


def test_every_step_on_the_other_device():
    """Both devices give the same bits, and results are where the arguments are."""
    results = [steps_of(*layer_arrays(f"cuda:{device}")) for device in (1, 0)]
    for x in results[0]:
        assert x.device == torch.device("cuda", 1)
    assert bytes_of(results[0]) == bytes_of(results[1])


@pytest.mark.parametrize("compiled", [False, True])
def test_layer_on_the_other_device(compiled):
    layer = torch.compile(gg.moe_ffn, fullgraph=True) if compiled else gg.moe_ffn
    results = [layer(*layer_arrays(f"cuda:{device}")) for device in (1, 0)]
    assert results[0].device == torch.device("cuda", 1)
    assert bytes_of(results[:1]) == bytes_of(results[1:])


def test_layer_on_a_stream_of_the_other_device():
    arguments = layer_arrays("cuda:1")
    wanted = gg.moe_ffn(*arguments)
    torch.cuda.synchronize(1)
    stream = torch.cuda.Stream(device=1)
    out = gg.moe_ffn(*arguments, stream=stream)
    stream.synchronize()
    assert bytes_of([out]) == bytes_of([wanted])
    with pytest.raises(ValueError, match="stream: got a stream of cuda:0, wanted one of cuda:1"):
        gg.moe_ffn(*arguments, stream=torch.cuda.Stream(device=0))


STEPS = {
    "quantize": lambda at: gg.quantize_groupwise(
        torch.ones(4, 128, device=at(0)), (1, 128), out=torch.empty(4, 128, device=at(1)).to(FP8)
    ),
    "silu": lambda at: gg.silu_mul_quantize_groupwise(
        torch.ones(4, 256, device=at(0)), out=torch.empty(4, 128, device=at(1)).to(FP8)
    ),
    "combine": lambda at: gg.combine(
        torch.ones(4, 128, device=at(0)).bfloat16(),
        torch.zeros(4, 1, dtype=torch.int32, device=at(1)),
        torch.ones(4, 1, device=at(0)),
    ),
}
FP8 = torch.float8_e4m3fn


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("first", [0, 1])
def test_steps_refuse_arrays_of_two_devices(name, first):
    devices = (f"cuda:{first}", f"cuda:{1 - first}")
    STEPS[name](lambda idx: devices[0])
    with pytest.raises(ValueError, match=f"got an array on {devices[1]}, wanted {devices[0]}"):
        STEPS[name](devices.__getitem__)


class Interface:
    """A CUDA array of any address, with nothing but its interface."""

    def __init__(self, address, shape, typestr):
        self.__cuda_array_interface__ = {
            "data": (address, False), "shape": shape, "typestr": typestr, "version": 3,
        }  # fmt: skip


@pytest.mark.parametrize("device", [0, 1])
@pytest.mark.parametrize("name", ["a", "b", "a_scale", "b_scale", "m_indptr", "out"])
def test_host_pointer_among_arrays_of_a_device(name, device):
    arrays = small_problem.inputs()
    call = tensors_of(arrays, f"cuda:{device}")
    call["out"] = torch.zeros(CUM_M, N, dtype=torch.bfloat16, device=f"cuda:{device}")
    host = torch.zeros(call[name].shape, dtype=call[name].dtype)
    typestr = {1: "|u1", 2: "<V2", 4: "<i4" if name == "m_indptr" else "<f4"}[host.itemsize]
    call[name] = Interface(host.data_ptr(), tuple(host.shape), typestr)
    with pytest.raises(ValueError, match=f"{name}: got a CUDA array at 0x.*no address of a CUDA"):
        gg.group_gemm_fp8_nt_groupwise(**call, stream=0)
    torch.cuda.synchronize(device)


def raw_arguments(call, device):
    """ggfp8_group_gemm_args of tensors, as a C caller fills them in."""
    values = dict.fromkeys((name for name, _ in _ffi.ARGS_FIELDS), 0)
    values |= {name: x.data_ptr() for name, x in call.items()}
    values |= {
        "struct_size": _ffi.ARGS.size, "cum_m": CUM_M, "n": N, "k": small_problem.K,
        "batch_size": small_problem.BATCH_SIZE, "device_type": _ffi.DEVICE_CUDA,
        "device_id": device,
    }  # fmt: skip
    return _ffi.ARGS.pack(*values.values())


def test_pointers_and_streams_of_the_other_device():
    """C callers name the device in a member; a stream of the current device is refused."""
    arrays = small_problem.inputs()
    call = tensors_of(arrays, "cuda:1")
    call["out"] = torch.zeros(CUM_M, N, dtype=torch.bfloat16, device="cuda:1")
    torch.cuda.synchronize(1)
    product = _library.load().ggfp8_group_gemm_nt_groupwise
    packed = raw_arguments(call, 1)
    for stream in (0, torch.cuda.Stream(device=1).cuda_stream):
        call["out"].zero_()
        torch.cuda.synchronize(1)
        _library.check(product(packed, None, 0, stream))
        torch.cuda.synchronize(1)
        assert same_bits(to_numpy(call["out"]), expected(arrays))
    other = torch.cuda.Stream(device=0).cuda_stream
    assert product(packed, None, 0, other) != _ffi.SUCCESS
    sentence = _library.load().ggfp8_last_error().decode()
    assert sentence.startswith(f"stream: got {other:#x}, which is a stream of cuda:0")
    kind, ordinal = ctypes.c_int32(), ctypes.c_int32()
    pointer_device = _library.load().ggfp8_pointer_device
    _library.check(pointer_device(call["a"].data_ptr(), ctypes.byref(kind), ctypes.byref(ordinal)))
    assert (kind.value, ordinal.value) == (_ffi.DEVICE_CUDA, 1)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("as_handle", [False, True])
def test_stream_of_cupy_on_another_device(given, as_handle):
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    from test_cupy_cuda import to_cupy

    with cupy.cuda.Device(0):
        call = {name: to_cupy(x) for name, x in small_problem.inputs().items()}
        if given:
            call["out"] = cupy.zeros((CUM_M, N), "float32")
    with cupy.cuda.Device(1):
        stream = cupy.cuda.Stream(non_blocking=True)
    with pytest.raises(ValueError, match="stream: got .* of cuda:1, wanted one of cuda:0"):
        gg.group_gemm_fp8_nt_groupwise(**call, stream=stream.ptr if as_handle else stream)
    gg.group_gemm_fp8_nt_groupwise(**call)  # the failure has no later effect
    cupy.cuda.Device(0).synchronize()


def test_layer_of_jax_on_the_other_device():
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    import groupgemm_fp8.jax as gg_jax

    try:
        devices = jax.local_devices(backend="cuda")
    except RuntimeError as error:
        pytest.skip(f"JAX has no CUDA device: {error}")
    arguments = layer_arrays("cpu")
    on_host = [to_numpy(x) if x.dtype != FP8 else as_fp8(x) for x in arguments]
    results = []
    for device in (devices[1], devices[0]):
        placed = [jax.device_put(x, device) for x in on_host]
        out = jax.jit(gg_jax.moe_ffn)(*placed)
        assert out.devices() == {device}
        results.append(np.asarray(out).tobytes())
    assert results[0] == results[1]


def as_fp8(x):
    return x.view(torch.uint8).numpy().view(small_problem.fp8("float8_e4m3fn"))
