"""The k points of least cost for each query: exact, ties to the lowest index.

A matrix product proposes k + SPARE candidates, their costs are recomputed from the rows, and a
bound on the rounding error of the product proves that no other point can belong. Rows without
such a proof (many duplicates, points far outside the bulk) are searched again by differences.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from hubness import blocks, pairwise

SPARE = 16
REPAIR_ROWS = 8
_STABLE = {"is_stable": True} if "is_stable" in inspect.signature(lax.top_k).parameters else {}
Elementwise = Callable[[Array, Any, Any], Array]


class Ranked(NamedTuple):
    """Costs in ascending order and the points they belong to."""

    cost: Float[Array, "m k"]
    index: Int[Array, "m k"]


def top_k(key: Float[Array, "r n"], k: int) -> tuple[Float[Array, "r k"], Int[Array, "r k"]]:
    """The k largest keys of each row, ties to the lowest position."""
    return lax.top_k(key, k, **_STABLE)


def merge(carry, key, ids, c):
    """The c best of the running candidates and a tile's; earlier ones win ties."""
    best, at = top_k(key, min(c, key.shape[1]))
    key = jnp.concatenate([carry[0], best], axis=1)
    index = jnp.concatenate([carry[1], ids[at]], axis=1)
    key, at = top_k(key, c)
    return key, jnp.take_along_axis(index, at, axis=1)


def empty(rows: int, c: int, dtype) -> tuple[Array, Array]:
    return jnp.full((rows, c), -jnp.inf, dtype), jnp.zeros((rows, c), jnp.int32)


def sort_rows(keys: tuple[Array, ...], index: Array, k: int) -> tuple[Array, ...]:
    """(*keys, index) with each row in ascending lexicographic order, cut to k."""
    ordered = lax.sort((*keys, index), dimension=1, num_keys=len(keys) + 1)
    return tuple(a[:, :k] for a in ordered)


def pair_costs(space, rows, index, own):
    """Costs of candidates from the raw rows; inf for point own + i of query i."""
    q = pairwise.gather_rows(space.raw_queries, rows)
    p = pairwise.gather_rows(space.raw_points, index)
    q = jnp.broadcast_to(q[:, None], p.shape)
    cost = pairwise.cost(space, q, p, pairwise.gather_rows(space.shift, index))
    return cost if own is None else jnp.where(index == rows[:, None] + own, jnp.inf, cost)


def _optimistic(space: pairwise.Space) -> tuple[pairwise.Space, Float[Array, " m"]]:
    """The space with each point's rounding error added to its score, and each query's share.

    |fl(q·p + b) − (q·p + b)| ≤ ε(‖q‖‖p‖ + |b|) ≤ ε(‖q‖²/2a + a‖p‖²/2 + |b|) for any a > 0, with
    ε = (d + 16)u: the length of the sums, and what centring and ‖p‖² lose before them.
    """
    d = space.queries.shape[1]
    eps = (d + 16) * jnp.finfo(space.queries.dtype).eps / 2
    half_q, half_p = pairwise.half_squares(space.queries), pairwise.half_squares(space.points)
    mean_q, mean_p = half_q.mean(), half_p.mean()
    a = jnp.where((mean_q > 0) & (mean_p > 0), jnp.sqrt(mean_q / mean_p), 1)
    bias = space.bias + eps * ((a + 1) * half_p + jnp.abs(space.bias))
    recomputed = eps * (jnp.sqrt(4 * half_q * half_p.max()) + 2 * jnp.abs(space.shift).max())
    share = eps * half_q / a + (3 * eps * half_q if space.by_difference else recomputed)
    return dataclasses.replace(space, bias=bias), share


