"""Importance-weighted bounds on log p(x) of the generative process at finite depth.

With K paths z_1, ..., z_0 drawn from the noising process, log (1/K) Σ_k w_k with
w = p(x | z_0) Π p(z_s | z_t) p(z_1) / q(z_0, ..., z_1 | x) is on average below log p(x), rises
with K and tends to it; K = 1 is the evidence lower bound of `finite_depth`. Burda et al. 2015,
https://arxiv.org/abs/1509.00519.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Shaped

from diffenc import noising, process_checks
from diffenc.elbo import Decoder, per_example_sum
from diffenc.finite_depth import mean_difference
from diffenc.process import Process
from diffenc.volatility import over_step
from repgeo import inputs


def importance_bound(log_weights: Float[ArrayLike, "k b"]) -> Float[Array, " b"]:
    """log of the mean weight over the k paths, in nats per example: on average at most log p(x).

    Raises:
        ValueError: no matrix of finite numbers.
    """
    log_weights = inputs.single("log_weights", inputs.array("log_weights", log_weights, 2))
    return jax.nn.logsumexp(log_weights, axis=0) - math.log(len(log_weights))


def path_log_weight(
    key: Key[Array, ""],
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    levels: Float[ArrayLike, " n"],
    *,
    decoder: Decoder,
    target: Shaped[ArrayLike, "b *shape"] | None = None,
    log_ratio: Float[ArrayLike, ""] | Float[ArrayLike, " m"] = 0.0,
) -> Float[Array, " b"]:
    """ln w of one path for each example, in nats, through increasing `levels` of γ.

    `decoder(target, z_0 / α_0, γ_0)` is log p(target | z_0), the target x unless given; `log_ratio`
    is ln of σ_Q² / σ_P² of each of the m = n − 1 steps, in the order of the
    levels. Map it over keys for `importance_bound`. A path costs n − 1 evaluations of the denoiser.

    Raises:
        ValueError: arguments of another kind or shape, or levels that do not increase.
    """
    (x,) = process_checks.data(process, x=x)
    explained = process_checks.target(target, x)
    levels = process_checks.levels(levels)
    process_checks.log_ratios(log_ratio, len(levels) - 1)
    k_start, k_steps = jax.random.split(key)
    ratios = jnp.broadcast_to(jnp.asarray(log_ratio, levels.dtype), (len(levels) - 1,))
    full = lambda gamma: jnp.full((len(x),), gamma)
    encode = lambda gamma: process.offset(x, full(gamma))
    eps_1, at_1 = jax.random.normal(k_start, x.shape, x.dtype), encode(levels[-1])
    z_1 = noising.diffuse(x + at_1, levels[-1], eps_1)
    # ln p(z_1) − ln q(z_1 | x), with ln σ_1² = −softplus(−γ_1).
    start = 0.5 * per_example_sum(eps_1**2 - z_1**2 - jax.nn.softplus(-levels[-1]))

    def step(
        carry: tuple[Array, Array, Array], inputs: tuple[Array, Array, Array, Array]
    ) -> tuple[tuple[Array, Array, Array], None]:
        eps_t, at_t, total = carry
        gamma_s, gamma_t, ratio, k_step = inputs
        at_s, ends = encode(gamma_s), (full(gamma_s), full(gamma_t))
        z = noising.diffuse(x + at_t, gamma_t, eps_t)
        output = process.denoiser(z, ends[1])
        apart = mean_difference(process, output, z, x + at_t, at_s - at_t, *ends, eps_t)
        eps = jax.random.normal(k_step, x.shape, x.dtype)
        gained = eps**2 + ratio - jnp.exp(ratio) * (eps + apart) ** 2
        # The noise of z_s about α_s x_s: q(z_s | z_t, x) without x.
        mixing = over_step(process.volatility, gamma_s, gamma_t)
        eps_s = jnp.exp(-mixing / 2) * eps_t + jnp.sqrt(-jnp.expm1(-mixing)) * eps
        return (eps_s, at_s, total + 0.5 * per_example_sum(gained)), None

    steps = levels[:-1], levels[1:], ratios, jax.random.split(k_steps, len(ratios))
    (eps_0, at_0, total), _ = jax.lax.scan(step, (eps_1, at_1, start), steps, reverse=True)
    z_0 = x + at_0 + jnp.exp(levels[0] / 2) * eps_0
    return total + decoder(explained, z_0, levels[0])
