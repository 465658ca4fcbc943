"""Errors of the package, and the one place that turns a C status into an exception.

Wrong types and dtypes raise TypeError, every other wrong argument ValueError, and a failing
system (driver, launch, host memory) GroupGemmError. The message is the library's own sentence.
"""

from . import _ffi


class GroupGemmError(RuntimeError):
    """The system failed: no driver, a CUDA call, or host memory.

    Attributes:
        status: the C library's status code (GGFP8_ERROR_*, 300 and above).
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self):
        return type(self), (str(self), self.status)


def from_status(status: int, message: str) -> Exception:
    """The exception for a status other than success."""
    if status == _ffi.ERROR_INVALID_DTYPE:
        return TypeError(message)
    if status < _ffi.FIRST_SYSTEM_ERROR:
        return ValueError(message)
    return GroupGemmError(message, status)
