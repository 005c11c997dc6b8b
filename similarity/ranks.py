"""Ranks that ties share, and Spearman's correlation: the one that this library has."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from repgeo import inputs


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


def spearman(a: Real[ArrayLike, " n"], b: Real[ArrayLike, " n"]) -> Float[Array, ""]:
    """Spearman's ρ, the correlation of average ranks, in [-1, 1]; NaN where a side is constant.

    Raises:
        ValueError: not two vectors of one length of finite real numbers.
    """
    a, b = inputs.array("a", a, 1), inputs.array("b", b, 1)
    if a.shape != b.shape:
        raise ValueError(f"a has shape {a.shape} and b {b.shape}; accepted are equal lengths")
    return _spearman(ordered(a), ordered(b))


@jax.jit
def _spearman(a: Array, b: Array) -> Array:
    return correlation(average_ranks(a), average_ranks(b))


def ordered(x: inputs.Checked) -> Float[Array, " n"]:
    """What has the order and the ties of x, also where float32 would lose them."""
    if isinstance(x, np.ndarray):
        x = np.unique(x, return_inverse=True)[1].reshape(x.shape).astype(np.float32)
    return jnp.asarray(x, x.dtype)
