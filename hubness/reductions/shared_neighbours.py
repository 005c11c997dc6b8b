"""Reductions by the neighbours that two points share."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from hubness import occurrence
from hubness.reductions.base import Reduction, Search, check_counts
from hubness.reductions.graph import Graph
from hubness.search import blocks, pairwise, rowstats, shards, topk
from hubness.search.knn import Neighbors

LIST_ROWS = 64
SAME = 1e-6  # shares of equal neighbours summed in another order


@dataclass(frozen=True)
class SNN(Reduction):
    """1 − |kNN(q) ∩ kNN(x)| / k with k = local_k; ties go to the nearer point.

    Jarvis & Patrick 1973; Houle et al. 2010.
    """

    local_k: int = 10
    two_domain = False

    def __post_init__(self):
        check_counts(local_k=self.local_k)

    def nearest(self, search: Search) -> Neighbors:
        of_queries, of_points = (nb.index for nb in search.local(self.local_k))
        return _least(search, of_queries, of_points, self._weight(of_points))

    def on_graph(self, graph: Graph) -> Neighbors:
        near = graph.first(self.local_k).index
        return _stored_least(graph, near, self._weight(near))

    def _weight(self, of_points: Int[Array, "n s"]) -> Float[Array, " n"]:
        return jnp.full(len(of_points), 1 / self.local_k)


@dataclass(frozen=True)
class SimHub(Reduction):
    """1 − Σ_z log(n/N(z)) / (k log n) over shared neighbours z: shared hubs count for less.

    simhub_IN of Tomašev et al. 2011, arXiv 1302.2576, with k = local_k (s = 50 there).
    """

    local_k: int = 10
    two_domain = False

    def __post_init__(self):
        check_counts(local_k=self.local_k)

    def nearest(self, search: Search) -> Neighbors:
        of_queries, of_points = (nb.index for nb in search.local(self.local_k))
        return _least(search, of_queries, of_points, self._weight(of_points))

    def on_graph(self, graph: Graph) -> Neighbors:
        near = graph.first(self.local_k).index
        return _stored_least(graph, near, self._weight(near))

    def _weight(self, of_points: Int[Array, "n s"]) -> Float[Array, " n"]:
        n = len(of_points)
        counts = jnp.maximum(occurrence.k_occurrence(of_points, n), 1)
        return jnp.log(n / counts) / (self.local_k * jnp.log(n))


def _least(s: Search, of_queries, of_points, weight) -> Neighbors:
    args = s.k, s.metric, s.exclude_self, s.block_size, s.mesh
    return _most_shared(s.x, s.q, of_queries, of_points, weight.astype(s.x.dtype), *args)


def _stored_least(graph: Graph, near: Int[Array, "n s"], weight) -> Neighbors:
    """The k stored neighbours of greatest weight of shared neighbours, then the nearest."""
    n = len(near)

    def one(own, index):
        member = jnp.zeros(n, weight.dtype).at[own].set(weight[own])
        return _sum(member[near[index]])

    block = lambda _, lists: jax.vmap(one)(*lists)
    shared = blocks.map_rows(block, n, LIST_ROWS, (near, graph.index))
    return Neighbors(*graph.ranked(1 - shared.astype(graph.distance.dtype)))


def _sum(weights: Float[Array, "*lists s"]) -> Float[Array, "*lists"]:
    """Sums in the order of size: equal weights give equal sums, wherever they stand in a list."""
    return jnp.sort(weights, axis=-1).sum(axis=-1)


@jax.jit(static_argnames=("k", "metric", "exclude_self", "block_size", "mesh"))
def _most_shared(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    of_queries: Int[Array, "m s"],
    of_points: Int[Array, "n s"],
    weight: Float[Array, " n"],
    k: int,
    metric: str,
    exclude_self: bool,
    block_size: int | None,
    mesh: Mesh | None,
) -> Neighbors:
    """The k points of greatest weight of shared neighbours; O(m n s) look-ups, no n × n array."""

    def run(queries, points, first):
        given = (*queries, *points)
        return _share_most(given, k, metric, exclude_self, block_size, first)

    return shards.over_queries(run, mesh, (q, of_queries), (x, of_points, weight))


def _share_most(given, k, metric, exclude_self, block_size, first):
    q, of_queries, x, of_points, weight = given
    space = pairwise.make_space(q, x, metric)
    m, n, lowest = q.shape[0], x.shape[0], -jnp.inf

    def members(rows):
        """[n, r]: the weight of each point where it is among the neighbours of a query, else 0."""
        near, own = pairwise.take(of_queries, rows), jnp.arange(rows.shape[0])
        return jnp.zeros((n, own.size), weight.dtype).at[near, own[:, None]].set(weight[near])

    def shares(tile):
        # One neighbour of all points at a time: whole rows are read, ten times as fast as entries.
        member = members(tile.rows)
        add = lambda j, share: share + member[tile.extra[:, j]]
        share = jnp.zeros((tile.ids.size, tile.rows.size), weight.dtype)
        share = jax.lax.fori_loop(0, of_points.shape[1], add, share).T
        return jnp.where(rowstats.pair_mask(tile, exclude_self, first), share, lowest)

    def fold(step, c):
        init = lambda m: topk.no_candidates(m, c, weight.dtype)
        return blocks.fold_scores(step, init, space, of_points, block_size)

    # The k-th greatest share first; then whatever shares more, and of what shares as much the
    # nearest: one key for both would leave a few hundred steps for the distance.
    share = fold(lambda best, tile: topk.merge(best, shares(tile), tile.ids), k).key[:, -1]

    def nearest(best, tile):
        d = pairwise.distance(pairwise.score_costs(space, tile.score, tile.operand), metric)
        more = shares(tile) - pairwise.take(share, tile.rows)[:, None]
        key = jnp.where(more > SAME, jnp.finfo(d.dtype).max, jnp.where(more < -SAME, lowest, -d))
        return topk.merge(best, key, tile.ids)

    best = fold(nearest, min(k + topk.SPARE, n))

    def similarity(rows, index):
        own = jnp.arange(rows.shape[0])[:, None, None]
        return _sum(members(rows)[of_points[index], own])

    distance = 1 - blocks.map_rows(similarity, m, block_size, best.index)
    distance = jnp.where(best.key == lowest, jnp.inf, distance)
    cost = topk.pair_costs(space, best.index)
    distance, _, index = topk.sort_rows((distance, cost), best.index, k)
    return Neighbors(distance, index)
