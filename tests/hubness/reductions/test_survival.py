"""Tails of the gamma and normal laws; oracle: SciPy in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from hubness.reductions.survival import log_gamma_sf, quick_log_normal_sf


@pytest.mark.parametrize("shape", [0.5, 2.0, 15.0, 25.0, 200.0, 1e3, 5e3])
def test_log_gamma_survival(shape):
    """From −4.5 to 4 standard deviations; largest relative difference seen 1.5e-5, which is the
    rounding of x itself: a relative 6e-8 of x is 2e-6·√(a/1000) standard deviations."""
    r = np.random.default_rng(0)
    a = (shape * r.uniform(0.8, 1.2, 5_000)).astype(np.float32)
    x = np.maximum(a + r.uniform(-4.5, 4, 5_000) * np.sqrt(a), 0.05 * a).astype(np.float32)
    got = log_gamma_sf(jnp.asarray(a), jnp.asarray(x))
    a, x = a.astype(float), x.astype(float)
    want = np.where(x < a, np.log1p(-special.gammainc(a, x)), np.log(special.gammaincc(a, x)))
    # Below 1e-12 the expansion keeps three digits at a = 25.
    np.testing.assert_allclose(np.asarray(got), want, rtol=3e-5, atol=1e-12)


def test_log_gamma_survival_falls_with_x():
    x = jnp.linspace(0.1, 60, 400)
    for a in (5.0, 19.9, 20.1, 30.0):
        value = np.asarray(log_gamma_sf(jnp.full_like(x, a), x))
        assert (np.diff(value) <= 1e-6).all()


def test_quick_normal_tail_is_within_half_a_percent():
    z = np.linspace(-12.5, 40, 20_001)
    got = np.asarray(quick_log_normal_sf(jnp.asarray(z, jnp.float32)))
    want = special.log_ndtr(-z.astype(np.float32).astype(float))
    np.testing.assert_allclose(got, want, rtol=5e-3)
    assert np.median(np.abs(got / want - 1)) < 3e-4
