"""Oracles: algebra of the variance-preserving process, in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffenc import noising

LEVELS = st.floats(-13.3, 5.0)


@settings(max_examples=50, deadline=None)
@given(LEVELS, LEVELS)
def test_levels_obey_their_identities(first, second):
    s, t = sorted((first, second))
    with jax.enable_x64(True):
        a_s, a_t = noising.alpha(s), noising.alpha(t)
        v_s, v_t = noising.sigma(s) ** 2, noising.sigma(t) ** 2
        np.testing.assert_allclose(a_t**2 + v_t, 1.0, rtol=1e-12)
        np.testing.assert_allclose(a_t**2 / v_t, np.exp(-t), rtol=1e-12)
        ratio = a_t / a_s
        between = v_t - ratio**2 * v_s
        fraction = noising.step_fraction(s, t)
        np.testing.assert_allclose(fraction * v_t, between, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(ratio * v_s / v_t, a_s / a_t * np.exp(s - t), rtol=1e-12)
        variance = noising.transition_variance(s, t)
        np.testing.assert_allclose(variance, v_s * between / v_t, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("double, tolerance", [(True, 1e-12), (False, 1e-5)])
def test_parametrisations_convert_into_one_another(double, tolerance):
    with jax.enable_x64(double):
        rng = np.random.default_rng(0)
        dtype = jnp.float64 if double else jnp.float32
        x, eps = (jnp.asarray(rng.normal(size=(5, 3)), dtype) for _ in range(2))
        # In single precision x from eps divides by alpha, eps from x by sigma: stay mid-range.
        gamma = jnp.asarray([-6.0, -2.0, 0.0, 1.0, 3.0] if double else [-2, -1, 0, 1, 2], dtype)
        z, v = noising.diffuse(x, gamma, eps), noising.velocity(x, eps, gamma)
        close = lambda got, want: np.testing.assert_allclose(got, want, rtol=0, atol=5 * tolerance)
        close(noising.x_from_v(z, v, gamma), x)
        close(noising.x_from_eps(z, eps, gamma), x)
        close(noising.v_from_x(z, x, gamma), v)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: noising.diffuse(x[:1], 0.0, x), r"x_t \(1, 3\), eps \(2, 3\); one shape"),
        (lambda x: noising.velocity(x[:1], x, 0.0), "one shape is needed"),
        (lambda x: noising.x_from_v(x, x[:1], 0.0), "one shape is needed"),
        (lambda x: noising.x_from_eps(x, x[:1], 0.0), "one shape is needed"),
        (lambda x: noising.v_from_x(x, x[:1], 0.0), "one shape is needed"),
        (lambda x: noising.posterior_mean(x, x, x[:1], 0.0, 1.0), "one shape is needed"),
        (lambda x: noising.generative_mean(x, x[:1], 0.0, 1.0), "one shape is needed"),
        (lambda x: noising.diffuse(x, np.zeros(3), x), r"gamma has shape \(3,\)"),
        (lambda x: noising.diffuse(x, float("nan"), x), "nan, NaN or infinite"),
        (lambda x: noising.alpha(float("nan")), "nan, NaN or infinite"),
        (lambda x: noising.transition_variance(1.0, 0.0), "a step goes down"),
        (lambda x: noising.transition_variance(0.0, 1.0, -1.0), "mixing must be at least 0"),
        (lambda x: noising.posterior_mean(x, x, x, 1.0, 0.0), "a step goes down"),
        (lambda x: noising.generative_mean(x, x, 1.0, 0.0), "a step goes down"),
    ],
)
def test_what_is_no_transition_is_one_sentence(call, message):
    """Each was a number: of a row repeated, a negative variance, or NaN."""
    with pytest.raises(ValueError, match=message):
        call(np.zeros((2, 3), np.float32))


def test_errors_of_the_parametrisations_are_proportional(x64):
    rng = np.random.default_rng(1)
    z, v, v_hat = (jnp.asarray(rng.normal(size=(4, 3))) for _ in range(3))
    gamma = jnp.linspace(-5.0, 3.0, 4)
    a, s = noising.alpha(gamma)[:, None], noising.sigma(gamma)[:, None]
    x_error = noising.x_from_v(z, v, gamma) - noising.x_from_v(z, v_hat, gamma)
    # ε = σ z + α v.
    eps, eps_hat = (s * z + a * output for output in (v, v_hat))
    np.testing.assert_allclose(x_error, -s * (v - v_hat), atol=1e-12)
    of_eps = noising.x_from_eps(z, eps, gamma) - noising.x_from_eps(z, eps_hat, gamma)
    np.testing.assert_allclose(x_error, of_eps, atol=1e-12)
    np.testing.assert_allclose(x_error, -s / a * (eps - eps_hat), atol=1e-12)


def test_posterior_is_consistent_with_the_marginals_of_any_encoder(x64):
    # z_t = a_t x_t + s_t eps; then mu_Q(z_t) plus its noise must be N(a_s x_s, s_s^2).
    rng = np.random.default_rng(2)
    x_t, x_s = (jnp.asarray(rng.normal(size=(1, 3))) for _ in range(2))
    for s, t in ((-9.0, -8.5), (-3.0, 1.0), (2.0, 4.9)):
        mean = noising.posterior_mean(noising.alpha(t) * x_t, x_t, x_s, s, t)
        np.testing.assert_allclose(mean, noising.alpha(s) * x_s, rtol=1e-12)
        slope = noising.posterior_mean(jnp.ones((1, 3)), 0 * x_t, 0 * x_t, s, t)
        variance = slope[0, 0] ** 2 * noising.sigma(t) ** 2 + noising.transition_variance(s, t)
        np.testing.assert_allclose(variance, noising.sigma(s) ** 2, rtol=1e-12)


def test_generative_mean_is_the_posterior_mean_of_a_rescaled_prediction(x64):
    # The counterterm rescales x_hat by 1 + kappa / c, nothing more (spec 2.3).
    rng = np.random.default_rng(3)
    z, x_hat = (jnp.asarray(rng.normal(size=(2, 3))) for _ in range(2))
    s, t = -1.0, 0.5
    scale = 1 + (t - s) * jax.nn.sigmoid(t) / noising.step_fraction(s, t)
    want = noising.posterior_mean(z, scale * x_hat, scale * x_hat, s, t)
    np.testing.assert_allclose(noising.generative_mean(z, x_hat, s, t, 1.0), want, rtol=1e-12)
    plain = noising.posterior_mean(z, x_hat, x_hat, s, t)
    np.testing.assert_allclose(noising.generative_mean(z, x_hat, s, t), plain, rtol=1e-12)
