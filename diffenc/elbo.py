"""The continuous-time evidence lower bound of a diffusion with a learned encoder.

−log p(x) ≤ reconstruction + prior + diffusion, each per example and in nats. Kingma et al. 2021
(VDM), https://arxiv.org/abs/2107.00630; Nielsen et al. 2023 (DiffEnc),
https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Shaped

from diffenc import checks, noising, process_checks
from diffenc.noising import per_example
from diffenc.process import Process
from diffenc.volatility import PUBLISHED, at

# (target, z_0 / α_0, γ_0) -> log p(target | z_0) per example.
Decoder = Callable[[Array, Array, Array], Array]


class ElboTerms(NamedTuple):
    """The three terms of −ELBO, per example, in nats."""

    reconstruction: Float[Array, " b"]
    prior: Float[Array, " b"]
    diffusion: Float[Array, " b"]


def elbo_terms(
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    *,
    gamma: Callable[[Array], Array],
    decoder: Decoder,
    t: Float[ArrayLike, " b"],
    eps: Float[ArrayLike, "b *shape"],
    eps_0: Float[ArrayLike, "b *shape"],
    target: Shaped[ArrayLike, "b *shape"] | None = None,
    x_0_every: int = 1,
) -> ElboTerms:
    """Single-sample estimates of the three terms, at times t and with noise eps and eps_0.

    `gamma(t)` is the schedule; the decoder's target is x unless given, as when it speaks of codes.
    The bound is exact for every encoder, denoiser, counterterm and volatility: the counterterm only
    chooses the mean of the generative process, the volatility its noise and the posterior's. An
    identity encoder equals VDM without the counterterm, or with it when x̂ is divided by 1 + σ². For
    `x_0_every` see `reconstruction_nll`.

    Raises:
        ValueError: arrays of another kind or shape, times outside [0, 1], or an `x_0_every` that is
            no whole number of at least 1.
    """
    x, eps, eps_0 = process_checks.data(process, x=x, eps=eps, eps_0=eps_0)
    t, explained = checks.times(t, len(x)), process_checks.target(target, x)
    (x_0_every,) = checks.counts(x_0_every=x_0_every)
    gamma_t, rate = jax.jvp(gamma, (t,), (jnp.ones_like(t),))
    gamma_0, gamma_1 = gamma(jnp.array([0.0, 1.0], t.dtype))
    residual = denoising_residual(process, x, gamma_t, eps)
    encoder, conditioning = process.encoder, process.conditioning

    def nll(rows: slice, x_0: Array) -> Array:
        z_0 = x_0 + jnp.exp(gamma_0 / 2) * eps_0[rows]
        return -decoder(explained[rows], z_0, gamma_0)

    def x_0(rows: slice) -> Array:
        chosen = None if conditioning is None else conditioning[rows]
        return encoder.value(x[rows], gamma_0, chosen)

    return ElboTerms(
        reconstruction=reconstruction_nll(nll, x, x_0, x_0_every),
        prior=prior_kl(encoder.value(x, gamma_1, conditioning), gamma_1),
        diffusion=0.5 * rate * per_example_sum(residual**2),
    )


def reconstruction_nll(
    nll: Callable[[slice, Array], Array],
    x: Float[Array, "b *shape"],
    x_0: Callable[[slice], Array],
    every: int,
) -> Float[Array, " b"]:
    """−log p(x | z_0), z_0 / α_0 = x_0 + e^(γ_0/2) ε_0, with x_0 encoded sparsely.

    x_0 = x + σ_0² (y − x) all but equals x, yet costs as much as x_1. With `every` = n the loss is
    that of x, plus n times the exact difference on every n-th example: its batch mean is unbiased
    when examples come in random order, its single values are not. 1 is exact throughout.
    """
    if every == 1:
        return nll(slice(None), x_0(slice(None)))
    rows = slice(None, None, every)
    at_x = nll(slice(None), x)
    difference = nll(rows, x_0(rows)) - at_x[rows]
    return at_x.at[rows].add(len(x) / len(difference) * difference)


def denoising_residual(
    process: Process,
    x: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
) -> Float[Array, "b *shape"]:
    """r with diffusion loss ½ γ'(t) |r|², for data x and noise ε at levels γ.

    With u = 1, r = α [v − v̂ + σ (counterterm x̂ + d)], d = (dx_t/dγ) / σ², which is
    −e^(−γ/2) [x_t − x̂ + dx_t/dλ − counterterm σ² x̂] without its large factor. In the ε form,
    r = ε − ε̂ + σ (counterterm α x̂ + α d). Neither divides. Another volatility weighs the error by
    (1 + u)/2 and r by u^(−½).
    """
    error, motion = error_and_motion(process, x, gamma, eps)
    if not callable(process.volatility) and process.volatility == PUBLISHED:
        return error + motion
    u = per_example(at(process.volatility, gamma), x)
    return (0.5 * (1 + u) * error + motion) / jnp.sqrt(u)


def error_and_motion(
    process: Process,
    x: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
    """−e/σ, the prediction's error, and m/σ, what the counterterm leaves of x_t's motion.

    e = α (x_t − x̂) and m = α (dx_t/dγ + counterterm σ² x̂).
    """
    x_t, drift = process.with_drift(x, gamma)
    z = noising.diffuse(x_t, gamma, eps)
    output = process.denoiser(z, gamma)
    scaled_x_hat = process.prediction.scaled_x_hat(output, z, gamma)
    error = process.prediction.error(output, x_t, gamma, eps)
    weight = per_example(process.counterterm_at(gamma), z)
    level = per_example(gamma, z)
    a, s = noising.alpha(level), noising.sigma(level)
    return error, s * (weight * scaled_x_hat + a * drift)


def prior_kl(x_1: Float[Array, "b *shape"], gamma_1: Float[Array, ""]) -> Float[Array, " b"]:
    """KL(q(z_1 | x) ‖ N(0, I)) = ½ Σ [α_1² x_1² + σ_1² − ln σ_1² − 1]."""
    signal = jax.nn.sigmoid(-gamma_1)
    # σ² − 1 = −α² and −ln σ² = softplus(−γ): two small numbers, each known to
    # full relative precision, so that float32 keeps four digits of their difference at γ = 5.
    floor = jax.nn.softplus(-gamma_1) - signal
    return 0.5 * per_example_sum(signal * x_1**2 + floor)


def per_example_sum(terms: Float[Array, "b *shape"]) -> Float[Array, " b"]:
    """Sum over all axes but the first."""
    return terms.reshape(len(terms), -1).sum(-1)
