"""Oracles: Flax's own layers, and sinusoids written out in NumPy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc.networks.blocks import (
    AttentionBlock,
    GroupNorm,
    ResnetBlock,
    TimeEmbedding,
    group_count,
)


@pytest.mark.parametrize(
    "width, most, groups",
    [(128, 32, 32), (256, 32, 32), (64, 32, 32), (64, 16, 16), (128, 16, 16), (32, 32, 16)]
    + [(24, 32, 12), (16, 32, 8), (6, 32, 3), (2, 32, 1), (10, 4, 2)],
)
def test_group_count_follows_the_width_and_is_32_at_published_widths(width, most, groups):
    assert group_count(width, most) == groups


@pytest.mark.parametrize("width, most", [(64, 32), (24, 32), (128, 16)])
def test_group_norm_is_flaxs(width, most, perturbed):
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (2, 5, 4, width))
    params = perturbed(jax.jit(GroupNorm(most).init)(jax.random.key(1), x))
    flax_norm = nn.GroupNorm(group_count(width, most), epsilon=1e-6)
    want = flax_norm.apply(params, x)
    # Measured 1.4e-6: both take E[x^2] - E[x]^2 in float32, in different order.
    np.testing.assert_allclose(GroupNorm(most).apply(params, x), want, rtol=1e-5, atol=1e-5)


def test_group_norm_statistics_are_float32_under_bfloat16():
    x = 100 + jax.random.normal(jax.random.key(0), (2, 8, 8, 16))
    norm = GroupNorm(dtype=jnp.bfloat16)
    params = jax.jit(norm.init)(jax.random.key(1), x)
    out = norm.apply(params, x.astype(jnp.bfloat16))
    assert out.dtype == jnp.bfloat16
    want = GroupNorm().apply(params, x.astype(jnp.bfloat16).astype(jnp.float32))
    # bfloat16 statistics would lose all of a variance of 1 beside a square of 10^4.
    np.testing.assert_allclose(out.astype(jnp.float32), want, atol=0.02, rtol=0.01)


def test_time_embedding_is_sinusoids_of_1000_t_then_the_class(x64, perturbed):
    gamma, classes = np.array([-13.3, -2.0, 5.0]), np.array([0.0, 3.0, 7.0])
    module = TimeEmbedding(8, -13.3, 5.0)
    args = jnp.asarray(gamma), jnp.asarray(classes)
    params = perturbed(jax.jit(module.init)(jax.random.key(0), *args))
    angles = 1000 * (gamma + 13.3) / 18.3
    angles = angles[:, None] * np.exp(-np.arange(4) * np.log(1e4) / 3)
    h = np.concatenate([np.sin(angles), np.cos(angles), classes[:, None]], -1)
    for layer in ("dense0", "dense1"):
        weights = params["params"][layer]
        h = h @ np.asarray(weights["kernel"]) + np.asarray(weights["bias"])
        h = h / (1 + np.exp(-h))
    np.testing.assert_allclose(module.apply(params, *args), h, rtol=1e-6)


def test_attention_is_the_softmax_average_over_all_positions(x64, perturbed):
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 6), jnp.float64)
    params = perturbed(jax.jit(AttentionBlock().init)(jax.random.key(1), x))
    weights = jax.tree.map(np.asarray, params["params"])
    normed = GroupNorm().apply({"params": params["params"]["norm"]}, x)
    h = np.asarray(normed).reshape(2, 12, 6)
    dense = lambda name, v: v @ weights[name]["kernel"] + weights[name]["bias"]
    q, k, v = (dense(name, h) for name in "qkv")
    logits = q @ k.transpose(0, 2, 1) / np.sqrt(6)
    attention = np.exp(logits - logits.max(-1, keepdims=True))
    attention /= attention.sum(-1, keepdims=True)
    want = np.asarray(x) + dense("proj_out", attention @ v).reshape(x.shape)
    np.testing.assert_allclose(AttentionBlock().apply(params, x), want, rtol=1e-10)


def test_blocks_start_as_their_shortcut():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 6))
    cond = jax.random.normal(jax.random.key(1), (2, 12))
    block = ResnetBlock(6, dropout=0.5)
    for module, args in ((block, (x, cond)), (AttentionBlock(), (x,))):
        started = jax.jit(lambda key: module.init_with_output(key, *args)[0])
        np.testing.assert_array_equal(started(jax.random.key(2)), x)


def test_dropout_is_on_exactly_when_a_key_is_given(perturbed):
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 6))
    cond = jax.random.normal(jax.random.key(1), (2, 12))
    block, without = ResnetBlock(8, dropout=0.5), ResnetBlock(8)
    params = perturbed(jax.jit(block.init)(jax.random.key(2), x, cond))
    apply = jax.jit(
        lambda module, **rngs: module.apply(params, x, cond, rngs=rngs), static_argnums=0
    )
    np.testing.assert_array_equal(apply(block), apply(without))
    first = apply(block, dropout=jax.random.key(3))
    np.testing.assert_array_equal(first, apply(block, dropout=jax.random.key(3)))
    assert not np.allclose(first, apply(block, dropout=jax.random.key(4)))
    assert not np.allclose(first, apply(block))
