"""From a `stream` argument, or none, to the handle of a CUDA stream."""

from . import _arrays


def handle_of(stream) -> int:
    """The handle of an explicit stream: an integer or a stream object of any framework."""
    if isinstance(stream, int) and not isinstance(stream, bool):
        handle = stream
    elif hasattr(stream, "cuda_stream"):  # PyTorch
        handle = stream.cuda_stream
    elif hasattr(stream, "__cuda_stream__"):  # CUDA Python's protocol: (version, handle)
        handle = stream.__cuda_stream__()[1]
    elif hasattr(stream, "ptr"):  # CuPy
        handle = stream.ptr
    elif hasattr(stream, "handle"):
        handle = stream.handle
    else:
        raise TypeError(
            f"stream: got {type(stream).__name__}, wanted None, an integer handle, or an object "
            "with cuda_stream, __cuda_stream__, ptr or handle"
        )
    handle = int(getattr(handle, "value", handle) or 0)  # ctypes pointers hold their value
    if not 0 <= handle < 1 << 64:
        raise ValueError(f"stream: got {handle}, wanted the handle of a CUDA stream")
    return handle


def current_handle(arrays, ordinal: int) -> int:
    """The current stream of the first array's framework that can tell it."""
    for x in arrays:
        framework = _arrays.framework_of(type(x))
        if framework.current_stream is not None:
            return framework.current_stream(x, ordinal)
    raise ValueError(
        f"stream: {type(arrays[0]).__name__} cannot tell its current CUDA stream; pass stream= "
        "(an integer handle, 0 for the default stream, or a stream object)"
    )
