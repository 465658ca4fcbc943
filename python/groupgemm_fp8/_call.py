"""Call: one call of the C library, from arrays of any framework to a status.

    call = Call((x,), stream)
    described = call.describe("x", x)                     address of a ggfp8_tensor
    out, described_out = call.empty("out", x, shape, "float32")
    something = _library.load().ggfp8_something
    _library.check(something(described, described_out, call.stream_handle()))
    return call.finish(x, out)

A Call owns the memory of the descriptions and keeps alive the arrays' owners (capsules, views)
until it is dropped, so drop it after the C function has returned.
"""

import ctypes
import numbers
import struct

from . import _ffi, _library
from ._dtypes import dense_strides, named_dlpack_type
from ._frameworks import framework_of, frameworks
from .errors import OperatorNeededError, UnreadableError

_MAX_ARRAYS = 12
_TENSOR_BYTES = _ffi.TENSOR_BYTES
_MEMORY_BYTES = _MAX_ARRAYS * _TENSOR_BYTES
_Memory = ctypes.c_uint64 * (_MEMORY_BYTES // 8)
_DEVICE = struct.Struct("@8xii")  # of a ggfp8_tensor: type and ordinal

_TOO_MANY = f"a call describes at most {_MAX_ARRAYS} arrays"
_NO_ADDRESS = 1 << 12  # of no array, aligned for every type


class Call:
    """The descriptions of a call's arrays, its device and its stream.

    Attributes for readers:
        memory, address: where descriptions lie
        arrays: all arrays of the call, in the order in which they are asked for the stream
        device: DLPack's type and the ordinal of the device of the array that was described first
        owners: what must live as long as the call
        takes_bytes: whether bytes among the arrays may stand for a type that DLPack does not name
        writes: whether the array being described will be written
        stream: None, or the explicit stream: its handle, and its ordinal or None
        is_read_only: set by a reader whose array may not be written
    """

    __slots__ = (
        "_end",
        "address",
        "arrays",
        "device",
        "is_read_only",
        "memory",
        "owners",
        "stream",
        "takes_bytes",
        "writes",
    )

    def __init__(self, arrays: tuple, stream=None):
        self.memory = memory = _Memory()
        self.address = ctypes.addressof(memory)
        self.arrays = arrays
        self.stream = None if stream is None else _stream(stream)
        self.owners: list = []
        self.writes = self.is_read_only = self.takes_bytes = False
        self.device = None
        self._end = 0

    def describe(self, name: str, x) -> int:
        """The address of the ggfp8_tensor that describes x; errors name the argument."""
        place = self._end
        if place == _MEMORY_BYTES:
            raise RuntimeError(_TOO_MANY)
        try:
            frameworks[type(x)].describe(x, self, place)
        except Exception as error:
            raise refusal(name, x, error) from error
        if not place:
            self.device = _DEVICE.unpack_from(self.memory)
        self._end = place + _TENSOR_BYTES
        return self.address + place

    def describe_inputs(self, names: tuple[str, ...], arrays: tuple) -> range:
        """Describes the first arrays of a call, as describe() would one by one."""
        place = 0
        for name, x in zip(names, arrays, strict=True):
            try:
                frameworks[type(x)].describe(x, self, place)
            except Exception as error:
                raise refusal(name, x, error) from error
            place += _TENSOR_BYTES
        self.device = _DEVICE.unpack_from(self.memory)
        self._end = place
        return range(self.address, self.address + place, _TENSOR_BYTES)

    def describe_shape(self, name: str, shape: tuple[int, ...], dtype: str, device) -> int:
        """Describes a dense array that does not exist, as if it were at an aligned address."""
        place = self._end
        if place == _MEMORY_BYTES:
            raise RuntimeError(_TOO_MANY)
        try:
            dtype = named_dlpack_type(dtype)
            self.put(place, _NO_ADDRESS, device, dtype, shape, dense_strides(shape))
        except UnreadableError as error:
            raise error.kind(f"{name}: {error}") from None
        self._end = place + _TENSOR_BYTES
        return self.address + place

    def describe_output(self, name: str, x) -> tuple[int, bool]:
        """Describes an array that is written. Returns its place, and whether it is read-only."""
        refusal = frameworks[type(x)].refuses_out
        if refusal:
            raise TypeError(f"{name}: got {type(x).__name__}, but {refusal}")
        self.writes, self.is_read_only = True, False
        described = self.describe(name, x)
        self.writes = False
        return described, self.is_read_only

    def empty(self, name: str, like, shape: tuple[int, ...], dtype: str) -> tuple[object, int]:
        """A new array of the framework and on the device of `like`, for work on the call's stream.

        finish() makes it an array that callers of the framework expect.
        """
        framework = framework_of(like)
        if framework.empty is None:
            raise TypeError(
                f"{name}: got None, but {type(like).__name__} cannot allocate; pass {name}="
            )
        try:
            array = self._allocate(framework, like, shape, dtype)
        except (MemoryError, RuntimeError):  # the framework's own, with its own sentence
            raise
        except Exception as error:
            raise refusal(name, like, error) from error
        place = self._end
        if place == _MEMORY_BYTES:
            raise RuntimeError(_TOO_MANY)
        frameworks[type(array)].describe(array, self, place)
        self._end = place + _TENSOR_BYTES
        return array, self.address + place

    def _allocate(self, framework, like, shape: tuple[int, ...], dtype: str):
        device_type, ordinal = self.device
        if self.stream is None or framework.on_stream is None or device_type in _ffi.HOST_TYPES:
            return framework.empty(like, shape, dtype, ordinal)
        with framework.on_stream(like, ordinal, self.stream[0]):
            return framework.empty(like, shape, dtype, ordinal)

    def finish(self, like, array):
        """An array of empty() as callers of the framework of `like` expect it."""
        finish = frameworks[type(like)].finish
        return array if finish is None else finish(like, array)

    def written(self, array) -> None:
        """Tells the framework that an array of the caller has new contents."""
        written = frameworks[type(array)].written
        if written is not None:
            written(array)

    def stream_handle(self) -> int:
        """The handle of the stream to run on; 0 on the CPU."""
        device_type, ordinal = self.device
        return 0 if device_type in _ffi.HOST_TYPES else self.stream_on(ordinal)

    def stream_on(self, ordinal: int) -> int:
        """The explicit stream, or the current one of the first framework that can tell it."""
        if self.stream is not None:
            handle, own_ordinal = self.stream
            if own_ordinal not in (None, ordinal):
                raise ValueError(
                    f"stream: got a stream of cuda:{own_ordinal}, "
                    f"wanted one of cuda:{ordinal} like the arrays"
                )
            return handle
        for x in self.arrays:
            current_stream = framework_of(x).current_stream
            if current_stream is not None:
                return current_stream(x, ordinal)
        raise ValueError(
            f"stream: {type(self.arrays[0]).__name__} cannot tell its current CUDA stream; pass "
            "stream= (an integer handle, 0 for the default stream, or a stream object)"
        )

    def put(self, place: int, data: int, device, dtype, shape, strides) -> None:
        """Writes a ggfp8_tensor: device and dtype are pairs of DLPack, strides count elements."""
        rank = len(shape)
        if rank > _ffi.MAX_RANK:
            raise UnreadableError(f"got {rank} axes, wanted at most {_ffi.MAX_RANK}")
        _ffi.TENSOR_LAYOUTS[rank].pack_into(
            self.memory, place, data, *device, rank, *dtype, 1, 0, 0, 0, *shape, *strides
        )

    def shape(self, described: int) -> tuple[int, ...]:
        """The sizes of a described array; () for one of more axes than any argument has."""
        _, _, _, ndim, _, _, _, shape, _, _ = self._tensor(described)
        if ndim > _ffi.MAX_RANK:
            return ()
        return tuple((ctypes.c_int64 * ndim).from_address(shape or described + _ffi.TENSOR.size))

    def dtype(self, described: int) -> tuple[int, int]:
        """DLPack's code and bits of a described array."""
        return self._tensor(described)[4:6]

    def _tensor(self, described: int) -> tuple:
        return _ffi.TENSOR.unpack_from(self.memory, described - self.address)

    def pointer_device(self, address: int) -> tuple[int, int]:
        """The device that an address belongs to, as the driver knows it."""
        device_type, ordinal = ctypes.c_int32(), ctypes.c_int32()
        pointer_device = _library.load().ggfp8_pointer_device
        _library.check(pointer_device(address, ctypes.byref(device_type), ctypes.byref(ordinal)))
        return device_type.value, ordinal.value


def shape_of(name: str, x, stream=None) -> tuple[int, ...]:
    """The sizes of an array, which need not have a shape of its own."""
    try:
        return tuple(x.shape)
    except Exception:
        call = Call((x,), stream)
        return call.shape(call.describe(name, x))


def refusal(name: str, x, error: Exception) -> Exception:
    """The error that a caller sees of what a reader, or the array itself, raised."""
    if isinstance(error, UnreadableError):
        return error.kind(f"{name}: {error}")
    if isinstance(error, OperatorNeededError):
        return OperatorNeededError(f"{name}: {error}")
    kind = TypeError if isinstance(error, (TypeError, AttributeError)) else ValueError
    text = str(error) or type(error).__name__
    of = f"{type(x).__module__}.{type(x).__qualname__}"
    return kind(f"{name}: got {of}, which cannot be read: {text}")


def _stream(stream) -> tuple[int, int | None]:
    """The handle of an explicit stream, and its CUDA ordinal if its framework tells that.

    stream is an integer, or a stream object of any framework.
    """
    try:
        handle, ordinal = _handle_and_ordinal(stream)
        handle = int(getattr(handle, "value", handle) or 0)  # ctypes pointers hold their value
    except Exception as error:
        raise TypeError(
            f"stream: got {type(stream).__name__}, wanted None, the integer handle of a CUDA "
            "stream, or an object with cuda_stream, __cuda_stream__, ptr or handle"
        ) from error
    if not 0 <= handle < 1 << 64:
        raise ValueError(f"stream: got {handle}, wanted the handle of a CUDA stream")
    # -1 is what CuPy says of a stream of any device.
    return handle, ordinal if type(ordinal) is int and ordinal >= 0 else None


def _handle_and_ordinal(stream) -> tuple:
    if isinstance(stream, numbers.Integral) and not isinstance(stream, bool):
        return stream, None
    if hasattr(stream, "cuda_stream"):  # PyTorch
        return stream.cuda_stream, getattr(stream, "device_index", None)
    if hasattr(stream, "__cuda_stream__"):  # CUDA Python's protocol: (version, handle)
        return stream.__cuda_stream__()[1], getattr(stream, "device_id", None)  # CuPy's
    if hasattr(stream, "ptr"):  # CuPy
        return stream.ptr, getattr(stream, "device_id", None)
    return stream.handle, None
