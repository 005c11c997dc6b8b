"""Oracles: central differences in double precision, and the closed forms of the simple encoders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import noising
from diffenc.encoder import identity_encoder, nt_encoder, residual_encoder, smooth_encoder
from diffenc.process import Process

GAMMA = np.array([-8.0, -3.0, 0.0, 2.0, 4.5])


def inner(x, gamma, conditioning):
    """A small smooth y(x, gamma)."""
    g = noising.per_example(gamma, x)
    return jnp.tanh(x * jnp.sin(0.7 * g) + 0.3 * jnp.cos(g))


ENCODERS = {
    "identity": identity_encoder(),
    "nt": nt_encoder(),
    "residual": residual_encoder(inner),
    "smooth": smooth_encoder(lambda x, g, c: inner(x, g, c) + 2 * x),
}


def encode_with_slope(encoder, x, gamma):
    return Process(encoder, denoiser=lambda z, gamma: z).encode(x, gamma)


def data():
    return jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (5, 3)))


@pytest.mark.parametrize("name", ENCODERS)
def test_slope_is_the_central_difference(name, x64):
    x, h = data(), 1e-5
    encoder = ENCODERS[name]
    value, slope = encode_with_slope(encoder, x, jnp.asarray(GAMMA))
    up, down = (encoder.value(x, jnp.asarray(GAMMA + d), None) for d in (h, -h))
    np.testing.assert_allclose(slope, (up - down) / (2 * h), atol=1e-9)
    # Equal up to the instructions XLA picks on this CPU (6e-15 seen between two machines).
    np.testing.assert_allclose(value, encoder.value(x, jnp.asarray(GAMMA), None), rtol=1e-13)


def test_slope_of_the_non_trainable_encoder(x64):
    # d x_nt / d lambda = sigma^2 x_nt, lambda = -gamma.
    x, gamma = data(), jnp.asarray(GAMMA)
    x_t, slope = encode_with_slope(nt_encoder(), x, gamma)
    np.testing.assert_allclose(-slope, jax.nn.sigmoid(gamma)[:, None] * x_t, rtol=1e-12)
    np.testing.assert_allclose(x_t, noising.alpha(gamma)[:, None] ** 2 * x, rtol=1e-12)


def test_residual_encoder_contains_the_simple_ones(x64):
    x, gamma = data(), jnp.asarray(GAMMA)
    pairs = {
        "identity": residual_encoder(lambda x, g, c: x),
        "nt": residual_encoder(lambda x, g, c: jnp.zeros_like(x)),
    }
    for name, encoder in pairs.items():
        got = encode_with_slope(encoder, x, gamma)
        want = encode_with_slope(ENCODERS[name], x, gamma)
        np.testing.assert_allclose(got[0], want[0], atol=1e-14)
        np.testing.assert_allclose(got[1], want[1], atol=1e-14)


def test_ends_are_the_data_and_the_inner_network(x64):
    x, encoder = data(), ENCODERS["residual"]
    clean = encoder.value(x, jnp.full((5,), -13.3), None)
    assert np.abs(clean - x).max() < 2 * 1.7e-6
    noisy = encoder.value(x, jnp.full((5,), 5.0), None)
    y = inner(x, jnp.full((5,), 5.0), None)
    np.testing.assert_allclose(noisy - y, 0.00669285 * (x - y), rtol=1e-5)
