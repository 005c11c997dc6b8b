"""Ranks that ties share, and Spearman's correlation: the one that this library has."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def average_ranks(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """Ranks from 1, ties sharing the mean of theirs."""
    ordered = jnp.sort(values)
    below = jnp.searchsorted(ordered, values, side="left")
    upto = jnp.searchsorted(ordered, values, side="right")
    return (0.5 * (below + upto + 1)).astype(values.dtype)


def correlation(a: Float[Array, " n"], b: Float[Array, " n"]) -> Float[Array, ""]:
    """Pearson's correlation, in [-1, 1]; NaN where a side is constant."""
    a, b = a - a.mean(), b - b.mean()
    # Each root by itself: the product of the squares may leave the range.
    return jnp.clip(jnp.vdot(a, b) / (jnp.linalg.norm(a) * jnp.linalg.norm(b)), -1, 1)


def spearman(a: Float[Array, " n"], b: Float[Array, " n"]) -> Float[Array, ""]:
    """Spearman's ρ, the correlation of average ranks, in [-1, 1]; NaN where a side is constant."""
    return correlation(average_ranks(a), average_ranks(b))
