"""Objects that lie about being arrays: each shows a protocol with something impossible in it.

Memory is what no lie may spoil: an array that a liar stands for lies in the middle of a large block
of its own, and a lie is either impossible or stays inside the block.
"""

import numpy as np

from dlpack_producer import Producer

_BLOCK_BYTES = 1 << 20


class Unlucky:
    """An object that fails at whatever is done with it but to print it."""

    def __init__(self, error):
        self._error = error

    def _fail(self, *_):
        raise self._error("no luck")

    __iter__ = __index__ = __int__ = __len__ = __getitem__ = __bool__ = _fail
    __hash__ = __eq__ = __gt__ = __call__ = __float__ = _fail


ERRORS = (KeyError, AttributeError, OSError, SystemError, StopIteration, TypeError, RuntimeError)


def in_a_block(array: np.ndarray) -> np.ndarray:
    """A copy of the array in the middle of a block."""
    block = np.zeros(_BLOCK_BYTES, np.uint8)
    start = _BLOCK_BYTES // 2
    start += -(block.ctypes.data + start) % 256
    copy = block[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def nonsense(rng):
    """Something that is no size, no type and no address."""
    return rng.choice(
        [
            None, "text", b"bytes", -1, 2**70, -(2**70), True, 3.5, float("nan"), (), [], {},
            object(), (-1, -1), (2**70, 1), (1.5, 2.5), ("a", "b"), (True, False), (None, None),
            (4,) * 40, [[1]], range(3), Unlucky(rng.choice(ERRORS)),
            (Unlucky(rng.choice(ERRORS)),) * 2, (x for x in (2, 3)), np.zeros((2, 2)), type, len,
        ]
    )  # fmt: skip


def _raising(rng):
    return property(Unlucky(rng.choice(ERRORS))._fail)


def _shape(rng):
    return rng.choice([nonsense(rng), (0, 0), (1, 1), (-2, 16), (2**63, 1), (True, True), (2, 3)])


def _strides(rng):
    return rng.choice([nonsense(rng), (-16, 1), (-4, -4), (3, 3), (0, 0), (2**63, 4), (4,), (0,)])


def _data(rng):
    return rng.choice([nonsense(rng), (None, False), ("a", 1), (2**64, False), (-8, 0), (1.5, 0)])


def _dtype(rng):
    return rng.choice(
        [nonsense(rng), "float32", np.float32, np.dtype(">f4"), type("D", (), {"name": 5})()]
    )


def _interface_lie(rng, interface: dict) -> dict:
    key = rng.choice(["data", "shape", "typestr", "strides", "mask", "stream", "missing", "all"])
    if key == "all":
        return nonsense(rng)
    if key == "missing":
        return {k: v for k, v in interface.items() if k != rng.choice(["data", "shape", "typestr"])}
    lies = {"data": _data, "shape": _shape, "strides": _strides}
    typestrs = [">f4", "<f8", "<c8", "|V3", "f4", "<f", "<M8[s]", nonsense(rng)]
    lie = rng.choice(typestrs) if key == "typestr" else lies.get(key, nonsense)(rng)
    return {**interface, key: lie}


def _attribute_lies(rng) -> dict:
    """Attributes that an array need not have, and which are looked at where they are there."""
    lies = {
        "dtype": _dtype(rng),
        "shape": _shape(rng),
        "device": rng.choice([nonsense(rng), type("Device", (), {"id": nonsense(rng)})()]),
        "device_id": rng.choice([nonsense(rng), True, -1, 2**40]),
        "ndim": nonsense(rng),
        "__array__": nonsense(rng),
    }
    names = rng.sample(sorted(lies), rng.randint(0, 2))
    return {name: rng.choice([lies[name], _raising(rng)]) for name in names}


def by_interface(rng, array):
    """An object with an array interface: of its type or its own, telling lies or raising."""
    protocol = rng.choice(["__array_interface__", "__cuda_array_interface__"])
    interface = {**array.__array_interface__, "version": 3}
    lie = _interface_lie(rng, interface) if rng.random() < 0.7 else interface
    if protocol.startswith("__cuda") and lie is interface:
        lie = {**interface, "stream": nonsense(rng)}
    members = {**_attribute_lies(rng), "kept": array}
    how = rng.choice(["type", "property", "object", "raising"])
    if how == "raising":
        members[protocol] = _raising(rng)
    elif how != "object":
        members[protocol] = lie if how == "type" else property(lambda self: lie)
    kind = type("InterfaceLiar", (), members)
    x = kind()
    if how == "object":
        setattr(x, protocol, lie)
    return x


_TENSOR_LIES = {
    "ndim": (-1, 33, 0, -(2**31)),
    "code": (255, 13, 1),
    "bits": (0, 7, 128, 255),
    "lanes": (0, 2, 65535),
    "data": (None,),
    "shape": (None,),
    "device_type": (-5, 2, 0, 99),
    "device_id": (-1, 7),
    "byte_offset": (1, 3),
}


def by_dlpack(rng, array):
    """A producer of DLPack whose capsule, device or methods are impossible."""
    member = rng.choice(sorted(_TENSOR_LIES))
    lies = {member: rng.choice(_TENSOR_LIES[member])} if rng.random() < 0.5 else {}
    version = rng.choice([None, (1, 0), (1, 3), (2, 0), (0, 0)])
    producer = Producer(array, version=version, readonly=rng.random() < 0.2, **lies)
    devices = [nonsense(rng), (1,), (1, 0, 0), (True, False), (1.0, 0), ("cpu", 0), (1, 2**40)]
    devices += [(2**70, 0), (-1, 0), (2, 0), (1, True), iter((1, 0))]
    members = _attribute_lies(rng)
    if rng.random() < 0.5:
        device = rng.choice(devices)
        members["__dlpack_device__"] = lambda self: device
    else:
        members["__dlpack_device__"] = lambda self: producer.__dlpack_device__()
    how = rng.choice(["capsule", "capsule", "nonsense", "raising", "no method"])
    if how == "capsule":
        members["__dlpack__"] = lambda self, **options: producer.__dlpack__(**options)
    elif how == "nonsense":
        result = nonsense(rng)
        members["__dlpack__"] = lambda self, **options: result
    elif how == "raising":
        members["__dlpack__"] = Unlucky(rng.choice(ERRORS))
    else:
        members["__dlpack__"] = None
    return type("DlpackLiar", (), members)()


def of_numpy(rng, array):
    """A subclass of NumPy's array that lies about what it inherits."""
    name = rng.choice(["dtype", "shape", "strides", "__array_struct__", "__array_interface__"])
    lie = {"dtype": _dtype, "shape": _shape, "strides": _strides}.get(name, nonsense)(rng)
    member = rng.choice([property(lambda self: lie), _raising(rng)])
    return array.view(type("NumpyLiar", (np.ndarray,), {name: member}))


def of_torch(rng, tensor, torch):
    """A subclass of PyTorch's tensor that lies about what it inherits."""
    # NOTE: attributes that decide where PyTorch allocates would show PyTorch's own errors.
    names = ["requires_grad", "shape", "dtype", "device"]
    methods = ["is_neg", "stride", "data_ptr", "untyped_storage", "numel"]
    name = rng.choice(names + methods)
    lie = _shape(rng) if name == "shape" else nonsense(rng)
    if name in methods:
        member = rng.choice([lambda self: lie, Unlucky(rng.choice(ERRORS))._fail])
    else:
        member = rng.choice([property(lambda self: lie), _raising(rng)])
    return tensor.as_subclass(type("TorchLiar", (torch.Tensor,), {name: member}))


def plain(rng, array):
    """Something that is no array at all."""
    no_class = type("ClassLiar", (), {"__class__": _raising(rng)})
    no_attribute = type("AttributeLiar", (), {"__getattr__": Unlucky(rng.choice(ERRORS))._fail})
    any_attribute = type("AttributeLiar", (), {"__getattr__": lambda self, name: self})
    return rng.choice([nonsense(rng), no_class(), no_attribute(), any_attribute()])


def liar(rng, array: np.ndarray):
    """An object in place of the array."""
    return rng.choice([by_interface, by_interface, by_dlpack, by_dlpack, of_numpy, plain])(
        rng, in_a_block(array)
    )


def stream(rng):
    """An object that is no stream."""
    name = rng.choice(["cuda_stream", "__cuda_stream__", "ptr", "handle", "nothing"])
    lie = rng.choice([nonsense(rng), _raising(rng), lambda self: nonsense(rng)])
    members = {name: lie, "device_id": nonsense(rng), "device_index": rng.choice([None, "0"])}
    return rng.choice([nonsense(rng), type("StreamLiar", (), members)()])
