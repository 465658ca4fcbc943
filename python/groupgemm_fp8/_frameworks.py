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

Where a type shows no protocol, its objects may: wrappers of a pointer are written so. Each call
then looks at the object.
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
    of_object: Callable | None = None  # (x) -> Framework, where the type shows no protocol


class _Frameworks(dict):
    """Finds a type's framework at the first look."""

    def __missing__(self, kind: type) -> Framework:
        framework = self[kind] = _find(kind)
        return framework


# frameworks[type(x)] describes x, and is the framework of x where the type shows a protocol. What
# is no array has one that refuses to read it.
frameworks = _Frameworks()


def framework_of(x) -> Framework:
    """The framework of an object: what its type shows, or else the object itself."""
    framework = frameworks[type(x)]
    return framework if framework.of_object is None else framework.of_object(x)


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
    if ("numpy", "ndarray") in bases:
        return _numpy(kind)
    return _by_protocol(kind, kind) or _by_objects()


def _by_protocol(shown, kind: type) -> Framework | None:
    """The framework of what a type, or an object of the type, shows."""
    from ._readers import dlpack, interface

    if hasattr(shown, "__array_interface__"):
        return Framework(interface.describe_host, empty=interface.empty_numpy, is_host=True)
    if hasattr(shown, "__cuda_array_interface__"):
        empty = interface.empty_by_protocol if hasattr(kind, "__ggfp8_empty__") else None
        return Framework(interface.describe_cuda, interface.current_stream, empty)
    if hasattr(shown, "__dlpack__") and hasattr(shown, "__dlpack_device__"):
        return Framework(dlpack.describe)
    return None


def _by_objects() -> Framework:
    """A type that shows no protocol: its objects may, each at each call."""

    def of_object(x) -> Framework:
        try:
            framework = _by_protocol(x, type(x))
        except Exception:  # raised by the object's __getattr__
            framework = None
        return framework or Framework(_refuse, is_host=True)

    return Framework(
        lambda x, call, place: of_object(x).describe(x, call, place), of_object=of_object
    )


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


def _numpy(kind: type) -> Framework:
    from ._readers import interface

    is_own = (kind.__module__, kind.__name__) == ("numpy", "ndarray")
    return Framework(
        interface.describe_numpy,
        empty=interface.empty_numpy,
        product=interface.product if is_own else None,
        is_host=True,
    )


def _cupy() -> Framework:
    from ._readers import cupy as reader

    return Framework(
        reader.describe,
        reader.current_stream,
        reader.empty,
        on_stream=reader.on_stream,
        product=reader.product,
    )
