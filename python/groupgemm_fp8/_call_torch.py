"""The short way of a call on PyTorch tensors. Called by ops before it takes the long way.

A model calls with the same options again and again. The first such call goes the long way, through
_request, which checks them; remember() then keeps them as the C library wants them. From then on
attempt() looks at what DLPack does not show, and the library's builtin function reads the tensors
through PyTorch's DLPack table, checks and runs. What either refuses goes the long way again, which
also words every error.
"""

import struct
import sys

from . import _arrays, _dtypes, _ffi, _library, _streams
from ._view import CPU

_MAX_KNOWN = 1024  # then all are forgotten

# options -> _Known. Options are scale_granularity_mnk, scale_major_mode, mma_sm, out_dtype,
# a_dtype, b_dtype and backend.
_known: dict = {}

_STREAM = struct.Struct("@P")
_CURRENT_STREAM = b""

_OUTPUT_NAMES = {code: name for name, code in _dtypes.OUTPUT.items()}


class _Known:
    """What one call told about all calls with its options."""

    __slots__ = (
        "byte_dtypes",
        "call",
        "granularity",
        "increment_version",
        "is_grad_enabled",
        "keywords",
        "mma_sm",
        "new_dtype",
        "options",
        "tensor",
        "types",
        "workspace_bytes",
    )

    def __init__(self, options, torch, args: bytes, exchange_api: int, function):
        self.options = options
        self.granularity, _, self.mma_sm, out_dtype, a_dtype, b_dtype, _ = options
        self.tensor, self.types = torch.Tensor, (torch.Tensor, torch.nn.Parameter)
        self.is_grad_enabled = torch.is_grad_enabled
        self.increment_version = torch.autograd.graph.increment_version
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
        self.call = function, packed, torch.empty, self.keywords

    def add_device(self, device) -> None:
        place = 0 if device.type == "cpu" else 1 + device.index
        self.keywords += [None] * (place + 1 - len(self.keywords))
        self.keywords[place] = {"dtype": self.new_dtype, "device": device}


class _Nothing:
    """In place of a _Known: no call has these options."""

    options = None


_last = _Nothing  # what the latest calls shared


def forget() -> None:
    global _last
    _known.clear()
    _last = _Nothing


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
        exchange_api, function = _exchange_api(torch), _library.dlpack_function()
        if exchange_api is None or function is None:
            return
        if len(_known) >= _MAX_KNOWN:
            forget()
        known = _known[options] = _Known(options, torch, args, exchange_api, function)
    known.add_device(tensors[0].device)


def _exchange_api(torch) -> int | None:
    """The address of PyTorch's DLPack table, which PyTorch has since 2.11."""
    capsule = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    return capsule and _ffi.capsule_pointer(capsule, b"dlpack_exchange_api")


def attempt(a, b, a_scale, b_scale, m_indptr, options, out, stream):
    """The result of a call, or None if it has to go the long way."""
    try:
        known = _last
        if (
            options != known.options
            or options[0] is not known.granularity
            or options[2] is not known.mma_sm
        ):
            known = _find(options)
            if known is None:
                return None
        # A subclass may mean something else than its memory. Weights may be parameters.
        types = known.types
        if not (
            type(a) is type(a_scale) is type(m_indptr) is known.tensor
            and type(b) in types
            and type(b_scale) in types
        ):
            return None
        # What DLPack does not show.
        if (
            a.requires_grad or b.requires_grad or a_scale.requires_grad or b_scale.requires_grad
        ) and known.is_grad_enabled():
            return None
        if a_scale.is_neg() or b_scale.is_neg():
            return None
        if known.byte_dtypes and not (
            a.dtype in known.byte_dtypes and b.dtype in known.byte_dtypes
        ):
            return None  # to DLPack, integers of fewer bits are bytes, too
        if out is not None and (
            type(out) not in types
            or out.is_neg()
            or (out.requires_grad and known.is_grad_enabled())
        ):
            return None
        handle = None
        packed_handle = _CURRENT_STREAM
        if stream is not None:
            handle = _streams.handle_of(stream)
            packed_handle = _STREAM.pack(handle)
            if out is None and not a.is_cpu:
                return None  # the memory of `out` would belong to another stream
    except (AttributeError, TypeError, ValueError):
        return None

    function, packed, empty, keywords = known.call
    space = _workspace(a, known.workspace_bytes, handle) if known.workspace_bytes else None
    result = function(
        packed, packed_handle, a, b, a_scale, b_scale, m_indptr, out, empty, keywords, space
    )
    if type(result) is int:  # not done
        if result > 0:
            return None
        known.workspace_bytes = -result
        space = _workspace(a, -result, handle)
        result = function(
            packed, packed_handle, a, b, a_scale, b_scale, m_indptr, out, empty, keywords, space
        )
        if type(result) is int:
            return None
    if out is not None:
        known.increment_version(out)
    return result


def _find(options) -> _Known | None:
    global _last
    known = _known.get(options)
    if known is not None and _have_plain_values(options):
        _last = known
        return known
    return None


def _have_plain_values(options) -> bool:
    """A list may change, and True, equal to 1, is an error."""
    granularity, _, mma_sm, *_ = options
    return (
        type(granularity) is tuple
        and all(type(size) is int for size in granularity)
        and type(mma_sm) is int
    )


def _workspace(a, num_bytes: int, handle):
    """An array for work on a stream, by default the current one, behind which it may be dropped."""
    num_bytes += _library.load().ggfp8_workspace_alignment()
    device = CPU if a.is_cpu else (2, a.device.index)
    return _arrays.empty("workspace", a, (num_bytes,), "uint8", device, handle)
