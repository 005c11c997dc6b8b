"""Free volatility: how much noise the generative process forgets and draws anew on its way.

The model fixes only the marginals q(z_γ | x). For every u(γ) > 0 that does not depend on x, the
reverse process with squared volatility u σ² per unit of γ has them (u → 0 is the deterministic one,
u = 1 the published one), and as posterior and generative process share it, the bound stays valid.
With e = α (x_γ − x̂) and m = α (dx_γ/dγ + counterterm σ² x̂), what is left of the encoder's motion,
the diffusion loss per unit of γ is

    l_u = |(1 + u)/2 e − m|² / (2 u σ²),        least at u* = (E|e − 2 m|² / E|e|²)^½.

A static encoder has m = 0 and u* = 1; the non-trainable one has m = −σ² e and u* = 1 + 2 σ².
Learning the volatility with a learned forward process: Bartosh et al. 2024 (NFDM),
https://arxiv.org/abs/2404.12940. The closed form of u* is ours, as far as we know; it is derived
in docs/equations.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from diffenc import checks
from repgeo import inputs

# u: the published 1.0, another number, or a positive function of γ.
Volatility = float | Callable[[Array], Array]
PUBLISHED = 1.0

WAVES = 8  # cosines in γ of a learned series, also of a learned counterterm
HIDDEN = 32  # units of the network's layer
_AT_ONE = 0.5413248546129181  # softplus⁻¹(1) = ln(e − 1)


def at(volatility: Volatility, gamma: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """u(γ)."""
    return volatility(gamma) if callable(volatility) else jnp.full_like(gamma, volatility)


def over_step(
    volatility: Volatility, gamma_s: Float[Array, "*b"], gamma_t: Float[Array, "*b"]
) -> Float[Array, "*b"]:
    """The integral of u from γ_s to γ_t, by its value midway: a step's mixing."""
    width = gamma_t - gamma_s
    if not callable(volatility):
        return width if volatility == PUBLISHED else volatility * width
    return volatility((gamma_s + gamma_t) / 2) * width


def cosine_series(
    weights: Float[Array, " waves"], gamma: Float[Array, "*b"], low: float, high: float
) -> Float[Array, "*b"]:
    """Σ_k w_k cos(k π (γ − low) / (high − low)), k = 0, 1, …"""
    phase = jnp.pi * (gamma - low) / (high - low)
    waves = [w * jnp.cos(k * phase) for k, w in enumerate(weights)]
    return sum(waves, jnp.zeros_like(gamma))


def series(weights: Float[Array, " waves"], low: float, high: float) -> Volatility:
    """u = exp of a cosine series: 1 where all weights are 0."""
    return lambda gamma: jnp.exp(cosine_series(weights, gamma, low, high))


def init_network(key: Key[Array, ""]) -> dict[str, Array]:
    """Parameters of `network`, which is then 1 at every level."""
    return {
        "w1": jax.random.normal(key, (HIDDEN,)),
        "b1": jnp.linspace(-1.0, 1.0, HIDDEN),
        "w2": jnp.zeros((HIDDEN,)),
        "bias": jnp.full((), _AT_ONE),
    }


def network(params: dict[str, Array], low: float, high: float) -> Volatility:
    """u = softplus of a network of γ, the form of NFDM."""

    def u(gamma):
        share = 2 * (gamma - low) / (high - low) - 1
        hidden = jnp.tanh(3 * (share * params["w1"] + params["b1"]))
        return jax.nn.softplus(hidden @ params["w2"] + params["bias"])

    return jnp.vectorize(u)


def interpolated(levels: Float[ArrayLike, " n"], values: Float[ArrayLike, " n"]) -> Volatility:
    """u through `values` > 0 at increasing `levels`, ln u linear between them, constant beyond.

    Raises:
        ValueError: no two vectors of one length, levels that do not increase, or values that are
            not positive.
    """
    if len(np.shape(levels)) != 1 or np.shape(levels) != np.shape(values):
        raise ValueError(
            f"levels has shape {np.shape(levels)} and values {np.shape(values)}; expected two "
            "vectors of one length"
        )
    at, known = checks.floating("levels", levels), checks.floating("values", values)
    if inputs.surely(lambda v: (v[1:] <= v[:-1]).any(), at):
        raise ValueError(f"levels must increase strictly in {at.dtype}; sort them, drop repeats")
    if inputs.surely(lambda v: (v <= 0).any(), known):
        raise ValueError("values must be positive: they are volatilities")
    return lambda gamma: jnp.exp(jnp.interp(gamma, at, jnp.log(known)))


@dataclass(frozen=True)
class Form:
    """How a model has a function of γ that its bound leaves free, as the volatility.

    `of` makes the function of its parameters and of the model's γ_min and γ_max; `init` makes the
    parameters from a key, and is None where nothing is learned.
    """

    of: Callable[[Any, float, float], float | Callable[[Array], Array]]
    init: Callable[[Key[Array, ""]], Any] | None = None


def init_series(key: Key[Array, ""]) -> Float[Array, " waves"]:
    """Weights of a cosine series that is 0 at every level."""
    del key
    return jnp.zeros((WAVES,))


VOLATILITIES: Mapping[str, Form] = {
    "published": Form(lambda *_: PUBLISHED),
    "learned": Form(series, init_series),
    "network": Form(network, init_network),
}
"""The short names of `diffenc.build`."""
