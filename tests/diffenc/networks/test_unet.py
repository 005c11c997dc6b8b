"""Oracles: Fourier features in NumPy, and the scanned network against the one written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc.networks.blocks import AttentionBlock, GroupNorm, ResnetBlock, TimeEmbedding
from diffenc.networks.unet import ScoreUNet, fourier_features

SIZES = dict(width=4, num_layers=2, gamma_min=-7.88, gamma_max=5.0, fourier=(3, 4))


def inputs():
    k_z, k_g = jax.random.split(jax.random.key(0))
    z = jax.random.normal(k_z, (2, 4, 4, 1))
    return z, jax.random.uniform(k_g, (2,), minval=-7.0, maxval=4.0), jnp.zeros((2,))


def test_fourier_features_have_the_published_order():
    z = np.random.default_rng(0).uniform(-1, 1, (2, 3, 3, 2)).astype(np.float32)
    got = np.asarray(fourier_features(jnp.asarray(z), (7, 8)))
    # As published: each channel repeated, times the tiled frequencies 6 and 7 of 2 pi.
    angles = np.repeat(z.astype(np.float64), 2, -1) * np.tile(
        2 * np.pi * 2.0 ** np.array([6, 7]), 2
    )
    want = np.concatenate([np.sin(angles), np.cos(angles)], -1)
    assert got.shape == (2, 3, 3, 8)
    # float32 rounding of 800 radians: 3e-5.
    np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.fixture(scope="module")
def written_out(perturbed):
    """Value and gradient of the network without loops, and its perturbed parameters."""
    net = ScoreUNet(**SIZES, unroll=True)
    params = perturbed(jax.jit(net.init)(jax.random.key(1), *inputs()), 0.1)
    loss = lambda p: (net.apply(p, *inputs()) ** 2).sum()
    return params, jax.jit(jax.value_and_grad(loss))(params)


@pytest.mark.parametrize("remat", [False, True])
def test_scanned_and_rematerialised_networks_equal_the_one_written_out(written_out, remat):
    params, (want, want_gradient) = written_out
    net = ScoreUNet(**SIZES, remat=remat)
    loss = lambda p: (net.apply(p, *inputs()) ** 2).sum()
    value, gradient = jax.jit(jax.value_and_grad(loss))(params)
    np.testing.assert_allclose(value, want, rtol=1e-5)
    scale = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(want_gradient))
    for got, expected in zip(
        jax.tree.leaves(gradient), jax.tree.leaves(want_gradient), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * scale)


def test_a_network_without_layers_starts_as_the_identity():
    z, gamma, classes = inputs()
    net = ScoreUNet(**SIZES | {"num_layers": 0})
    started = jax.jit(lambda key: net.init_with_output(key, z, gamma, classes)[0])
    np.testing.assert_array_equal(started(jax.random.key(2)), z)


def test_the_network_equals_its_layers_one_by_one(written_out):
    """The order of skips: conv_in's output is the last to be joined."""
    params, _ = written_out
    weights = params["params"]
    z, gamma, classes = inputs()
    embed = TimeEmbedding(4, -7.88, 5.0)
    cond = embed.apply({"params": weights["time"]}, gamma, classes)
    conv = lambda name, h: (
        jax.lax.conv_general_dilated(
            h, weights[name]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        + weights[name]["bias"][None, None, None]
    )
    resnet = lambda block, h: ResnetBlock(4).apply({"params": block}, h, cond)
    layer = lambda arm, i: jax.tree.map(lambda p: p[i], weights[arm]["block"])
    h = conv("conv_in", jnp.concatenate([z, fourier_features(z, (3, 4))], -1))
    stack = [h]
    for i in range(2):
        h = resnet(layer("down", i), h)
        stack.append(h)
    h = resnet(weights["mid_block1"], h)
    h = AttentionBlock().apply({"params": weights["mid_attn"]}, h)
    h = resnet(weights["mid_block2"], h)
    for i in range(3):
        h = resnet(layer("up", i), jnp.concatenate([h, stack.pop()], -1))
    h = GroupNorm().apply({"params": weights["norm_out"]}, h)
    want = z + conv("conv_out", jax.nn.swish(h))
    got = jax.jit(ScoreUNet(**SIZES).apply)(params, z, gamma, classes)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
