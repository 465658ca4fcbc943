"""The public functions: the grouped product, its workspace, and what the library would do.

Each builds a Request from its arguments and makes one call of the C library.
"""

import ctypes
from collections.abc import Callable
from typing import NamedTuple

from . import _arguments, _arrays, _call_torch, _ffi, _library, _request
from .errors import from_status


class Plan(NamedTuple):
    """What a call would do."""

    backend: str  # "none" for an empty problem
    config: str  # the backend's kernel configuration
    workspace_bytes: int
    num_workers: int  # CTAs launched, or CPU threads at most


class DeviceInfo(NamedTuple):
    """What the library knows about a device."""

    name: str  # product name; for the CPU the instruction set its backend uses
    compute_major: int  # CUDA compute capability; 0 for the CPU
    compute_minor: int
    num_processors: int  # streaming multiprocessors, or usable CPU threads
    l2_bytes: int  # 0 where unknown


class Operator(NamedTuple):
    """What PyTorch's tracers see in place of the product; the torch module sets it."""

    is_tracing: Callable[[], bool]
    call: Callable


_operator: Operator | None = None


def set_operator(operator: Operator) -> None:
    global _operator
    _operator = operator


def group_gemm_fp8_nt_groupwise(
    a,
    b,
    a_scale,
    b_scale,
    m_indptr,
    scale_granularity_mnk=(1, 128, 128),
    scale_major_mode="MN",
    mma_sm=1,
    out=None,
    out_dtype=None,
    *,
    a_dtype=None,
    b_dtype=None,
    stream=None,
    backend=None,
    workspace=None,
    validate=False,
):
    """Grouped FP8 matrix product with groupwise scales.

    For group g and its rows r in [m_indptr[g], m_indptr[g + 1]):

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
            than dense. With gm = 128, row r of group g has the scale row
            m_indptr[g] / 128 + (r - m_indptr[g]) / 128.
        b_scale: float32, (batch_size, kb, nb) for "MN", (batch_size, nb, kb) for "K"; the outer
            strides may be larger than dense.
        m_indptr: (batch_size + 1,) int32 on the device of a; any values that do not decrease and
            lie in [0, cum_m].
        scale_granularity_mnk: elements that share a scale: gm 1 or 128, gn 1, 64 or 128,
            gk 32, 64, 96 or 128.
        scale_major_mode: "MN" or "K".
        mma_sm: 1 or 2 SMs per tensor core instruction on data-center Blackwell; no effect
            elsewhere.
        out: (cum_m, n) bfloat16, float16 or float32, written in rows m_indptr[0] to
            m_indptr[-1] and left alone in the others. The row stride may exceed n. Arrays of
            different frameworks may be mixed as long as the device is the same.
        out_dtype: type of a new `out`, bfloat16 by default: a dtype of any framework or its name.
        a_dtype, b_dtype: the FP8 type of a or b where that is an array of bytes (uint8, int8 or
            NumPy void), as a dtype of any framework or its name.
        stream: CUDA stream: a handle, or a stream object of PyTorch, CuPy or CUDA Python. By
            default the current stream of the first of a, out, b, ... whose framework can tell it;
            JAX cannot. Without effect for arrays on the CPU.
        backend: name of a backend, see backends(). By default the environment variable
            GGFP8_BACKEND, and without it the first backend that supports the call.
        workspace: uint8 array of at least workspace_size(...) bytes on the device of a, aligned
            to 256 bytes, of any content. By default one is allocated if the backend needs it.
        validate: check the contents of m_indptr. On CUDA this waits for the stream. Without it
            the rows of a malformed m_indptr are unspecified, but memory stays safe.

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
            written, or a call that no backend supports.
        GroupGemmError: the driver, a launch or a host allocation failed.
        ImportError: the C library cannot be loaded.

    On every error `out` is untouched.

    Source of the signature: FlashInfer, flashinfer.gemm.group_gemm_fp8_nt_groupwise.
    """
    is_tracing = _operator is not None and _operator.is_tracing()
    plain = workspace is None and validate is False
    if plain and not is_tracing:
        options = (
            scale_granularity_mnk,
            scale_major_mode,
            mma_sm,
            out_dtype,
            a_dtype,
            b_dtype,
            backend,
        )
        result = _call_torch.latest(a, b, a_scale, b_scale, m_indptr, out, stream, None, options)
        if type(result) is not int:
            return result
        inputs = (a, b, a_scale, b_scale, m_indptr)
        result = _call_torch.attempt(result, inputs, out, stream, options)
        if result is not None:
            return result
    if _operator is not None and (is_tracing or _arrays.all_fake(a, b, a_scale, b_scale, m_indptr)):
        if not plain or stream is not None:
            raise ValueError(
                "stream, workspace and validate: wanted the defaults inside torch.compile"
            )
        return _operator.call(
            a,
            b,
            a_scale,
            b_scale,
            m_indptr,
            scale_granularity_mnk,
            scale_major_mode,
            mma_sm,
            out,
            out_dtype,
            a_dtype=a_dtype,
            b_dtype=b_dtype,
            backend=backend,
        )
    request = _request.build(
        a,
        b,
        a_scale,
        b_scale,
        m_indptr,
        scale_granularity_mnk,
        scale_major_mode,
        mma_sm,
        out,
        out_dtype,
        a_dtype=a_dtype,
        b_dtype=b_dtype,
        stream=stream,
        backend=backend,
        workspace=workspace,
        validate=validate,
        allocate=True,
    )
    space = None if workspace is None else (request.workspace, request.workspace_bytes)
    _run(a, request.args, request.device, request.stream, space)
    if plain:
        _call_torch.remember(inputs, options, request.args)
    if out is None:
        return _arrays.finish(a, request.out)
    _arrays.written(out)
    return out


