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

    def block(start):
        rows = blocks.row_ids(start, m, block_size)
        operand, near = (pairwise.gather_rows(a, rows) for a in (space.queries, of_queries))
        at = jnp.arange(rows.shape[0])[:, None]
        member = jnp.zeros((rows.shape[0], n), weight.dtype).at[at, near].set(weight[near])

        def step(carry, score, tile, ids, valid):
            d = pairwise.distance(pairwise.score_costs(space, score, operand), metric)
            key = member[:, tile].sum(axis=2) - TIE * d / (jnp.abs(d) + 1)
            return topk.merge(carry, jnp.where(valid[None], key, -jnp.inf), ids, c)

        init = topk.empty(rows.shape[0], c, weight.dtype)
        _, index = blocks.fold_scores(step, init, operand, space, of_points)
        own = 0 if exclude_self else None
        cost = topk.pair_costs(space, rows, index, own)
        distance = 1 - member[at[:, :, None], of_points[index]].sum(axis=2)
        distance = jnp.where(jnp.isinf(cost), jnp.inf, distance)
        distance, _, index = topk.sort_rows((distance, cost), index, k)
        return Neighbors(distance, index)

    return blocks.map_rows(block, m, block_size)
