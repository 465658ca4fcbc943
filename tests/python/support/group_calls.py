"""The small problem in every group layout, with poison wherever no group has a row."""

import numpy as np

import small_problem
from small_problem import K_BLOCKS, K

LAYOUTS = ("indptr", "ends", "counts", "masked")
COUNTS = np.array([2, 0, 4], np.int32)
T = 5  # rows of a slab


def call_of(layout: str) -> dict[str, np.ndarray]:
    """The arguments of the small problem's call, with the rows where the layout has them."""
    arrays = small_problem.inputs()
    m_indptr = arrays.pop("m_indptr")
    if layout == "indptr":
        return {**arrays, "m_indptr": m_indptr}
    if layout == "ends":
        return {**arrays, "m_ends": m_indptr[1:].copy()}
    if layout == "counts":
        return {**arrays, "m_counts": COUNTS}
    slabs = np.full((len(COUNTS), T, K), 0x7F, np.uint8).view(arrays["a"].dtype)
    scales = np.full((len(COUNTS), K_BLOCKS, T), np.nan, np.float32)
    for group, count in enumerate(COUNTS):
        rows = slice(m_indptr[group], m_indptr[group + 1])
        slabs[group, :count] = arrays["a"][rows]
        scales[group, :, :count] = arrays["a_scale"][:, rows]
    return {**arrays, "a": slabs, "a_scale": scales, "m_counts": COUNTS}
