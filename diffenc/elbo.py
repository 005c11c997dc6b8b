"""The continuous-time evidence lower bound of a diffusion with a learned encoder.

-log p(x) <= reconstruction + prior + diffusion, each per example and in nats. Kingma et al. 2021
(VDM), https://arxiv.org/abs/2107.00630; Nielsen et al. 2023 (DiffEnc),
https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from diffenc import process
from diffenc.encoder import Encoder
from diffenc.process import per_example
from diffenc.volatility import PUBLISHED, Volatility, at

Parametrisation = Literal["v", "eps"]
# The multiplier of the counterterm sigma^2 x_hat: 0 is VDM, 1 is DiffEnc, or a function of gamma.
Counterterm = float | Callable[[Array], Array]


class ElboTerms(NamedTuple):
    """The three terms of -ELBO, per example, in nats."""

    reconstruction: Float[Array, " b"]
    prior: Float[Array, " b"]
    diffusion: Float[Array, " b"]


def elbo_terms(
    x: Float[Array, "b *shape"],
    *,
    gamma: Callable[[Array], Array],
    encoder: Encoder,
    denoiser: Callable[[Array, Array], Array],
    decoder: Callable[[Array, Array, Array], Array],
    t: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
    eps_0: Float[Array, "b *shape"],
    target: Shaped[Array, "b *shape"] | None = None,
    conditioning: Float[Array, " b"] | None = None,
    parametrisation: Parametrisation = "v",
    counterterm: Counterterm = 0.0,
    volatility: Volatility = PUBLISHED,
    x_0_every: int = 1,
) -> ElboTerms:
    """Single-sample estimates of the three terms, at times t and with noise eps and eps_0.

    `gamma(t)` is the schedule, `denoiser(z, gamma)` the network's v or eps, and
    `decoder(target, z_0 / alpha_0, gamma_0)` is log p(target | z_0) per example; the target is x
    unless given, as when the decoder speaks of codes. The bound is exact for every encoder,
    denoiser, counterterm and volatility: the counterterm only chooses the mean of the generative
    process, the volatility its noise and the posterior's. An identity encoder equals VDM without
    the counterterm, or with it when x_hat is divided by 1 + sigma^2. For `x_0_every` see
    `reconstruction_nll`.
    """
    gamma_t, rate = jax.jvp(gamma, (t,), (jnp.ones_like(t),))
    gamma_0, gamma_1 = gamma(jnp.array([0.0, 1.0], t.dtype))
    x_t, drift = encoder.with_drift(x, gamma_t, conditioning)
    z = process.diffuse(x_t, gamma_t, eps)
    residual = denoising_residual(
        denoiser(z, gamma_t),
        z,
        x_t,
        drift,
        gamma_t,
        eps,
        parametrisation=parametrisation,
        counterterm=counterterm,
        volatility=volatility,
    )

    def nll(rows, x_0):
        z_0 = x_0 + jnp.exp(gamma_0 / 2) * eps_0[rows]
        return -decoder((x if target is None else target)[rows], z_0, gamma_0)

    def x_0(rows):
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
    """-log p(x | z_0), z_0 / alpha_0 = x_0 + e^(gamma_0/2) eps_0, with x_0 encoded sparsely.

    x_0 = x + sigma_0^2 (y - x) all but equals x, yet costs as much as x_1. With `every` = n the
    loss is that of x, plus n times the exact difference on every n-th example: its batch mean is
    unbiased when examples come in random order, its single values are not. 1 is exact throughout.
    """
    if every == 1:
        return nll(slice(None), x_0(slice(None)))
    rows = slice(None, None, every)
    at_x = nll(slice(None), x)
    difference = nll(rows, x_0(rows)) - at_x[rows]
    return at_x.at[rows].add(len(x) / len(difference) * difference)


def denoising_residual(
    output: Float[Array, "b *shape"],
    z: Float[Array, "b *shape"],
    x_t: Float[Array, "b *shape"],
    drift: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
    *,
    parametrisation: Parametrisation = "v",
    counterterm: Counterterm = 0.0,
    volatility: Volatility = PUBLISHED,
) -> Float[Array, "b *shape"]:
    """r with diffusion loss (1/2) gamma'(t) |r|^2, from the network's output for z.

    With u = 1, r = alpha [v - v_hat + sigma (counterterm x_hat + d)], d = (dx_t/dgamma) / sigma^2,
    which is -e^(-gamma/2) [x_t - x_hat + dx_t/dlambda - counterterm sigma^2 x_hat] without its
    large factor. In the eps form, r = eps - eps_hat + sigma (counterterm alpha x_hat + alpha d).
    Neither divides. Another volatility weighs the error by (1 + u)/2 and r by u^(-1/2).
    """
    error, motion = error_and_motion(
        output, z, x_t, drift, gamma, eps, parametrisation=parametrisation, counterterm=counterterm
    )
    if not callable(volatility) and volatility == PUBLISHED:
        return error + motion
    u = per_example(at(volatility, gamma), z)
    return (0.5 * (1 + u) * error + motion) / jnp.sqrt(u)


def error_and_motion(
    output: Float[Array, "b *shape"],
    z: Float[Array, "b *shape"],
    x_t: Float[Array, "b *shape"],
    drift: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
    *,
    parametrisation: Parametrisation = "v",
    counterterm: Counterterm = 0.0,
) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
    """-e/sigma, the prediction's error, and m/sigma, what the counterterm leaves of x_t's motion.

    e = alpha (x_t - x_hat) and m = alpha (dx_t/dgamma + counterterm sigma^2 x_hat).
    """
    error, scaled_x_hat = prediction_error(output, z, x_t, gamma, eps, parametrisation)
    weight = per_example(counterterm(gamma) if callable(counterterm) else counterterm, z)
    level = per_example(gamma, z)
    a, s = process.alpha(level), process.sigma(level)
    return error, s * (weight * scaled_x_hat + a * drift)


def prediction_error(
    output: Float[Array, "b *shape"],
    z: Float[Array, "b *shape"],
    x_t: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    eps: Float[Array, "b *shape"],
    parametrisation: Parametrisation,
) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
    """(alpha (v - v_hat), alpha x_hat): what the losses need of a prediction, without division."""
    scaled_x_hat = scaled_prediction(output, z, gamma, parametrisation)
    if parametrisation == "v":
        error = process.alpha(per_example(gamma, z)) * (process.velocity(x_t, eps, gamma) - output)
        return error, scaled_x_hat
    return eps - output, scaled_x_hat


def scaled_prediction(
    output: Float[Array, "b *shape"],
    z: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    parametrisation: Parametrisation,
) -> Float[Array, "b *shape"]:
    """alpha x_hat, from the network's output for z."""
    level = per_example(gamma, z)
    if parametrisation == "v":
        return process.alpha(level) * process.x_from_v(z, output, gamma)
    return z - process.sigma(level) * output


def prior_kl(x_1: Float[Array, "b *shape"], gamma_1: Float[Array, ""]) -> Float[Array, " b"]:
    """KL(q(z_1 | x) || N(0, I)) = (1/2) sum [alpha_1^2 x_1^2 + sigma_1^2 - ln sigma_1^2 - 1]."""
    signal = jax.nn.sigmoid(-gamma_1)
    # sigma^2 - 1 = -alpha^2 and -ln sigma^2 = softplus(-gamma): two small numbers, each known to
    # full relative precision, so that float32 keeps four digits of their difference at gamma = 5.
    floor = jax.nn.softplus(-gamma_1) - signal
    return 0.5 * per_example_sum(signal * x_1**2 + floor)


def per_example_sum(terms: Float[Array, "b *shape"]) -> Float[Array, " b"]:
    """Sum over all axes but the first."""
    return terms.reshape(len(terms), -1).sum(-1)
