"""Oracle: on Gaussian data the generative process is a chain of affine maps: ln p(x) is known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import noising
from diffenc.elbo import prior_kl
from diffenc.finite_depth import expected_step_costs, optimal_cost, optimal_log_ratio
from diffenc.importance import importance_bound, path_log_weight
from diffenc.likelihood import gaussian_log_prob
from tests.diffenc import gaussian as toy

NUM_STEPS, NUM, PATHS = 12, 6, 4000
LEVELS = jnp.linspace(toy.LOW, toy.HIGH, NUM_STEPS + 1)
RATIOS = {"posterior": 0.0, "wider": jnp.linspace(0.0, -0.1, NUM_STEPS)}


def exact_log_likelihood(kind, log_ratio, x):
    """ln p(x), by carrying the mean and covariance of z through the affine steps."""
    ratios = np.broadcast_to(log_ratio, NUM_STEPS)
    denoise, probe = toy.denoiser(kind), jnp.concatenate([jnp.zeros((1, 3)), jnp.eye(3)])
    mean, covariance = np.zeros(3), np.eye(3)
    for i in reversed(range(NUM_STEPS)):
        g_s, g_t = LEVELS[i], LEVELS[i + 1]
        x_hat = noising.x_from_v(probe, denoise(probe, jnp.full((4,), g_t)), g_t)
        images = noising.generative_mean(probe, x_hat, g_s, g_t, toy.COUNTERTERMS[kind])
        offset, slope = np.asarray(images[0]), np.asarray(images[1:] - images[:1]).T
        noise = float(noising.transition_variance(g_s, g_t)) * np.exp(-ratios[i])
        mean, covariance = slope @ mean + offset, slope @ covariance @ slope.T + noise * np.eye(3)
    scale = float(noising.alpha(LEVELS[0]))
    decoded = covariance / scale**2 + np.exp(toy.LOW) * np.eye(3)
    return toy.log_normal(x, mean / scale, decoded)


@functools.cache
def weights(kind, ratio):
    """(x, ln w of many paths for each)."""
    x = toy.sample(jax.random.key(0), NUM)
    ways = {"decoder": gaussian_log_prob, "log_ratio": RATIOS[ratio]}
    one = lambda key: path_log_weight(key, toy.process(kind), x, LEVELS, **ways)
    return x, jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), PATHS))


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("kind", toy.ENCODERS)
def test_mean_weight_is_the_exact_likelihood(kind, ratio):
    x, log_w = weights(kind, ratio)
    exact = exact_log_likelihood(kind, RATIOS[ratio], x)
    relative = np.exp(np.asarray(log_w, np.float64) - exact)
    error = relative.std(0, ddof=1) / np.sqrt(PATHS)
    assert error.max() < 0.1
    assert (np.abs(relative.mean(0) - 1) < 3 * error).all()
    np.testing.assert_allclose(importance_bound(log_w), exact + np.log(relative.mean(0)), atol=1e-4)


@pytest.mark.parametrize("kind", toy.ENCODERS)
def test_bounds_rise_with_the_number_of_paths(kind):
    x, log_w = weights(kind, "posterior")
    exact = exact_log_likelihood(kind, 0.0, x).mean()
    bounds = [
        float(jnp.mean(jax.vmap(importance_bound)(log_w.reshape(-1, k, NUM)))) for k in (1, 4, 40)
    ]
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.02


def test_one_path_is_the_bound_of_finite_depth():
    x, num = toy.sample(jax.random.key(2), 20_000), 20_000
    process = toy.process("nt")
    costs = jax.jit(lambda key: expected_step_costs(key, process, x, LEVELS))(jax.random.key(3))
    ratios = optimal_log_ratio(costs, 3)
    x_0, x_1 = (toy.ENCODERS["nt"].value(x, g) for g in (LEVELS[0], LEVELS[-1]))
    moved = np.exp(-toy.LOW) * np.asarray(((x - x_0) ** 2).sum(1))
    reconstruction = 0.5 * (3 * (toy.LOW + np.log(2 * np.pi) + 1) + moved)
    other = float(np.mean(reconstruction + np.asarray(prior_kl(x_1, LEVELS[-1]))))
    for log_ratio, diffusion in ((0.0, costs.sum()), (ratios, optimal_cost(costs, 3).sum())):
        log_w = jax.jit(
            lambda key: path_log_weight(
                key, process, x, LEVELS, decoder=gaussian_log_prob, log_ratio=log_ratio
            )
        )(jax.random.key(4))
        error = float(log_w.std() / np.sqrt(num))
        assert abs(-log_w.mean() - (other + diffusion)) < 4 * error
        assert error < 0.05
