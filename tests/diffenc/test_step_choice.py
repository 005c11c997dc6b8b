"""Oracles: every choice of levels tried, and the closed form of Gaussian data."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import noising
from diffenc.encoder import identity_encoder, nt_encoder
from diffenc.finite_depth import optimal_cost, sampled_step_cost
from diffenc.process import Process
from diffenc.step_choice import best_levels, pair_costs

VAR = 0.25


@pytest.mark.parametrize("num_steps", [1, 2, 4, 6])
def test_best_levels_equal_the_best_of_all_choices(num_steps):
    rng = np.random.default_rng(num_steps)
    size = 7
    costs = rng.uniform(size=(size, size))
    costs[np.triu_indices(size)] = np.inf
    inner = range(1, size - 1)
    ways = [(0, *c, size - 1) for c in itertools.combinations(inner, num_steps - 1)]
    totals = [sum(costs[b, a] for a, b in itertools.pairwise(way)) for way in ways]
    indices, total = best_levels(jnp.asarray(costs, jnp.float32), num_steps)
    assert tuple(np.asarray(indices)) == ways[int(np.argmin(totals))]
    np.testing.assert_allclose(total, min(totals), rtol=1e-6)


@pytest.mark.parametrize("num_steps", [0, 7])
def test_impossible_numbers_of_steps_are_refused(num_steps):
    with pytest.raises(ValueError, match=r"\[1, 6\] for 7 levels"):
        best_levels(jnp.ones((7, 7)), num_steps)


def denoise(z, gamma):
    """Optimal v for zero-mean Gaussian data."""
    alpha, variance = noising.alpha(gamma)[:, None], jax.nn.sigmoid(gamma)[:, None]
    return noising.v_from_x(z, alpha * VAR / (alpha**2 * VAR + variance) * z, gamma)


def test_pair_costs_are_those_of_single_steps():
    x = jax.random.normal(jax.random.key(0), (6, 2))
    levels = jnp.asarray([-3.0, -1.0, 0.5, 2.0])
    process = Process(nt_encoder(), denoise, counterterm=1.0)
    costs = pair_costs(jax.random.key(1), process, x, levels)
    keys = jax.random.split(jax.random.key(1), 4)
    for t, s in itertools.product(range(4), range(4)):
        if s >= t:
            assert np.isinf(costs[t, s])
            continue
        eps = jax.random.normal(keys[t], x.shape)
        ends = (jnp.full((6,), levels[i]) for i in (s, t))
        want = sampled_step_cost(process, x, eps, *ends).mean()
        np.testing.assert_allclose(costs[t, s], want, rtol=1e-5)


def test_chosen_levels_tighten_the_bound():
    num, size, num_steps = 4000, 41, 5
    levels = jnp.linspace(-6.0, 3.0, size)
    x = jnp.sqrt(VAR) * jax.random.normal(jax.random.key(0), (num, 1))
    process = Process(identity_encoder(), denoise)
    costs = jax.jit(lambda key: pair_costs(key, process, x, levels))(jax.random.key(1))
    snr = np.exp(-np.asarray(levels, np.float64))
    t, s = np.tril_indices(size, -1)
    exact = 0.5 * (snr[s] - snr[t]) * VAR / (1 + VAR * snr[t])
    assert (np.abs(np.asarray(costs)[t, s] / exact - 1) < 4.5 * np.sqrt(2 / num)).all()
    indices, total = best_levels(costs, num_steps)
    even = np.arange(0, size, size // num_steps)
    assert total < 0.9 * sum(costs[b, a] for a, b in itertools.pairwise(even))
    # At the optimal variance every choice of levels is equally good for Gaussian VDM.
    _, best = best_levels(optimal_cost(costs, 1), num_steps)
    bound = 0.5 * np.log((1 + VAR * snr[0]) / (1 + VAR * snr[-1]))
    np.testing.assert_allclose(best, bound, rtol=0.02)
