"""Oracles: Flax's transposed convolution, central differences, and the published level counts."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc.networks.encoders import EncoderUNet, Upsample, mult_res_levels


def test_upsampling_is_flaxs_transposed_convolution(perturbed):
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, 4))
    module = Upsample(6)
    params = perturbed(jax.jit(module.init)(jax.random.key(1), x))
    want = nn.ConvTranspose(6, (2, 2), (2, 2)).apply(params, x)
    np.testing.assert_allclose(module.apply(params, x), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "height, most, levels",
    [(32, 4, 2), (32, 8, 2), (28, 4, 2), (8, 4, 1), (14, 4, 1), (64, 8, 3), (64, 2, 2), (32, 1, 1)],
)
def test_levels_of_the_multi_resolution_encoder(height, most, levels):
    assert mult_res_levels(height, most) == levels


@pytest.fixture(scope="module")
def network():
    net = EncoderUNet(4, 2, 1, 1, -7.88, 5.0, dropout=0.5)
    x, gamma = jnp.zeros((3, 4, 4, 1)), jnp.zeros((3,))
    return net, jax.jit(net.init)(jax.random.key(0), x, gamma, gamma)


def test_encoder_starts_at_zero_and_is_bounded(network, perturbed):
    net, params = network
    x = jax.random.uniform(jax.random.key(1), (3, 4, 4, 1), minval=-1.0)
    gamma, classes = jnp.array([-7.0, 0.0, 5.0]), jnp.zeros((3,))
    apply = jax.jit(net.apply)
    np.testing.assert_array_equal(apply(params, x, gamma, classes), jnp.zeros_like(x))
    y = apply(perturbed(params, 3.0), x, gamma, classes)
    assert np.abs(y).max() <= 1 and np.abs(y).max() > 0.1


def test_one_dropout_mask_serves_value_and_slope(network, perturbed, x64):
    net, params = network
    params = jax.tree.map(lambda p: p.astype(jnp.float64), perturbed(params, 0.2))
    x = jax.random.uniform(jax.random.key(1), (3, 4, 4, 1), jnp.float64, minval=-1.0)
    gamma, classes, key = jnp.array([-7.0, 0.0, 4.0]), jnp.zeros((3,)), jax.random.key(2)
    masked = jax.jit(lambda g: net.apply(params, x, g, classes, rngs={"dropout": key}))
    y, slope = jax.jit(lambda g: jax.jvp(masked, (g,), (jnp.ones_like(g),)))(gamma)
    np.testing.assert_allclose(y, masked(gamma), atol=1e-12)
    # The embedding turns by 78 radians a unit of gamma: the difference errs by 2e-5 at this h.
    h = 1e-7
    difference = (masked(gamma + h) - masked(gamma - h)) / (2 * h)
    np.testing.assert_allclose(slope, difference, atol=1e-4)
    assert not np.allclose(y, jax.jit(net.apply)(params, x, gamma, classes))


def test_remat_keeps_the_parameters_and_recomputes_every_block():
    net = EncoderUNet(4, 1, 1, 1, -7.88, 5.0)
    x, gamma = jnp.zeros((3, 4, 4, 1)), jnp.zeros((3,))
    shapes, again = (
        jax.eval_shape(form.init, jax.random.key(0), x, gamma, gamma)
        for form in (net, net.clone(remat=True))
    )
    assert jax.tree.map(jnp.shape, again) == jax.tree.map(jnp.shape, shapes)
    loss = lambda p: net.clone(remat=True).apply(p, x, gamma, gamma).sum()
    # One block down, two in the middle, one up; the form that no optimisation undoes.
    assert str(jax.make_jaxpr(jax.grad(loss))(shapes)).count("prevent_cse=True") == 4
