"""A DLPack producer written with ctypes, to show the reader every kind of capsule."""

import ctypes
import itertools

import numpy as np

CODES = {
    "float8_e4m3fn": (10, 8),
    "float8_e5m2": (12, 8),
    "bfloat16": (4, 16),
    "float32": (2, 32),
    "int32": (0, 32),
    "uint8": (1, 8),
}

_capsule_new = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", ctypes.pythonapi))


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class _ManagedVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


_void_p = ctypes.c_void_p
_DESTRUCTOR = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


class Producer:
    """An array of NumPy memory that speaks nothing but DLPack.

    Every capsule that dies appends to `deleted`. The other keyword arguments replace members of
    the tensor, so that a test can show a NULL pointer, an unknown code, or another device.
    """

    is_copied = False

    def __init__(
        self,
        array,
        version=(1, 0),
        readonly=False,
        dense=False,
        offset=0,
        deleted=None,
        **members,
    ):
        self.array = array
        self.version = version  # None: a capsule from before version 1
        self.readonly = readonly
        self.dense = dense  # strides NULL
        self.offset = offset  # elements between the data pointer and the first element
        self.deleted = deleted
        self.members = members
        self.num_exports = 0
        self.requests = []  # keyword arguments of every export

    def __dlpack_device__(self):
        return self.members.get("device_type", 1), self.members.get("device_id", 0)

    def __dlpack__(self, **options):
        self.requests.append(options)
        if self.version is None and "max_version" in options:
            raise TypeError("unexpected keyword argument 'max_version'")
        tensor = self._tensor()
        if self.version is None:
            managed, name = _Managed(tensor=tensor), b"dltensor"
        else:
            major, minor = self.version
            flags = int(self.readonly) | 2 * self.is_copied
            managed = _ManagedVersioned(major, minor, None, None, flags, tensor)
            name = b"dltensor_versioned"
        self.num_exports += 1
        destructor = None
        if self.deleted is not None:
            destructor = _DESTRUCTOR(lambda capsule: self.deleted.append(name))
        self.keep = (managed, name, tensor, destructor)
        return _capsule_new(ctypes.addressof(managed), name, ctypes.cast(destructor, _void_p))

    def _tensor(self):
        array = self.array
        code, bits = CODES[array.dtype.name]
        int64s = ctypes.c_int64 * array.ndim
        strides = [stride // array.itemsize for stride in array.strides]
        offset = self.offset * array.itemsize
        tensor = _Tensor(
            data=array.ctypes.data - offset,
            device_type=1,
            device_id=0,
            ndim=array.ndim,
            code=code,
            bits=bits,
            lanes=1,
            shape=int64s(*array.shape),
            strides=None if self.dense else int64s(*strides),
            byte_offset=offset,
        )
        for name, value in self.members.items():
            setattr(tensor, name, value)
        return tensor


class CudaInterface:
    """An object with a CUDA array interface around an address that nobody will read."""

    def __init__(self, dtype, shape, strides=None, stream=1, readonly=False, ordinal=0):
        self.dtype = np.dtype(dtype)
        self.shape = shape
        self.strides = strides
        self.stream = stream
        self.readonly = readonly
        self.device_id = ordinal
        self.address = next(_addresses)

    @property
    def __cuda_array_interface__(self):
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, self.readonly),
            "strides": self.strides,
            "stream": self.stream,
        }


_addresses = itertools.count(1 << 20, 1 << 12)
