"""PyTorch tensors: described through PyTorch's DLPack table, or by their attributes.

PyTorch 2.11 and later publish a table of C functions (DLPack 1.3) that describes a tensor in half
the time of its attributes. What the table does not tell is asked of the tensor: whether a
derivative is wanted, whether it is negated lazily, whether its storage has been freed.
"""

import ctypes
import struct
from contextlib import nullcontext

import torch
from torch.autograd import forward_ad

from .. import _library
from .._dtypes import FP8, OUTPUTS, dense_strides, dlpack_type, dtype_name
from .._ffi import DEVICE_CPU, DEVICE_CUDA, SUCCESS, ObjectReader, capsule_pointer
from ..errors import OperatorNeededError, UnreadableError

_DEVICE_TYPES = {"cpu": DEVICE_CPU, "cuda": DEVICE_CUDA}

# DLPackExchangeAPI: version, previous table, functions
_TABLE = struct.Struct("@IIPPPPPP")
_SUB_BYTE_DTYPES = frozenset(
    getattr(torch, f"{kind}{bits}")
    for kind in ("int", "uint")
    for bits in range(1, 8)
    if hasattr(torch, f"{kind}{bits}")
)


def describe(x, call, place: int) -> None:
    if x.requires_grad and torch.is_grad_enabled():
        raise UnreadableError(WANTS_GRAD)
    if forward_ad._current_level >= 0 and has_tangent(x):
        raise UnreadableError(HAS_TANGENT)
    try:
        if x.is_neg():
            raise UnreadableError("got a negative view, wanted its resolve_neg()")
        if _table_function is None:
            _describe_by_attributes(x, call, place)
        elif _table_function(id(x), call.address + place):  # CPython's id is an object's address
            raise BufferError("PyTorch's DLPack table does not describe it")
    except (RuntimeError, BufferError, NotImplementedError) as error:
        raise _unreachable(x, error) from error
    if call.memory[place >> 3] < _LOW_ADDRESS:
        _check_storage(x)
    if call.takes_bytes and x.dtype in _SUB_BYTE_DTYPES:  # DLPack says that they have eight bits
        raise UnreadableError(
            f"got dtype {dtype_name(x.dtype)}, which no argument may have", TypeError
        )


_PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)

# NOTE: a view of a freed storage has an address that is not NULL: its offset in bytes.
_LOW_ADDRESS = 1 << 40


def product(inputs: tuple, out, chosen):
    """The product of plain tensors on the current stream, described and computed in one C call.

    Returns `out`, or a new output, or None where a tensor must be looked at or the call failed.

    Written for speed: a model calls this for every layer and token.
    """
    if _table_function is None or chosen.takes_bytes or forward_ad._current_level >= 0:
        return None
    arrays = inputs if out is None else (*inputs, out)
    try:
        for x in arrays:
            if type(x) not in _PLAIN_TYPES or x.requires_grad or x.is_neg():
                return None
        if out is None:
            a, b = inputs[0], inputs[1]
            # NOTE: slicing a torch.Size takes as long as both lookups.
            rows = a.shape[:-1] if chosen.group_layout == "masked" else (a.shape[0],)
            shape = (*rows, b.shape[1])
            result = empty(a, shape, chosen.out_dtype or "bfloat16", 0)
            arrays = (*inputs, result)
        run = _library.load().ggfp8_group_gemm_nt_groupwise_objects
        status = run(_object_reader_address, arrays, chosen.packed)
    except Exception:
        return None
    if status != SUCCESS:
        return None
    if out is None:
        return result
    written(out)
    return out


def _check_storage(x) -> None:
    if is_transformed():
        raise OperatorNeededError("got a tensor inside a function transform")
    if x.numel() and not x.untyped_storage().nbytes():
        raise UnreadableError("got a tensor whose storage was freed, wanted one with memory")


WANTS_GRAD = (
    "got a tensor that requires grad, but the product has no gradient; pass its .detach() or call "
    "under torch.no_grad()"
)
HAS_TANGENT = (
    "got a tensor with a tangent of forward-mode differentiation, but the product has no "
    "derivative; pass its .detach()"
)


def has_tangent(x) -> bool:
    """Whether forward-mode differentiation wants the derivative along x."""
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(x).tangent is not None


def describe_wrapper(x, call, place: int) -> None:
    """Refuses a subclass whose operators are its own, such as DTensor: it has no memory."""
    raise OperatorNeededError(
        f"got a {type(x).__qualname__}, which only an operator of PyTorch can take"
    )


def describe_fake(x, call, place: int) -> None:
    fake = type(x)
    if all(y is None or isinstance(y, fake) for y in call.arrays):
        describe_wrapper(x, call, place)
    raise UnreadableError(FAKE)


FAKE = "got a fake or meta tensor, wanted one with memory"


def is_transformed() -> bool:
    """Whether a transform of torch.func runs, whose tensors stand for others."""
    return torch._C._functorch.maybe_current_level() is not None


