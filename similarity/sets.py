"""Sets of labels or inputs with a pivot: all of them, or a uniform sample."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Key

from repgeo import inputs
from similarity import checks

# Beyond this many sets, enumeration asks the caller for a sample instead.
LIMIT = 100_000


def all_label_sets(k: int, m: int) -> Int[Array, "s w"]:
    """Every pivot with every m of the other k - 1 labels: k·C(k-1, m) sets, pivot first.

    Raises:
        ValueError: k < m + 1 or there are more than 100,000 sets.
    """
    _need(k, m + 1, "a pivot and m others")
    others, pivots = _combinations(k - 1, m, pivots=k), np.arange(k, dtype=np.int32)[:, None, None]
    first = np.broadcast_to(pivots, (k, len(others), 1))
    sets = np.concatenate([first, others + (others >= pivots)], axis=2, dtype=np.int32)
    return jnp.asarray(sets.reshape(-1, m + 1), np.int32)


def sample_label_sets(key: Key[Array, ""], k: int, m: int, num: int) -> Int[Array, "num w"]:
    """`num` independent draws of a uniform pivot and a uniform set of m of the others."""
    _need(k, m + 1, "a pivot and m others")
    return _sampled_sets(key, k, m, checks.whole("num_sets", num, 1))


def label_sets_of(
    k: int,
    m: int,
    pivot: Int[ArrayLike, ""],
    leave_out: Int[ArrayLike, ""],
    *,
    key: Key[Array, ""] | None = None,
    num: int | None = None,
) -> Int[Array, "s w"]:
    """Sets with the given pivot and without the label left out: all C(k-2, m), or a sample."""
    _need(k, m + 2, "a pivot, the label left out and m others")
    pivot, leave_out = (
        inputs.labels(*label, k, ndim=0, kind="labels")
        for label in (("pivot", pivot), ("leave_out", leave_out))
    )
    if inputs.surely(lambda one, other: one == other, pivot, leave_out):
        raise ValueError(f"pivot and leave_out are both {pivot}; accepted are two that differ")
    if key is None or num is None:
        others = _combinations(k - 2, m, pivots=1)
    else:
        others = sample_subsets(key, k - 2, m, num)
    return _around(pivot, leave_out, others)


def sample_subsets(key: Key[Array, ""], n: int, size: int, num: int) -> Int[Array, "num size"]:
    """`num` independent uniform subsets of `size` out of n, by Floyd's algorithm.

    O(size²) work and O(size) memory for each, whatever n.
    """
    _need(n, size, "the elements of one set")
    return _floyd(key, n, size, checks.whole("num_sets", num, 1))


def chosen_label_sets(
    k: int,
    m: int,
    label_sets: Int[ArrayLike, "s w"] | None,
    key: Key[Array, ""] | None,
    num_sets: int | None,
) -> tuple[Int[Array, "s w"], bool]:
    """The sets a caller asked for, and whether they are all there are."""
    if label_sets is not None:
        return checks.index_sets("label_sets", label_sets, k, m + 1), False
    if (key is None) != (num_sets is None):
        raise ValueError("give both key and num_sets to sample label sets, or neither for all")
    if key is None or num_sets is None:
        return all_label_sets(k, m), True
    return sample_label_sets(key, k, m, num_sets), False


@jax.jit(static_argnames=("n", "size", "num"))
def _floyd(key: Key[Array, ""], n: int, size: int, num: int) -> Int[Array, "num size"]:
    tops = jnp.arange(n - size, n, dtype=jnp.int32)
    draws = jax.random.randint(key, (num, size), 0, (tops + 1)[None, :], dtype=jnp.int32)

    def place(chosen: Array, step: tuple[Array, Array, Array]) -> tuple[Array, None]:
        position, top, draw = step
        taken = (chosen == draw[:, None]).any(axis=1)
        return chosen.at[:, position].set(jnp.where(taken, top, draw)), None

    empty = jnp.full((num, size), -1, jnp.int32)
    return jax.lax.scan(place, empty, (jnp.arange(size), tops, draws.T))[0]


def _need(have: int, want: int, what: str) -> None:
    if have < want:
        raise ValueError(f"{have} elements cannot hold {what}: at least {want} are needed")


def _combinations(size: int, m: int, pivots: int) -> Int[np.ndarray, "s m"]:
    count = math.comb(size, m) * pivots
    if count > LIMIT:
        raise ValueError(
            f"there are {count} label sets of {m} labels and a pivot, more than {LIMIT}; give "
            "key and num_sets to sample them"
        )
    flat = itertools.chain.from_iterable(itertools.combinations(range(size), m))
    return np.fromiter(flat, np.int32, count // pivots * m).reshape(-1, m)


@jax.jit(static_argnames=("k", "m", "num"))
def _sampled_sets(key: Key[Array, ""], k: int, m: int, num: int) -> Int[Array, "num w"]:
    k_pivot, k_others = jax.random.split(key)
    pivots = jax.random.randint(k_pivot, (num, 1), 0, k)
    others = _floyd(k_others, k - 1, m, num)
    return jnp.concatenate([pivots, others + (others >= pivots)], axis=1)


@jax.jit
def _around(
    pivot: Int[Array, ""], leave_out: Int[Array, ""], others: Int[Array, "s m"]
) -> Int[Array, "s w"]:
    """The pivot, and indices of the elements that remain, as elements: past both excluded ones."""
    excluded = jnp.sort(jnp.stack([pivot, leave_out]).astype(jnp.int32))
    for element in excluded:  # ascending
        others = others + (others >= element)
    first = jnp.full((others.shape[0], 1), pivot, jnp.int32)
    return jnp.concatenate([first, others], axis=1)
