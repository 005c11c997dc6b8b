"""Oracle: nt with the counterterm has u* = 1 + 2σ² whatever its network, and VDM has 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc
from experiments.diffenc import volatility
from experiments.diffenc.encoder_figures import volatility as draw


@pytest.mark.parametrize("name", ["nt", "vdmv"])
def test_best_volatility_by_depth(name):
    model = diffenc.build(name, (2,), 16, width=8, num_layers=1, gamma_min=-6.0, gamma_max=4.0)
    params = jax.tree.map(lambda p: p + 0.1, model.init(jax.random.key(0)))  # at 0 much vanishes
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    found = volatility.measure(model, params, x, jax.random.key(1))
    gamma = np.linspace(-6, 4, volatility.LEVELS)
    want = 1 + 2 / (1 + np.exp(-gamma)) if name == "nt" else np.ones_like(gamma)
    np.testing.assert_allclose(found["gamma"], gamma, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["optimal"], want, rtol=1e-3)
    np.testing.assert_allclose(found["own_loss"], found["published_loss"], rtol=1e-6)
    saved = np.subtract(found["published_loss"], found["optimal_loss"])
    # l_1 - l* = A (sigma^2)^2 / 2 sigma^2, relative to l_1 = A (1 + sigma^2)^2 / 2 sigma^2.
    share = ((want - 1) / 2) ** 2 / (1 + (want - 1) / 2) ** 2
    np.testing.assert_allclose(saved / found["published_loss"], share, atol=2e-5)
    u = volatility.chosen(found)
    np.testing.assert_allclose(u(jnp.float32(gamma[7])), want[7], rtol=1e-3)
    assert len(draw(found).axes) == 3
