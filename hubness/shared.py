"""Reductions by the neighbours that two points share."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hubness import blocks, occurrence, pairwise, topk
from hubness.knn import Neighbors
from hubness.request import Request

TIE = 1e-4  # weight of the distance between candidates that share equally


def snn(r: Request) -> Neighbors:
    """1 − |kNN(q) ∩ kNN(x)| / k with k = local_k; ties go to the nearer point.

    Jarvis & Patrick 1973; Houle et al. 2010.
    """
    near, _ = r.point_neighbors(r.local_k)
    index = r.query_neighbors(r.local_k, near).index
    weight = jnp.full(len(r.x), 1 / r.local_k, r.x.dtype)
    return _least(r, index, near.index, weight)


def simhub(r: Request) -> Neighbors:
    """1 − Σ_z log(n/N(z)) / (k log n) over shared neighbours z: shared hubs count for less.

    simhub_IN of Tomašev et al. 2011, arXiv 1302.2576, with k = local_k (s = 50 there).
    """
    near, _ = r.point_neighbors(r.local_k)
    index = r.query_neighbors(r.local_k, near).index
    n = len(r.x)
    counts = jnp.maximum(occurrence.k_occurrence(near.index, n), 1)
    weight = jnp.log(n / counts) / (r.local_k * jnp.log(n))
    return _least(r, index, near.index, weight.astype(r.x.dtype))


def _least(r: Request, of_queries, of_points, weight) -> Neighbors:
    args = r.k, r.metric, r.exclude_self, r.block_size
    return _most_shared(r.x, r.q, of_queries, of_points, weight, *args)


@functools.partial(jax.jit, static_argnames=("k", "metric", "exclude_self", "block_size"))
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
) -> Neighbors:
    """The k points of greatest weight of shared neighbours; O(m n s) look-ups, no n × n array."""
    space = pairwise.make_space(q, x, metric)
    m, n = q.shape[0], x.shape[0]
    c = min(k + topk.SPARE + exclude_self, n)

    def members(rows):
        near = pairwise.take(of_queries, rows)
        member = jnp.zeros((rows.shape[0], n), weight.dtype)
        return member.at[jnp.arange(rows.shape[0])[:, None], near].set(weight[near])

    def step(best, tile):
        d = pairwise.distance(pairwise.score_costs(space, tile.score, tile.operand), metric)
        scale = jnp.min(jnp.where(tile.valid[None], jnp.abs(d), jnp.inf), axis=1, keepdims=True)
        key = members(tile.rows)[:, tile.extra].sum(axis=2) - TIE * d / (jnp.abs(d) + scale)
        return topk.merge(best, jnp.where(tile.valid[None], key, -jnp.inf), tile.ids)

    init = lambda m: topk.no_candidates(m, c, weight.dtype)
    best = blocks.fold_scores(step, init, space, of_points, block_size)

    def similarity(rows, index):
        own = jnp.arange(rows.shape[0])[:, None, None]
        return members(rows)[own, of_points[index]].sum(axis=2)

    distance = 1 - blocks.map_rows(similarity, m, block_size, best.index)
    cost = topk.pair_costs(space, best.index, 0 if exclude_self else None)
    distance = jnp.where(jnp.isinf(cost), jnp.inf, distance)
    distance, _, index = topk.sort_rows((distance, cost), best.index, k)
    return Neighbors(distance, index)
