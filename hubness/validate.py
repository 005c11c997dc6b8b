"""One clear error for each kind of bad input; silent on traced arrays."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from hubness import pairwise


def known(flag: Array) -> bool:
    """Whether a check can be made: inside jit even checks of constants are traced."""
    return not isinstance(flag, jax.core.Tracer)


def rows(x: Real[ArrayLike, "..."], name: str = "x") -> Float[Array, "n d"]:
    """x as floating-point rows; ValueError unless it is a finite matrix."""
    x = jnp.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(
            f"{name} has shape {x.shape}; expected a matrix of n rows and d columns. "
            "Reshape it, one row an item."
        )
    if x.dtype not in (jnp.float32, jnp.float64):
        x = x.astype(jnp.float32)
    bad = ~jnp.isfinite(pairwise.half_squares(x))
    if known(bad) and bad.any():
        first = int(jnp.argmax(bad))
        raise ValueError(
            f"{name} has {int(bad.sum())} rows that are not finite (NaN, inf, or a squared "
            f"length beyond {x.dtype}), the first is row {first}. Drop or rescale them."
        )
    return x


def queries(
    q: Real[ArrayLike, "..."], x: Float[Array, "n d"], name: str = "queries"
) -> Float[Array, "m d"]:
    """Queries as rows of the same width and type as x."""
    q = rows(q, name)
    if q.shape[1] != x.shape[1]:
        raise ValueError(
            f"{name} of shape {q.shape} and points of shape {x.shape} differ in width "
            f"({q.shape[1]} and {x.shape[1]}); both must be rows of the same space."
        )
    return q.astype(x.dtype)


def metric(name: str, *arrays: Float[Array, "_ d"], accepted=pairwise.METRICS) -> None:
    """ValueError for an unknown metric, or for zero rows under cosine."""
    if name not in accepted:
        raise ValueError(f"metric {name!r} is not known here; use one of {', '.join(accepted)}.")
    if name != "cosine":
        return
    for x in arrays:
        zero = ~x.any(axis=1)
        if known(zero) and zero.any():
            raise ValueError(
                f"{int(zero.sum())} rows are zero, the first is row {int(jnp.argmax(zero))}: they "
                'have no direction, so no cosine. Drop them or use metric="euclidean".'
            )


def count(value: int, limit: int, name: str = "k", of: str = "points") -> None:
    """ValueError unless 1 ≤ value ≤ limit."""
    if not 1 <= value <= limit:
        raise ValueError(
            f"{name}={value} is impossible with {limit} {of} to choose from; "
            f"use 1 ≤ {name} ≤ {limit}."
        )


def exclude_self(flag: bool | None, n: int, num_queries: int | None) -> bool:
    """Whether row i is kept from its own neighbours: by default where x is its own query."""
    if flag is None:
        return num_queries is None
    if flag and num_queries not in (None, n):
        raise ValueError(
            f"exclude_self=True takes query i for row i of x, but there are {num_queries} queries "
            f"and {n} rows. Pass queries=None, or exclude_self=False."
        )
    return flag
