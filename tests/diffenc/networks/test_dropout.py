"""Dropout of the networks. Oracle: `flax.linen.Dropout`."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc.networks import blocks


def dropped(module, rate, x, key):
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            if module is nn.Dropout:
                return nn.Dropout(rate, deterministic=not self.has_rng("dropout"))(x)
            return module(rate)(x)

    return Net().apply({}, x, rngs={} if key is None else {"dropout": key})


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("seed", [None, 0])
def test_dropout_is_flaxs_to_the_bit(rate, dtype, seed):
    key = None if seed is None else jax.random.key(seed)
    x = jax.random.normal(jax.random.key(1), (4, 8, 8, 16), dtype)
    ours, theirs = (dropped(module, rate, x, key) for module in (blocks.Dropout, nn.Dropout))
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, theirs)


def test_its_derivatives_are_flaxs_under_vmap():
    x, key = jax.random.normal(jax.random.key(1), (3, 4, 8)), jax.random.key(2)
    slope = lambda module: jax.vmap(
        jax.grad(
            lambda x: jax.jvp(lambda x: dropped(module, 0.5, x, key) ** 3, (x,), (x,))[1].sum()
        )
    )(x)
    np.testing.assert_array_equal(slope(blocks.Dropout), slope(nn.Dropout))
