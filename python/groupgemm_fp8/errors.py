"""Errors of the package.

Wrong types and dtypes raise TypeError, every other wrong argument ValueError, and a failing
system (driver, launch, host memory) GroupGemmError. Messages name the argument, what was got and
what was wanted.
"""

from collections.abc import Callable
from typing import Any

DELETED = "got a deleted or donated JAX array, wanted one with memory"


class GroupGemmError(RuntimeError):
    """The system failed: no driver, a CUDA call, or host memory.

    Attributes:
        status: the C library's status code (GGFP8_ERROR_*, 300 and above).
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (str(self), self.status)


class UnreadableError(Exception):
    """A reader's refusal, without the argument's name, which the reader does not know."""

    def __init__(self, message: str, kind: type[Exception] = ValueError) -> None:
        super().__init__(message)
        self.kind = kind


def under_other_names(function: Callable[..., Any], names: dict[str, str]) -> Callable[..., Any]:
    """A step of a larger function: its errors name arguments as callers of that function do.

    names: the name of an argument of the step -> that of the caller's argument.
    """

    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except (TypeError, ValueError) as error:
            name, colon, rest = str(error).partition(":")
            raise type(error)(f"{names.get(name, name)}{colon}{rest}") from error

    return call


class OperatorNeededError(TypeError):
    """A tensor of PyTorch that stands for others: only an operator of PyTorch can take it."""
