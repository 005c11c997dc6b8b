"""The k points of least cost for each query: exact, ties to the lowest index.

A matrix product proposes k + SPARE candidates, their costs are recomputed from the rows, and a
bound on the rounding error of the product proves that no other point can belong. Rows without
such a proof (many duplicates, points far outside the bulk) are searched again by differences.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from hubness.search import blocks, pairwise

SPARE = 4  # each costs 1 % of a search; rows that need more are searched again
KEY_SPARE = 8  # where nothing proves that no other belongs
REPAIR_ROWS = 8
RECOMPUTE_ROWS = 128
KEY_ROWS = 128  # keys hold five tiles of intermediate values at once
STABLE = {"is_stable": True} if "is_stable" in inspect.signature(lax.top_k).parameters else {}
Elementwise = Callable[[Array, Any, Any], Array]


class Ranked(NamedTuple):
    """Costs in ascending order and the points they belong to."""

    cost: Float[Array, "m k"]
    index: Int[Array, "m k"]


class Best(NamedTuple):
    """The largest keys so far, in descending order, and the points they belong to."""

    key: Float[Array, "r c"]
    index: Int[Array, "r c"]


def no_candidates(rows: int, c: int, dtype) -> Best:
    """The empty list that `merge` starts from."""
    return Best(jnp.full((rows, c), -jnp.inf, dtype), jnp.zeros((rows, c), jnp.int32))


def merge(best: Best, key: Float[Array, "r b"], ids: Int[Array, " b"]) -> Best:
    """The largest keys of a list and of a tile of higher, consecutive ids; ties to the lowest.

    In wide tiles the c chunks of largest maxima hold them all, ties included; the maxima cost one
    vectorised pass, and the slow selection sees a small part of the row."""
    (rows, c), width = best.key.shape, key.shape[1]
    chunk = 1 << round(math.log2(max(1, width / c)) / 2)  # fewest maxima and members to search
    cut = width - width % chunk
    if width < 4 * chunk * c:
        index = jnp.broadcast_to(ids[None], key.shape)
    else:
        chunks = key[:, :cut].reshape(rows, -1, chunk)
        top = chunks.max(axis=2)
        # The search is slow where many are tried and dropped: what is known to be too small is not.
        top, taken = lax.top_k(jnp.where(top > best.key[:, -1:], top, -jnp.inf), c, **STABLE)
        taken = jnp.sort(taken, axis=1)
        inside = jnp.take_along_axis(chunks, taken[:, :, None], axis=1)
        # Each chunk keeps its largest by place: its value may be computed twice, with other bits.
        first = jnp.arange(chunk)[None, None] == jnp.argmax(inside, axis=2, keepdims=True)
        # min, not top[:, -1]: XLA sorts whole rows if a slice of a slice reads its top k.
        inside = jnp.where(first | (inside >= top.min(axis=1)[:, None, None]), inside, -jnp.inf)
        inside = inside.reshape(rows, -1)
        place = taken[:, :, None] * chunk + jnp.arange(chunk)[None, None]
        place = place.reshape(rows, -1)
        key = jnp.concatenate([inside, key[:, cut:]], axis=1)
        tail = jnp.broadcast_to(ids[None, cut:], (rows, width - cut))
        index = jnp.concatenate([ids[0] + place, tail], axis=1)
    key, index = (jnp.concatenate(pair, axis=1) for pair in zip(best, (key, index), strict=True))
    key, at = lax.top_k(key, c, **STABLE)
    return Best(key, jnp.take_along_axis(index, at, axis=1))


def sort_rows(keys: tuple[Array, ...], index: Array, k: int) -> tuple[Array, ...]:
    """(*keys, index) with each row in ascending lexicographic order, cut to k."""
    ordered = lax.sort((*keys, index), dimension=1, num_keys=len(keys) + 1)
    return tuple(a[:, :k] for a in ordered)


def pair_costs(
    space: pairwise.Space, index: Int[Array, "m c"], own: int | Int[Array, ""] | None = None
) -> Float[Array, "m c"]:
    """Costs of candidates from the rows themselves; inf for point own + i of query i.

    Computed in blocks of one shape, so that a pair has the same bits whatever else is asked.
    """
    block = lambda rows, index: _block_costs(space, rows, index, own)
    return blocks.map_rows(block, index.shape[0], RECOMPUTE_ROWS, index, even=False)


def _block_costs(space, rows, index, own):
    p = pairwise.exact_points(space, index)
    q = jnp.broadcast_to(pairwise.exact_queries(space, rows)[:, None], p.shape)
    cost = pairwise.cost(space, q, p, pairwise.take(space.shift, index))
    return cost if own is None else jnp.where(index == rows[:, None] + own, jnp.inf, cost)


class Extent(NamedTuple):
    """Mean and largest ‖p‖²/2 of the operands of all points, where a space holds some of them."""

    mean: Float[Array, ""]
    most: Float[Array, ""]


class Fold(NamedTuple):
    """Another fold over the same scores: step(carry, scores [r, b]) from init(m); leaves [m]."""

    step: Callable[[Any, Array], Any]
    init: Callable[[int], Any]


def nearest(
    space: pairwise.Space,
    k: int,
    *,
    own: int | Int[Array, ""] | None = None,
    block_rows: int | None = None,
) -> Ranked:
    """The k points of least cost of each query, in the order (cost, index).

    With `own`, query i is point own + i and costs inf. Of float64 rows the products are taken in
    float32 all the same: the proof covers them, and costs are recomputed in float64.
    """
    nothing = Fold(lambda carry, score: carry, lambda m: None)
    if space.points.dtype != jnp.float64:
        return nearest_and(nothing, space, k, own=own, block_rows=block_rows)[0]
    space, unit = pairwise.in_single(space)
    cost, index = nearest_and(nothing, space, k, own=own, block_rows=block_rows)[0]
    return Ranked(cost / unit, index)


def nearest_and(
    also: Fold,
    space: pairwise.Space,
    k: int,
    *,
    own: int | Int[Array, ""] | None = None,
    block_rows: int | None = None,
) -> tuple[Ranked, Any]:
    """`nearest`, and another fold over the same matrix products."""
    c = min(k + SPARE + (own is not None), space.points.shape[0])
    optimistic, limit = optimist(space)

    def step(carry, tile):
        best, other = carry
        true = tile.score - tile.extra[None]
        return merge(best, tile.score, tile.ids), also.step(other, true)

    init = lambda m: (no_candidates(m, c, space.operand_dtype), also.init(m))
    raised = optimistic.bias - space.bias
    best, other = blocks.fold_scores(step, init, optimistic, raised, block_rows)
    cost, index = sort_rows((pair_costs(space, best.index, own),), best.index, k)
    if c == space.points.shape[0]:
        return Ranked(cost, index), other
    shift = pairwise.take(space.shift, index[:, -1])
    sure = proved(space, limit, cost[:, -1], shift, best.key[:, -1])
    return _repair(space, Ranked(cost, index), ~sure, c, own), other


def proved(
    space: pairwise.Space,
    limit: Float[Array, " m"],
    last: Float[Array, " m"],
    shift: Float[Array, " m"],
    least: Float[Array, " m"],
) -> Bool[Array, " m"]:
    """Whether no point but the candidates can cost as little as `last`, the k-th of a query, of
    that `shift`; `least` is the least score among the candidates (`optimist`)."""
    return last + _epsilon(space) * (jnp.abs(last) + 2 * jnp.abs(shift)) < limit - least


def _epsilon(space: pairwise.Space) -> float:
    return (space.queries.shape[1] + 16) * float(jnp.finfo(space.operand_dtype).eps) / 2


def optimist(
    space: pairwise.Space, extent: Extent | None = None
) -> tuple[pairwise.Space, Float[Array, " m"]]:
    """The space with each point's rounding error added to its score, and the cost of score 0.

    A point outside the candidates costs at least limit(q) − the least score among them, since
    |fl(q·p + b) − (q·p + b)| ≤ ε(‖q‖‖p‖ + |b|) ≤ ε(‖q‖²/2a + a‖p‖²/2 + |b|) for any a > 0, with
    ε = (d + 16)u: the length of the sums with b, and what centring, ‖p‖² and the rounding of
    float64 operands to float32 lose before them.
    """
    eps = _epsilon(space)
    half_q, half_p = pairwise.query_half_squares(space), pairwise.point_half_squares(space)
    mean_q, (mean_p, most) = half_q.mean(), extent or Extent(half_p.mean(), half_p.max())
    a = jnp.where((mean_q > 0) & (mean_p > 0), jnp.sqrt(mean_q / mean_p), 1)
    bias = space.bias + eps * ((a + 1) * half_p + jnp.abs(space.bias))
    limit = -eps * half_q / a
    if space.by_difference:
        limit += half_q - 3 * eps * half_q
    else:
        limit -= 2 * eps * jnp.sqrt(half_q * most)
    limit -= space.queries.shape[1] * float(jnp.finfo(space.operand_dtype).tiny)  # of underflow
    return dataclasses.replace(space, bias=bias), limit


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
        ranked, unproved = state
        rows = jnp.nonzero(unproved, size=min(REPAIR_ROWS, m), fill_value=m)[0]
        new = _search_by_difference(space, jnp.minimum(rows, m - 1), k, c, own)
        put = lambda a, b: a.at[rows].set(b, mode="drop")
        return jax.tree.map(put, ranked, new), put(unproved, False)

    return lax.while_loop(lambda state: state[1].any(), search, (ranked, unproved))[0]


def fold_by_difference(
    space: pairwise.Space, rows: Int[Array, " r"], best: Best, first: int | Int[Array, ""] = 0
) -> Best:
    """The candidates of some queries with the points of the space: number first + i, key −cost."""
    q = pairwise.exact_queries(space, rows)[:, None]

    def step(best, tile, ids, valid):
        points, scale, shift = tile
        p = pairwise.widened(space, points, scale)
        cost = pairwise.cost(space, q, p[None], shift[None])
        return merge(best, jnp.where(valid[None], -cost, -jnp.inf), first + ids)

    operands = space.points, space.point_scale, space.shift
    return blocks.fold_points(step, best, operands, space.points.shape[0])


def _search_by_difference(space, rows, k, c, own):
    init = no_candidates(rows.shape[0], c, space.points.dtype)
    best = fold_by_difference(space, rows, init)
    asked = dataclasses.replace(
        space,
        queries=pairwise.take(space.queries, rows),
        query_scale=pairwise.take(space.query_scale, rows),
    )
    cost = pair_costs(asked, best.index)
    if own is not None:
        cost = jnp.where(best.index == rows[:, None] + own, jnp.inf, cost)
    return Ranked(*sort_rows((cost,), best.index, k))


def nearest_by_key(
    space: pairwise.Space,
    k: int,
    key: Elementwise,
    states: tuple[Any, Any],
    *,
    coarse: Elementwise | None = None,
    spare: int = KEY_SPARE,
    exclude_self: bool = False,
    first: int | Int[Array, ""] = 0,
    block_rows: int | None = None,
) -> Ranked:
    """The k points of least key(distance, state of query, state of point) of each query.

    `key` is elementwise and finite; states are trees of vectors over queries and over points. Keys
    of k + spare candidates, found by `coarse` (default `key`) on distances from products, are
    recomputed from the rows; ties go to the nearer, then the lowest index. exclude_self leaves
    point first + i out of the list of query i.
    """
    c = min(k + spare + exclude_self, space.points.shape[0])
    of_rows = lambda rows: jax.tree.map(lambda a: pairwise.take(a, rows)[:, None], states[0])

    def step(best, tile):
        cost = pairwise.score_costs(space, tile.score, tile.operand)
        points = jax.tree.map(lambda a: a[None], tile.extra)
        d = pairwise.distance(cost, space.metric)
        value = -(coarse or key)(d, of_rows(tile.rows), points)
        return merge(best, jnp.where(tile.valid[None], value, -jnp.inf), tile.ids)

    init = lambda m: no_candidates(m, c, space.points.dtype)
    best = blocks.fold_scores(step, init, space, states[1], block_rows or KEY_ROWS)

    def rank(rows, asked):
        index, state = asked
        cost = _block_costs(space, rows, index, first if exclude_self else None)
        own = jnp.isinf(cost)
        d = pairwise.distance(jnp.where(own, 0, cost), space.metric)
        of_points = jax.tree.map(lambda a: pairwise.take(a, index), states[1])
        value = key(d, jax.tree.map(lambda a: a[:, None], state), of_points)
        value, _, index = sort_rows((jnp.where(own, jnp.inf, value), cost), index, k)
        return Ranked(value, index)

    asked = best.index, states[0]
    return blocks.map_rows(rank, space.queries.shape[0], RECOMPUTE_ROWS, asked, even=False)
