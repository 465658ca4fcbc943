"""Group layouts: which of m_indptr, m_ends and m_counts a call has, and what that array means."""

from typing import Any, NamedTuple

from . import _ffi
from ._call import Call


class Layout(NamedTuple):
    """One way to say where the groups are."""

    code: int  # GGFP8_GROUPS_*
    argument: str  # the argument that holds the group array
    has_alignment: bool = False  # whether groups may start at multiples of group_alignment
    meaning: str = ""  # in errors


LAYOUTS = {
    "indptr": Layout(_ffi.GROUPS_INDPTR, "m_indptr", meaning="m_indptr"),
    "ends": Layout(_ffi.GROUPS_ENDS, "m_ends", True, "m_ends"),
    "counts": Layout(_ffi.GROUPS_COUNTS, "m_counts", True, "m_counts and an a of two axes"),
    "masked": Layout(_ffi.GROUPS_MASKED, "m_counts", False, "m_counts and an a of three axes"),
}
# The arrays of a call by layout, in the order of the C function.
INPUT_NAMES = {
    key: ("a", "b", "a_scale", "b_scale", layout.argument) for key, layout in LAYOUTS.items()
}
GROUP_ARGUMENTS = ("m_indptr", "m_ends", "m_counts")


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
    return ("masked" if _num_axes(a, stream) == 3 else "counts"), m_counts


def _num_axes(a: Any, stream: Any) -> int:
    shape = getattr(a, "shape", None)
    if shape is not None:
        return len(shape)
    call = Call((a,), stream)
    call.describe("a", a)
    return int(_ffi.TENSOR.unpack_from(call.memory)[3])
