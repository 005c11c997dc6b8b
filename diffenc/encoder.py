"""Encoders: how the data moves with depth, x_gamma, and how fast.

An encoder binds the data once and returns a `Path`: two functions of gamma. Binding first lets
everything that does not depend on gamma be computed once and shared by x_0, x_t and x_1.

The slope is carried as the drift d = (dx_gamma/dgamma) / sigma^2, which stays bounded where the
slope vanishes with sigma and is what the loss needs. DiffEnc, https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffenc.process import per_example


class Path(NamedTuple):
    """The encodings of one batch: `at(gamma)` is x_gamma, `with_drift(gamma)` is (x_gamma, d)."""

    at: Callable[[Array], Array]
    with_drift: Callable[[Array], tuple[Array, Array]]


Encoder = Callable[[Array], Path]


def identity_encoder(x: Float[Array, "b *shape"]) -> Path:
    """x_gamma = x at every depth: VDM."""
    return Path(at=lambda gamma: x, with_drift=lambda gamma: (x, jnp.zeros_like(x)))


def nt_encoder(x: Float[Array, "b *shape"]) -> Path:
    """x_gamma = alpha^2 x, the non-trainable encoder; its slope is -sigma^2 x_gamma."""

    def at(gamma):
        return jax.nn.sigmoid(-per_example(gamma, x)) * x

    def with_drift(gamma):
        x_t = at(gamma)
        return x_t, -x_t

    return Path(at, with_drift)


def residual_encoder(inner: Callable[[Array], Callable[[Array], Array]]) -> Encoder:
    """x_gamma = x + sigma^2 (y - x), with y = inner(x)(gamma): DiffEnc's trainable encoder.

    y and dy/dgamma come from one forward-mode pass, and x_t from that y, so one dropout mask
    serves value and slope. The drift is y - x_gamma + dy/dgamma.
    """

    def encode(x: Float[Array, "b *shape"]) -> Path:
        y_of = inner(x)

        def blend(y, gamma):
            return x + jax.nn.sigmoid(per_example(gamma, x)) * (y - x)

        def with_drift(gamma):
            y, y_slope = jax.jvp(y_of, (gamma,), (jnp.ones_like(gamma),))
            x_t = blend(y, gamma)
            return x_t, y - x_t + y_slope

        return Path(lambda gamma: blend(y_of(gamma), gamma), with_drift)

    return encode


def smooth_encoder(encode: Callable[[Array, Array], Array]) -> Encoder:
    """Any differentiable x_gamma = encode(x, gamma), its slope by one forward-mode pass.

    The drift divides the slope by sigma^2, so in float32 a slope that does not vanish with sigma
    loses digits at small gamma; prefer `residual_encoder` where it applies.
    """

    def bind(x: Float[Array, "b *shape"]) -> Path:
        def with_drift(gamma):
            at = lambda g: encode(x, g)
            x_t, slope = jax.jvp(at, (gamma,), (jnp.ones_like(gamma),))
            return x_t, slope / jax.nn.sigmoid(per_example(gamma, x))

        return Path(lambda gamma: encode(x, gamma), with_drift)

    return bind


def encode_with_slope(
    encoder: Encoder, x: Float[Array, "b *shape"], gamma: Float[Array, " b"]
) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
    """(x_gamma, dx_gamma/dgamma). The derivative in log SNR is minus the slope."""
    x_t, drift = encoder(x).with_drift(gamma)
    return x_t, jax.nn.sigmoid(per_example(gamma, x)) * drift
