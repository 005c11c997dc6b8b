"""The nearest of points that come in parts, one part read while the one before is searched."""

import functools
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hubness.search import pairwise, parts, topk
from hubness.search.parts import Keyed, Part, Whole
from hubness.search.source import PART_BYTES, Points
from hubness.search.topk import Best, Ranked

NOBODY = -1  # the own point of a query that is no point
GATHERED = 2 * PART_BYTES  # rows of candidates that are held at once


@runtime_checkable
class BySample(Protocol):
    """A reduction whose statistics of points can be taken over a sample of the rows.

    A hashable, frozen value. `key` and `coarse` are as `topk.nearest_by_key` takes them, `spare`
    the candidates beyond k that `coarse` proposes, `value` the distance that a key stands for.
    """

    @property
    def spare(self) -> int: ...

    def states(
        self, reference: Array, points: Array, metric: str, exclude_self: bool, block_size
    ) -> Any:
        """Vectors over points, from their distances to the reference rows."""
        ...

    def key(self, d: Array, query: Any, point: Any) -> Array: ...

    def coarse(self, d: Array, query: Any, point: Any) -> Array: ...

    def value(self, key: Array) -> Array: ...


def nearest(
    points: Points,
    q: Float[Array, "m d"],
    k: int,
    metric: str,
    own: Int[np.ndarray, " m"],
    block_rows: int | None = None,
) -> Ranked:
    """The k points of least cost of each query, as `topk.nearest`; `own[i]` is left out of i."""
    c = min(k + topk.SPARE + bool((own != NOBODY).any()), len(points))
    static = {"metric": metric, "block_rows": block_rows}
    step = lambda part, best: _propose(q, part, points.whole, best, **static)
    best = _fold(points, step, topk.no_candidates(len(q), c, jnp.float32))
    ranked = _ranked(_exact_costs(points, q, best.index, own, metric), best.index, k)
    if c == len(points):
        return ranked
    part = next(points.parts())
    sure = np.asarray(_are_proved(q, part, points.whole, best, ranked, metric=metric))
    rows = np.flatnonzero(~sure)
    return _repair(points, q, rows, ranked, c, metric, own) if len(rows) else ranked


def _repair(points, q, rows, ranked, c, metric, own):
    """`ranked` with some queries searched again by differences."""
    q, own = q[rows], own[rows]
    step = lambda part, best: _refind(q, part, points.whole, best, metric=metric)
    best = _fold(points, step, topk.no_candidates(len(rows), c, jnp.float32))
    cost = _exact_costs(points, q, best.index, own, metric)
    again = _ranked(cost, best.index, ranked.cost.shape[1])
    return Ranked(*(a.at[rows].set(b) for a, b in zip(ranked, again, strict=True)))


def nearest_by_key(
    points: Points,
    q: Float[Array, "m d"],
    k: int,
    metric: str,
    own: Int[np.ndarray, " m"],
    method: BySample,
    block_rows: int | None = None,
) -> Ranked:
    """The k points of least key of each query, with the queries as the sample of the rows.

    Query i is row own[i], and left out of its own statistics as it is out of its own list.
    """
    static = {"metric": metric, "method": method, "block_rows": block_rows}
    of_queries = _own_states(q, **static)
    asked, found = jnp.asarray(own), []

    def step(part, best):
        best, states = _propose_by_key(q, asked, of_queries, part, points.whole, best, **static)
        repeated = len(points) - (len(found) + 1) * points.rows  # of the last part only
        found.append(jax.tree.map(lambda a: a[max(0, -repeated) :], states))
        return best

    c = min(k + method.spare + 1, len(points))
    best = _fold(points, step, topk.no_candidates(len(q), c, jnp.float32))
    cost = _exact_costs(points, q, best.index, own, metric)
    join = lambda *states: jnp.concatenate(states)[best.index]
    of_points = jax.tree.map(join, *found)
    key, index = _keys(cost, best.index, of_queries, of_points, k=k, metric=metric, method=method)
    return Ranked(method.value(key), index)


def _fold(points: Points, step: Callable[[Part, Best], Best], best: Best) -> Best:
    """step over all parts. A part is read while the device still searches the one before."""
    for part in points.parts():
        best = step(part, jax.block_until_ready(best))
    return best


def _exact_costs(points, q, index, own, metric) -> Float[Array, "m c"]:
    """Costs of candidates from their rows, of so many queries at once as memory is meant for."""
    m, c = index.shape
    size = max(1, GATHERED // (4 * c * q.shape[1]))
    size = min(m, size - size % topk.RECOMPUTE_ROWS if size > topk.RECOMPUTE_ROWS else size)
    index, found = np.asarray(index), []
    for start in range(0, m, size):
        rows = np.minimum(np.arange(start, start + size), m - 1)
        near = points.take(index[rows].reshape(-1))
        args = q[rows], jnp.asarray(index[rows]), jnp.asarray(near), jnp.asarray(own[rows])
        found.append(_costs(*args, points.whole, metric=metric)[: m - start])
    return jnp.concatenate(found)


_propose = jax.jit(parts.propose, static_argnames=("metric", "block_rows"))
_are_proved = jax.jit(parts.are_proved, static_argnames="metric")
_refind = jax.jit(parts.refind, static_argnames="metric")
_costs = jax.jit(parts.costs_of, static_argnames="metric")


@functools.partial(jax.jit, static_argnames="k")
def _ranked(cost, index, k):
    return Ranked(*topk.sort_rows((cost,), index, k))


@functools.partial(jax.jit, static_argnames=("metric", "method", "block_rows"))
def _own_states(q, metric, method, block_rows):
    return method.states(q, q, metric, True, block_rows)


@functools.partial(jax.jit, static_argnames=("metric", "method", "block_rows"))
def _propose_by_key(q, own, of_queries, part, whole: Whole, best, metric, method, block_rows):
    states = method.states(q, part.points, metric, False, block_rows)
    # A point that is a query was compared with itself.
    at = jnp.where(own >= part.first, own - part.first, len(part.points))
    states = jax.tree.map(lambda a, b: a.at[at].set(b, mode="drop"), states, of_queries)
    keyed = Keyed(method.coarse, of_queries)
    found = parts.propose_by_key(q, part, whole, best, metric, keyed, states, block_rows)
    return found, states


@functools.partial(jax.jit, static_argnames=("k", "metric", "method"))
def _keys(cost, index, of_queries, of_points, k, metric, method):
    left_out = jnp.isinf(cost)
    d = pairwise.distance(jnp.where(left_out, 0, cost), metric)
    key = method.key(d, jax.tree.map(lambda a: a[:, None], of_queries), of_points)
    key = jnp.where(left_out, jnp.inf, key)
    key, _, index = topk.sort_rows((key, cost), index, k)
    return key, index
