"""Hypothesis strategies: shapes of problems that meet every tile edge, and memory layouts."""

from hypothesis import strategies as st

from numeric.arena import Layout
from numeric.cases import COLUMN_GRANULARITIES, K_GRANULARITIES, Case, rows_for
from numeric.formats import FP8_DTYPES, OUT_DTYPES

# Sizes around the edges of tiles of 8, 16, 32, 64 and 128, and free ones.
group_rows = st.one_of(
    st.sampled_from([0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129]),
    st.integers(0, 150),
)
columns = st.integers(1, 34).map(lambda count: 8 * count)
depths = st.integers(1, 25).map(lambda count: 16 * count)


@st.composite
def cases(draw, row_granularity=1, column_granularities=COLUMN_GRANULARITIES, max_groups=6):
    """Cases of any type, granularity, major and shape that stay small."""
    rows = draw(st.lists(group_rows, min_size=1, max_size=max_groups))
    granularity = (
        row_granularity,
        draw(st.sampled_from(column_granularities)),
        draw(st.sampled_from(K_GRANULARITIES)),
    )
    return Case(
        rows=rows_for(row_granularity, tuple(rows)),
        n=draw(columns),
        k=draw(depths),
        granularity=granularity,
        a_dtype=draw(st.sampled_from(FP8_DTYPES)),
        b_dtype=draw(st.sampled_from(FP8_DTYPES)),
        out_dtype=draw(st.sampled_from(OUT_DTYPES)),
        scale_major=draw(st.sampled_from(["MN", "K"])),
        lead=row_granularity * draw(st.integers(0, 2)),
        trail=draw(st.integers(0, 3)),
    )


@st.composite
def layouts(draw):
    """Layouts with any pads and shifts the contract allows."""
    sixteens = st.integers(0, 3).map(lambda count: 16 * count)
    small = st.integers(0, 9)
    return Layout(
        a_row_pad=draw(sixteens),
        b_row_pad=draw(sixteens),
        b_group_pad=draw(sixteens),
        out_row_pad=draw(small),
        a_scale_pad=draw(small),
        b_scale_pad=draw(small),
        b_scale_group_pad=draw(small),
        a_shift=draw(st.integers(0, 33)),
        b_shift=draw(st.integers(0, 33)),
        out_shift=draw(small),
        scale_shift=draw(small),
        index_shift=draw(small),
    )


seeds = st.integers(0, 2**31 - 1)
