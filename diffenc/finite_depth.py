"""The evidence lower bound at finite depth, with a free variance ratio.

With T steps the generative variance need not be that of the posterior. For the ratio
w = sigma_Q^2 / sigma_P^2 of one step, in nats per example,

    KL(q(z_s | z_t, x) || p(z_s | z_t)) = (D/2) (w - 1 - ln w) + w l,
    l = |mu_Q - mu_P|^2 / (2 sigma_Q^2):

a weighted loss plus a price that does not depend on the data. The best shared w of a step is
1 / (1 + 2 E[l] / D). As T grows l = O(1/T) and that w tends to 1, while any other fixed w costs
T (D/2) (w - 1 - ln w) without bound: continuous time allows w = 1 only. Nielsen et al. 2023
(DiffEnc), https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from diffenc import process
from diffenc.elbo import Counterterm, Parametrisation, per_example_sum, prediction_error
from diffenc.encoder import Encoder
from diffenc.process import per_example
from diffenc.volatility import PUBLISHED, Volatility, over_step

Network = Callable[[Array, Array], Array]


def variance_penalty(log_ratio: Float[Array, "*t"], dimensions: int) -> Float[Array, "*t"]:
    """(D/2) (w - 1 - ln w) in nats, of ln w: at least 0, and exact near w = 1."""
    return 0.5 * dimensions * (jnp.expm1(log_ratio) - log_ratio)


def optimal_log_ratio(cost: Float[Array, "*t"], dimensions: int) -> Float[Array, "*t"]:
    """ln w* = -ln(1 + 2 l / D), of the expected cost l of a step in nats per example."""
    return -jnp.log1p(2 * cost / dimensions)


def optimal_cost(cost: Float[Array, "*t"], dimensions: int) -> Float[Array, "*t"]:
    """(D/2) ln(1 + 2 l / D) <= l, in nats: a step's KL at its optimal variance."""
    return 0.5 * dimensions * jnp.log1p(2 * cost / dimensions)


def mean_difference(
    output: Float[Array, "b *shape"],
    z: Float[Array, "b *shape"],
    x_t: Float[Array, "b *shape"],
    shift: Float[Array, "b *shape"],
    gamma_s: Float[Array, " b"],
    gamma_t: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
    *,
    parametrisation: Parametrisation = "v",
    counterterm: Counterterm = 0.0,
    volatility: Volatility = PUBLISHED,
) -> Float[Array, "b *shape"]:
    """(mu_Q - mu_P) / sigma_Q, from the network's output for z.

    `shift` is x_s - x_t. Written with alpha (v - v_hat) in place of x_t - x_hat, so that float32
    does not lose the error of a small step beside the large SNR:
    -(e^h / c)^(1/2) [b alpha (v - v_hat) + sigma h counterterm alpha x_hat - (alpha/sigma) shift],
    h = gamma_t - gamma_s, c = 1 - e^-U, b = 1 - e^(-(h + U)/2), U the volatility's integral over
    the step: h, and so b = c, as published.
    """
    error, scaled_x_hat = prediction_error(output, z, x_t, gamma_t, eps, parametrisation)
    weight = counterterm(gamma_t) if callable(counterterm) else counterterm
    width = gamma_t - gamma_s
    mixing = over_step(volatility, gamma_s, gamma_t)
    fraction, share = -jnp.expm1(-mixing), -jnp.expm1(-0.5 * (width + mixing))
    level = per_example(gamma_t, z)
    a, s = process.alpha(level), process.sigma(level)
    difference = (
        per_example(share, z) * error
        + s * per_example(weight * width, z) * scaled_x_hat
        - a / s * shift
    )
    return -per_example(jnp.sqrt(jnp.exp(width) / fraction), z) * difference


def step_cost(*args: Any, **form: Any) -> Float[Array, " b"]:
    """l = |mu_Q - mu_P|^2 / (2 sigma_Q^2) in nats per example: of `mean_difference`."""
    return 0.5 * per_example_sum(mean_difference(*args, **form) ** 2)


def sampled_step_cost(
    x: Float[Array, "b *shape"],
    eps: Float[Array, "b *shape"],
    gamma_s: Float[Array, " b"],
    gamma_t: Float[Array, " b"],
    *,
    encoder: Encoder,
    denoiser: Network,
    conditioning: Float[Array, " b"] | None = None,
    **form: Any,
) -> Float[Array, " b"]:
    """l of one step per example, from gamma_t to gamma_s, for data x and noise eps.

    `form` is the parametrisation, the counterterm and the volatility of `mean_difference`.
    """
    at_s, at_t = (encoder.offset(x, g, conditioning) for g in (gamma_s, gamma_t))
    x_t = x + at_t
    z = process.diffuse(x_t, gamma_t, eps)
    output = denoiser(z, gamma_t)
    return step_cost(output, z, x_t, at_s - at_t, gamma_s, gamma_t, eps, **form)


def diffusion_loss(
    x: Float[Array, "b *shape"],
    *,
    gamma: Callable[[Array], Array],
    t: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
    num_steps: int,
    log_ratio: float | Float[Array, " num_steps"] = 0.0,
    **model: Any,
) -> Float[Array, " b"]:
    """Single-sample estimate of the diffusion loss at depth T = `num_steps`, nats per example.

    T [(D/2) (w - 1 - ln w) + w l] for the step that each time t in [0, 1) falls into: step i, from
    i/T to (i-1)/T, has the times of [(i-1)/T, i/T). `log_ratio` is ln w, one number or one a step.
    A table may be learned (its gradient is exact) or come from `optimal_log_ratio`. Minus
    T `variance_penalty`, a fixed one gives a weighted diffusion loss. `model` is the keywords of
    `sampled_step_cost`.
    """
    index = jnp.clip((t * num_steps).astype(jnp.int32), 0, num_steps - 1)
    below, above = (gamma(((index + i) / num_steps).astype(t.dtype)) for i in (0, 1))
    cost = sampled_step_cost(x, eps, below, above, **model)
    log_w = jnp.broadcast_to(jnp.asarray(log_ratio, cost.dtype), (num_steps,))[index]
    return num_steps * (variance_penalty(log_w, x[0].size) + jnp.exp(log_w) * cost)


def expected_step_costs(
    key: Key[Array, ""],
    x: Float[Array, "b *shape"],
    levels: Float[Array, " n"],
    **model: Any,
) -> Float[Array, " m"]:
    """E[l] of each of the n - 1 steps between increasing `levels` of gamma, averaged over x.

    In nats per example, with fresh noise at each step. `optimal_log_ratio` of it is each step's
    best ln w, the sum of `optimal_cost` the diffusion term with it. `model` is the keywords of
    `sampled_step_cost`.
    """

    def cost(inputs):
        gamma_s, gamma_t, k_eps = inputs
        eps = jax.random.normal(k_eps, x.shape, x.dtype)
        ends = (jnp.full((len(x),), gamma) for gamma in (gamma_s, gamma_t))
        return sampled_step_cost(x, eps, *ends, **model).mean()

    return jax.lax.map(cost, (levels[:-1], levels[1:], jax.random.split(key, len(levels) - 1)))
