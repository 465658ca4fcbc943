"""PyTorch tensors, read by their attributes. Called by _arrays.

Attributes need no import, exist in every version, and show what DLPack hides. Calls with options
seen before do without: _call_torch.
"""

import functools
import sys

from ._dtypes import array_dtype_name, known_names
from ._view import CPU, View

# torch.device -> (DLPack type, ordinal)
_devices: dict = {}


def read(argument: str, x, stream_of) -> View:
    try:
        data = x.data_ptr()
        strides = x.stride()
    except RuntimeError as error:
        raise ValueError(
            f"{argument}: got a tensor whose memory cannot be reached (sparse, or inside a "
            f"function transform), wanted a dense one: {error}"
        ) from error
    if not data and x.numel():
        refuse_fake(argument, x, stream_of)
    if x.requires_grad:
        check_no_grad(argument)
    dtype = known_names.get(x.dtype) or array_dtype_name(x.dtype)
    # Only float32 parts of complex tensors are negated lazily.
    if dtype == "float32" and x.is_neg():
        raise ValueError(f"{argument}: got a negative view, wanted {argument}.resolve_neg()")
    device = _devices.get(x.device) or _device(argument, x.device)
    view = (data, x.shape, strides, dtype, device, False, None)
    return tuple.__new__(View, view)  # skips the keyword handling of View(...)


def refuse_fake(argument: str, x, stream_of) -> View:
    raise ValueError(f"{argument}: got a fake or meta tensor, wanted one with memory")


def check_no_grad(argument: str) -> None:
    if sys.modules["torch"].is_grad_enabled():
        raise ValueError(
            f"{argument}: got a tensor that requires grad, but the product has no gradient; "
            f"pass {argument}.detach() or call under torch.no_grad()"
        )


def _device(argument: str, device) -> tuple[int, int]:
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"{argument}: got a tensor on {device}, wanted cpu or cuda")
    known = CPU if device.type == "cpu" else (2, device.index)
    _devices[device] = known
    return known


def empty(like, shape: tuple[int, ...], dtype: str, device: tuple[int, int]):
    torch = sys.modules["torch"]
    return torch.empty(shape, dtype=getattr(torch, dtype), device=like.device)


def on_stream(ordinal: int, handle: int):
    """A context in which PyTorch's allocator serves the stream."""
    cuda = sys.modules["torch"].cuda
    # 1 is another handle of the default stream, and to PyTorch a stream of its own.
    return cuda.stream(cuda.ExternalStream(0 if handle == 1 else handle, device=ordinal))


def written(x) -> None:
    """Autograd refuses to use what it saved if the tensor's version says it was overwritten."""
    sys.modules["torch"].autograd.graph.increment_version(x)


def current_stream(x, ordinal: int) -> int:
    return stream_function()(ordinal)


@functools.cache
def stream_function():
    """The function from a CUDA ordinal to the handle of PyTorch's current stream there."""
    torch = sys.modules["torch"]
    # What torch.cuda.current_stream asks, without the object around it.
    raw_stream = getattr(torch._C, "_cuda_getCurrentRawStream", None)
    return raw_stream or (lambda ordinal: torch.cuda.current_stream(ordinal).cuda_stream)