def nearest(
    space: pairwise.Space,
    k: int,
    *,
    exclude_self: bool = False,
    block_rows: int | None = None,
    first_row: int | Int[Array, ""] = 0,
) -> Ranked:
    """The k points of least cost of each query, in the order (cost, index).

    With exclude_self, query i is point first_row + i and is left out of its own list.
    """
    c = min(k + SPARE + exclude_self, space.points.shape[0])
    optimistic, share = _optimistic(space)
    eps = (space.queries.shape[1] + 16) * jnp.finfo(space.queries.dtype).eps / 2

    own = first_row if exclude_self else None

    def block(start):
        rows = blocks.row_ids(start, space.queries.shape[0], block_rows)
        q = pairwise.gather_rows(space.queries, rows)
        step = lambda carry, score, _, ids, __: merge(carry, score, ids, c)
        init = empty(q.shape[0], c, q.dtype)
        key, index = blocks.fold_scores(step, init, q, optimistic)
        cost = pair_costs(space, rows, index, own)
        cost, index = sort_rows((cost,), index, k)
        best_outside = -key[:, -1] - pairwise.gather_rows(share, rows)
        if space.by_difference:
            best_outside += pairwise.half_squares(q)
        slack = eps * jnp.abs(cost[:, -1])
        return cost, index, cost[:, -1] + slack < best_outside

    cost, index, proved = blocks.map_rows(block, space.queries.shape[0], block_rows)
    if c == space.points.shape[0]:
        return Ranked(cost, index)
    return _repair(space, Ranked(cost, index), ~proved, c, own)


def _repair(
    space: pairwise.Space,
    ranked: Ranked,
    unproved: Bool[Array, " m"],
    c: int,
    own: int | Int[Array, ""] | None,
) -> Ranked:
    """Search the unproved rows again, by differences instead of products."""
    m, k = ranked.cost.shape

    def search(state):
        cost, index, unproved = state
        rows = jnp.nonzero(unproved, size=min(REPAIR_ROWS, m), fill_value=m)[0]
        new = _search_by_difference(space, jnp.minimum(rows, m - 1), k, c, own)
        put = lambda a, b: a.at[rows].set(b, mode="drop")
        return put(cost, new[0]), put(index, new[1]), put(unproved, False)

    cost, index, _ = lax.while_loop(lambda s: s[2].any(), search, (*ranked, unproved))
    return Ranked(cost, index)


def _search_by_difference(space, rows, k, c, own):
    q = pairwise.gather_rows(space.raw_queries, rows)[:, None]

    def step(carry, tile, ids, valid):
        p, shift = tile
        cost = pairwise.cost(space, q, p[None], shift[None])
        return merge(carry, jnp.where(valid[None], -cost, -jnp.inf), ids, c)

    init = empty(rows.shape[0], c, q.dtype)
    n = space.raw_points.shape[0]
    _, index = blocks.fold_points(step, init, (space.raw_points, space.shift), n)
    return sort_rows((pair_costs(space, rows, index, own),), index, k)


def nearest_by_key(
    space: pairwise.Space,
    k: int,
    metric: str,
    key: Elementwise,
    states: tuple[Any, Any],
    *,
    coarse: Elementwise | None = None,
    spare: int = SPARE,
    exclude_self: bool = False,
    block_rows: int | None = None,
) -> Ranked:
    """The k points of least key(distance, state of query, state of point) of each query.

    `key` is elementwise and finite; states are trees of vectors over queries and over points. Keys
    of k + spare candidates, found by `coarse` (default `key`) on distances from products, are
    recomputed from the rows; ties go to the nearer, then the lowest index.
    """
    c = min(k + spare + exclude_self, space.points.shape[0])
    coarse = coarse or key
    own = 0 if exclude_self else None

    def block(start):
        rows = blocks.row_ids(start, space.queries.shape[0], block_rows)
        q = pairwise.gather_rows(space.queries, rows)
        state = jax.tree.map(lambda a: pairwise.gather_rows(a, rows)[:, None], states[0])

        def step(carry, score, tail, ids, valid):
            tail = jax.tree.map(lambda a: a[None], tail)
            d = pairwise.distance(pairwise.score_costs(space, score, q), metric)
            cost = coarse(d, state, tail)
            return merge(carry, jnp.where(valid[None], -cost, -jnp.inf), ids, c)

        _, index = blocks.fold_scores(step, empty(q.shape[0], c, q.dtype), q, space, states[1])
        cost = pair_costs(space, rows, index, own)
        tail = jax.tree.map(lambda a: pairwise.gather_rows(a, index), states[1])
        new = key(pairwise.distance(jnp.where(jnp.isinf(cost), 0, cost), metric), state, tail)
        new = jnp.where(jnp.isinf(cost), jnp.inf, new)
        new, _, index = sort_rows((new, cost), index, k)
        return Ranked(new, index)

    return blocks.map_rows(block, space.queries.shape[0], block_rows)
