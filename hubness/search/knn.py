"""Exact nearest neighbours in O(block · n + m · k) memory."""

from typing import NamedTuple

import jax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from hubness.search import checked, pairwise, topk
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
) -> Neighbors:
    """The k nearest rows of x to each query, exactly; ties go to the lowest index.

    Distances are ‖q−x‖₂ (euclidean), ‖q−x‖₂² (sqeuclidean), 1 − cos (cosine, in [0, 2]) and −q·x
    (dot), recomputed from the rows after selection: duplicates are at distance 0. Order and
    selection are those of the recomputed float32 distances, for any block size and any number of
    devices; of float64 ones under x64, and for float64 rows that float32 does not hold.

    Without `queries`, x is searched for its own rows, each left out of its own list by index;
    `exclude_self=True` does the same for queries that are the rows of x. `block_size` is the
    number of queries handled at once (memory: block × 16,384 scores). `mesh` shards the
    queries over all devices of a mesh.

    Raises:
        ValueError: k outside 1..n (n − 1 without self), rows not finite, zero rows under
            cosine, an unknown metric, or widths that differ.
    """
    x = checked.rows(x)
    q = None if queries is None else checked.queries(queries, x)
    checked.metric(metric, x, q)
    excluded = checked.exclude_self(exclude_self, len(x), None if q is None else len(q))
    k = inputs.count("k", k, len(x) - excluded)
    checked.block_size(block_size)
    find = lambda x, q: search(x, x if q is None else q, k, metric, excluded, block_size, mesh)
    return checked.precisely(find, x, q)


def search(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    k: int,
    metric: str,
    exclude_self: bool = False,
    block_size: int | None = None,
    mesh: Mesh | None = None,
) -> Neighbors:
    """`knn` of checked arrays."""
    if mesh is None or mesh.size == 1:
        return _search(x, q, k, metric, exclude_self, block_size)
    return _search_sharded(x, q, k, metric, exclude_self, block_size, mesh)


@jax.jit(static_argnames=("k", "metric", "exclude_self", "block_size"))
def _search(x, q, k, metric, exclude_self, block_size, first_row=0):
    space = pairwise.make_space(q, x, metric)
    own = first_row if exclude_self else None
    ranked = topk.nearest(space, k, own=own, block_rows=block_size)
    return Neighbors(pairwise.distance(ranked.cost, metric), ranked.index)


@jax.jit(static_argnames=("k", "metric", "exclude_self", "block_size", "mesh"))
def _search_sharded(x, q, k, metric, exclude_self, block_size, mesh):
    """Queries over the devices of the mesh, padded to a multiple; x on each of them."""
    axes = mesh.axis_names
    m = q.shape[0]
    share = -(-m // mesh.size)
    q = jax.numpy.pad(q, ((0, share * mesh.size - m), (0, 0)), mode="edge")

    def local(x, q):
        first = jax.lax.axis_index(axes) * share
        return _search(x, q, k, metric, exclude_self, block_size, first)

    rows, whole = PartitionSpec(axes), PartitionSpec()
    run = jax.shard_map(local, mesh=mesh, in_specs=(whole, rows), out_specs=rows, check_vma=False)
    return jax.tree.map(lambda a: a[:m], run(x, q))
