"""The evidence lower bound at finite depth, with a free variance ratio.

With T steps the generative variance need not be that of the posterior. For the ratio
w = σ_Q² / σ_P² of one step, in nats per example,

    KL(q(z_s | z_t, x) ‖ p(z_s | z_t)) = (D/2) (w − 1 − ln w) + w ℓ,
    ℓ = |μ_Q − μ_P|² / (2 σ_Q²):

a weighted loss plus a price that does not depend on the data. The best shared w of a step is
1 / (1 + 2 E[ℓ] / D). As T grows ℓ = O(1/T) and that w tends to 1, while any other fixed w costs
T (D/2) (w − 1 − ln w) without bound: continuous time allows w = 1 only. Nielsen et al. 2023
(DiffEnc), https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from diffenc import checks, noising, process_checks
from diffenc.elbo import per_example_sum
from diffenc.noising import per_example
from diffenc.process import Process
from diffenc.volatility import over_step


def variance_penalty(log_ratio: Float[Array, "*t"], dimensions: int) -> Float[Array, "*t"]:
    """(D/2) (w − 1 − ln w) in nats, of ln w: at least 0, and exact near w = 1."""
    return 0.5 * dimensions * (jnp.expm1(log_ratio) - log_ratio)


def optimal_log_ratio(cost: Float[ArrayLike, "*t"], dimensions: int) -> Float[Array, "*t"]:
    """ln w* = −ln(1 + 2 ℓ / D), of the expected cost ℓ of a step in nats per example.

    Raises:
        ValueError: costs that are NaN or negative, or no number of dimensions.
    """
    (dimensions,) = checks.counts(dimensions=dimensions)
    return -jnp.log1p(2 * process_checks.costs("cost", cost) / dimensions)


def optimal_cost(cost: Float[ArrayLike, "*t"], dimensions: int) -> Float[Array, "*t"]:
    """(D/2) ln(1 + 2 ℓ / D) ≤ ℓ, in nats: a step's KL at its optimal variance.

    Raises:
        ValueError: costs that are NaN or negative, or no number of dimensions.
    """
    (dimensions,) = checks.counts(dimensions=dimensions)
    return 0.5 * dimensions * jnp.log1p(2 * process_checks.costs("cost", cost) / dimensions)


def mean_difference(
    process: Process,
    output: Float[ArrayLike, "b *shape"],
    z: Float[ArrayLike, "b *shape"],
    x_t: Float[ArrayLike, "b *shape"],
    shift: Float[ArrayLike, "b *shape"],
    gamma_s: Float[ArrayLike, "*level"],
    gamma_t: Float[ArrayLike, "*level"],
    eps: Float[ArrayLike, "b *shape"],
) -> Float[Array, "b *shape"]:
    """(μ_Q − μ_P) / σ_Q, from the denoiser's output for z = α x_t + σ ε.

    `shift` is x_s − x_t. Written with ε − ε̂ in place of x_t − x̂, so that float32 does not lose the
    error of a small step beside the large SNR:
    −(e^h / c)^½ [b (ε − ε̂) + σ h counterterm α x̂ − (α/σ) shift],
    h = γ_t − γ_s, c = 1 − e^(−U), b = 1 − e^(−(h + U)/2), U the volatility's integral over the
    step: h, and so b = c, as published.

    Raises:
        ValueError: arrays of another kind or shape, or a step that does not go down.
    """
    output, z, x_t, shift, eps = process_checks.data(
        process, degree=1, output=output, z=z, x_t=x_t, shift=shift, eps=eps
    )
    gamma_s, gamma_t = process_checks.step_levels(gamma_s, gamma_t, len(z))
    return _mean_difference(process, output, z, x_t, shift, gamma_s, gamma_t, eps)


def _mean_difference(
    process: Process,
    output: Array,
    z: Array,
    x_t: Array,
    shift: Array,
    gamma_s: Array,
    gamma_t: Array,
    eps: Array,
) -> Array:
    scaled_x_hat = process.prediction.scaled_x_hat(output, z, gamma_t)
    error = process.prediction.error(output, x_t, gamma_t, eps)
    width = gamma_t - gamma_s
    mixing = over_step(process.volatility, gamma_s, gamma_t)
    fraction, share = -jnp.expm1(-mixing), -jnp.expm1(-0.5 * (width + mixing))
    level = per_example(gamma_t, z)
    a, s = noising.alpha(level), noising.sigma(level)
    difference = (
        per_example(share, z) * error
        + s * per_example(process.counterterm_at(gamma_t) * width, z) * scaled_x_hat
        - a / s * shift
    )
    return -per_example(jnp.sqrt(jnp.exp(width) / fraction), z) * difference


def step_cost(
    process: Process,
    output: Float[ArrayLike, "b *shape"],
    z: Float[ArrayLike, "b *shape"],
    x_t: Float[ArrayLike, "b *shape"],
    shift: Float[ArrayLike, "b *shape"],
    gamma_s: Float[ArrayLike, "*level"],
    gamma_t: Float[ArrayLike, "*level"],
    eps: Float[ArrayLike, "b *shape"],
) -> Float[Array, " b"]:
    """ℓ = |μ_Q − μ_P|² / (2 σ_Q²) in nats per example: of `mean_difference`, and as it refuses."""
    apart = mean_difference(process, output, z, x_t, shift, gamma_s, gamma_t, eps)
    return 0.5 * per_example_sum(apart**2)


def sampled_step_cost(
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    eps: Float[ArrayLike, "b *shape"],
    gamma_s: Float[ArrayLike, "*level"],
    gamma_t: Float[ArrayLike, "*level"],
) -> Float[Array, " b"]:
    """ℓ of one step per example, from γ_t to the lower γ_s, for data x and noise ε.

    Raises:
        ValueError: arrays of another kind or shape, or a step that does not go down.
    """
    x, eps = process_checks.data(process, x=x, eps=eps)
    gamma_s, gamma_t = process_checks.step_levels(gamma_s, gamma_t, len(x))
    at_s, at_t = (process.offset(x, gamma) for gamma in (gamma_s, gamma_t))
    x_t = x + at_t
    z = noising.diffuse(x_t, gamma_t, eps)
    output = process.denoiser(z, gamma_t)
    apart = _mean_difference(process, output, z, x_t, at_s - at_t, gamma_s, gamma_t, eps)
    return 0.5 * per_example_sum(apart**2)


def diffusion_loss(
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    *,
    gamma: Callable[[Array], Array],
    t: Float[ArrayLike, " b"],
    eps: Float[ArrayLike, "b *shape"],
    num_steps: int,
    log_ratio: Float[ArrayLike, ""] | Float[ArrayLike, " num_steps"] = 0.0,
) -> Float[Array, " b"]:
    """Single-sample estimate of the diffusion loss at depth T = `num_steps`, nats per example.

    T [(D/2) (w − 1 − ln w) + w ℓ] for the step that each time t in [0, 1) falls into: step i, from
    i/T to (i−1)/T, has the times of [(i−1)/T, i/T). `log_ratio` is ln w, one number or one a step.
    A table may be learned (its gradient is exact) or come from `optimal_log_ratio`. Minus
    T `variance_penalty`, a fixed one gives a weighted diffusion loss.
    What is narrower than float32 becomes float32 first: times and levels need its digits.

    Raises:
        ValueError: arrays of another kind or shape, times outside [0, 1], or no whole number of
            steps.
    """
    x, eps = process_checks.data(process, x=x, eps=eps)
    t = checks.times(t, len(x))
    (num_steps,) = checks.counts(num_steps=num_steps)
    process_checks.log_ratios(log_ratio, num_steps)
    index = jnp.clip((t * num_steps).astype(jnp.int32), 0, num_steps - 1)
    below, above = (gamma(((index + i) / num_steps).astype(t.dtype)) for i in (0, 1))
    cost = sampled_step_cost(process, x, eps, below, above)
    log_w = jnp.broadcast_to(jnp.asarray(log_ratio, cost.dtype), (num_steps,))[index]
    return num_steps * (variance_penalty(log_w, x[0].size) + jnp.exp(log_w) * cost)


def expected_step_costs(
    key: Key[Array, ""],
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    levels: Float[ArrayLike, " n"],
) -> Float[Array, " m"]:
    """E[ℓ] of each of the n − 1 steps between increasing `levels` of γ, averaged over x.

    In nats per example, with fresh noise at each step. `optimal_log_ratio` of it is each step's
    best ln w, the sum of `optimal_cost` the diffusion term with it.

    Raises:
        ValueError: data of another kind or shape, or levels that do not increase.
    """
    (data,), levels = process_checks.data(process, x=x), process_checks.levels(levels)

    def cost(inputs: tuple[Array, Array, Array]) -> Array:
        gamma_s, gamma_t, k_eps = inputs
        eps = jax.random.normal(k_eps, data.shape, data.dtype)
        ends = (jnp.full((len(data),), gamma) for gamma in (gamma_s, gamma_t))
        return sampled_step_cost(process, data, eps, *ends).mean()

    return jax.lax.map(cost, (levels[:-1], levels[1:], jax.random.split(key, len(levels) - 1)))
