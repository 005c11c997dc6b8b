"""A search whose points come in parts: from a file that memory does not hold, or other devices.

`propose` folds the parts one after the other into the candidates of each query, `costs_of` gives
the exact costs of candidates from their rows, and `refind` searches again by differences those few
queries whose candidates the proof of `topk` does not cover. Points have numbers over all parts, in
the order of the parts; ties go to the lowest, so that the neighbours are those of `knn`.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hubness.search import blocks, pairwise, topk
from hubness.search.topk import Best, Extent


class Part(NamedTuple):
    """Some consecutive points."""

    points: Float[Array, "p d"]
    first: Int[Array, ""]  # the number of the first of them
    valid: Bool[Array, " p"]  # False where a row repeats a point of another part, or is none


class Whole(NamedTuple):
    """What the search of a part must know of all points."""

    centre: Float[Array, " d"]
    extent: Extent


class Keyed(NamedTuple):
    """A key of pairs (see `topk.nearest_by_key`), and the states of queries that it takes."""

    key: topk.Elementwise
    queries: Any


def space_of(q: Float[Array, "m d"], part: Part, whole: Whole, metric: str) -> pairwise.Space:
    """Queries and a part as operands of one product, centred as all points are."""
    return pairwise.make_space(q, part.points, metric, centre=whole.centre)


def propose(
    q: Float[Array, "m d"],
    part: Part,
    whole: Whole,
    best: Best,
    metric: str,
    block_rows: int | None = None,
) -> Best:
    """The candidates with the points of this part: keys are optimistic scores."""
    optimistic, _ = topk.optimist(space_of(q, part, whole, metric), whole.extent)
    bias = jnp.where(part.valid, optimistic.bias, -jnp.inf)
    optimistic = dataclasses.replace(optimistic, bias=bias)
    step = lambda best, tile: topk.merge(best, tile.score, part.first + tile.ids)
    return blocks.fold_scores(step, _padded(best), optimistic, None, block_rows)


def propose_by_key(
    q: Float[Array, "m d"],
    part: Part,
    whole: Whole,
    best: Best,
    metric: str,
    keyed: Keyed,
    states: Any,
    block_rows: int | None = None,
) -> Best:
    """The candidates with the points of this part, of these states: keys are −key."""
    space = space_of(q, part, whole, metric)

    def step(best, tile):
        cost = pairwise.score_costs(space, tile.score, tile.operand)
        of_points, valid = tile.extra
        of_rows = lambda a: pairwise.take(a, tile.rows)[:, None]
        of_points = jax.tree.map(lambda a: a[None], of_points)
        d = pairwise.distance(cost, metric)
        value = -keyed.key(d, jax.tree.map(of_rows, keyed.queries), of_points)
        value = jnp.where((tile.valid & valid)[None], value, -jnp.inf)
        return topk.merge(best, value, part.first + tile.ids)

    extra = states, part.valid
    return blocks.fold_scores(step, _padded(best), space, extra, block_rows or topk.KEY_ROWS)


def _padded(best: Best):
    """Candidates to start from, repeated to whole blocks of queries."""
    m = best.key.shape[0]
    pad = lambda a, rows: jnp.pad(a, ((0, rows - m), (0, 0)), mode="edge")
    return lambda rows: Best(*(pad(a, rows) for a in best))


def costs_of(
    q: Float[Array, "m d"],
    index: Int[Array, "m c"],
    points: Float[Array, "m*c d"],
    own: Int[Array, " m"],
    whole: Whole,
    metric: str,
) -> Float[Array, "m c"]:
    """Costs of candidates from their rows, in the order of `index`; inf for the query's own."""
    space = pairwise.make_space(q, points, metric, centre=whole.centre)
    at = jnp.arange(index.size, dtype=jnp.int32).reshape(index.shape)
    return jnp.where(index == own[:, None], jnp.inf, topk.pair_costs(space, at))


def are_proved(
    q: Float[Array, "m d"],
    part: Part,
    whole: Whole,
    best: Best,
    ranked: topk.Ranked,
    metric: str,
) -> Bool[Array, " m"]:
    """Whether no point outside the candidates belongs among the k nearest; any part will do."""
    space = space_of(q, part, whole, metric)
    _, limit = topk.optimist(space, whole.extent)
    last = ranked.cost[:, -1]
    return topk.proved(space, limit, last, jnp.zeros_like(last), best.key[:, -1])


def refind(q: Float[Array, "m d"], part: Part, whole: Whole, best: Best, metric: str) -> Best:
    """The candidates with the points of this part: keys are −cost, by differences."""
    space = space_of(q, part, whole, metric)
    space = dataclasses.replace(space, shift=jnp.where(part.valid, space.shift, -jnp.inf))
    block = lambda rows, best: topk.fold_by_difference(space, rows, best, part.first)
    return blocks.map_rows(block, q.shape[0], topk.REPAIR_ROWS, best)
