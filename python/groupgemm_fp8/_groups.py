"""Group layouts: the array that holds the groups of a call, and what that array means."""

from typing import NamedTuple

from . import _ffi


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
