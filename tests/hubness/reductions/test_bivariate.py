"""The bivariate normal and mutual proximity with full covariance; oracle: SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hubness import reduced_knn
from hubness.reductions.bivariate import lower_orthant
from tests.hubness import oracles


def test_lower_orthant_at_any_correlation():
    """Both branches, signs, and |ρ| up to 1 − 1e-6; largest difference seen 1.4e-7."""
    r = np.random.default_rng(0)
    h, k = r.normal(0, 2, (2, 1500))
    k[::2] = h[::2] + 0.05 * r.normal(size=750)
    rho = np.sign(r.normal(size=1500)) * (1 - 10 ** r.uniform(-6, -1, 1500))
    rho[::3] = r.uniform(-1, 1, 500)
    h, k, rho = (jnp.asarray(a, jnp.float32) for a in (h, k, rho))
    cdf = lambda a, b, c: stats.multivariate_normal.cdf([a, b], cov=[[1, c], [c, 1]])
    want = [cdf(*v) for v in zip(*(np.asarray(a, float) for a in (h, k, rho)), strict=True)]
    np.testing.assert_allclose(np.asarray(lower_orthant(h, k, rho)), want, atol=5e-7)


@pytest.mark.parametrize(
    "rho, want", [(1.0, 0.3085375), (-1.0, 0.1498822), (0.0, 0.3085375 * 0.8413447)]
)
def test_lower_orthant_at_the_ends(rho, want):
    got = lower_orthant(*(jnp.float32(v) for v in (-0.5, 1.0, rho)))
    np.testing.assert_allclose(float(got), want, atol=2e-7)


@pytest.mark.parametrize("own", [True, False])
def test_follows_the_paper(x, q, own):
    points, queries = x[:60], None if own else q[:20]
    nb = reduced_knn(points, 10, "mp_gauss_full", queries=queries)
    want = oracles.mp_gauss_full(oracles.Case(points, queries))
    have = np.take_along_axis(want, np.asarray(nb.index), axis=1)
    np.testing.assert_allclose(have, np.sort(want, axis=1)[:, :10], atol=1e-5)
    np.testing.assert_allclose(np.asarray(nb.distance), have, atol=1e-5)


def test_many_points_are_refused():
    with pytest.raises(ValueError, match="limited to n ≤ 5,000 .* Use mp_gauss"):
        reduced_knn(np.zeros((5_001, 1), np.float32), 10, "mp_gauss_full")
