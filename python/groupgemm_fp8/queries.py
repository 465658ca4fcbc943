"""Queries of what a call of the product would do: its backend, configuration and workspace."""

import ctypes
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from . import _ffi, _library
from ._call import Call
from ._groups import GROUP_ARGUMENTS
from ._options import backend_name, backend_names, configuration_names, options
from .ops import (
    args_of,
    describe,
    find_groups,
    group_gemm_fp8_nt_groupwise,
    workspace_bytes_of,
)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Plan(NamedTuple):
    """A plan: the backend, configuration and workspace of a call."""

    backend: str  # "none" for an empty problem
    config: str  # the backend's kernel configuration
    workspace_bytes: int
    num_workers: int  # CTAs launched, or CPU threads at most
    group_layout: str = "indptr"  # "ends", "counts" or "masked"


_PARAMETERS = inspect.signature(group_gemm_fp8_nt_groupwise).parameters


def _takes_arguments_of(
    product: Callable[Arguments, Any],
) -> Callable[[Callable[..., Result]], Callable[Arguments, Result]]:
    """Declares that a function takes the arguments of the product, for help() and type checkers."""

    def decorate(function: Callable[..., Result]) -> Callable[Arguments, Result]:
        _declare_parameters(function)
        return function

    return decorate


def _takes_name_and_arguments_of(
    product: Callable[Arguments, Any],
) -> Callable[[Callable[..., Result]], Callable[Concatenate[str, Arguments], Result]]:
    """Gives a function the arguments of the product, after a backend's name."""

    def decorate(function: Callable[..., Result]) -> Callable[Concatenate[str, Arguments], Result]:
        _declare_parameters(function, "name")
        return function

    return decorate


def _declare_parameters(function: Callable[..., Any], *own: str) -> None:
    before = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in own]
    signature = inspect.Signature([*before, *_PARAMETERS.values()])
    function.__signature__ = signature  # type: ignore[attr-defined]


def _args_of(arguments: tuple, keywords: dict) -> ctypes.Array:
    """The ggfp8_group_gemm_args of a call of the product with these arguments."""
    bound = inspect.signature(group_gemm_fp8_nt_groupwise).bind(*arguments, **keywords)
    bound.apply_defaults()
    given = bound.arguments
    out, stream, _ = (given.pop(name) for name in ("out", "stream", "workspace"))
    a, b, a_scale, b_scale = (given.pop(name) for name in ("a", "b", "a_scale", "b_scale"))
    group_arrays = (given.pop(name) for name in GROUP_ARGUMENTS)
    group_layout, groups = find_groups(a, *group_arrays, stream)
    inputs = (a, b, a_scale, b_scale, groups)
    chosen = options(**given, group_layout=group_layout)
    call = Call((inputs[0], out, *inputs[1:]), stream)
    described = describe(call, inputs, chosen)
    if out is None:
        return args_of(described, None, chosen.packed)
    described_out, is_read_only = call.describe_output("out", out)
    flags = _ffi.FLAG_OUT_READ_ONLY if is_read_only else 0
    return args_of(described, described_out, chosen.pack(flags))


@_takes_arguments_of(group_gemm_fp8_nt_groupwise)
def workspace_size(*arguments: Any, **keywords: Any) -> int:
    """Bytes of workspace that group_gemm_fp8_nt_groupwise needs for the same arguments.

    The size follows from shapes, types, alignments and the device, not from contents. Without
    `out`, a fresh one is assumed. Raises as that function does.
    """
    return workspace_bytes_of(_args_of(arguments, keywords))


@_takes_arguments_of(group_gemm_fp8_nt_groupwise)
def plan(*arguments: Any, **keywords: Any) -> Plan:
    """The backend and configuration group_gemm_fp8_nt_groupwise takes for the same arguments.

    Runs nothing; without `out`, a fresh one is assumed. Raises as that function does.
    """
    args = _args_of(arguments, keywords)
    info = _ffi.PlanInfo(struct_size=ctypes.sizeof(_ffi.PlanInfo))
    _library.check(_library.load().ggfp8_group_gemm_plan(args, ctypes.byref(info)))
    return Plan(
        info.backend.decode(),
        info.config.decode(),
        info.workspace_bytes,
        info.num_workers,
        info.group_layout.decode(),
    )


@_takes_name_and_arguments_of(group_gemm_fp8_nt_groupwise)
def supports(name: str, /, *arguments: Any, **keywords: Any) -> tuple[bool, str]:
    """Whether a backend takes the arguments of group_gemm_fp8_nt_groupwise: (ok, reason).

    The reason is empty if it does. A configuration may follow the name, as in `backend`. Arguments
    that are wrong for every backend raise.
    """
    name = backend_name(name)
    args = _args_of(arguments, keywords)
    status = _library.load().ggfp8_backend_supports(name.encode(), args)
    if status in (_ffi.ERROR_UNSUPPORTED, _ffi.ERROR_NO_DRIVER):
        return False, _library.last_error(status)
    _library.check(status)
    return True, ""


def backends() -> list[str]:
    """Names of the backends in the library, in the order in which they are asked."""
    return backend_names()


def configurations(name: str, /) -> list[str]:
    """Names of the configurations that a call may ask of a backend: backend="sm90/128x128".

    They are those that plan() gives. Empty for a backend that has nothing to choose from.
    """
    return configuration_names(name)
