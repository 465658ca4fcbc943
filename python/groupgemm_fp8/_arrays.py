"""Intake: any array becomes a View, without importing its framework.

_request reads every array argument through `readers`. A type's framework is found once per type:

    PyTorch          by its attributes: they show what DLPack hides (negative views, gradients,
                     tensors without memory)
    JAX              by __dlpack__: its other protocols fail for FP8
    NumPy            by __array_interface__: its DLPack refuses FP8
    CuPy             by its attributes: its DLPack refuses or mislabels FP8
    other CUDA       by __cuda_array_interface__
    everything else  by __dlpack__
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from . import _arrays_cupy, _arrays_dlpack, _arrays_interface, _arrays_torch
from ._view import CPU, View


class Framework(NamedTuple):
    """How the arrays of one type are read and made. A missing function is None."""

    read: Callable  # (argument, x, stream_of) -> View
    current_stream: Callable | None  # (x, ordinal) -> handle, for CUDA arrays
    empty: Callable | None  # (like, shape, dtype, device) -> array that can be written
    finish: Callable | None = None  # (like, written array) -> array of the framework
    refuses_out: str = ""  # why no array of the type can be `out`
    on_stream: Callable | None = None  # (ordinal, handle) -> context that allocates for a stream
    written: Callable | None = None  # (array) tells the framework that `out` has new contents


class _Readers(dict):
    """Type of an array -> its framework's read function, which __missing__ finds once."""

    def __missing__(self, kind: type) -> Callable:
        read = self[kind] = framework_of(kind).read
        return read


# readers[type(x)](argument, x, stream_of) is the View of x; TypeError if x is no array. Only a
# DLPack producer on CUDA asks for stream_of(ordinal).
readers = _Readers()


@functools.cache
def framework_of(kind: type) -> Framework:
    """The framework of a type; what is no array has one that refuses to read it."""
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__}
    roots = {root for root, _ in bases}
    if ("torch", "FakeTensor") in bases:
        return _TORCH_FAKE
    if ("torch", "Tensor") in bases:
        return _TORCH
    if "jax" in roots or "jaxlib" in roots:
        return _JAX if hasattr(kind, "__dlpack_device__") else _JAX_TRACER
    if ("numpy", "MaskedArray") in bases:
        return _NO_ARRAY
    if hasattr(kind, "__array_interface__"):
        return _NUMPY
    if hasattr(kind, "__cuda_array_interface__"):
        if hasattr(kind, "__ggfp8_empty__"):
            return _CUDA._replace(empty=_arrays_interface.empty_by_protocol)
        if ("cupy", "ndarray") in bases:
            return _CUPY
        return _CUDA
    if hasattr(kind, "__dlpack__") and hasattr(kind, "__dlpack_device__"):
        return _DLPACK
    return _NO_ARRAY


def all_fake(*arrays) -> bool:
    """Whether all stand for other tensors while PyTorch traces."""
    if framework_of(type(arrays[0])) is not _TORCH_FAKE:
        return False
    return all(framework_of(type(x)) is _TORCH_FAKE for x in arrays)


def read_writable(argument: str, x, stream_of: Callable[[int], int]) -> View:
    """The view of an array that will be written."""
    framework = framework_of(type(x))
    if framework.refuses_out:
        raise TypeError(f"{argument}: got {type(x).__name__}, but {framework.refuses_out}")
    view = framework.read(argument, x, stream_of)
    if view.readonly:
        raise ValueError(f"{argument}: got a read-only array, wanted a writable one")
    return view


def empty(argument: str, like, shape: tuple[int, ...], dtype: str, device, stream=None):
    """A new array that can be written; finish() makes it one of the framework of `like`.

    With the handle of a stream, the memory is for work on that stream: what used it before and
    what uses it next is in the stream's order. By default it is for the current stream.
    """
    framework = framework_of(type(like))
    if framework.empty is None:
        raise TypeError(
            f"{argument}: got None, but {type(like).__name__} cannot allocate; pass {argument}="
        )
    if stream is None or device == CPU or framework.on_stream is None:
        return framework.empty(like, shape, dtype, device)
    with framework.on_stream(device[1], stream):
        return framework.empty(like, shape, dtype, device)


def written(array) -> None:
    """Tells the framework that an array of the caller has new contents."""
    tell = framework_of(type(array)).written
    if tell is not None:
        tell(array)


def finish(like, written):
    """The written array as an array of the framework of `like`."""
    convert = framework_of(type(like)).finish
    return written if convert is None else convert(like, written)


def _refuse(argument: str, x, stream_of) -> View:
    kind = type(x)
    raise TypeError(
        f"{argument}: got {kind.__module__}.{kind.__qualname__}, wanted an array (NumPy without "
        "a mask, PyTorch, CuPy, JAX, or another type with __dlpack__)"
    )


def _refuse_tracer(argument: str, x, stream_of) -> View:
    raise TypeError(
        f"{argument}: got a value that JAX is tracing, wanted an array with memory; inside "
        "jax.jit and other transforms call groupgemm_fp8.jax.group_gemm_fp8_nt_groupwise"
    )


def _empty_jax(like, shape, dtype, device):
    """A NumPy array to write to, for JAX on the CPU: outside of XLA nothing makes JAX arrays."""
    if device != CPU:
        raise TypeError(
            "out: JAX cannot allocate it on CUDA outside of XLA; call "
            "groupgemm_fp8.jax.group_gemm_fp8_nt_groupwise, or pass a writable array of another "
            "framework as out, for example a torch or CuPy array"
        )
    return _arrays_interface.empty_numpy(like, shape, dtype, device)


def _finish_jax(like, written):
    import jax

    return jax.device_put(written, next(iter(like.devices())))


_TORCH = Framework(
    _arrays_torch.read,
    _arrays_torch.current_stream,
    _arrays_torch.empty,
    on_stream=_arrays_torch.on_stream,
    written=_arrays_torch.written,
)
_TORCH_FAKE = Framework(_arrays_torch.refuse_fake, None, None)
_NUMPY = Framework(_arrays_interface.read_numpy, None, _arrays_interface.empty_numpy)
_CUDA = Framework(_arrays_interface.read_cuda, _arrays_interface.current_stream, None)
_CUPY = Framework(
    _arrays_cupy.read,
    _arrays_cupy.current_stream,
    _arrays_cupy.empty,
    on_stream=_arrays_cupy.on_stream,
)
_DLPACK = Framework(_arrays_dlpack.read, None, None)
_JAX_TRACER = Framework(_refuse_tracer, None, None)
_NO_ARRAY = Framework(_refuse, None, None)
_JAX = Framework(_arrays_dlpack.read, None, _empty_jax, _finish_jax, "JAX arrays are immutable")
