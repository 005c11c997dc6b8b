"""Ancestral sampling from the generative process: one `lax.scan`, the encoder never called."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from diffenc import checks, noising, process_checks
from diffenc.process import Counterterm
from diffenc.volatility import PUBLISHED, Volatility, over_step

# (z, γ [b]) -> x̂, an array like z: `Process.x_hat`.
Predict = Callable[[Array, Array], Array]


def generative_step(
    z: Float[ArrayLike, "b *shape"],
    x_hat: Float[ArrayLike, "b *shape"],
    gamma_s: Float[ArrayLike, ""],
    gamma_t: Float[ArrayLike, ""],
    eps: Float[ArrayLike, "b *shape"],
    *,
    counterterm: Counterterm = 0.0,
    volatility: Volatility = PUBLISHED,
    log_ratio: float | Float[Array, ""] = 0.0,
) -> Float[Array, "b *shape"]:
    """z_s = μ_P(z_t, x̂) + σ_P ε, from depth t to the shallower s.

    DiffEnc, https://arxiv.org/abs/2310.19789; with `counterterm` 0 the VDM step. σ_P² is
    σ_Q² / w, `log_ratio` = ln w (`finite_depth.optimal_log_ratio`); 0 is the published step.
    A `volatility` near 0, without counterterm, is the deterministic step of DDIM.

    Raises:
        ValueError: arrays of another kind or shape, or a step that does not go down.
    """
    z, x_hat, eps = checks.batch(np.shape(z)[1:], degree=1, z=z, x_hat=x_hat, eps=eps)
    gamma_s, gamma_t = process_checks.step(gamma_s, gamma_t)
    process_checks.scalar("log_ratio", log_ratio)
    _check_form(counterterm, volatility)
    weight = counterterm(gamma_t) if callable(counterterm) else counterterm
    published = not callable(volatility) and volatility == PUBLISHED
    mixing = None if published else over_step(volatility, gamma_s, gamma_t)
    mean = noising.generative_mean(z, x_hat, gamma_s, gamma_t, weight, mixing)
    scale = jnp.sqrt(noising.transition_variance(gamma_s, gamma_t, mixing))
    return mean + scale * jnp.exp(-log_ratio / 2) * eps


def ancestral_sample(
    key: Key[Array, ""],
    predict: Predict,
    gamma: Callable[[Array], Array],
    shape: tuple[int, ...],
    num_steps: int,
    *,
    counterterm: Counterterm = 0.0,
    volatility: Volatility = PUBLISHED,
    log_ratio: Float[ArrayLike, ""] | Float[ArrayLike, " m"] = 0.0,
) -> Float[Array, "..."]:
    """z_0 / α_0 after `num_steps` equal steps in t from z_1 ~ N(0, I), of `shape` [b, ...].

    `predict(z, γ)` is x̂ for levels [b]. The marginals' bias is O(1/num_steps).

    Raises:
        ValueError: as `sample_along`, or a number of steps that is none.
    """
    (num_steps,) = checks.counts(num_steps=num_steps)
    levels = gamma(jnp.linspace(0.0, 1.0, num_steps + 1))
    return sample_along(
        key,
        predict,
        levels,
        shape,
        counterterm=counterterm,
        volatility=volatility,
        log_ratio=log_ratio,
    )


def sample_along(
    key: Key[Array, ""],
    predict: Predict,
    levels: Float[ArrayLike, " n"],
    shape: tuple[int, ...],
    *,
    counterterm: Counterterm = 0.0,
    volatility: Volatility = PUBLISHED,
    log_ratio: Float[ArrayLike, ""] | Float[ArrayLike, " m"] = 0.0,
) -> Float[Array, "..."]:
    """z_0 / α_0 after stepping down through increasing `levels` of γ, m = n − 1 steps.

    `log_ratio` is ln w of each step, in the order of the levels; see `generative_step`. With the
    levels of `step_choice.best_levels` and the ratios of `finite_depth.optimal_log_ratio`, the
    sampler whose finite-depth bound is tightest for its number of steps.

    Raises:
        ValueError: levels that do not increase, a `log_ratio` of another shape, a `shape` that is
            none, or a counterterm or volatility that is neither a number nor a function.
    """
    levels, shape = process_checks.levels(levels), checks.integers("shape", shape)
    num_steps = len(levels) - 1
    process_checks.log_ratios(log_ratio, num_steps)
    _check_form(counterterm, volatility)
    k_start, k_steps = jax.random.split(key)
    ratios = jnp.broadcast_to(jnp.asarray(log_ratio, levels.dtype), (num_steps,))

    def step(z: Array, inputs: tuple[Array, Array, Array, Array]) -> tuple[Array, None]:
        gamma_s, gamma_t, ratio, k_step = inputs
        x_hat = predict(z, jnp.full(shape[:1], gamma_t))
        eps = jax.random.normal(k_step, shape)
        stepped = generative_step(
            z,
            x_hat,
            gamma_s,
            gamma_t,
            eps,
            counterterm=counterterm,
            volatility=volatility,
            log_ratio=ratio,
        )
        return stepped, None

    keys = jax.random.split(k_steps, num_steps)
    inputs = levels[:-1], levels[1:], ratios, keys
    z_0, _ = jax.lax.scan(step, jax.random.normal(k_start, shape), inputs, reverse=True)
    return z_0 / noising.alpha(levels[0])


def _check_form(counterterm: Counterterm, volatility: Volatility) -> None:
    process_checks.of_level("counterterm", counterterm, positive=False)
    process_checks.of_level("volatility", volatility, positive=True)
