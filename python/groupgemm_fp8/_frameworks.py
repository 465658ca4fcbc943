"""Type of an array -> its framework: the reader, the current stream, how arrays are made.

A type's framework is found once, by names and attributes, so that no framework is imported; its
reader is imported with the first array of the type:

    PyTorch          by DLPack's C functions and its attributes: they show what DLPack hides
                     (negated views, gradients, tensors without memory)
    JAX              by __dlpack__: its other protocols fail for FP8
    NumPy            by its array interface: its DLPack refuses FP8
    CuPy             by its attributes: its DLPack refuses or mislabels FP8
    other CUDA       by __cuda_array_interface__
    everything else  by __dlpack__
"""

from collections.abc import Callable
from typing import NamedTuple

from .errors import UnreadableError


class Framework(NamedTuple):
    """How the arrays of one type are described and made. A missing function is None."""

    describe: Callable  # (x, call, place) writes the ggfp8_tensor of x, see _readers
    current_stream: Callable | None = None  # (x, ordinal) -> handle, for CUDA arrays
    empty: Callable | None = None  # (like, shape, dtype, ordinal) -> array that can be written
    finish: Callable | None = None  # (like, written array) -> array of the framework
    on_stream: Callable | None = None  # (like, ordinal, handle) -> context that allocates for it
    written: Callable | None = None  # (array) tells the framework that `out` has new contents
    is_traced: Callable | None = None  # () -> whether PyTorch wants to see an operator
    product: Callable | None = None  # (inputs, out, options) -> out, or None: look at the arrays
    refuses_out: str = ""  # why no array of the type can be `out`
    is_host: bool = False  # an array of NumPy, or what NumPy may make one of


class _Frameworks(dict):
    """Finds a type's framework at the first look."""

    def __missing__(self, kind: type) -> Framework:
        framework = self[kind] = _find(kind)
        return framework


# frameworks[type(x)] is the framework of x; what is no array has one that refuses to read it.
frameworks = _Frameworks()


def _find(kind: type) -> Framework:
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__}
    roots = {root for root, _ in bases}
    if ("torch", "Tensor") in bases:
        return _torch(kind, bases)
    if ("torch", "Proxy") in bases:
        return _torch_proxy()
    if "jax" in roots or "jaxlib" in roots:
        return _jax(kind)
    if ("numpy", "MaskedArray") in bases:
        return Framework(_refuse, is_host=True)
    if ("cupy", "ndarray") in bases:
        return _cupy()
    if hasattr(kind, "__array_interface__"):
        return _host(("numpy", "ndarray") in bases)
    if hasattr(kind, "__cuda_array_interface__"):
        return _cuda(kind)
    if hasattr(kind, "__dlpack__") and hasattr(kind, "__dlpack_device__"):
        from ._readers import dlpack

        return Framework(dlpack.describe)
    return Framework(_refuse, is_host=True)


def _refuse(x, call, place: int) -> None:
    kind = type(x)
    raise UnreadableError(
        f"got {kind.__module__}.{kind.__qualname__}, wanted an array (NumPy without a mask, "
        "PyTorch, CuPy, JAX, or another type with __dlpack__)",
        TypeError,
    )


def _torch(kind: type, bases: set) -> Framework:
    from ._readers import torch as reader

    if ("torch", "FakeTensor") in bases:
        describe = reader.describe_fake
    elif kind.__torch_dispatch__ is not reader.torch.Tensor.__torch_dispatch__:
        describe = reader.describe_wrapper
    else:
        describe = reader.describe
    return Framework(
        describe,
        reader.current_stream,
        reader.empty,
        on_stream=reader.on_stream,
        written=reader.written,
        is_traced=reader.is_traced,
        product=reader.product,
    )


def _torch_proxy() -> Framework:
    from ._readers import torch as reader

    return Framework(reader.describe_wrapper, is_traced=lambda: True)


def _jax(kind: type) -> Framework:
    from ._readers import dlpack

    if not hasattr(kind, "__dlpack_device__"):
        return Framework(dlpack.describe_tracer)
    return Framework(
        dlpack.describe_jax,
        empty=dlpack.empty_jax,
        finish=dlpack.finish_jax,
        refuses_out="JAX arrays are immutable",
    )


def _host(is_numpy: bool) -> Framework:
    from ._readers import interface

    describe = interface.describe_numpy if is_numpy else interface.describe_host
    return Framework(describe, empty=interface.empty_numpy, is_host=True)


def _cuda(kind: type) -> Framework:
    from ._readers import interface

    empty = interface.empty_by_protocol if hasattr(kind, "__ggfp8_empty__") else None
    return Framework(interface.describe_cuda, interface.current_stream, empty)


def _cupy() -> Framework:
    from ._readers import cupy as reader

    return Framework(
        reader.describe,
        reader.current_stream,
        reader.empty,
        on_stream=reader.on_stream,
        product=reader.product,
    )
