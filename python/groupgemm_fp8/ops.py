"""The grouped product.

The arrays of a call are described to the C library, which checks them: see Call. What is no array
is checked by options().
"""

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from . import _ffi, _library
from ._call import Call, shape_of
from ._frameworks import frameworks
from ._groups import GROUP_ARGUMENTS, INPUT_NAMES
from ._options import Options, options
from .errors import OperatorNeededError

Array = TypeVar("Array")

_DEFAULTS_WANTED = (
    "stream, workspace and validate: wanted the defaults inside torch.compile and wherever else "
    "PyTorch needs an operator"
)


def group_gemm_fp8_nt_groupwise(
    a: Array,
    b: Any,
    a_scale: Any,
    b_scale: Any,
    m_indptr: Any = None,
    scale_granularity_mnk: Sequence[int] = (1, 128, 128),
    scale_major_mode: str = "MN",
    mma_sm: int = 1,
    out: Array | None = None,
    out_dtype: Any = None,
    backend: str | None = None,
    segment_alignment: int = 1,
    *,
    a_dtype: Any = None,
    b_dtype: Any = None,
    stream: Any = None,
    workspace: Any = None,
    validate: bool = False,
    skip_check: bool = False,
    m_ends: Any = None,
    m_counts: Any = None,
    group_alignment: int = 1,
    expected_m: int | None = None,
    b_scale_major_mode: str | None = None,
) -> Array:
    """Grouped FP8 matrix product with groupwise scales.

    For group g and its rows r, which are [m_indptr[g], m_indptr[g + 1]) or those of m_ends or
    m_counts:

        out[r, j] = sum over k-blocks kb of
                    a_scale(r, kb) * b_scale(g, j, kb) * sum over k in kb of a[r, k] * b[g, j, k]

    with float32 sums over ascending k-blocks and one rounding to nearest even at the end. Below,
    (gm, gn, gk) is scale_granularity_mnk, mb = ceil(cum_m / gm), nb = ceil(n / gn) and
    kb = ceil(k / gk).

    Args:
        a: (cum_m, k) float8_e4m3fn or float8_e5m2; k a multiple of 16. The row stride may exceed
            k by a multiple of 16; the inner stride is 1.
        b: (batch_size, n, k) of either FP8 type; n a multiple of 8. Strides as for a.
        a_scale: float32, (kb, mb) for "MN", (mb, kb) for "K"; the outer stride may be larger
            than dense. Row r of a belongs to scale row r // gm.
        b_scale: float32, (batch_size, kb, nb) for "MN", (batch_size, nb, kb) for "K"; the outer
            strides may be larger than dense.
        m_indptr: (batch_size + 1,) int32 or int64 on the device of a: the first row of each group,
            then the end of the last one. Values do not decrease, lie in [0, cum_m], and are
            multiples of gm. None where m_ends or m_counts says where the groups are.
        scale_granularity_mnk: elements that share a scale: gm 1 or 128, gn 1, 64 or 128,
            gk 32, 64, 96 or 128.
        scale_major_mode: "MN" or "K", the layout of the scale arrays: see the box below.
        mma_sm: 1 or 2 SMs per tensor core instruction on data-center Blackwell; no effect
            elsewhere.
        out: (cum_m, n) bfloat16, float16 or float32, written in the rows of groups and left alone
            in the others. The row stride may exceed n. Arrays of
            different frameworks may be mixed as long as the device is the same.
        out_dtype: type of a new `out`, bfloat16 by default: a dtype of any framework or its name.
        backend: name of a backend, see backends(). By default the environment variable
            GGFP8_BACKEND, and without it the first backend that supports the call. FlashInfer's
            "trtllm" and "cutile" mean the default. For tuning a name of configurations() may
            follow, "sm90/128x128", which never changes the result.
        segment_alignment: a promise of FlashInfer's callers about m_indptr; without effect.
            Groups that start at multiples of a number have group_alignment.
        a_dtype, b_dtype: the FP8 type of a or b where that is an array of bytes (uint8, int8 or
            NumPy void), as a dtype of any framework or its name.
        stream: CUDA stream: a handle, or a stream object of PyTorch, CuPy or CUDA Python. By
            default the current stream of the first of a, out, b, ... whose framework can tell it;
            JAX cannot. Without effect for arrays on the CPU.
        workspace: uint8 array of one contiguous axis on the device of a, of any content. The part
            from its first multiple of 256 on is used: workspace_size(...) + 256 bytes suffice at
            any address. By default one is allocated if the backend needs it.
        validate: check the contents of m_indptr, m_ends or m_counts. On CUDA this waits for the
            stream. Without it the rows of a malformed array are unspecified, but memory stays safe.
        skip_check: accepted for FlashInfer's callers; without effect.
        m_ends: (batch_size,) int32 or int64: the row after the last one of each group. Group g
            starts at the end of group g - 1, the first one at 0.
        m_counts: (batch_size,) int32 or int64: the rows of each group, one group after the other
            from row 0 on. With slabs, an a of (batch_size, T, k), the first m_counts[g] rows of
            slab g; out is (batch_size, T, n) then, a_scale has an axis of batch_size before its
            other two, with T in place of cum_m, and strides between slabs are free.
        group_alignment: with m_ends and m_counts, groups start at multiples of it: at the next one
            after the last row of the group before. Rows between are not computed.
        expected_m: with slabs, about how many rows a group has on average: a number on the host
            that chooses the tile and never changes a result. By default unknown.
        b_scale_major_mode: the layout of b_scale where it is not that of a_scale.

    +--------------------------------------------------------------------------------------------+
    | Scales of the other layout are found by their shape, but not where the shapes are equal:   |
    | b_scale where ceil(n / gn) == ceil(k / gk), as for square weights, and a_scale where       |
    | mb == kb. Checkpoints often hold b_scale as (batch_size, nb, kb): that is "K".             |
    +--------------------------------------------------------------------------------------------+

    Returns:
        `out`, or a new array of the framework of a. JAX gets one on the CPU alone; on CUDA it needs
        an `out` of another framework, or groupgemm_fp8.jax, which also works inside jax.jit.

    On CUDA the call returns at once, and streams follow one rule: stream=s does what the
    framework's own `with s:` around the call would do. The product runs on s, and a new `out` and a
    workspace are allocated for s. It is the caller who orders s after the work that makes the
    inputs, and readers of `out` after s; and who keeps the inputs, and an `out` that other streams
    read, until those streams are past it (in PyTorch by record_stream). With the current stream
    nothing of this is needed: the framework's allocator sees to it.

    Raises:
        TypeError: an argument has a wrong type or dtype.
        ValueError: a wrong shape, value, stride, alignment or device, an `out` that cannot be
            written or overlaps an input, or a call that no backend supports.
        GroupGemmError: the driver, a launch or a host allocation failed.
        ImportError: the C library cannot be loaded.

    On every error `out` is untouched.

    With PyTorch the call becomes an operator wherever PyTorch traces, transforms or takes over
    operators: see groupgemm_fp8.torch. There is no gradient.

    Source of the signature: FlashInfer, flashinfer.gemm.group_gemm_fp8_nt_groupwise.
    """
    needed = None
    if not is_traced(a):
        group_layout, groups = find_groups(a, m_indptr, m_ends, m_counts, stream)
        chosen = options(
            scale_granularity_mnk,
            scale_major_mode,
            mma_sm,
            out_dtype,
            backend,
            segment_alignment,
            a_dtype,
            b_dtype,
            validate,
            skip_check,
            b_scale_major_mode,
            group_layout,
            group_alignment,
            expected_m,
        )
        try:
            return run((a, b, a_scale, b_scale, groups), out, chosen, stream, workspace)
        except OperatorNeededError as error:
            needed = error
    want_defaults(stream, workspace, validate)
    from . import torch as operators

    return call_operator(
        needed,
        operators.group_gemm_fp8_nt_groupwise,
        a,
        b,
        a_scale,
        b_scale,
        m_indptr,
        scale_granularity_mnk,
        scale_major_mode,
        mma_sm,
        out=out,
        out_dtype=out_dtype,
        backend=backend,
        segment_alignment=segment_alignment,
        a_dtype=a_dtype,
        b_dtype=b_dtype,
        skip_check=skip_check,
        m_ends=m_ends,
        m_counts=m_counts,
        group_alignment=group_alignment,
        expected_m=expected_m,
        b_scale_major_mode=b_scale_major_mode,
    )


