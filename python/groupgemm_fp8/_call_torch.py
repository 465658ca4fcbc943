"""The short way of a call on PyTorch tensors. Taken by ops before the long way.

A model calls with the same options again and again. The first such call goes the long way, through
_request, which checks them; remember() then keeps them as the C library wants them, in a builtin
function of the library. From then on this function looks at the tensors, reads them through
PyTorch's DLPack table and runs. ops calls the one that is `latest`, which compares the options by
identity. Where it answers with a number, attempt() looks for the options by value. What is refused
there goes the long way again, which also words every error.
"""

import sys

from . import _arrays, _dtypes, _ffi, _library, _streams
from ._view import CPU

_MAX_KNOWN = 1024  # then all are forgotten

# options -> _Known. Options are scale_granularity_mnk, scale_major_mode, mma_sm, out_dtype,
# a_dtype, b_dtype and backend.
_known: dict = {}

_OUTPUT_NAMES = {code: name for name, code in _dtypes.OUTPUT.items()}


def _unknown(*arguments) -> int:
    """In place of a function: it has other options than any call."""
    return 0


# latest(a, b, a_scale, b_scale, m_indptr, out, stream, None, options) is the result of a call, or a
# number, which attempt() takes.
latest = _unknown


class _Known:
    """What one call told about all calls with its options."""

    __slots__ = (
        "byte_dtypes",
        "function",
        "keywords",
        "new_dtype",
        "options",
        "workspace_bytes",
    )

    def __init__(self, options, torch, args: bytes, exchange_api: int):
        *_, out_dtype, a_dtype, b_dtype, _ = options
        self.options = list(options)  # the objects that the latest call had
        self.workspace_bytes = 0  # what the latest call that asked for more took
        # What a and b may be where the options say which FP8 type is meant.
        self.byte_dtypes = None
        if a_dtype is not None or b_dtype is not None:
            names = (*_dtypes.FP8, "uint8", "int8")
            self.byte_dtypes = frozenset(getattr(torch, name) for name in names)

        names = (name for name, _ in _ffi.ARGS_FIELDS)
        fields = dict(zip(names, _ffi.ARGS.unpack(args), strict=True))
        if out_dtype is None:
            fields["out_dtype"] = 0
        if a_dtype is None:
            fields["a_dtype"] = 0
        if b_dtype is None:
            fields["b_dtype"] = 0
        name = _OUTPUT_NAMES[fields["out_dtype"] or _ffi.DTYPE_BFLOAT16]
        self.new_dtype = getattr(torch, name)
        self.keywords = []  # of empty(): for the CPU, then for every CUDA ordinal, or None
        fields |= {"struct_size": _ffi.DLPACK_OPTIONS.size, "exchange_api": exchange_api}
        names = (name for name, _ in _ffi.DLPACK_OPTIONS_FIELDS)
        packed = _ffi.DLPACK_OPTIONS.pack(*(fields[name] for name in names))
        self.function = _library.dlpack_function(self._constants(torch, packed))

    def _constants(self, torch, packed: bytes) -> tuple:
        """What ggfp8_dlpack_function wants to know."""
        increment_version = torch.autograd.graph.increment_version
        return (
            packed,
            self.options,
            torch.Tensor,
            torch.nn.Parameter,
            "requires_grad",
            torch.is_grad_enabled,
            torch.Tensor.is_neg,
            # What increment_version calls after a look at its argument.
            getattr(torch._C, "_increment_version", increment_version),
            torch.empty,
            self.keywords,
        )

    def add_device(self, device) -> None:
        place = 0 if device.type == "cpu" else 1 + device.index
        self.keywords += [None] * (place + 1 - len(self.keywords))
        self.keywords[place] = {"dtype": self.new_dtype, "device": device}


def forget() -> None:
    global latest
    _known.clear()
    latest = _unknown


def remember(tensors, options, args: bytes) -> None:
    """Keeps the options of a call that went the long way, if all its inputs are tensors.

    args are what the library was called with.
    """
    torch = sys.modules.get("torch")
    if torch is None or not all(type(x) in (torch.Tensor, torch.nn.Parameter) for x in tensors):
        return
    if not _have_plain_values(options):
        return
    known = _known.get(options)
    if known is None:
        exchange_api = _exchange_api(torch)
        if exchange_api is None:
            return
        known = _Known(options, torch, args, exchange_api)
        if known.function is None:
            return
        if len(_known) >= _MAX_KNOWN:
            forget()
        _known[options] = known
    known.add_device(tensors[0].device)
    _make_latest(known, options)


def _exchange_api(torch) -> int | None:
    """The address of PyTorch's DLPack table, which PyTorch has since 2.11."""
    capsule = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    return capsule and _ffi.capsule_pointer(capsule, b"dlpack_exchange_api")


def attempt(answer: int, inputs, out, stream, options):
    """The result of a call, or None if it has to go the long way. `answer` is that of latest()."""
    if answer > 0:
        return None  # it knows the options, and refuses the tensors
    a, b, *_ = inputs
    try:
        known = _known.get(options)
        if known is None or not _have_plain_values(options):
            return None
        if known.byte_dtypes and not (
            a.dtype in known.byte_dtypes and b.dtype in known.byte_dtypes
        ):
            return None  # to DLPack, integers of fewer bits are bytes, too
        if answer < 0:
            known.workspace_bytes = -answer
        handle = None if stream is None else _streams.handle_of(stream)
        space = _workspace(a, known.workspace_bytes, handle)
    except (AttributeError, TypeError, ValueError):
        return None

    result = known.function(*inputs, out, handle, space, None)
    if type(result) is int and result < 0:
        known.workspace_bytes = -result
        space = _workspace(a, -result, handle)
        result = known.function(*inputs, out, handle, space, None)
    if type(result) is int:
        return None
    _make_latest(known, options)
    return result


def _make_latest(known: _Known, options) -> None:
    global latest
    known.options[:] = options
    # ops gives no workspace, and looks at no dtype.
    latest = _unknown if known.workspace_bytes or known.byte_dtypes else known.function


def _have_plain_values(options) -> bool:
    """A list may change, and True, equal to 1, is an error."""
    granularity, _, mma_sm, *_ = options
    return (
        type(granularity) is tuple
        and all(type(size) is int for size in granularity)
        and type(mma_sm) is int
    )


def _workspace(a, num_bytes: int, handle):
    """An array for work on a stream, by default the current one, behind which it may be dropped.

    None for no bytes.
    """
    if not num_bytes:
        return None
    num_bytes += _library.load().ggfp8_workspace_alignment()
    device = CPU if a.is_cpu else (2, a.device.index)
    return _arrays.empty("workspace", a, (num_bytes,), "uint8", device, handle)
