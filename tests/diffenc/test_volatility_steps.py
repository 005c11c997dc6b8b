"""Free volatility at finite depth and in the sampler: sections 3 and 6 of its specification."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import finite_depth, noising, sampling
from diffenc.process import Process
from tests.diffenc.moving import ENCODERS, MEAN, NT, VAR, denoiser, four_points, process


def finite(kind, num_steps, u, low=-13.3, high=5.0):
    """Exact diffusion term at depth `num_steps` with x_hat = E[x_t | z_t]."""
    levels = jnp.linspace(low, high, num_steps + 1)
    gamma_s, gamma_t = (jnp.repeat(g, 4) for g in (levels[:-1], levels[1:]))
    x, eps = four_points(num_steps)
    costs = finite_depth.sampled_step_cost(process(kind, u), x, eps, gamma_s, gamma_t)
    return float(costs.sum()) / 4


@pytest.mark.parametrize(
    "num_steps, want", [(1000, 6.0084195656), (4000, 5.9696886201), (16000, 5.9600594424)]
)
def test_nt_at_finite_depth_with_its_volatility(num_steps, want, x64):
    assert finite("nt", num_steps, NT) == pytest.approx(want, rel=1e-9)


def random_step(u, kind="nt"):
    rng = np.random.default_rng(3)
    x, z_noise = (jnp.asarray(rng.normal(size=(4, 3))) for _ in range(2))
    gamma_t = jnp.asarray([-11.0, -4.0, 0.5, 4.8])
    gamma_s = gamma_t - jnp.asarray([0.01, 1.0, 3.0, 0.2])
    network = lambda z, gamma: jnp.tanh(z) * 0.3 + noising.per_example(gamma, z) * 0.01
    x_t, x_s = (ENCODERS[kind].value(x, g) for g in (gamma_t, gamma_s))
    z = noising.diffuse(x_t, gamma_t, z_noise)
    x_hat = noising.x_from_v(z, network(z, gamma_t), gamma_t)
    moved = Process(ENCODERS[kind], network, counterterm=0.7, volatility=u)
    cost = finite_depth.sampled_step_cost(moved, x, z_noise, gamma_s, gamma_t)
    return x_t, x_s, z, x_hat, gamma_s, gamma_t, z_noise, cost


@pytest.mark.parametrize("u", [1.0, 0.4, 2.5, NT])
def test_step_cost_is_the_kl_of_the_two_transitions(u, x64):
    """mu_Q from its definition alpha_s x_s + sigma_s e^(-U/2) eps, mu_P with x_hat in its place."""
    x_t, x_s, z, x_hat, gamma_s, gamma_t, eps, cost = random_step(u)
    h = gamma_t - gamma_s
    mixing = (u((gamma_s + gamma_t) / 2) if callable(u) else u) * h
    column = lambda a: np.asarray(a)[:, None]
    a_s, s_s = (np.asarray(f(gamma_s))[:, None] for f in (noising.alpha, noising.sigma))
    a_t, s_t = (np.asarray(f(gamma_t))[:, None] for f in (noising.alpha, noising.sigma))
    kept = s_s * np.exp(-column(mixing) / 2)
    mu_q = a_s * x_s + kept * (z - a_t * x_t) / s_t
    mu_p = a_s * x_hat * (1 + 0.7 * column(h) * s_t**2) + kept * (z - a_t * x_hat) / s_t
    variance = s_s**2 * (1 - np.exp(-column(mixing)))
    np.testing.assert_allclose(cost, ((mu_q - mu_p) ** 2 / (2 * variance)).sum(1), rtol=1e-8)
    for got, want in [
        (noising.posterior_mean(z, x_t, x_s, gamma_s, gamma_t, mixing), mu_q),
        (noising.generative_mean(z, x_hat, gamma_s, gamma_t, 0.7, mixing), mu_p),
        (noising.transition_variance(gamma_s, gamma_t, mixing), variance[:, 0]),
    ]:
        np.testing.assert_allclose(got, want, rtol=1e-9)


def test_one_step_with_volatility_one_is_the_published_step(x64):
    *_, z, x_hat, gamma_s, gamma_t, eps, _ = random_step(1.0)
    step = lambda u: sampling.generative_step(
        z[:1], x_hat[:1], gamma_s[0], gamma_t[0], eps[:1], counterterm=1.0, volatility=u
    )
    np.testing.assert_allclose(step(lambda g: jnp.ones_like(g)), step(1.0), rtol=1e-12)


def test_no_volatility_is_ddim(x64):
    *_, z, x_hat, gamma_s, gamma_t, eps, _ = random_step(1.0)
    g_s, g_t = gamma_s[1], gamma_t[1]
    got = sampling.generative_step(z[1:2], x_hat[1:2], g_s, g_t, eps[1:2], volatility=1e-14)
    noise = (z[1:2] - noising.alpha(g_t) * x_hat[1:2]) / noising.sigma(g_t)
    ddim = noising.alpha(g_s) * x_hat[1:2] + noising.sigma(g_s) * noise
    np.testing.assert_allclose(got, ddim, atol=2e-7)  # sqrt of the volatility left


@pytest.mark.parametrize("u", [0.3, 1.0, 2.0, NT])
def test_every_volatility_keeps_the_marginals(u, x64):
    """From the exact marginal at gamma_max, the affine recursion of mean and variance."""
    errors = {}
    for num_steps in (500, 4000):
        levels = jnp.linspace(-8.0, 3.0, num_steps + 1)

        def step(moments, ends, u=u):
            g_s, g_t = ends
            z, eps = jnp.array([[0.0], [1.0], [0.0]]), jnp.array([[0.0], [0.0], [1.0]])
            x_hat = noising.x_from_v(z, denoiser("nt")(z, jnp.full((3,), g_t)), jnp.full((3,), g_t))
            out = sampling.generative_step(z, x_hat, g_s, g_t, eps, counterterm=1.0, volatility=u)[
                :, 0
            ]
            slope, noise = out[1] - out[0], out[2] - out[0]
            return (slope * moments[0] + out[0], slope**2 * moments[1] + noise**2), None

        signal = lambda g: noising.alpha(g) * jax.nn.sigmoid(-g)
        exact = lambda g: (signal(g) * MEAN, signal(g) ** 2 * VAR + jax.nn.sigmoid(g))
        got, _ = jax.lax.scan(step, exact(levels[-1]), (levels[:-1], levels[1:]), reverse=True)
        errors[num_steps] = np.abs(np.subtract(got, exact(levels[0])))
    # First order in the step: eight times as many have an eighth of the error.
    assert (errors[4000] < 4e-3).all()
    assert (errors[4000] < errors[500] / 6).all()
