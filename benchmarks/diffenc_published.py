"""Our networks driven as the published DiffEnc code drives its own: the peer of the step benchmark.

Four evaluations of the encoder and two forward-mode passes per loss (x_0, x_1, x_t, y, and the
slopes of x_t, for logging only, and of y), each with a dropout mask of its own: spec/diffenc.md
2.6. Everything else (networks, decoder, noise) is ours, so that only the pattern of calls differs.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from diffenc import Diffusion, noising
from diffenc.elbo import prior_kl
from diffenc.likelihood import dequantise, discretised_log_prob


def published_loss(model: Diffusion) -> Callable[..., tuple[jax.Array, Any]]:
    """loss(params, codes, t, eps, eps_0, key) -> (mean nats, logged count), for a v-model."""
    score = model.score_network()
    inner = model.encoder_network()
    low, high = model.schedule.gamma_min, model.schedule.gamma_max
    total = lambda a: a.reshape(len(a), -1).sum(-1)

    def loss(params, codes, t, eps, eps_0, key):
        k_0, k_1, k_t, k_y, k_x_slope, k_y_slope, k_score = jax.random.split(key, 7)
        num, x = len(codes), dequantise(codes, model.levels)
        unconditional = jnp.zeros((num,))

        def y_of(gamma, key):
            variables = {"params": params["encoder"]}
            return inner.apply(variables, x, gamma, unconditional, rngs={"dropout": key})

        def x_of(gamma, key):
            return x + jax.nn.sigmoid(noising.per_example(gamma, x)) * (y_of(gamma, key) - x)

        gamma_0, gamma_1 = jnp.full((num,), low), jnp.full((num,), high)
        gamma, ones = low + (high - low) * t, jnp.ones_like(t)
        noisy = x_of(gamma_0, k_0) + jnp.exp(low / 2) * eps_0
        reconstruction = -discretised_log_prob(codes, noisy, jnp.asarray(low), model.levels)
        prior = prior_kl(x_of(gamma_1, k_1), jnp.asarray(high))
        x_t, y = x_of(gamma, k_t), y_of(gamma, k_y)
        _, x_slope = jax.jvp(lambda g: x_of(g, k_x_slope), (gamma,), (ones,))
        _, y_slope = jax.jvp(lambda g: y_of(g, k_y_slope), (gamma,), (ones,))
        z, v = noising.diffuse(x_t, gamma, eps), noising.velocity(x_t, eps, gamma)
        variables = {"params": params["score"]}
        v_hat = score.apply(variables, z, gamma, unconditional, rngs={"dropout": k_score})
        x_hat = noising.x_from_v(z, v_hat, gamma)
        sigma = noising.sigma(noising.per_example(gamma, x))
        residual = v - v_hat + sigma * (x_hat - x_t + y + y_slope)
        diffusion = 0.5 * (high - low) * noising.alpha(gamma) ** 2 * total(residual**2)
        return (reconstruction + prior + diffusion).mean(), (x_slope != 0).sum()

    return loss
