"""Pairs of rows in inner-product form: every metric ranks points by q·p + b.

    dot           b = bias or 0
    euclidean     b = -‖p‖²/2 on rows centred by the mean of the points
    cosine        the same on unit rows, not centred

Methods that only shift the score of a point (CSLS, DisSim, inverted softmax, ...) add to b, so one
matrix product per block serves all of them. Products cancel where distances are small; `cost`
recomputes a pair from the rows themselves and is exactly 0 for duplicates.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

METRICS = ("euclidean", "sqeuclidean", "cosine", "dot")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Space:
    """Queries and points, once as operands of the matrix product and once as given.

    score(q, p) = q·p + bias, larger is nearer, up to a constant of the query;
    cost(q, p)  = ‖q − p‖²/2 − shift (by_difference) or −q·p − shift, smaller is nearer.
    """

    queries: Float[Array, "m d"]
    points: Float[Array, "n d"]
    bias: Float[Array, " n"]
    raw_queries: Float[Array, "m d"]
    raw_points: Float[Array, "n d"]
    shift: Float[Array, " n"]
    by_difference: bool = dataclasses.field(metadata=dict(static=True))


def unit_rows(x: Float[ArrayLike, "n d"]) -> Float[Array, "n d"]:
    """Rows of length 1, x / ‖x‖₂; a zero row stays zero."""
    x = jnp.asarray(x)
    scale = jnp.max(jnp.abs(x), axis=-1, keepdims=True)
    x = x / jnp.where(scale == 0, 1, scale)  # squares neither overflow nor vanish
    norm = jnp.linalg.norm(x, axis=-1, keepdims=True)
    return x / jnp.where(norm == 0, 1, norm)


def make_space(
    queries: Float[Array, "m d"],
    points: Float[Array, "n d"],
    metric: str,
    shift: Float[Array, " n"] | None = None,
) -> Space:
    """The inner-product form of a metric; `shift` is added to the score of each point.

    The score is −‖q−p‖²/2 (euclidean, sqeuclidean; on unit rows for cosine) or q·p (dot), plus
    shift and up to a constant of the query.
    """
    if shift is None:
        shift = jnp.zeros(points.shape[0], points.dtype)
    if metric == "dot":
        return Space(queries, points, shift, queries, points, shift, by_difference=False)
    if metric == "cosine":
        q, p = unit_rows(queries), unit_rows(points)
        return Space(q, p, shift - half_squares(p), q, p, shift, by_difference=True)
    centre = points.mean(axis=0, keepdims=True)
    q, p = queries - centre, points - centre
    return Space(q, p, shift - half_squares(p), queries, points, shift, by_difference=True)


def half_squares(x: Float[Array, "*n d"]) -> Float[Array, "*n"]:
    """‖x‖²/2 of each row."""
    return 0.5 * jnp.sum(x * x, axis=-1)


def scores(q: Float[Array, "m d"], p: Float[Array, "n d"]) -> Float[Array, "m n"]:
    """Inner products of two blocks of rows, in full float32 on every backend."""
    return jnp.matmul(q, p.T, precision=lax.Precision.HIGHEST, preferred_element_type=q.dtype)


def cost(
    space: Space, q: Float[Array, "*#r d"], p: Float[Array, "*#r d"], shift: Float[Array, "*#r"]
) -> Float[Array, "*#r"]:
    """The cost of pairs of raw rows, computed without cancellation."""
    if space.by_difference:
        return half_squares(q - p) - shift
    return -jnp.sum(q * p, axis=-1) - shift


def distance(cost: Float[Array, "..."], metric: str) -> Float[Array, "..."]:
    """The metric's distance from a cost without shift; −q·p for dot, 1 − cos for cosine."""
    if metric == "dot":
        return cost
    cost = jnp.maximum(cost, 0)  # products may fall below zero, differences cannot
    if metric == "euclidean":
        return jnp.sqrt(2 * cost)
    return 2 * cost if metric == "sqeuclidean" else cost


def block_costs(
    space: Space, q: Float[Array, "r d"], points: Float[Array, "b d"], bias: Float[Array, " b"]
) -> Float[Array, "r b"]:
    """Costs of a tile, from one matrix product."""
    return score_costs(space, scores(q, points) + bias[None], q)


def score_costs(
    space: Space, score: Float[Array, "r b"], q: Float[Array, "r d"]
) -> Float[Array, "r b"]:
    """Costs from the scores of a block of queries."""
    return half_squares(q)[:, None] - score if space.by_difference else -score


def gather_rows(x: Float[Array, "n *d"], index: Int[Array, "..."]) -> Float[Array, "..."]:
    """x[index] for indices known to be in range."""
    return x.at[index].get(mode="promise_in_bounds")
