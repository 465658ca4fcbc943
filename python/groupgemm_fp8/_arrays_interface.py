"""Arrays that describe themselves by an array interface: NumPy's, and CUDA's.

Called by _arrays. The interface's typestr cannot tell FP8 types apart, so x.dtype says the type.
"""

from ._dtypes import array_dtype_name
from ._view import CPU, View, dense_strides


def read_numpy(argument: str, x, stream_of) -> View:
    address, readonly = x.__array_interface__["data"]
    return _view(argument, x, address, readonly, x.strides, CPU)


def read_cuda(argument: str, x, stream_of) -> View:
    interface = x.__cuda_array_interface__
    if interface.get("mask") is not None:
        raise TypeError(f"{argument}: got a masked array, wanted one without a mask")
    address, readonly = interface["data"]
    return _view(argument, x, address, readonly, interface.get("strides"), (2, _ordinal(x)))


def _view(argument: str, x, address, readonly, byte_strides, device) -> View:
    shape = tuple(x.shape)
    if byte_strides is None:
        strides = dense_strides(shape)
    else:
        size = x.dtype.itemsize
        if any(stride % size for stride in byte_strides):
            raise ValueError(
                f"{argument}: got byte strides {tuple(byte_strides)}, "
                f"wanted multiples of the element size {size}"
            )
        strides = tuple(stride // size for stride in byte_strides)
    return View(address or 0, shape, strides, array_dtype_name(x.dtype), device, readonly)


def _ordinal(x) -> int:
    """The CUDA ordinal of x, which the interface does not carry: like CuPy's, ours, or 0."""
    ordinal = getattr(getattr(x, "device", None), "id", None)
    return getattr(x, "device_id", 0) if ordinal is None else ordinal


def current_stream(x, ordinal: int) -> int:
    """The interface's stream is the framework's current one; without it, the legacy default."""
    return x.__cuda_array_interface__.get("stream") or 0


def numpy_dtype(name: str):
    """The NumPy dtype of that name; bfloat16 and FP8 belong to ml_dtypes."""
    import numpy

    if not hasattr(numpy, name):
        import ml_dtypes

        return numpy.dtype(getattr(ml_dtypes, name))
    return numpy.dtype(name)


def empty_numpy(like, shape: tuple[int, ...], dtype: str, device: tuple[int, int]):
    import numpy

    return numpy.empty(shape, numpy_dtype(dtype))


def empty_by_protocol(like, shape: tuple[int, ...], dtype: str, device: tuple[int, int]):
    return type(like).__ggfp8_empty__(shape, dtype, device[1])