def _run(a, args: bytes, device: tuple[int, int], stream: int, workspace=None) -> None:
    """Calls the library; without a workspace, one of a's framework is made if it is needed."""
    run = _library.load().ggfp8_group_gemm_nt_groupwise
    address, num_bytes = workspace or (0, 0)
    status = run(args, address, num_bytes, stream)
    if status == _ffi.ERROR_INVALID_WORKSPACE and workspace is None:
        # Dropping the array after the launch is safe: it was made for this stream.
        address, num_bytes, _array = _new_workspace(a, args, device, stream)
        status = run(args, address, num_bytes, stream)
    if status != _ffi.SUCCESS:
        raise from_status(status, _library.last_error(status))


def _new_workspace(a, args: bytes, device: tuple[int, int], stream: int) -> tuple[int, int, object]:
    """Address, bytes and the array of a workspace for work on the stream."""
    alignment = _library.load().ggfp8_workspace_alignment()
    num_bytes = _workspace_bytes(args)
    # Frameworks align to less on the CPU.
    array = _arrays.empty("workspace", a, (num_bytes + alignment,), "uint8", device, stream)
    data = _arrays.readers[type(array)]("workspace", array, lambda ordinal: stream).data
    return -(-data // alignment) * alignment, num_bytes, array


def _workspace_bytes(args: bytes) -> int:
    num_bytes = ctypes.c_size_t()
    status = _library.load().ggfp8_group_gemm_workspace_size(args, ctypes.byref(num_bytes))
    _library.check(status)
    return num_bytes.value


def workspace_size(*arguments, **options) -> int:
    """Bytes of workspace that group_gemm_fp8_nt_groupwise needs for the same arguments.

    The size follows from shapes, types, alignments and the device, not from contents. Without
    `out`, a fresh one is assumed. Raises as that function does.
    """
    return _workspace_bytes(_request.build(*arguments, **options).args)


def plan(*arguments, **options) -> Plan:
    """The backend and configuration group_gemm_fp8_nt_groupwise takes for the same arguments.

    Runs nothing; without `out`, a fresh one is assumed. Raises as that function does.
    """
    args = _request.build(*arguments, **options).args
    info = _ffi.PlanInfo(struct_size=ctypes.sizeof(_ffi.PlanInfo))
    _library.check(_library.load().ggfp8_group_gemm_plan(args, ctypes.byref(info)))
    return Plan(info.backend.decode(), info.config.decode(), info.workspace_bytes, info.num_workers)


def supports(backend: str, *arguments, **options) -> tuple[bool, str]:
    """Whether a backend takes the arguments of group_gemm_fp8_nt_groupwise: (ok, reason).

    The reason is empty if it does. Arguments that are wrong for every backend raise.
    """
    name = _arguments.backend_string(backend).value
    args = _request.build(*arguments, **options).args
    status = _library.load().ggfp8_backend_supports(name, args)
    if status in (_ffi.ERROR_UNSUPPORTED, _ffi.ERROR_NO_DRIVER):
        return False, _library.last_error(status)
    _library.check(status)
    return True, ""


def backends() -> list[str]:
    """Names of the backends in the library, in the order in which they are asked."""
    return _arguments.backend_names()


def device_count(device_type) -> int:
    """Number of devices of a type, "cpu" or "cuda"; 0 without a usable CUDA driver."""
    count = ctypes.c_int32()
    code = _arguments.device_type(device_type)
    status = _library.load().ggfp8_device_count(code, ctypes.byref(count))
    if status == _ffi.ERROR_NO_DRIVER:
        return 0
    _library.check(status)
    return count.value


def device_info(device_type, device_id: int = 0) -> DeviceInfo:
    """Facts about a device of type "cpu" or "cuda".

    Raises ValueError for a device that does not exist and GroupGemmError without a driver.
    """
    info = _ffi.DeviceInfo(struct_size=ctypes.sizeof(_ffi.DeviceInfo))
    code = _arguments.device_type(device_type)
    status = _library.load().ggfp8_device_query(code, device_id, ctypes.byref(info))
    _library.check(status)
    name = info.name.decode("utf-8", "replace")
    return DeviceInfo(
        name, info.compute_major, info.compute_minor, info.num_processors, info.l2_bytes
    )
