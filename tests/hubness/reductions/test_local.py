"""Identities of the local methods (spec hubness.md, section 9)."""

import jax.numpy as jnp
import numpy as np
import pytest

from hubness import REDUCTIONS, knn, reduced_knn
from hubness.reductions import local
from hubness.reductions.base import Search
from tests.hubness import oracles

K = 10


def search(x, metric="euclidean", queries=None) -> Search:
    return Search(jnp.asarray(x), queries, K, metric, queries is None, False, None)


@pytest.mark.parametrize("method", ["local_scaling", "nicdm"])
def test_scaling_all_distances_changes_nothing(x, method):
    """A power of two, so that not a bit changes."""
    a, b = reduced_knn(x, K, method), reduced_knn(8 * x, K, method)
    np.testing.assert_array_equal(np.asarray(a.index), np.asarray(b.index))
    np.testing.assert_allclose(np.asarray(a.distance), np.asarray(b.distance), rtol=1e-6)


def test_local_scaling_is_a_share(x):
    d = np.asarray(reduced_knn(x, 239, "local_scaling").distance)
    assert (d >= 0).all() and (d <= 1).all()


def test_local_scaling_ranks_as_its_ratio_does(x):
    """1 − exp(−d²/(r_q r_x)) and d/√(r_q r_x) have one order, r the distance of the 10th."""
    d = oracles.pairwise(x, x, "euclidean")
    np.fill_diagonal(d, np.inf)
    radius = np.sort(d, axis=1)[:, 9]
    ratio = d / np.sqrt(radius[:, None] * radius[None])
    got = np.asarray(reduced_knn(x, K, "local_scaling").index)
    have = np.take_along_axis(ratio, got, axis=1)
    np.testing.assert_allclose(have, np.sort(ratio, axis=1)[:, :K], rtol=1e-5)


@pytest.mark.parametrize("method", ["local_scaling", "nicdm", "csls"])
def test_values_are_symmetric(x, method):
    nb = reduced_knn(x, 239, method)
    out = np.zeros((240, 240))
    np.put_along_axis(out, np.asarray(nb.index), np.asarray(nb.distance), axis=1)
    np.testing.assert_allclose(out, out.T, atol=5e-6)


def test_a_constant_penalty_leaves_the_ranks(x):
    for metric in ("euclidean", "sqeuclidean", "cosine", "dot"):
        nb = search(x, metric).penalised(jnp.full(240, 0.5))
        plain = knn(x, K, metric=metric)
        np.testing.assert_array_equal(np.asarray(nb.index), np.asarray(plain.index))
        np.testing.assert_allclose(
            np.asarray(nb.distance), np.asarray(plain.distance) + 0.5, rtol=1e-5, atol=1e-5
        )


def test_dsg_is_the_centred_inner_product(x, q):
    """And so ignores translations: −2⟨x − c, q − c⟩, c the mean of the points."""
    c = x.astype(np.float64).mean(0)
    want = -2 * (q - c) @ (x - c).T
    for shift in (0, 3):
        nb = reduced_knn(x + np.float32(shift), K, "dsg", queries=q + np.float32(shift))
        have = np.take_along_axis(want, np.asarray(nb.index), axis=1)
        np.testing.assert_allclose(have, np.sort(want, axis=1)[:, :K], rtol=1e-5)
        np.testing.assert_allclose(np.asarray(nb.distance), have, rtol=1e-4)


def test_dsg_is_the_centred_inner_product_to_rounding(x, q, x64):
    c = x.astype(np.float64).mean(0)
    want = np.sort(-2 * (q - c).astype(np.float64) @ (x - c).T, axis=1)[:, :K]
    nb = reduced_knn(x.astype(np.float64), K, "dsg", queries=q.astype(np.float64))
    np.testing.assert_allclose(np.asarray(nb.distance), want, rtol=1e-12)


def test_dsl_over_all_points_is_dsg(x):
    """Centroids of every point, itself included, are the mean."""
    everyone = jnp.broadcast_to(jnp.arange(240), (240, 240))
    h = local.centroid_distance(jnp.asarray(x), jnp.asarray(x), everyone)
    r = local.as_euclidean(search(x))
    cost, index = r.shifted(h / 2)
    want = reduced_knn(x, K, "dsg")
    np.testing.assert_array_equal(np.asarray(index), np.asarray(want.index))
    distance = 2 * cost - h[:, None]
    np.testing.assert_allclose(np.asarray(distance), np.asarray(want.distance), rtol=1e-4)


def test_localized_centring_over_all_points_ranks_as_the_centred_product(x, q):
    unit_x, unit_q = (jnp.asarray(oracles.unit(a), jnp.float32) for a in (x, q))
    everyone = jnp.broadcast_to(jnp.arange(240), (240, 240))
    affinity = local.local_affinity(unit_x, unit_x, everyone)
    r = search(unit_x, "cosine", unit_q)
    centred = np.asarray(unit_q - unit_x.mean(0)[None]) @ np.asarray(unit_x).T
    got = np.asarray(r.shifted(-affinity).index)
    have = np.take_along_axis(centred, got, axis=1)
    np.testing.assert_allclose(have, -np.sort(-centred, axis=1)[:, :K], atol=1e-6)


def test_localized_centring_takes_a_power_of_positive_affinities(x):
    nb = reduced_knn(x + 2, K, "localized_centring", gamma=2.0)
    want = oracles.localized_centring(oracles.Case(x + 2), gamma=2.0)
    have = np.take_along_axis(want, np.asarray(nb.index), axis=1)
    np.testing.assert_allclose(np.asarray(nb.distance), have, atol=1e-5)


@pytest.mark.parametrize("method", sorted(REDUCTIONS))
def test_names_are_documented(method):
    assert REDUCTIONS[method].__doc__
