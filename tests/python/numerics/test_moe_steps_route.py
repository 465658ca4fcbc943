"""ggfp8_route against a stable sort, on the CPU and on a GPU."""

import numpy as np
import pytest


def expected(top_k_index, num_groups):
    """(row_index, position, m_indptr) by NumPy's stable sort."""
    groups = top_k_index.reshape(-1).astype(np.int64)
    present = (groups >= 0) & (groups < num_groups)
    order = np.argsort(np.where(present, groups, num_groups), kind="stable")
    num_rows = int(present.sum())
    row_index = np.full(groups.size, -1, np.int32)
    row_index[:num_rows] = order[:num_rows] // max(top_k_index.shape[1], 1)
    position = np.full(groups.size, -1, np.int32)
    position[order[:num_rows]] = np.arange(num_rows)
    counts = np.bincount(groups[present], minlength=num_groups)
    m_indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return row_index, position.reshape(top_k_index.shape), m_indptr


def assert_routed(steps, top_k_index, num_groups, **options):
    results = steps.route(top_k_index, num_groups, **options).run()
    for got, wanted in zip(results, expected(top_k_index, num_groups), strict=True):
        np.testing.assert_array_equal(got, wanted)


SIZES = (
    (0, 8, 4), (1, 1, 1), (5, 2, 3), (64, 8, 256), (16, 8, 32), (255, 8, 7), (256, 8, 128),
    (257, 8, 128), (300, 7, 61), (1000, 3, 1), (4096, 8, 256), (2500, 9, 4096), (700, 4, 4097),
    (30, 4, 100000), (20000, 6, 300), (8, 0, 5),
)  # fmt: skip


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("tokens, top_k, groups", SIZES)
def test_sizes(steps, tokens, top_k, groups, index_dtype):
    rng = np.random.default_rng(tokens + groups)
    index = rng.integers(0, groups, (tokens, top_k)).astype(index_dtype)
    assert_routed(steps, index, groups)


@pytest.mark.parametrize("tokens", [64, 4096])
def test_uneven_groups(steps, tokens):
    """All pairs to one group, most to few groups, the first and the last group, none at all."""
    rng = np.random.default_rng(1)
    shape = (tokens, 8)
    for index in (
        np.full(shape, 255),
        np.zeros(shape),
        np.minimum(rng.geometric(0.2, shape), 255),
        np.full(shape, 256),
        np.full(shape, -1),
        np.tile(np.arange(8), (tokens, 1)),
    ):
        assert_routed(steps, index.astype(np.int64), 256)


@pytest.mark.parametrize("tokens", [40, 4096])
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_groups_that_are_not_here(steps, tokens, index_dtype):
    """Pairs of groups outside [0, G), hostile words among them, are left out."""
    limits = np.iinfo(index_dtype)
    rng = np.random.default_rng(2)
    words = np.array([-1, -5, 32, 33, limits.min, limits.max, 1 << 30], index_dtype)
    index = rng.integers(0, 32, (tokens, 8)).astype(index_dtype)
    away = rng.random(index.shape) < 0.6
    index[away] = rng.choice(words, int(away.sum()))
    assert_routed(steps, index, 32)


def test_wide_words(steps):
    """Groups are not cut to 32 bits."""
    index = (np.arange(64).reshape(8, 8) % 4) + (np.arange(64).reshape(8, 8) % 3 << 32)
    assert_routed(steps, index.astype(np.int64), 4)


@pytest.mark.parametrize("tokens", [33, 3000])
def test_row_stride(steps, tokens):
    index = np.random.default_rng(3).integers(0, 16, (tokens, 5)).astype(np.int32)
    assert_routed(steps, index, 16, pads=(3,))


def test_no_group(steps):
    assert_routed(steps, np.zeros((7, 3), np.int32), 0)
    assert_routed(steps, np.zeros((3000, 3), np.int32), 0)


@pytest.mark.parametrize("groups", [1, 256, 4096])
def test_a_million_pairs(steps, groups):
    index = np.random.default_rng(4).integers(-1, groups, (125000, 8)).astype(np.int32)
    assert_routed(steps, index, groups)


def test_same_bits_in_every_run(steps):
    index = np.random.default_rng(5).integers(0, 200, (4096, 8)).astype(np.int32)
    step = steps.route(index, 200)
    step.launch()
    first = step.results()
    for _ in range(20):
        step.launch()
    for got, wanted in zip(step.results(), first, strict=True):
        np.testing.assert_array_equal(got, wanted)
