"""Exact nearest neighbours in O(block · n + m · k) memory."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from hubness.search import checked, pairwise, shards, topk
from hubness.search.checked import Given
from repgeo import inputs


class Neighbors(NamedTuple):
    """Neighbours of each query, nearest first; `distance` is smaller for nearer points."""

    distance: Float[Array, "m k"]
    index: Int[Array, "m k"]


def knn(
    x: Given,
    k: int,
    *,
    queries: Given = None,
    metric: str = "euclidean",
    exclude_self: bool | None = None,
    block_size: int | None = None,
    mesh: Mesh | None = None,
    ring: bool = False,
) -> Neighbors:
    """The k nearest rows of x to each query, exactly; ties go to the lowest index.

    Distances are ‖q−x‖₂ (euclidean), ‖q−x‖₂² (sqeuclidean), 1 − cos (cosine, in [0, 2]) and −q·x
    (dot), recomputed from the rows after selection: duplicates are at distance 0. Order and
    selection are those of the recomputed float32 distances, for any block size and any number of
    devices; of float64 ones under x64, and for float64 rows that float32 does not hold.

    Without `queries`, x is searched for its own rows, each left out of its own list by index;
    `exclude_self=True` does the same for queries that are the rows of x. `block_size` is the
    number of queries handled at once (memory: block × 16,384 scores). `mesh` shares
    the queries out over all devices of a mesh, and with `ring` the rows of x too, which then move
    round: n·d/P numbers a device, of half precision where x is an array of JAX in bfloat16 or
    float16.

    Raises:
        ValueError: k outside 1..n (n − 1 without self), rows not finite, zero rows under
            cosine, an unknown metric, widths that differ, or a ring without a mesh.

    Examples:
        >>> x = np.array([[0.0], [1.0], [3.0]])
        >>> found = hubness.knn(x, 1)
        >>> found.index.tolist(), found.distance.tolist()
        ([[1], [0], [1]], [[1.0], [1.0], [2.0]])
    """
    x = checked.rows(x, half=ring)
    q = None if queries is None else checked.queries(queries, x)
    checked.metric(metric, x, q)
    excluded = checked.exclude_self(exclude_self, len(x), None if q is None else len(q))
    k = inputs.count("k", k, len(x) - excluded)
    checked.block_size(block_size)
    if ring and mesh is None:
        raise ValueError("ring=True needs a mesh of the devices that hold the rows: pass mesh=…")
    find = lambda x, q: search(
        x, x if q is None else q, k, metric, excluded, block_size, mesh, ring
    )
    return checked.precisely(find, x, q, metric=metric)


def search(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    k: int,
    metric: str,
    exclude_self: bool = False,
    block_size: int | None = None,
    mesh: Mesh | None = None,
    ring: bool = False,
) -> Neighbors:
    """`knn` of checked arrays."""
    return _search(x, q, k, metric, exclude_self, block_size, mesh, ring)


@jax.jit(static_argnames=("k", "metric", "exclude_self", "block_size", "mesh", "ring"))
def _search(x, q, k, metric, exclude_self, block_size, mesh=None, ring=False):
    q = q.astype(jnp.promote_types(q.dtype, jnp.float32))

    def run(q, x, first):
        space = pairwise.make_space(q, x, metric)
        own = first if exclude_self else None
        return topk.nearest(space, k, own=own, block_rows=block_size)

    def in_ring(q, held, first):
        own = shards.own_numbers(q, first, exclude_self)
        return shards.nearest(q, held, k, metric, own, exclude_self, block_size)

    if ring and mesh is not None:
        ranked = shards.around(in_ring, mesh, q, x)
    else:
        ranked = shards.over_queries(run, mesh, q, x)
    return Neighbors(pairwise.distance(ranked.cost, metric), ranked.index)
