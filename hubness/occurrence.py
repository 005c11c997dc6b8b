"""How often each point is a neighbour, from any k-nearest-neighbour indices."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hubness.search.checked import Given, precisely
from repgeo import inputs


def k_occurrence(
    index: Given, n: int, weights: Given = None
) -> Int[Array, " n"] | Float[Array, " n"]:
    """N_k(x) = #{q : x ∈ kNN(q)}, the in-degree of each of n points; ΣN_k = m·k.

    `index` may come from any library; `drop_self` first where lists hold the point itself, as the
    self search of faiss and most others gives them. `weights`, one per query [m] or one per slot
    [m, k], count a query or slot that often (bootstrap). Integer counts are exact below 2³¹,
    whatever the width of the weights, on every backend; above, they are float32.

    Raises:
        ValueError: indices outside 0..n−1 (-1 marks a missing neighbour in some libraries), or
            weights of another shape.

    Examples:
        >>> hubness.k_occurrence([[1], [0], [1], [1]], 4).tolist()
        [1, 3, 0, 0]
    """
    index = checked_index(index, n)
    if weights is None:
        return _counts(index, np.int32(1), int(n))
    weights = inputs.read("weights", weights)
    shape = weights.shape
    if shape not in (index.shape, index.shape[:1]):
        raise ValueError(
            f"weights have shape {shape}; expected one per query {index.shape[:1]} or one per "
            f"neighbour {index.shape}."
        )
    add = lambda w: _counts(index, w, int(n))
    if _small_integers(weights, index):
        return add(weights.astype(jnp.result_type(int)))
    return precisely(add, inputs.array("weights", weights), ranged=False)


@jax.jit(static_argnames=("n",))
def _counts(index: Int[Array, "m k"], weights: Array, n: int) -> Array:
    """The sum, over the slots that hold a point, of one weight, or one a query or a slot."""
    slots = weights[:, None] if weights.ndim == 1 else weights
    return jnp.zeros(n, weights.dtype).at[index].add(jnp.broadcast_to(slots, index.shape))


def _small_integers(weights: inputs.Checked, index: Int[Array, "m k"]) -> bool:
    """Whether the weights are integers whose sums int32 holds; so taken where they are traced."""
    if not jnp.issubdtype(weights.dtype, jnp.integer) or inputs.is_traced(weights):
        return jnp.issubdtype(weights.dtype, jnp.integer)
    times = index.size // max(weights.size, 1)
    return float(np.abs(np.asarray(weights).astype(float)).sum()) * times < 2**31


def drop_self(index: Given) -> Int[Array, "n k"]:
    """Lists of k from lists of k + 1 of the points themselves: row i without i.

    i is found by its number, since among duplicates a point need not stand first; a row that does
    not hold it loses its last, farthest entry.

    Raises:
        ValueError: indices outside 0..n−1, or a single column.

    Examples:
        >>> hubness.drop_self([[0, 1, 2], [1, 0, 2], [1, 2, 0]]).tolist()
        [[1, 2], [0, 2], [1, 0]]
    """
    index = inputs.read("neighbour indices", index)
    index = checked_index(index, index.shape[0] if index.ndim else 0)
    if index.shape[1] < 2:
        raise ValueError(
            f"neighbour indices have shape {index.shape}; ask for k + 1 neighbours, so that k are "
            "left without the point itself."
        )
    return _without_self(index)


@jax.jit
def _without_self(index: Int[Array, "n k"]) -> Int[Array, "n k-1"]:
    own = index == jnp.arange(len(index), dtype=index.dtype)[:, None]
    order = jnp.argsort(own, axis=1, stable=True)
    return jnp.take_along_axis(index, order, axis=1)[:, :-1]


def bad_k_occurrence(
    index: Given,
    labels: Given,
    query_labels: Given = None,
) -> Int[Array, " n"]:
    """BN_k(x) = #{q : x ∈ kNN(q), y_q ≠ y_x}; `query_labels` default to the labels of x.

    Radovanović et al. 2010. The rate ΣBN_k/(m·k) is 1 − 1/C for labels drawn from C equal classes.

    Raises:
        ValueError: labels whose number is not that of the points or queries.
    """
    labels = inputs.read("labels", labels)
    own = labels if query_labels is None else inputs.read("query labels", query_labels)
    index = inputs.read("neighbour indices", index)
    m = index.shape[0] if index.ndim else 0
    if np.ndim(labels) != 1 or np.shape(own) != (m,):
        raise ValueError(
            f"labels have shape {np.shape(labels)} and query labels {np.shape(own)}; expected one "
            f"label a point and one a query, of which there are {m}."
        )
    labels, own = _codes(labels, own)
    index = checked_index(index, len(labels))
    return _bad_counts(index, labels, own)


@jax.jit
def _bad_counts(index: Int[Array, "m k"], labels: Int[Array, " n"], own: Int[Array, " m"]) -> Array:
    bad = labels[index] != own[:, None]
    return jnp.zeros(len(labels), jnp.int32).at[index].add(bad.astype(jnp.int32))


def _codes(labels, own) -> tuple[Int[Array, " n"], Int[Array, " m"]]:
    """Labels of any type as integers, equal where the labels are."""
    if inputs.is_traced(labels, own):
        return jnp.asarray(labels), jnp.asarray(own)
    both = np.concatenate([np.asarray(labels), np.asarray(own)])
    codes = np.unique(both, return_inverse=True)[1].astype(np.int32)
    n = np.shape(labels)[0]
    return jnp.asarray(codes[:n], np.int32), jnp.asarray(codes[n:], np.int32)


def known_lists(function: str, index: Given, n: int) -> Int[np.ndarray, "m k"]:
    """`checked_index` with at least one neighbour a query, on the host.

    Raises:
        ValueError: traced, without entries, or what `checked_index` refuses.
    """
    inputs.known(function, index)
    lists = np.asarray(checked_index(index, n))
    if not lists.size:
        raise ValueError(
            f"neighbour indices have shape {lists.shape} and no entries; accepted are lists of at "
            "least one neighbour"
        )
    return lists


def checked_index(index: Given, n: int, name: str = "neighbour indices") -> Int[Array, "m k"]:
    """Neighbour indices [m, k] into n points as int32.

    Raises:
        ValueError: not a matrix of integers, or outside 0..n − 1, whatever their width.
    """
    given = inputs.read(name, index)
    if given.ndim != 2 or not jnp.issubdtype(given.dtype, jnp.integer):
        raise ValueError(
            f"{name} are {given.dtype} of shape {given.shape}; expected integers, "
            "one row a query and one column a neighbour."
        )
    n = inputs.count("n", n, 2**31, least=0)
    if given.size and not inputs.is_traced(given):
        with jax.ensure_compile_time_eval():  # known, though something else may be traced
            low, high = int(given.min()), int(given.max())
        if low < 0 or high >= n:
            raise ValueError(
                f"{name} run from {low} to {high} but there are n={n} points; drop rows "
                "with missing neighbours (-1), or pass the number of points searched."
            )
    return jnp.asarray(given.astype(np.int32), np.int32)
