"""Mutual proximity: exact counts, invariances, and tails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hubness import knn, reduced_knn
from hubness.reductions import base
from hubness.reductions import mutual_proximity as mutual
from hubness.reductions.mutual_proximity import gauss_key
from tests.hubness import oracles

K = 10


def own_values(x, method, **options):
    """The secondary distance of every pair, by asking for all neighbours."""
    nb = reduced_knn(x, len(x) - 1, method, **options)
    out = np.zeros((len(x), len(x)))
    np.put_along_axis(out, np.asarray(nb.index), np.asarray(nb.distance), axis=1)
    return out


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "dot"])
def test_empiric_counts_are_those_of_the_cubic_definition(x, metric, x64):
    x = x[:120].astype(np.float64)
    got = own_values(x, "mp_empiric", metric=metric, num_candidates=119)
    want = oracles.mp_empiric(oracles.Case(x, None, metric))
    np.fill_diagonal(want, 0)
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_empiric_counts_of_queries(x, q, x64):
    x, q = x.astype(np.float64), q.astype(np.float64)
    nb = reduced_knn(x, K, "mp_empiric", queries=q, num_candidates=240)
    want = oracles.mp_empiric(oracles.Case(x, q))
    have = np.take_along_axis(want, np.asarray(nb.index), axis=1)
    np.testing.assert_allclose(have, np.sort(want, axis=1)[:, :K], atol=1e-12)
    np.testing.assert_allclose(np.asarray(nb.distance), have, atol=1e-12)


def test_empiric_counts_treat_duplicates_as_ties(x):
    """In single precision; every point three times."""
    x = np.concatenate([x[:40]] * 3)
    want = oracles.mp_empiric(oracles.Case(x))
    nb = reduced_knn(x, K, "mp_empiric", num_candidates=119)
    have = np.take_along_axis(want, np.asarray(nb.index), axis=1)
    np.testing.assert_allclose(np.asarray(nb.distance), have, atol=1e-6)


@pytest.mark.parametrize("method", ["mp_empiric", "mp_gauss", "mp_gamma", "mp_gauss_full"])
def test_values_are_symmetric_shares(x, method, optimised):
    """MP is symmetric on self search and lies in [0, 1]; largest asymmetry seen 6e-7."""
    options = {} if "gauss" in method else {"num_candidates": 119}
    d = own_values(x[:120], method, **options)
    np.testing.assert_allclose(d, d.T, atol=2e-6)
    assert (d >= 0).all() and (d <= 1).all()


def test_empiric_is_invariant_to_monotone_maps_of_the_distance(x):
    """Squared distances have the order of distances."""
    a = reduced_knn(x, K, "mp_empiric")
    b = reduced_knn(x, K, "mp_empiric", metric="sqeuclidean")
    np.testing.assert_array_equal(np.asarray(a.index), np.asarray(b.index))


def test_gauss_is_invariant_to_affine_maps_of_the_distance(x):
    """1 − cos and −cos differ by a constant, 1 − cos and squared unit distances by a factor."""
    unit = oracles.unit(x).astype(np.float32)
    a = reduced_knn(unit, K, "mp_gauss", metric="cosine")
    b = reduced_knn(unit, K, "mp_gauss", metric="sqeuclidean")
    assert (np.asarray(a.index) == np.asarray(b.index)).mean() > 0.999
    want = own_values(x, "mp_gauss")
    np.testing.assert_allclose(own_values(8 * x, "mp_gauss"), want, rtol=2e-4, atol=1e-6)


def test_gamma_agrees_with_gauss_where_distances_are_gaussian():
    """In 600 dimensions a gamma of shape (μ/σ)² ≈ 1,100 is nearly normal."""
    x = np.random.default_rng(0).normal(size=(300, 600)).astype(np.float32)
    a, b = (np.asarray(reduced_knn(x, K, m).index) for m in ("mp_gamma", "mp_gauss"))
    assert np.mean([len(set(u) & set(v)) / K for u, v in zip(a, b, strict=True)]) > 0.95


def test_key_orders_distances_that_saturate():
    """SF·SF rounds to 1 at z = −10 and to 0 at z = 20 in float32; the key does not."""
    state = (jnp.zeros(1), jnp.ones(1))
    key = gauss_key(jnp.array([-10.0, -9.0, 20.0, 21.0]), state, state)
    want = -2 * stats.norm.logsf([-10, -9, 20, 21])
    np.testing.assert_allclose(np.asarray(key), want, rtol=1e-5)


def test_quick_key_finds_the_candidates():
    """The float64 formula's ten nearest, where an outlier's distances are 100σ from other rows."""
    r = np.random.default_rng(0)
    x = r.normal(size=(400, 30)).astype(np.float32)
    x[0] *= 30
    nb = reduced_knn(x, K, "mp_gauss")
    (mq, sq), (mx, sx) = oracles.Case(x).moments()
    d = oracles.Case(x).d
    key = -stats.norm.logsf(d, mq, sq) - stats.norm.logsf(d, mx, sx)
    have = np.take_along_axis(key, np.asarray(nb.index), axis=1)
    np.testing.assert_allclose(have, np.sort(key, axis=1)[:, :K], rtol=1e-4)


def test_candidates_bound_the_search(x):
    few = reduced_knn(x, K, "mp_empiric", num_candidates=12)
    allowed = np.asarray(knn(x, 12).index)
    assert all(set(a) <= set(b) for a, b in zip(np.asarray(few.index), allowed, strict=True))


def test_memory_is_blocks_not_pairs():
    """Of 300 MB promised for 100,000 points, compiling takes 150; 140 MB when written."""
    x, v = (jax.ShapeDtypeStruct(shape, np.float32) for shape in ((100_000, 384), (100_000,)))
    keys = mutual.gauss_key, mutual.quick_gauss_key, mutual.SPARE
    states = ((v, v), (v, v))
    run = base._keyed.lower(x, x, states, 10, "euclidean", *keys, True, None).compile()
    assert run.memory_analysis().temp_size_in_bytes < 150e6
