"""Oracle: the flow of Gaussian data in closed form, in the eigenbasis of its covariance."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import flow, noising
from diffenc.importance import importance_bound
from diffenc.likelihood import gaussian_log_prob
from tests.diffenc import gaussian as toy

NUM = 5


def likelihood_weight(kind, key, x):
    return flow.log_weight(key, toy.process(kind), x, toy.LOW, toy.HIGH, decoder=gaussian_log_prob)


def exact_map(kind, z):
    """(z at gamma_1, ln |det|): along the flow, z standardised by its marginal stays the same."""
    ends = []
    for level in (toy.LOW, toy.HIGH):
        scale = float(noising.alpha(level) * toy.SCALES[kind](jnp.asarray(level)))
        ends.append((scale, np.sqrt(scale**2 * toy.VALUES + 1 / (1 + np.exp(-level)))))
    (scale_0, spread_0), (scale_1, spread_1) = ends
    standard = (np.asarray(z, np.float64) - scale_0 * toy.MEAN) @ toy.VECTORS / spread_0
    z_1 = scale_1 * toy.MEAN + (standard * spread_1) @ toy.VECTORS.T
    return z_1, np.log(spread_1 / spread_0).sum()


@functools.cache
def start(kind):
    x = toy.sample(jax.random.key(0), NUM)
    return noising.diffuse(x, toy.LOW, jax.random.normal(jax.random.key(1), x.shape))


@pytest.mark.parametrize("kind", toy.ENCODERS)
def test_flow_and_its_determinant_equal_the_closed_form(kind, optimised):
    z = start(kind)
    move = lambda z, a, b, trace: flow.transport(toy.process(kind), z, a, b, trace=trace)
    z_1, log_det = jax.jit(lambda z: move(z, toy.LOW, toy.HIGH, "exact"))(z)
    want, want_det = exact_map(kind, z)
    # Tolerance 1e-5 a step in float32; measured 5e-6 and 2e-5.
    np.testing.assert_allclose(z_1, want, atol=5e-5)
    np.testing.assert_allclose(log_det, want_det, atol=2e-4)
    back, nothing = jax.jit(lambda z: move(z, toy.HIGH, toy.LOW, "none"))(z_1)
    np.testing.assert_allclose(back, z, atol=1e-4)
    np.testing.assert_array_equal(nothing, 0.0)


def test_probes_estimate_the_exact_trace_without_bias():
    z, num_probes = start("nt"), 64
    probes = jax.random.rademacher(jax.random.key(2), (num_probes, 1, NUM, 3), z.dtype)
    one = lambda probe: flow.log_density(toy.process("nt"), z, toy.LOW, toy.HIGH, trace=probe)
    values = np.asarray(jax.jit(lambda probes: jax.lax.map(one, probes))(probes), np.float64)
    z_1, log_det = exact_map("nt", z)
    exact = log_det + 0.5 * (np.asarray(z) ** 2 - z_1**2).sum(1)
    error = values.std(0, ddof=1) / np.sqrt(num_probes)
    assert (error > 1e-3).all()
    assert (np.abs(values.mean(0) - exact) < 3 * error).all()


@pytest.mark.parametrize("kind", toy.ENCODERS)
def test_likelihood_of_data_is_the_exact_one(kind):
    x, num = toy.sample(jax.random.key(3), 4), 200
    one = lambda key: likelihood_weight(kind, key, x)
    log_w = jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(4), num))
    # Pull N(0, I) back through the affine map, then add the decoder's noise.
    basis = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    images, _ = exact_map(kind, basis)
    slope = np.linalg.inv((images[1:] - images[0]).T)
    scale = float(noising.alpha(toy.LOW))
    covariance = slope @ slope.T / scale**2 + np.exp(toy.LOW) * np.eye(3)
    exact = toy.log_normal(x, -slope @ images[0] / scale, covariance)
    relative = np.exp(np.asarray(log_w, np.float64) - exact)
    error = relative.std(0, ddof=1) / np.sqrt(num)
    assert error.max() < 0.05
    assert (np.abs(relative.mean(0) - 1) < 3 * error).all()
    assert (importance_bound(log_w) > log_w.mean(0)).all()