def _unreachable(x, error: Exception) -> Exception:
    """Why PyTorch does not show a tensor's memory."""
    reason = str(error).partition("\n")[0]
    if is_transformed():
        return OperatorNeededError(f"got a tensor inside a function transform: {reason}")
    if x.device.type == "meta":
        return UnreadableError(FAKE)
    if x.device.type not in _DEVICE_TYPES:
        return UnreadableError(f"got a tensor on {x.device}, wanted cpu or cuda")
    return UnreadableError(
        "got a tensor whose memory cannot be reached (sparse, functional, nested), wanted a dense "
        f"one: {reason}"
    )


def _find_table_functions() -> tuple[int, int] | None:
    """The addresses of two functions of PyTorch's DLPack table, None without a table.

    int describe(PyObject* tensor, DLTensor*) and
    int current_stream(DLDeviceType, int32_t device_id, void** stream).
    """
    capsule = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    address = capsule is not None and capsule_pointer(id(capsule), b"dlpack_exchange_api")
    while address:
        major, _, previous, *_, describe, current_stream = _TABLE.unpack(
            ctypes.string_at(address, _TABLE.size)
        )
        if major == 1:
            return describe, current_stream
        address = previous
    return None


_table_function = None
if _table_functions := _find_table_functions():
    _table_function = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
        _table_functions[0]
    )
    _object_reader = ObjectReader(*_table_functions, _LOW_ADDRESS)
    _object_reader_address = ctypes.addressof(_object_reader)


def _describe_by_attributes(x, call, place: int) -> None:
    device = x.device
    if device.type not in _DEVICE_TYPES:
        raise BufferError(f"it is on {device}")
    # NOTE: index is None for the CPU, and data_ptr() raises for tensors without plain memory.
    where = (_DEVICE_TYPES[device.type], device.index or 0)
    call.put(place, x.data_ptr(), where, dlpack_type(x.dtype), x.shape, x.stride())


def empty(like, shape: tuple[int, ...], dtype: str, ordinal: int):
    # Fast part: what torch.empty comes to, without the parser of its arguments and the dispatcher,
    # which take two thirds of its time.
    allocate = None
    if like.is_cuda:
        if like.get_device() == _current_device():
            allocate = _empty_on_current_device
    elif like.is_cpu:
        allocate = _empty_on_cpu
    if allocate is None or 0 in shape or _is_deterministic():
        return torch.empty(shape, dtype=_DTYPES[dtype], device=like.device)
    strides = (shape[1], 1) if len(shape) == 2 else tuple(dense_strides(shape))
    return allocate(shape, strides, _DTYPES[dtype])


# Programs of torch.compile allocate by these functions. They never fill what they allocate, which
# torch.empty does for torch.use_deterministic_algorithms.
_empty_on_cpu = getattr(torch._C._dynamo.guards, "_empty_strided_cpu", None)
_empty_on_current_device = getattr(torch._C._dynamo.guards, "_empty_strided_cuda", None)
_current_device = getattr(torch._C, "_cuda_getDevice", None)  # None in builds without CUDA
_is_deterministic = torch._C._get_deterministic_algorithms

_DTYPES = {
    name: getattr(torch, name)
    for name in (*FP8, *OUTPUTS, "uint8", "int32")
    if hasattr(torch, name)
}


# The handle of PyTorch's current stream on a CUDA ordinal: what torch.cuda.current_stream asks,
# without the object around it.
_raw_stream = getattr(torch._C, "_cuda_getCurrentRawStream", None)


def current_stream(x, ordinal: int) -> int:
    if _raw_stream is not None:
        return _raw_stream(ordinal)
    return torch.cuda.current_stream(ordinal).cuda_stream


def on_stream(like, ordinal: int, handle: int):
    """A context in which PyTorch's allocator serves the stream."""
    if handle == current_stream(like, ordinal):
        return nullcontext()
    # NOTE: handles 0 and 1 both mean the default stream, and ExternalStream(0) would be another.
    if handle in (0, 1):
        return torch.cuda.stream(torch.cuda.default_stream(ordinal))
    return torch.cuda.stream(torch.cuda.ExternalStream(handle, device=ordinal))


def written(x) -> None:
    """Autograd refuses to use what it saved if the tensor's version says it was overwritten."""
    _increment_version((x,))


# torch.autograd.graph.increment_version looks at its argument and then calls this.
_increment_version = getattr(torch._C, "_increment_version", None)
if _increment_version is None:
    _increment_version = torch.autograd.graph.increment_version

_num_dispatch_modes = torch._C._len_torch_dispatch_stack
_num_function_modes = torch._C._len_torch_function_stack
_is_jit_tracing = torch._C._is_tracing


def is_traced() -> bool:
    """Whether operators are recorded or taken over, so that a call must be one to be seen."""
    if _num_dispatch_modes() or _is_jit_tracing():
        return True
    return _num_function_modes() != 0 and _is_function_traced()


def _is_function_traced() -> bool:
    """torch.set_default_device alone is no tracer."""
    from torch.overrides import _get_current_function_mode_stack
    from torch.utils._device import DeviceContext

    return not all(isinstance(mode, DeviceContext) for mode in _get_current_function_mode_stack())
