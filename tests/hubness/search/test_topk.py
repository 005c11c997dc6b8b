"""Selection and the proof of exactness."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubness.search import pairwise, topk


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_merging_tiles_is_a_stable_sort(seed, values):
    """Few large values, so that ties run over chunks, tiles and the end of the list."""
    key = np.random.default_rng(seed).geometric(values / 16, (3, 1340)).astype(np.float32)
    best, ids = topk.no_candidates(3, 5, jnp.float32), jnp.arange(1340, dtype=jnp.int32)
    # One narrow tile, one in chunks with a tail, one in chunks without.
    for part in (slice(0, 33), slice(33, 700), slice(700, 1340)):
        best = topk.merge(best, jnp.asarray(key[:, part]), ids[part])
    want = np.argsort(-key, axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(np.asarray(best.index), want)
    np.testing.assert_array_equal(np.asarray(best.key), np.take_along_axis(key, want, axis=1))


def test_sort_rows_is_lexicographic():
    a, b = jnp.array([[1.0, 1.0, 0.0]]), jnp.array([[2.0, 1.0, 9.0]])
    out = topk.sort_rows((a, b), jnp.array([[0, 1, 2]]), 3)
    np.testing.assert_array_equal(np.asarray(out[2]), [[2, 1, 0]])


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "dot"])
def test_the_bound_covers_the_rounding_of_products(metric):
    """limit − score is below every true cost (float64), and by less than 1e-3 of the range."""
    r = np.random.default_rng(0)
    x = (r.normal(size=(300, 48)) * 10 ** r.uniform(-2, 2, (300, 1)) + 3).astype(np.float32)
    space = pairwise.make_space(jnp.asarray(x), jnp.asarray(x), metric)
    optimistic, limit = topk.optimist(space)
    q = pairwise.query_operand(space, jnp.arange(300))
    points = pairwise.biased(pairwise.point_operand(space), optimistic.bias)
    score = pairwise.scores(q, points)
    least = np.asarray(limit, np.float64)[:, None] - np.asarray(score, np.float64)
    rows = np.asarray(pairwise.exact_points(space, jnp.arange(300)), np.float64)
    true = -rows @ rows.T if metric == "dot" else ((rows[:, None] - rows) ** 2).sum(-1) / 2
    assert (least <= true).all()
    assert (true - least).max() < 1e-3 * np.ptp(true)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "dot"])
def test_search_by_difference_is_exact(metric):
    """Oracle: float64 costs with a shift, self left out by index."""
    r = np.random.default_rng(0)
    x = r.normal(size=(300, 8)).astype(np.float32) * np.arange(1, 301, dtype=np.float32)[:, None]
    shift = r.normal(size=300).astype(np.float32)
    space = pairwise.make_space(jnp.asarray(x[40:]), jnp.asarray(x), metric, jnp.asarray(shift))
    rows = jnp.array([3, 17, 259])
    found = topk._search_by_difference(space, rows, 5, 14, 40)
    y = x.astype(np.float64)
    y = y / np.linalg.norm(y, axis=1, keepdims=True) if metric == "cosine" else y
    q = y[40:][np.asarray(rows)]
    d = -q @ y.T if metric == "dot" else ((q[:, None] - y) ** 2).sum(-1) / 2
    d = d - shift
    d[np.arange(3), np.asarray(rows) + 40] = np.inf
    np.testing.assert_array_equal(np.asarray(found.index), np.argsort(d, axis=1)[:, :5])
    np.testing.assert_allclose(np.asarray(found.cost), np.sort(d, axis=1)[:, :5], rtol=2e-6)


def test_rows_without_proof_are_searched_again():
    """A space whose products are noise: only differences can find the neighbours."""
    r = np.random.default_rng(0)
    x = (1e4 + r.normal(size=(2, 8))[r.integers(0, 2, 200)] * 1e3).astype(np.float32)
    x += r.normal(size=x.shape).astype(np.float32) * 1e-2
    d = ((x[:, None].astype(np.float64) - x) ** 2).sum(-1) / 2
    space = pairwise.make_space(jnp.asarray(x), jnp.asarray(x), "euclidean")
    found = topk.nearest(space, 5)
    np.testing.assert_allclose(np.asarray(found.cost), np.sort(d, axis=1)[:, :5], rtol=1e-5)
    # Without the error bound the product's first guess stands, and it is wrong.
    blind = dataclasses.replace(space, bias=space.bias)
    best = topk.blocks.fold_scores(
        lambda best, tile: topk.merge(best, tile.score, tile.ids),
        lambda m: topk.no_candidates(m, 5, jnp.float32),
        blind,
    )
    assert (np.sort(np.asarray(best.index)) != np.sort(np.asarray(found.index))).any()
