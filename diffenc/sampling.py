"""Ancestral sampling from the generative process: one `lax.scan`, the encoder never called."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from diffenc import process
from diffenc.elbo import Counterterm


def generative_step(
    z: Float[Array, "b *shape"],
    x_hat: Float[Array, "b *shape"],
    gamma_s: Float[Array, ""],
    gamma_t: Float[Array, ""],
    eps: Float[Array, "b *shape"],
    *,
    counterterm: Counterterm = 0.0,
) -> Float[Array, "b *shape"]:
    """z_s = mu_P(z_t, x_hat) + sigma_Q eps, from depth t to the shallower s.

    DiffEnc, https://arxiv.org/abs/2310.19789; with `counterterm` 0 the VDM step.
    """
    weight = counterterm(gamma_t) if callable(counterterm) else counterterm
    mean = process.generative_mean(z, x_hat, gamma_s, gamma_t, weight)
    return mean + jnp.sqrt(process.transition_variance(gamma_s, gamma_t)) * eps


def ancestral_sample(
    key: Key[Array, ""],
    predict: Callable[[Any, Any], Any],
    gamma: Callable[[Array], Array],
    shape: tuple[int, ...],
    num_steps: int,
    *,
    counterterm: Counterterm = 0.0,
) -> Float[Array, "..."]:
    """z_0 / alpha_0 after `num_steps` equal steps in t from z_1 ~ N(0, I), of `shape` [b, ...].

    `predict(z, gamma)` is x_hat for levels [b]. The marginals' bias is O(1/num_steps).
    """
    k_start, k_steps = jax.random.split(key)
    levels = gamma(jnp.linspace(1.0, 0.0, num_steps + 1))

    def step(z, inputs):
        gamma_t, gamma_s, k_step = inputs
        x_hat = predict(z, jnp.full(shape[:1], gamma_t))
        eps = jax.random.normal(k_step, shape)
        z = generative_step(z, x_hat, gamma_s, gamma_t, eps, counterterm=counterterm)
        return z, None

    keys = jax.random.split(k_steps, num_steps)
    z_0, _ = jax.lax.scan(step, jax.random.normal(k_start, shape), (levels[:-1], levels[1:], keys))
    return z_0 / process.alpha(levels[-1])
