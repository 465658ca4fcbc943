"""Facts of an experts' layer that hold in every framework."""

from typing import Any, NamedTuple

BLOCK = 128  # columns and k that share a scale of the weights, and k that share one of a row

# The names of a step's arguments -> those of the layer's.
ROUTE_NAMES = {"batch_size": "gate_up"}
UP_NAMES = {"a": "x", "b": "gate_up", "b_scale": "gate_up_scale"}
DOWN_NAMES = {"b": "down", "b_scale": "down_scale"}
COMBINE_NAMES = {"x": "down", "weight": "top_k_weights", "out_dtype": "x"}


class Routing(NamedTuple):
    """The places of all pairs of a token and one of its experts."""

    row_index: Any  # (T * top_k,) int32: the token of each sorted row, -1 after the last row
    position: Any  # (T, top_k) int32: the sorted row of each pair, -1 for a group that is not here
    m_indptr: Any  # (batch_size + 1,) int32: the first sorted row of each group, then the end


def num_experts(shape: tuple[Any, ...]) -> Any:
    """The experts of a gate_up of that shape."""
    if len(shape) != 3:
        raise ValueError(f"gate_up: got shape {shape}, wanted (experts, 2 * intermediate, hidden)")
    return shape[0]
