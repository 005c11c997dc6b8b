"""Which volatility makes the bound tightest, after training: u*, from moments of the residual.

`diffenc.volatility` says what it is. Valid for any trained model when the moments come from data
other than what the bound is evaluated on.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from diffenc import process
from diffenc.elbo import error_and_motion, per_example_sum
from diffenc.encoder import Encoder
from diffenc.volatility import PUBLISHED


class Moments(NamedTuple):
    """Products of e and e - 2 m over sigma^2, summed over an example's dimensions: [b]."""

    error: Float[Array, "*b"]  # |e|^2 / sigma^2
    moved: Float[Array, "*b"]  # |e - 2 m|^2 / sigma^2
    inner: Float[Array, "*b"]  # <e, e - 2 m> / sigma^2

    def loss(self, u: float | Array) -> Float[Array, "*b"]:
        """l_u in nats per unit of gamma: [u |e|^2 + |e - 2m|^2 / u + 2 <e, e - 2m>] / 8 sigma^2."""
        return (u * self.error + self.moved / u + 2 * self.inner) / 8

    def optimal(self) -> Float[Array, ""]:
        """u* of the mean over examples; 1 where the prediction is exact."""
        error, moved = self.error.mean(), self.moved.mean()
        known = (error > 0) & (moved > 0)
        return jnp.where(known, jnp.sqrt(moved / jnp.where(known, error, 1.0)), PUBLISHED)


def moments(
    x: Float[Array, "b *shape"],
    eps: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    *,
    encoder: Encoder,
    denoiser: Callable[[Array, Array], Array],
    conditioning: Float[Array, " b"] | None = None,
    volatility: object = None,
    **form: Any,
) -> Moments:
    """What the loss of every volatility is made of, for data x and noise eps at levels gamma.

    Takes the keywords of a model's `parts`; its own volatility does not enter.
    """
    del volatility
    x_t, drift = encoder.with_drift(x, gamma, conditioning)
    z = process.diffuse(x_t, gamma, eps)
    error, motion = error_and_motion(denoiser(z, gamma), z, x_t, drift, gamma, eps, **form)
    moved = error + 2 * motion  # both with the sign of -e
    return Moments(
        per_example_sum(error**2), per_example_sum(moved**2), per_example_sum(error * moved)
    )


def estimate(
    key: Key[Array, ""], x: Float[Array, "b *shape"], levels: Float[Array, " n"], **model: Any
) -> Moments:
    """Mean `Moments` at each level, [n], over all of x with fresh noise at each."""

    def measure(inputs):
        gamma, k_eps = inputs
        eps = jax.random.normal(k_eps, x.shape, x.dtype)
        found = moments(x, eps, jnp.full((len(x),), gamma), **model)
        return jax.tree.map(jnp.mean, found)

    return jax.lax.map(measure, (levels, jax.random.split(key, len(levels))))
