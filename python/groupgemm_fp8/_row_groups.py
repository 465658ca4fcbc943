"""A group per row (m_indices) as ends of groups, by the array's own framework, on the device.

m_indices has the group of each row, or -1, and groups ascend, so that the end of a group is the
number of rows up to its last one. Whatever m_indices holds, ends lie in [0, m]. A framework that is
not imported has no array here.
"""

import sys
from typing import Any

_FRAMEWORKS = ("torch", "cupy", "numpy")
_DTYPES = ("int32", "int64")


def check(name: str, x: Any, like: Any, like_name: str, meaning: str) -> None:
    """Checks an integer array with an entry for each step of the first axis of another array.

    The product checks the other arrays, and what this function cannot see.
    """
    framework = _framework(x)
    if framework is None:
        raise _no_array(name, x)
    dtype = str(x.dtype).removeprefix("torch.")
    if dtype not in _DTYPES:
        raise TypeError(f"{name}: got dtype {dtype}, wanted int32 or int64")
    size = first_size(like_name, like)
    if len(x.shape) != 1 or x.shape[0] != size:
        raise ValueError(f"{name}: got shape {tuple(x.shape)}, wanted ({size},), {meaning}")
    is_comparable = framework == _framework(like) != "numpy"
    if is_comparable and x.device != like.device:
        raise ValueError(
            f"{name}: got an array on {x.device}, wanted {like.device} like {like_name}"
        )


def first_size(name: str, x: Any) -> int:
    """The size of the first axis, 0 where there is none; raises TypeError for what has no shape."""
    shape = getattr(x, "shape", None)
    if shape is None:
        raise _no_array(name, x)
    return shape[0] if len(shape) else 0


def _no_array(name: str, x: Any) -> TypeError:
    kind = type(x)
    got = f"{kind.__module__}.{kind.__qualname__}"
    return TypeError(f"{name}: got {got}, wanted an array of PyTorch, CuPy or NumPy")


def ends_of(m_indices: Any, num_groups: int) -> Any:
    """(num_groups,) int32: the row after the last one of each group, and of all groups before."""
    if _framework(m_indices) == "torch":
        return _ends_by_torch(m_indices, num_groups)
    return _ends_by_arrays(_module(m_indices), m_indices, num_groups)


def _ends_by_torch(m_indices: Any, num_groups: int) -> Any:
    """A row of -1 gets the group after it; the rows are then sorted by group."""
    torch = sys.modules["torch"]
    groups = m_indices.masked_fill(m_indices < 0, num_groups)
    groups = groups.flip(0).cummin(0).values.flip(0)
    each = torch.arange(num_groups, dtype=groups.dtype, device=groups.device)
    return torch.searchsorted(groups, each, right=True, out_int32=True)


def _ends_by_arrays(xp: Any, m_indices: Any, num_groups: int) -> Any:
    """The last row of each group, then the largest of all groups up to each one.

    By functions that NumPy and CuPy share. CuPy has no running minimum.
    """
    num_rows = m_indices.shape[0]
    ends = xp.zeros(num_groups + 1, "int32")  # the last one takes rows of no group
    if num_rows == 0 or num_groups == 0:
        return ends[:-1]
    is_row = (m_indices >= 0) & (m_indices < num_groups)
    rows = xp.arange(1, num_rows + 1, dtype="int32")
    xp.maximum.at(ends, xp.where(is_row, m_indices, num_groups), rows)
    up_to_each = xp.tri(num_groups, dtype=bool)
    return xp.where(up_to_each, ends[:-1], 0).max(axis=1).astype("int32")


def copy_rows(m_indices: Any, source: Any, out: Any) -> None:
    """Copies the rows of groups; the three arrays are of one framework and device."""
    is_row = (m_indices >= 0)[:, None]
    if _framework(out) == "torch":
        sys.modules["torch"].where(is_row, source, out, out=out)
    else:
        _module(out).copyto(out, source, where=is_row)


def check_one_framework(**arrays: Any) -> None:
    """Raises TypeError where the arrays of a call are not of one framework."""
    (first, wanted), *others = ((name, _framework(x)) for name, x in arrays.items())
    for name, got in others:
        if got != wanted:
            kind = type(arrays[name])
            raise TypeError(
                f"{name}: got {kind.__module__}.{kind.__qualname__}, wanted an array of {wanted} "
                f"like {first}"
            )


def validate(m_indices: Any, num_groups: int, group_alignment: int | None) -> None:
    """Raises ValueError with the first row whose group is wrong. Waits for the device."""
    alignment = group_alignment or 1
    last, end = -1, 0  # the group of the row of a group before, and the row after it
    for row, group in enumerate(m_indices.tolist()):
        if not -1 <= group < num_groups:
            raise ValueError(
                f"m_indices[{row}]: got {group}, wanted -1 or a group from 0 to {num_groups - 1}"
            )
        if group < 0:
            continue
        if group < last:
            raise ValueError(f"m_indices[{row}]: got {group} after {last}, wanted groups to ascend")
        start = row if group == last else -(-end // alignment) * alignment
        if group_alignment is not None and row != start:
            raise ValueError(
                f"m_indices[{row}]: got the first row of group {group}, wanted it in row {start} "
                f"with group_alignment {alignment}"
            )
        last, end = group, row + 1


def _framework(x: Any) -> str | None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return "torch"  # torch.compile of PyTorch 2.11 does not trace what follows
    roots = {base.__module__.partition(".")[0] for base in type(x).__mro__}
    return next((name for name in _FRAMEWORKS if name in roots), None)


def _module(x: Any) -> Any:
    return sys.modules[_framework(x) or "numpy"]
