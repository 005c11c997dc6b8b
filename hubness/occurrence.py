"""How often each point is a neighbour, from any k-nearest-neighbour indices."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Num, Shaped

from hubness import validate


def k_occurrence(
    index: Int[ArrayLike, "..."], n: int, weights: Num[ArrayLike, "..."] | None = None
) -> Int[Array, " n"] | Float[Array, " n"]:
    """N_k(x) = #{q : x ∈ kNN(q)}, the in-degree of each of n points; ΣN_k = m·k.

    `index` may come from any library; `drop_self` first where lists hold the point itself, as the
    self search of faiss and most others gives them. `weights`, one a query [m] or one a slot
    [m, k], count a query or slot that often (bootstrap). Integer counts are exact on every backend.

    Raises:
        ValueError: indices outside 0..n−1 (-1 marks a missing neighbour in some libraries), or
            weights of another shape.
    """
    index = checked_index(index, n)
    if weights is None:
        return jnp.zeros(n, jnp.int32).at[index].add(1)
    weights = jnp.asarray(weights)
    if weights.shape not in (index.shape, index.shape[:1]):
        raise ValueError(
            f"weights have shape {weights.shape}; expected one a query {index.shape[:1]} or one a "
            f"neighbour {index.shape}."
        )
    weights = weights if weights.ndim == 2 else weights[:, None]
    return jnp.zeros(n, weights.dtype).at[index].add(jnp.broadcast_to(weights, index.shape))


def drop_self(index: Int[ArrayLike, "..."]) -> Int[Array, "n k"]:
    """Lists of k from lists of k + 1 of the points themselves: row i without i.

    i is found by its number, since among duplicates a point need not stand first; a row that does
    not hold it loses its last, farthest entry.

    Raises:
        ValueError: indices outside 0..n−1, or a single column.
    """
    n = np.shape(index)[0] if np.ndim(index) else 0
    index = checked_index(index, n)
    if index.shape[1] < 2:
        raise ValueError(
            f"neighbour indices have shape {index.shape}; ask for k + 1 neighbours, so that k are "
            "left without the point itself."
        )
    own = index == jnp.arange(n, dtype=index.dtype)[:, None]
    order = jnp.argsort(own, axis=1, stable=True)
    return jnp.take_along_axis(index, order, axis=1)[:, :-1]


def bad_k_occurrence(
    index: Int[ArrayLike, "..."],
    labels: Shaped[ArrayLike, "..."],
    query_labels: Shaped[ArrayLike, "..."] | None = None,
) -> Int[Array, " n"]:
    """BN_k(x) = #{q : x ∈ kNN(q), y_q ≠ y_x}; `query_labels` default to the labels of x.

    Radovanović et al. 2010. The rate ΣBN_k/(m·k) is 1 − 1/C for labels drawn from C equal classes.

    Raises:
        ValueError: labels whose number is not that of the points or queries.
    """
    own = labels if query_labels is None else query_labels
    m = np.shape(index)[0]
    if np.ndim(labels) != 1 or np.shape(own) != (m,):
        raise ValueError(
            f"labels have shape {np.shape(labels)} and query labels {np.shape(own)}; expected one "
            f"label a point and one a query, of which there are {m}."
        )
    labels, own = _codes(labels, own)
    index = checked_index(index, len(labels))
    bad = labels[index] != own[:, None]
    return jnp.zeros(len(labels), jnp.int32).at[index].add(bad.astype(jnp.int32))


def _codes(labels, own) -> tuple[Int[Array, " n"], Int[Array, " m"]]:
    """Labels of any type as integers, equal where the labels are."""
    if isinstance(labels, jax.core.Tracer) or isinstance(own, jax.core.Tracer):
        return jnp.asarray(labels), jnp.asarray(own)
    both = np.concatenate([np.asarray(labels), np.asarray(own)])
    codes = jnp.asarray(np.unique(both, return_inverse=True)[1], jnp.int32)
    return codes[: np.shape(labels)[0]], codes[np.shape(labels)[0] :]


def checked_index(index: Int[ArrayLike, "..."], n: int) -> Int[Array, "m k"]:
    """Neighbour indices [m, k] into n points as an array; ValueError if they are not."""
    index = jnp.asarray(index)
    if index.ndim != 2 or not jnp.issubdtype(index.dtype, jnp.integer):
        raise ValueError(
            f"neighbour indices are {index.dtype} of shape {index.shape}; expected integers, "
            "one row a query and one column a neighbour."
        )
    if index.size == 0:
        return index
    low, high = index.min(), index.max()
    if validate.known(low) and (low < 0 or high >= n):
        raise ValueError(
            f"neighbour indices run from {low} to {high} but there are n={n} points; drop rows "
            "with missing neighbours (-1), or pass the number of points searched."
        )
    return index
