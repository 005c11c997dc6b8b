"""Oracles: the loss written out in float64 NumPy from its definition, and equalities of the theory.

Networks are small MLPs given by their weights, the slope of the encoder a finite difference, the
noise given: nothing of the library enters the expected values.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import noising
from diffenc.elbo import elbo_terms, prior_kl
from diffenc.encoder import identity_encoder, nt_encoder, residual_encoder
from diffenc.likelihood import discretised_log_prob
from diffenc.prediction import PREDICTIONS
from diffenc.process import Process
from diffenc.sampling import generative_step, sample_along

LOW, HIGH, LEVELS, B, D = -7.88, 5.0, 17, 6, 3
_rng = np.random.default_rng(0)
W1, B1 = _rng.normal(size=(D + 1, 8)), _rng.normal(size=(1, 8))
W2 = 0.5 * _rng.normal(size=(8, D))
V1, C1 = _rng.normal(size=(D + 1, 8)), _rng.normal(size=(1, 8))
V2 = 0.5 * _rng.normal(size=(8, D))
CODES = _rng.integers(0, LEVELS, (B, D))
T = np.linspace(0.05, 0.95, B)
EPS, EPS_0 = _rng.normal(size=(2, B, D))
X = 2 * (CODES + 0.5) / LEVELS - 1


def mlp(xp, first, bias, second, x, gamma):
    """tanh(W2ᵀ tanh(W1ᵀ [x, γ/5] + b)): the same weights for NumPy and for JAX."""
    level = xp.broadcast_to(xp.asarray(gamma), (len(x),))[:, None] / 5
    return xp.tanh(xp.tanh(xp.concatenate([x, level], -1) @ first + bias) @ second)


def inner(xp):
    return lambda x, gamma: mlp(xp, W1, B1, W2, x, gamma)


def network(xp):
    return lambda z, gamma: mlp(xp, V1, C1, V2, z, gamma)


def sigmoid(u):
    return 1 / (1 + np.exp(-np.asarray(u, np.float64)))


def encoding(kind, x, gamma):
    """x_gamma in NumPy."""
    s2 = np.broadcast_to(sigmoid(gamma), (len(x),))[:, None]
    y = {"identity": x, "nt": 0 * x}.get(kind)
    return x + s2 * ((inner(np)(x, gamma) if y is None else y) - x)


def expected(kind, parametrisation, counterterm):
    """Reconstruction, prior and diffusion from their definitions (spec 1.3, 2.4, 2.5)."""
    gamma, rate, h = LOW + (HIGH - LOW) * T, HIGH - LOW, 1e-5
    a, s = np.sqrt(sigmoid(-gamma))[:, None], np.sqrt(sigmoid(gamma))[:, None]
    x_t = encoding(kind, X, gamma)
    slope = (encoding(kind, X, gamma + h) - encoding(kind, X, gamma - h)) / (2 * h)
    z = a * x_t + s * EPS
    out = network(np)(z, gamma)
    x_hat = a * z - s * out if parametrisation == "v" else (z - s * out) / a
    target = x_t - slope - (1 + counterterm * s**2) * x_hat  # dx/dλ = −dx/dγ
    diffusion = 0.5 * rate * np.exp(-gamma) * (target**2).sum(1)
    x_1, v1 = encoding(kind, X, HIGH), sigmoid(HIGH)
    prior = 0.5 * ((1 - v1) * x_1**2 + v1 - np.log(v1) - 1).sum(1)
    z_0 = encoding(kind, X, LOW) + np.exp(LOW / 2) * EPS_0
    values = 2 * (np.arange(LEVELS) + 0.5) / LEVELS - 1
    logit = -0.5 * np.exp(-LOW) * (z_0[..., None] - values) ** 2
    logit -= logit.max(-1, keepdims=True)
    log_p = logit - np.log(np.exp(logit).sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, CODES[..., None], -1).sum((1, 2)), prior, diffusion


def encoder(kind):
    made = {"identity": identity_encoder, "nt": nt_encoder}
    return made[kind]() if kind in made else residual_encoder(lambda x, g, c: inner(jnp)(x, g))


def bound(kind, parametrisation="v", counterterm=0.0, denoiser=None):
    return Process(
        encoder(kind) if isinstance(kind, str) else kind,
        denoiser or network(jnp),
        PREDICTIONS[parametrisation],
        counterterm,
    )


def terms(kind, parametrisation="v", counterterm=0.0, denoiser=None, **options):
    return elbo_terms(
        bound(kind, parametrisation, counterterm, denoiser),
        jnp.asarray(X),
        gamma=lambda t: LOW + (HIGH - LOW) * t,
        decoder=lambda codes, z, g: discretised_log_prob(codes, z, g, LEVELS),
        target=jnp.asarray(CODES),
        t=jnp.asarray(T),
        eps=jnp.asarray(EPS),
        eps_0=jnp.asarray(EPS_0),
        **options,
    )


@pytest.mark.parametrize("kind", ["identity", "nt", "residual"])
@pytest.mark.parametrize("parametrisation", ["v", "eps"])
@pytest.mark.parametrize("counterterm", [0.0, 1.0])
@pytest.mark.parametrize("jitted", [True, False], ids=["with_jit", "without_jit"])
def test_terms_equal_their_definitions(kind, parametrisation, counterterm, jitted, x64):
    call = lambda: terms(kind, parametrisation, counterterm)
    got = jax.jit(call)() if jitted else call()
    # Measured: 2e-9, from the finite difference.
    for value, want in zip(got, expected(kind, parametrisation, counterterm), strict=True):
        np.testing.assert_allclose(value, want, rtol=1e-7)


@pytest.mark.parametrize("kind", ["identity", "nt", "residual"])
def test_single_precision_stays_within_1e_5(kind):
    got = terms(kind, counterterm=1.0)
    for value, want in zip(got, expected(kind, "v", 1.0), strict=True):
        assert value.dtype == jnp.float32
        # 1e-5 of the batch's scale: reconstruction has values near 0.
        np.testing.assert_allclose(value, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


def test_a_counterterm_may_depend_on_depth(x64):
    level = lambda gamma: jnp.full_like(gamma, 0.5)
    want = expected("residual", "v", 0.5)[2]
    np.testing.assert_allclose(terms("residual", counterterm=level).diffusion, want, rtol=1e-7)


def test_v_and_eps_forms_of_one_prediction_agree(x64):
    v = network(jnp)

    def eps(z, gamma):
        alpha, sigma = (f(gamma)[:, None] for f in (noising.alpha, noising.sigma))
        return sigma * z + alpha * v(z, gamma)

    for counterterm in (0.0, 1.0):
        a = terms("residual", "v", counterterm).diffusion
        b = terms("residual", "eps", counterterm, denoiser=eps).diffusion
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize("kind", ["identity", "nt", "residual"])
def test_the_loss_is_the_error_of_the_prediction_of_x_plus_slope(kind, x64):
    # ½ γ′ e^−γ ‖x_φ + dx_φ/dλ − (1 + c σ²) x̂‖²: the x-form of what the code computes from v.
    gamma = jnp.asarray(LOW + (HIGH - LOW) * T)
    x_t, slope = bound(kind).encode(jnp.asarray(X), gamma)
    z = noising.diffuse(x_t, gamma, jnp.asarray(EPS))
    x_hat = noising.x_from_v(z, network(jnp)(z, gamma), gamma)
    for c in (0.0, 1.0):
        error = x_t - slope - (1 + c * jax.nn.sigmoid(gamma)[:, None]) * x_hat
        want = 0.5 * (HIGH - LOW) * jnp.exp(-gamma) * (error**2).sum(1)
        np.testing.assert_allclose(terms(kind, counterterm=c).diffusion, want, rtol=1e-10)


def test_a_residual_encoder_of_nothing_has_the_loss_of_the_non_trainable_one(x64):
    nothing = residual_encoder(lambda x, g, c: jnp.zeros_like(x))
    for value, want in zip(
        terms(nothing, counterterm=1.0), terms("nt", counterterm=1.0), strict=True
    ):
        np.testing.assert_allclose(value, want, rtol=1e-12)


def test_identity_encoder_is_vdm_only_without_the_counterterm_or_rescaled(x64):
    vdm = terms("identity").diffusion
    x_hat = lambda z, gamma: noising.x_from_v(z, network(jnp)(z, gamma), gamma)

    def rescaled(z, gamma):
        shrink = 1 + jax.nn.sigmoid(gamma)[:, None]
        return noising.v_from_x(z, x_hat(z, gamma) / shrink, gamma)

    same = terms("identity", counterterm=1.0, denoiser=rescaled).diffusion
    np.testing.assert_allclose(same, vdm, rtol=1e-10)
    other = terms("identity", counterterm=1.0).diffusion
    assert (np.abs(other / vdm - 1) > 1e-3).any()


def test_each_loss_is_the_limit_of_a_gaussian_kl(x64):
    # ‖mu_Q − mu_P‖² / (2 sigma_Q²) per step of width 1/n, times n, tends to the loss.
    gamma, n = LOW + (HIGH - LOW) * T, 1e6
    g_s = gamma - (HIGH - LOW) / n
    x_t, x_s = encoding("residual", X, gamma), encoding("residual", X, g_s)
    z = noising.diffuse(x_t, jnp.asarray(gamma), EPS)
    x_hat = noising.x_from_v(z, network(jnp)(z, gamma), jnp.asarray(gamma))
    levels = jnp.asarray(g_s), jnp.asarray(gamma)
    mu_q = noising.posterior_mean(z, jnp.asarray(x_t), jnp.asarray(x_s), *levels)
    mu_p = noising.generative_mean(z, x_hat, *levels, 1.0)
    variance = noising.transition_variance(*levels)[:, None]
    kl = n * ((mu_q - mu_p) ** 2 / (2 * variance)).sum(1)
    np.testing.assert_allclose(kl, terms("residual", counterterm=1.0).diffusion, rtol=1e-4)


def test_prior_is_the_gaussian_kl_and_has_its_floor_and_slope(x64):
    x_1 = jnp.asarray(_rng.normal(size=(1, 4)))
    v, mean = sigmoid(5.0), np.sqrt(sigmoid(-5.0)) * np.asarray(x_1)
    want = 0.5 * (v + mean**2 - 1 - np.log(v)).sum(1)
    np.testing.assert_allclose(prior_kl(x_1, jnp.asarray(5.0)), want, rtol=1e-9)
    draws = mean + np.sqrt(v) * _rng.normal(size=(400_000, 4))
    log_ratio = -0.5 * ((draws - mean) ** 2 / v + np.log(v) - draws**2).sum(1)
    assert abs(log_ratio.mean() - want[0]) < 4 * log_ratio.std() / np.sqrt(len(draws))
    bits = lambda x: float(prior_kl(jnp.full((1, 1), x), jnp.asarray(5.0))[0]) / np.log(2)
    np.testing.assert_allclose(bits(0.0), 1.62286e-5, rtol=1e-5)
    np.testing.assert_allclose(bits(1.0) - bits(0.0), 4.82787e-3, rtol=1e-5)


def test_prior_floor_survives_single_precision():
    floor = float(prior_kl(jnp.zeros((1, 1)), jnp.asarray(5.0))[0]) / np.log(2)
    np.testing.assert_allclose(floor, 1.62286e-5, rtol=1e-3)


def test_sparse_reconstruction_is_unbiased_and_otherwise_unchanged(x64):
    exact, sparse = terms("residual"), terms("residual", x_0_every=2)
    np.testing.assert_array_equal(exact.diffusion, sparse.diffusion)
    shifted = [
        np.mean(_rolled_reconstruction(shift, every=2) - _rolled_reconstruction(shift, every=1))
        for shift in range(2)
    ]
    np.testing.assert_allclose(np.mean(shifted), 0.0, atol=1e-12)


def _rolled_reconstruction(shift, every):
    roll = lambda a: jnp.asarray(np.roll(a, shift, 0))
    form = lambda: elbo_terms(
        bound("residual"),
        roll(X),
        gamma=lambda t: LOW + (HIGH - LOW) * t,
        decoder=lambda codes, z, g: discretised_log_prob(codes, z, g, LEVELS),
        target=roll(CODES),
        t=roll(T),
        eps=roll(EPS),
        eps_0=roll(EPS_0),
        x_0_every=every,
    )
    return jax.jit(form)().reconstruction


@pytest.mark.parametrize("counterterm", [0.0, 1.0])
def test_sampler_step_equals_its_formula(counterterm, x64):
    g_t, g_s = 1.3, 0.9
    a_t, a_s = np.sqrt(sigmoid(-g_t)), np.sqrt(sigmoid(-g_s))
    s2_t, s2_s, c = sigmoid(g_t), sigmoid(g_s), -np.expm1(g_s - g_t)
    want = (
        a_s / a_t * np.exp(g_s - g_t) * X
        + a_s * (c + counterterm * (g_t - g_s) * s2_t) * EPS_0
        + np.sqrt(s2_s * c) * EPS
    )
    levels = jnp.asarray(g_s), jnp.asarray(g_t)
    arrays = jnp.asarray(X), jnp.asarray(EPS_0)
    got = generative_step(*arrays, *levels, jnp.asarray(EPS), counterterm=counterterm)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_sample_is_the_steps_down_the_levels_divided_by_alpha(x64):
    """Two steps written out; at these depths alpha is far from 1."""
    levels, key = jnp.array([1.0, 2.0, 4.0]), jax.random.key(0)
    k_start, k_steps = jax.random.split(key)
    z = jax.random.normal(k_start, (B, D))
    for i, k in ((1, jax.random.split(k_steps)[1]), (0, jax.random.split(k_steps)[0])):
        eps = jax.random.normal(k, (B, D))
        z = generative_step(z, jnp.tanh(z) / levels[i + 1], levels[i], levels[i + 1], eps)
    got = sample_along(key, lambda z, g: jnp.tanh(z) / g[:, None], levels, (B, D))
    np.testing.assert_allclose(got, z / np.sqrt(sigmoid(-1.0)), rtol=1e-12)