def want_defaults(stream: Any, workspace: Any, validate: bool) -> None:
    """Raises where an argument is given that operators of PyTorch do not have."""
    if stream is not None or workspace is not None or validate:
        raise ValueError(_DEFAULTS_WANTED)


def find_groups(
    a: Any, m_indptr: Any, m_ends: Any, m_counts: Any, stream: Any = None
) -> tuple[str, Any]:
    """The key in LAYOUTS of a call, and its group array: the one argument that is not None."""
    if m_ends is None and m_counts is None and m_indptr is not None:
        return "indptr", m_indptr
    arrays = (m_indptr, m_ends, m_counts)
    given = [name for name, x in zip(GROUP_ARGUMENTS, arrays, strict=True) if x is not None]
    if not given:
        raise TypeError("m_indptr: got None, wanted an array, or m_ends or m_counts in its place")
    if len(given) > 1:
        raise ValueError(
            f"{given[1]}: got an array beside {given[0]}, wanted one of "
            f"{', '.join(GROUP_ARGUMENTS)} alone"
        )
    if m_ends is not None:
        return "ends", m_ends
    return ("masked" if len(shape_of("a", a, stream)) == 3 else "counts"), m_counts


def is_traced(a: Any) -> bool:
    """Whether PyTorch records or takes over operators, so that a call must be one to be seen."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    # NOTE: dynamo reads the function up to here.
    if hasattr(torch, "compiler") and torch.compiler.is_dynamo_compiling():
        return True
    is_traced = frameworks[type(a)].is_traced
    return is_traced is not None and is_traced()


def call_operator(
    needed: OperatorNeededError | None, operator: Any, *arguments: Any, **keywords: Any
) -> Any:
    """Calls an operator of PyTorch. `needed` says why, where no tracer wants one."""
    if needed is None:
        return operator(*arguments, **keywords)
    from ._readers.torch import is_transformed

    if keywords.get("out") is not None and is_transformed():
        raise ValueError(
            "out: got an array inside a function transform (vmap, functionalize), wanted None"
        )
    try:
        return operator(*arguments, **keywords)
    except NotImplementedError as error:  # a subclass that does not know the operator
        raise TypeError(f"{needed}, and it refuses the operator") from error


def run(inputs: tuple, out: Any, chosen: Options, stream: Any = None, workspace: Any = None) -> Any:
    """The product without a look at tracers; operators of PyTorch call it, too."""
    # Fast part: arrays of a framework whose reader leads them into C at once.
    product = frameworks[type(inputs[0])].product
    if product is not None and stream is None and workspace is None:
        result = product(inputs, out, chosen)
        if result is not None:
            return result
    call = Call((inputs[0], out, *inputs[1:]), stream)
    described = describe(call, inputs, chosen)
    handle = call.stream_handle()
    flags = 0
    if out is None:
        result, described_out = _new_output(call, inputs, described, chosen)
    else:
        result = out
        described_out, is_read_only = call.describe_output("out", out)
        flags = _ffi.FLAG_OUT_READ_ONLY if is_read_only else 0
    space = None
    if workspace is not None:
        space, is_read_only = call.describe_output("workspace", workspace)
        flags |= _ffi.FLAG_WORKSPACE_READ_ONLY if is_read_only else 0
    packed = chosen.pack(flags) if flags else chosen.packed

    product = _library.load().ggfp8_group_gemm_nt_groupwise_tensors
    status = product(*described, described_out, space, packed, handle)
    if status == _ffi.ERROR_INVALID_WORKSPACE and workspace is None:
        # The array may be dropped after the call: it was made for work on the call's stream.
        num_bytes = workspace_bytes_of(args_of(described, described_out, packed))
        num_bytes += _library.load().ggfp8_workspace_alignment()
        _array, space = call.empty("workspace", inputs[0], (num_bytes,), "uint8")
        status = product(*described, described_out, space, packed, handle)
    if status != _ffi.SUCCESS:
        raise _library.error(status)
    if out is None:
        return call.finish(inputs[0], result)
    call.written(out)
    return out


def describe(call: Call, inputs: tuple, chosen: Options) -> Sequence[int]:
    call.takes_bytes = chosen.takes_bytes
    return call.describe_inputs(INPUT_NAMES[chosen.group_layout], inputs)


def _new_output(call: Call, inputs: tuple, described: Sequence[int], chosen: Options) -> tuple:
    a, b, *_ = inputs
    dtype = chosen.out_dtype or "bfloat16"
    try:
        return call.empty("out", a, (*a.shape[:-1], b.shape[1]), dtype)
    except Exception:
        # A wrong size has a sentence of its own, and not every array has a shape of its own.
        return call.empty("out", a, _output_shape(args_of(described, None, chosen.packed)), dtype)


def _output_shape(args: ctypes.Array) -> tuple[int, ...]:
    names = [name for name, _ in _ffi.ARGS_FIELDS]
    values = dict(zip(names, _ffi.ARGS.unpack(args.raw), strict=True))
    cum_m, n, batch_size = values["cum_m"], values["n"], values["batch_size"]
    if values["group_layout"] == _ffi.GROUPS_MASKED:
        return batch_size, cum_m // max(batch_size, 1), n
    return cum_m, n


def args_of(described: Sequence[int], described_out: int | None, packed: bytes) -> ctypes.Array:
    """The ggfp8_group_gemm_args of described arrays, which are checked."""
    args = ctypes.create_string_buffer(_ffi.ARGS.size)
    ctypes.c_size_t.from_buffer(args).value = _ffi.ARGS.size
    from_tensors = _library.load().ggfp8_group_gemm_args_from_tensors
    _library.check(from_tensors(*described, described_out, packed, args))
    return args


def workspace_bytes(described: Sequence[int], chosen: Options) -> int:
    """The workspace of described inputs on their device; jax asks for arrays that do not exist."""
    return workspace_bytes_of(args_of(described, None, chosen.packed))


def workspace_bytes_of(args: ctypes.Array) -> int:
    num_bytes = ctypes.c_size_t()
    workspace_size = _library.load().ggfp8_group_gemm_workspace_size
    _library.check(workspace_size(args, ctypes.byref(num_bytes)))
    return num_bytes.value
