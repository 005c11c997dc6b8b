"""Importance-weighted bounds on log p(x) of the generative process at finite depth.

With K paths z_1, ..., z_0 drawn from the noising process, log (1/K) sum_k w_k with
w = p(x | z_0) prod p(z_s | z_t) p(z_1) / q(z_0, ..., z_1 | x) is on average below log p(x), rises
with K and tends to it; K = 1 is the evidence lower bound of `finite_depth`. Burda et al. 2015,
https://arxiv.org/abs/1509.00519.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from diffenc import process
from diffenc.elbo import per_example_sum
from diffenc.encoder import Encoder
from diffenc.finite_depth import Network, mean_difference
from diffenc.volatility import PUBLISHED, Volatility, over_step

Decoder = Callable[[Array, Array, Array], Array]


def importance_bound(log_weights: Float[Array, "k b"]) -> Float[Array, " b"]:
    """log of the mean weight over the k paths, in nats per example: on average at most log p(x)."""
    return jax.nn.logsumexp(log_weights, axis=0) - math.log(len(log_weights))


def path_log_weight(
    key: Key[Array, ""],
    x: Float[Array, "b *shape"],
    levels: Float[Array, " n"],
    *,
    encoder: Encoder,
    denoiser: Network,
    decoder: Decoder,
    target: Shaped[Array, "b *shape"] | None = None,
    conditioning: Float[Array, " b"] | None = None,
    volatility: Volatility = PUBLISHED,
    log_ratio: float | Float[Array, " m"] = 0.0,
    **form: Any,
) -> Float[Array, " b"]:
    """ln w of one path for each example, in nats, through increasing `levels` of gamma.

    `decoder(target, z_0 / alpha_0, gamma_0)` is log p(target | z_0), the target x unless given;
    `log_ratio` is ln of sigma_Q^2 / sigma_P^2 of each of the m = n - 1 steps, in the order of the
    levels; `form` is the parametrisation and the counterterm of `finite_depth.mean_difference`. Map
    it over keys for `importance_bound`. A path costs n - 1 evaluations of the denoiser.
    """
    k_start, k_steps = jax.random.split(key)
    ratios = jnp.broadcast_to(jnp.asarray(log_ratio, levels.dtype), (len(levels) - 1,))
    full = lambda gamma: jnp.full((len(x),), gamma)
    encode = lambda gamma: encoder.offset(x, full(gamma), conditioning)
    eps_1, at_1 = jax.random.normal(k_start, x.shape, x.dtype), encode(levels[-1])
    z_1 = process.diffuse(x + at_1, levels[-1], eps_1)
    # ln p(z_1) - ln q(z_1 | x), with ln sigma_1^2 = -softplus(-gamma_1).
    start = 0.5 * per_example_sum(eps_1**2 - z_1**2 - jax.nn.softplus(-levels[-1]))

    def step(carry, inputs):
        eps_t, at_t, total = carry
        gamma_s, gamma_t, ratio, k_step = inputs
        at_s, ends = encode(gamma_s), (full(gamma_s), full(gamma_t))
        z = process.diffuse(x + at_t, gamma_t, eps_t)
        output = denoiser(z, ends[1])
        apart = mean_difference(
            output, z, x + at_t, at_s - at_t, *ends, eps_t, volatility=volatility, **form
        )
        eps = jax.random.normal(k_step, x.shape, x.dtype)
        gained = eps**2 + ratio - jnp.exp(ratio) * (eps + apart) ** 2
        # The noise of z_s about alpha_s x_s: q(z_s | z_t, x) without x.
        mixing = over_step(volatility, gamma_s, gamma_t)
        eps_s = jnp.exp(-mixing / 2) * eps_t + jnp.sqrt(-jnp.expm1(-mixing)) * eps
        return (eps_s, at_s, total + 0.5 * per_example_sum(gained)), None

    steps = levels[:-1], levels[1:], ratios, jax.random.split(k_steps, len(ratios))
    (eps_0, at_0, total), _ = jax.lax.scan(step, (eps_1, at_1, start), steps, reverse=True)
    z_0 = x + at_0 + jnp.exp(levels[0] / 2) * eps_0
    return total + decoder(x if target is None else target, z_0, levels[0])
