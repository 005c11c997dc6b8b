"""Oracles: finite differences of the encoder, and the path cost of linear encoders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from diffenc import process
from diffenc.encoder import encode_with_slope, identity_encoder, residual_encoder
from diffenc.path import shift
from tests.diffenc import gaussian as toy


def inner(x, gamma, conditioning):
    return jnp.tanh(x * process.per_example(gamma, x) / 3)


@pytest.mark.parametrize("parametrisation", ["v", "eps"])
def test_terms_are_those_of_the_definition(parametrisation, x64):
    rng = np.random.default_rng(0)
    x, eps = (jnp.asarray(rng.normal(size=(4, 3))) for _ in range(2))
    gamma = jnp.asarray([-9.0, -2.0, 0.5, 4.0])
    encoder, network = residual_encoder(inner), lambda z, g: jnp.sin(z + g[:, None])
    got = shift(x, eps, gamma, encoder=encoder, denoiser=network, parametrisation=parametrisation)
    x_t, slope = encode_with_slope(encoder, x, gamma)
    z = process.diffuse(x_t, gamma, eps)
    to_x = process.x_from_v if parametrisation == "v" else process.x_from_eps
    predicted = jax.nn.sigmoid(gamma)[:, None] * to_x(z, network(z, gamma), gamma)
    for counterterm in (0.0, 1.0, 0.3):
        away = -slope - counterterm * predicted
        want = 0.5 * jnp.exp(-gamma) * (away**2).sum(1)
        np.testing.assert_allclose(got.cost(counterterm), want, rtol=1e-9)
    best = got.best_counterterm()
    assert all(got.cost(best).mean() < got.cost(best + d).mean() for d in (-0.01, 0.01))


def test_nt_costs_its_path_and_needs_the_published_counterterm():
    num = 40_000
    keys = jax.random.split(jax.random.key(0), 3)
    x, eps = toy.sample(keys[0], num), jax.random.normal(keys[1], (num, 3))
    gamma = toy.LOW + (toy.HIGH - toy.LOW) * (jnp.arange(num) + 0.5) / num
    got = jax.jit(
        lambda: shift(x, eps, gamma, encoder=toy.ENCODERS["nt"], denoiser=toy.denoiser("nt"))
    )()
    values = np.asarray(got.cost(1.0), np.float64) * (toy.HIGH - toy.LOW)
    sigmoid = lambda g: 1 / (1 + np.exp(-g))

    def density(g, v):
        a = sigmoid(-g)
        return 0.5 * v * (a * sigmoid(g)) ** 2 / (a**2 * v + np.exp(g))

    want = sum(quad(density, toy.LOW, toy.HIGH, args=(v,))[0] for v in toy.VALUES)
    error = values.std() / np.sqrt(num)
    assert abs(values.mean() - want) < 4 * error < 0.1 * want
    # An optimal x_hat is E[x_gamma | z], so no other multiple of it predicts the slope better.
    assert got.best_counterterm() == pytest.approx(1.0, abs=0.02)


def test_an_encoder_that_stays_put_costs_nothing_and_wants_no_counterterm():
    x, eps = toy.sample(jax.random.key(0), 5), jax.random.normal(jax.random.key(1), (5, 3))
    still = shift(x, eps, jnp.zeros(5), encoder=identity_encoder(), denoiser=lambda z, gamma: 0 * z)
    np.testing.assert_array_equal(still.cost(0.0), 0.0)
    assert still.best_counterterm() == 0
    silent = shift(x, eps, jnp.zeros(5), encoder=identity_encoder(), denoiser=process_still)
    assert silent.best_counterterm() == 0


def process_still(z, gamma):
    """The v of x_hat = 0."""
    return process.v_from_x(z, 0 * z, gamma)
