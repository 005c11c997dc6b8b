"""Tiles of points, and the scores on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hubness import knn
from hubness.search import blocks, pairwise
from tests.apart import apart


@pytest.mark.parametrize("columns", [100, 600, 700, 5_000])
@pytest.mark.parametrize("total", [1, 512, 515, 1_201, 2_999])
def test_tiles_hold_each_point_once(total, columns):
    """Tiles wider than 64 lanes of 8 are whole lanes. Oracle: counting in NumPy."""
    widths = []

    def step(carry, tile, ids, valid):
        widths.append(len(ids))
        at = jnp.where(valid & (tile == 3 * ids + 1), ids, total)
        return carry[0].at[at].add(1), carry[1] + valid.sum()

    init, values = (jnp.zeros(total, int), 0), 3 * jnp.arange(total) + 1
    counts, valid = blocks.fold_points(step, init, values, total, columns, lanes=8)
    np.testing.assert_array_equal(np.asarray(counts), 1)
    assert int(valid) == total
    assert all(width % 8 == 0 or width <= 512 for width in widths)


def test_scores_are_products_and_bias():
    """Oracle: float64; the error is within that of one dot product of d + 1 terms."""
    r = np.random.default_rng(0)
    q, p, b = r.normal(size=(20, 48)), r.normal(size=(30, 48)), 100 * r.normal(size=30)
    q, p, b = (a.astype(np.float32) for a in (q, p, b))
    ruled_out = jnp.asarray(b).at[7].set(-jnp.inf)  # as `fold_scores` does with columns
    points = pairwise.biased(jnp.asarray(p), ruled_out)
    got = np.asarray(pairwise.scores(jnp.asarray(q), points), np.float64)
    assert (got[:, 7] == -np.inf).all()
    p, b, got = np.delete(p, 7, axis=0), np.delete(b, 7), np.delete(got, 7, axis=1)
    q, p, b = (a.astype(np.float64) for a in (q, p, b))
    error = np.abs(got - (q @ p.T + b))
    assert (error <= 49 * 2.0**-24 * (np.abs(q) @ np.abs(p).T + np.abs(b))).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_half_squares_of_operands(metric):
    """1,201 points and 515 queries in blocks of 512. Oracle: float64."""
    x = np.random.default_rng(0).normal(size=(1_201, 9)).astype(np.float32)
    space = pairwise.make_space(jnp.asarray(x[7:522]), jnp.asarray(x), metric)
    y = x.astype(np.float64) - x.mean(axis=0)
    want = np.full(1_201, 0.5) if metric == "cosine" else (y**2).sum(axis=1) / 2
    np.testing.assert_allclose(np.asarray(pairwise.point_half_squares(space)), want, rtol=2e-6)
    got = np.asarray(pairwise.query_half_squares(space))
    np.testing.assert_allclose(got, want[7:522], rtol=2e-6)


def test_squares_are_not_written_out():
    """All squares of 10,000 rows of 384 would take 15 MB; 0 MB when written."""
    x = jax.ShapeDtypeStruct((10_000, 384), np.float32)
    compiled = pairwise.half_squares.lower(x).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1e6


@pytest.mark.parametrize("columns", [16_384, 2_100])
def test_wide_tiles_keep_ties(columns, monkeypatch):
    """4,157 points of a lattice in one padded tile or two that overlap; oracle: integers."""
    monkeypatch.setattr(blocks.fold_points, "__defaults__", (columns,))
    x = np.random.default_rng(0).integers(0, 4, (4_157, 6))
    with apart():
        found = np.asarray(knn(x.astype(np.float32), 5, queries=x[:50].astype(np.float32)).index)
    d = ((x[:50, None] - x) ** 2).sum(-1)
    np.testing.assert_array_equal(found, np.argsort(d, axis=1, kind="stable")[:, :5])
