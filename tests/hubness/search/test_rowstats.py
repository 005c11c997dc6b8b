"""Streamed statistics of rows; oracle: float64 NumPy over all pairs."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from hubness.search import rowstats
from tests.hubness import oracles


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine", "dot"])
def test_moments_equal_the_sample_moments(x, q, metric, own, x64):
    case = oracles.Case(x, None if own else q, metric)
    (mean, sd), _ = case.moments()
    got = rowstats.moments(jnp.asarray(x, float), jnp.asarray(case.q, float), metric, own)
    np.testing.assert_allclose(np.asarray(got[0]), mean[:, 0], rtol=1e-11)
    np.testing.assert_allclose(np.asarray(got[1]), sd[:, 0], rtol=1e-10)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
def test_moments_in_single_precision(x, metric):
    """Largest relative difference seen 2e-6 (sd of squares)."""
    (mean, sd), _ = oracles.Case(x, None, metric).moments()
    got = rowstats.moments(jnp.asarray(x), jnp.asarray(x), metric, True, 37)
    np.testing.assert_allclose(np.asarray(got[0]), mean[:, 0], rtol=5e-6)
    np.testing.assert_allclose(np.asarray(got[1]), sd[:, 0], rtol=1e-5)


def test_moments_far_from_the_origin(x):
    """Centring keeps five digits of the spread at 1,000 spreads from the origin."""
    (_, sd), _ = oracles.Case(x + 1000).moments()
    far = jnp.asarray(x + 1000)
    got = rowstats.moments(far, far, "euclidean", True)
    np.testing.assert_allclose(np.asarray(got[1]), sd[:, 0], rtol=1e-4)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_log_sum_exp(x, q, metric):
    case = oracles.Case(x, q, metric)
    got = rowstats.log_sum_exp(jnp.asarray(x), jnp.asarray(q), 20.0, metric)
    np.testing.assert_allclose(np.asarray(got), special.logsumexp(-20 * case.d, axis=1), rtol=1e-5)
    own = rowstats.log_sum_exp(jnp.asarray(x), jnp.asarray(x), 20.0, metric, True, 37)
    d = oracles.Case(x, None, metric).d
    np.testing.assert_allclose(np.asarray(own), special.logsumexp(-20 * d, axis=1), rtol=1e-5)
