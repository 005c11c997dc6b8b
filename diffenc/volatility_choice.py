"""Which volatility makes the bound tightest, after training: u*, from moments of the residual.

`diffenc.volatility` says what it is. Valid for any trained model when the moments come from data
other than what the bound is evaluated on.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from diffenc.elbo import error_and_motion, per_example_sum
from diffenc.process import Process
from diffenc.volatility import PUBLISHED


class Moments(NamedTuple):
    """Products of e and e − 2 m over σ², summed over an example's dimensions: [b]."""

    error: Float[Array, "*b"]  # |e|² / σ²
    moved: Float[Array, "*b"]  # |e − 2 m|² / σ²
    inner: Float[Array, "*b"]  # <e, e − 2 m> / σ²

    def loss(self, u: float | Array) -> Float[Array, "*b"]:
        """l_u in nats per unit of γ: [u |e|² + |e − 2m|² / u + 2 <e, e − 2m>] / 8 σ²."""
        return (u * self.error + self.moved / u + 2 * self.inner) / 8

    def optimal(self) -> Float[Array, ""]:
        """u* of the mean over examples; 1 where the prediction is exact."""
        error, moved = self.error.mean(), self.moved.mean()
        known = (error > 0) & (moved > 0)
        return jnp.where(known, jnp.sqrt(moved / jnp.where(known, error, 1.0)), PUBLISHED)


def moments(
    process: Process,
    x: Float[Array, "b *shape"],
    eps: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
) -> Moments:
    """What the loss of every volatility is made of, for data x and noise ε at levels γ.

    The process's own volatility does not enter.
    """
    error, motion = error_and_motion(process, x, gamma, eps)
    moved = error + 2 * motion  # both with the sign of −e
    return Moments(
        per_example_sum(error**2), per_example_sum(moved**2), per_example_sum(error * moved)
    )


def estimate(
    key: Key[Array, ""],
    process: Process,
    x: Float[Array, "b *shape"],
    levels: Float[Array, " n"],
) -> Moments:
    """Mean `Moments` at each level, [n], over all of x with fresh noise at each."""

    def measure(inputs: tuple[Array, Array]) -> Moments:
        gamma, k_eps = inputs
        eps = jax.random.normal(k_eps, x.shape, x.dtype)
        found = moments(process, x, eps, jnp.full((len(x),), gamma))
        return jax.tree.map(jnp.mean, found)

    return jax.lax.map(measure, (levels, jax.random.split(key, len(levels))))
