"""Which volatility makes the bound tightest, after training: u*, from moments of the residual.

`diffenc.volatility` says what it is. Valid for any trained model when the moments come from data
other than what the bound is evaluated on.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from diffenc import checks, process_checks
from diffenc.elbo import error_and_motion, per_example_sum
from diffenc.process import Process
from diffenc.volatility import PUBLISHED
from repgeo import inputs


class Moments(NamedTuple):
    """Products of e and e − 2 m over σ², summed over an example's dimensions: [b]."""

    error: Float[Array, "*b"]  # |e|² / σ²
    moved: Float[Array, "*b"]  # |e − 2 m|² / σ²
    inner: Float[Array, "*b"]  # <e, e − 2 m> / σ²

    def loss(self, u: float | Array) -> Float[Array, "*b"]:
        """l_u in nats per unit of γ: [u |e|² + |e − 2m|² / u + 2 <e, e − 2m>] / 8 σ².

        Raises:
            ValueError: u is not positive, where it is known.
        """
        if not inputs.surely(lambda u: (jnp.asarray(u) > 0).all(), u) and not inputs.is_traced(u):
            raise ValueError(f"u={u} must be positive: it is a volatility")
        return (u * self.error + self.moved / u + 2 * self.inner) / 8

    def optimal(self) -> Float[Array, ""]:
        """u* of the mean over examples; 1 where the prediction is exact."""
        error, moved = self.error.mean(), self.moved.mean()
        known = (error > 0) & (moved > 0)
        return jnp.where(known, jnp.sqrt(moved / jnp.where(known, error, 1.0)), PUBLISHED)


def moments(
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    eps: Float[ArrayLike, "b *shape"],
    gamma: Float[ArrayLike, "*level"],
) -> Moments:
    """What the loss of every volatility is made of, for data x and noise ε at levels γ.

    The process's own volatility does not enter.

    Raises:
        ValueError: arrays of another kind or shape.
    """
    x, eps = process_checks.data(process, x=x, eps=eps)
    gamma = checks.level(gamma, len(x))
    error, motion = error_and_motion(process, x, gamma, eps)
    moved = error + 2 * motion  # both with the sign of −e
    return Moments(
        per_example_sum(error**2), per_example_sum(moved**2), per_example_sum(error * moved)
    )


def estimate(
    key: Key[Array, ""],
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    levels: Float[ArrayLike, " n"],
) -> Moments:
    """Mean `Moments` at each level, [n], over all of x with fresh noise at each.

    Raises:
        ValueError: data of another kind or shape, or levels that are no vector of finite numbers.
    """
    (data,) = process_checks.data(process, x=x)
    known = inputs.single("levels", inputs.array("levels", levels, 1))

    def measure(at: tuple[Array, Array]) -> Moments:
        gamma, k_eps = at
        eps = jax.random.normal(k_eps, data.shape, data.dtype)
        found = moments(process, data, eps, jnp.full((len(data),), gamma))
        return jax.tree.map(jnp.mean, found)

    return jax.lax.map(measure, (known, jax.random.split(key, len(known))))
