"""Oracles: finite differences of the encoder, and the path cost of linear encoders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from diffenc import noising
from diffenc.encoder import identity_encoder, residual_encoder
from diffenc.path import shift
from diffenc.prediction import PREDICTIONS
from diffenc.process import Process
from tests.diffenc import gaussian as toy


def inner(x, gamma, conditioning):
    return jnp.tanh(x * noising.per_example(gamma, x) / 3)


@pytest.mark.parametrize("parametrisation", ["v", "eps"])
def test_terms_are_those_of_the_definition(parametrisation, x64):
    rng = np.random.default_rng(0)
    x, eps = (jnp.asarray(rng.normal(size=(4, 3))) for _ in range(2))
    gamma = jnp.asarray([-9.0, -2.0, 0.5, 4.0])
    network, prediction = (lambda z, g: jnp.sin(z + g[:, None])), PREDICTIONS[parametrisation]
    process = Process(residual_encoder(inner), network, prediction)
    got = shift(process, x, eps, gamma)
    x_t, slope = process.encode(x, gamma)
    z = noising.diffuse(x_t, gamma, eps)
    to_x = noising.x_from_v if parametrisation == "v" else noising.x_from_eps
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
    got = jax.jit(lambda: shift(toy.process("nt"), x, eps, gamma))()
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
    process = Process(identity_encoder(), denoiser=lambda z, gamma: 0 * z)
    still = shift(process, x, eps, jnp.zeros(5))
    np.testing.assert_array_equal(still.cost(0.0), 0.0)
    assert still.best_counterterm() == 0
    silent = shift(process._replace(denoiser=v_of_nothing), x, eps, jnp.zeros(5))
    assert silent.best_counterterm() == 0


def v_of_nothing(z, gamma):
    """The v of x_hat = 0."""
    return noising.v_from_x(z, 0 * z, gamma)
