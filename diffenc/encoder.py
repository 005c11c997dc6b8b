"""Encoders: how the data moves with depth, x_gamma, and how fast.

The slope is carried as the drift d = (dx_gamma/dgamma) / sigma^2, which stays bounded where the
slope vanishes with sigma and is what the loss needs. DiffEnc, https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffenc.process import per_example

# (x, gamma, conditioning) -> an array like x; gamma a scalar or [b], conditioning [b] or None.
DepthFn = Callable[[Array, Array, Array | None], Array]


class Encoder(NamedTuple):
    """Two functions of (x, gamma, conditioning): x_gamma - x, and the pair (x_gamma, d).

    The offset is kept apart because, near the data, encodings at two depths differ by less than
    the rounding of x.
    """

    offset: DepthFn
    with_drift: Callable[[Array, Array, Array | None], tuple[Array, Array]]

    def value(self, x: Array, gamma: Array, conditioning: Array | None = None) -> Array:
        """x_gamma."""
        return x + self.offset(x, gamma, conditioning)


def identity_encoder() -> Encoder:
    """x_gamma = x at every depth: VDM."""
    return Encoder(
        offset=lambda x, gamma, c: jnp.zeros_like(x),
        with_drift=lambda x, gamma, c: (x, jnp.zeros_like(x)),
    )


def nt_encoder() -> Encoder:
    """x_gamma = alpha^2 x, the non-trainable encoder; its slope is -sigma^2 x_gamma."""

    def offset(x, gamma, conditioning):
        return -jax.nn.sigmoid(per_example(gamma, x)) * x

    def with_drift(x, gamma, conditioning):
        x_t = jax.nn.sigmoid(-per_example(gamma, x)) * x
        return x_t, -x_t

    return Encoder(offset, with_drift)


def residual_encoder(inner: DepthFn) -> Encoder:
    """x_gamma = x + sigma^2 (y - x), y = inner(x, gamma, conditioning): the trainable encoder.

    y and dy/dgamma come from one forward-mode pass, and x_t from that y, so one dropout mask
    serves value and slope. The drift is y - x_gamma + dy/dgamma.
    """

    def share(x, y, gamma):
        return jax.nn.sigmoid(per_example(gamma, x)) * (y - x)

    def offset(x, gamma, conditioning):
        return share(x, inner(x, gamma, conditioning), gamma)

    def with_drift(x, gamma, conditioning):
        y, y_slope = _with_slope(inner, x, gamma, conditioning)
        x_t = x + share(x, y, gamma)
        return x_t, y - x_t + y_slope

    return Encoder(offset, with_drift)


def smooth_encoder(value: DepthFn) -> Encoder:
    """Any differentiable x_gamma = value(x, gamma, conditioning), its slope by one forward pass.

    The drift divides the slope by sigma^2, so in float32 a slope that does not vanish with sigma
    loses digits at small gamma; prefer `residual_encoder` where it applies.
    """

    def with_drift(x, gamma, conditioning):
        x_t, slope = _with_slope(value, x, gamma, conditioning)
        return x_t, slope / jax.nn.sigmoid(per_example(gamma, x))

    return Encoder(lambda x, gamma, c: value(x, gamma, c) - x, with_drift)


def _with_slope(function: DepthFn, x, gamma, conditioning):
    return jax.jvp(lambda g: function(x, g, conditioning), (gamma,), (jnp.ones_like(gamma),))


def encode_with_slope(
    encoder: Encoder,
    x: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    conditioning: Float[Array, " b"] | None = None,
) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
    """(x_gamma, dx_gamma/dgamma). The derivative in log SNR is minus the slope."""
    x_t, drift = encoder.with_drift(x, gamma, conditioning)
    return x_t, jax.nn.sigmoid(per_example(gamma, x)) * drift
