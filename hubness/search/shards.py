"""Searches over the devices of a mesh: queries are shared out, and points too where they must be.

A ring gives each device its share of the points. A block of it at a time goes round, sent on to the
next device while it is searched, until every device has seen them all: n·d/P numbers a device, and
three blocks. Points may be in half precision: each is widened where it is used.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from hubness.search import blocks, pairwise, parts, topk
from hubness.search.parts import Keyed, Part, Whole
from hubness.search.topk import Best, Extent, Ranked

Tree = Any
BLOCK_BYTES = 2**29  # of the points that go round at once


def over_queries(
    run: Callable[[Tree, Tree, Any], Tree], mesh: Mesh | None, queries: Tree, points: Tree
) -> Tree:
    """run(queries, points, number of the first query) on an equal share of the queries a device.

    Leaves of `queries` and of results have an axis over queries first; points are whole on every
    device. The last query is repeated to fill shares, and what comes of that is cut off.
    """
    if mesh is None or mesh.size == 1:
        return run(queries, points, 0)
    axes, m = mesh.axis_names, jax.tree.leaves(queries)[0].shape[0]
    share = -(-m // mesh.size)
    fill = lambda a: _filled(a, share * mesh.size)
    local = lambda q, p: run(q, p, lax.axis_index(axes) * share)
    rows, whole = PartitionSpec(axes), PartitionSpec()
    specs = {
        "mesh": unstated(mesh),
        "in_specs": (rows, whole),
        "out_specs": rows,
        "check_vma": False,
    }
    found = jax.shard_map(local, **specs)(jax.tree.map(fill, queries), points)
    return jax.tree.map(lambda a: a[:m], found)


def unstated(mesh: Mesh) -> Mesh:
    """The mesh with axes that ask for no statement of sharding, as those of `jax.make_mesh` do."""
    return Mesh(mesh.devices, mesh.axis_names)


def _filled(a: Array, rows: int) -> Array:
    return jnp.pad(a, [(0, rows - a.shape[0])] + [(0, 0)] * (a.ndim - 1), mode="edge")


class Ring(NamedTuple):
    """What a device holds of a ring, inside `around`."""

    axes: tuple[str, ...]
    size: int
    points: Float[Array, "p d"]
    states: Tree  # of the points, rotated with them
    n: int

    def whole(self, metric: str) -> Whole:
        """Centre and extent of all points."""
        share, d = self.points.shape
        held = (lax.axis_index(self.axes) * share + jnp.arange(share)) < self.n
        count = lambda a: lax.psum(jnp.where(held[:, None], a, 0).sum(axis=0), self.axes) / self.n
        points = self.points.astype(jnp.promote_types(self.points.dtype, jnp.float32))
        centre = jnp.zeros(d, points.dtype)
        if metric in ("euclidean", "sqeuclidean"):
            centre = count(points)
        unit = pairwise.unit_rows(points) if metric == "cosine" else points
        half = pairwise.half_squares(unit - centre[None])
        most = lax.pmax(jnp.where(held, half, 0).max(), self.axes)
        return Whole(centre, Extent(count(half[:, None])[0], most))

    def fold(self, step: Callable[[Tree, Part, Tree], Tree], carry: Tree) -> Tree:
        """step(carry, part, states of its points) over the blocks of all devices.

        First come the first blocks of all shares, from the own one on, then the second ones.
        """
        (share, d), me = self.points.shape, lax.axis_index(self.axes)
        size = blocks.rows_within(share, self.points.dtype.itemsize * d, BLOCK_BYTES)
        to_next = [(i, (i - 1) % self.size) for i in range(self.size)]
        ids = jnp.arange(size, dtype=jnp.int32)

        def round_trip(b, carry):
            start = jnp.minimum(b * size, share - size)  # the last block repeats some rows
            block = lambda a: lax.dynamic_slice_in_dim(a, start, size)

            def turn(i, state):
                carry, held = state
                first = ((me + i) % self.size * share + start).astype(jnp.int32)
                # Sent before it is searched, so that links and products work at once.
                sent = jax.tree.map(lambda a: lax.ppermute(a, self.axes, to_next), held)
                valid = (first + ids < self.n) & (start + ids >= b * size)
                return step(carry, Part(held[0], first, valid), held[1]), sent

            held = jax.tree.map(block, (self.points, self.states))
            return lax.fori_loop(0, self.size, turn, (carry, held))[0]

        return lax.fori_loop(0, -(-share // size), round_trip, carry)


def around(
    run: Callable[[Tree, Ring, Any], Tree],
    mesh: Mesh,
    queries: Tree,
    points: Float[Array, "n d"],
    states: Tree = None,
) -> Tree:
    """run(queries, ring, number of the first query) with both queries and points shared out."""
    axes, n, m = mesh.axis_names, points.shape[0], jax.tree.leaves(queries)[0].shape[0]
    shares = -(-m // mesh.size), -(-n // mesh.size)
    fill = lambda tree, share: jax.tree.map(lambda a: _filled(a, share * mesh.size), tree)

    def local(q, points, states):
        ring = Ring(axes, mesh.size, points, states, n)
        return run(q, ring, lax.axis_index(axes) * shares[0])

    rows = PartitionSpec(axes)
    specs = {"mesh": unstated(mesh), "in_specs": rows, "out_specs": rows, "check_vma": False}
    given = fill(queries, shares[0]), fill(points, shares[1]), fill(states, shares[1])
    return jax.tree.map(lambda a: a[:m], jax.shard_map(local, **specs)(*given))


def own_numbers(q: Float[Array, "m d"], first: Any, excluded: bool) -> Int[Array, " m"]:
    """The number of the point that each query is; −1 where none is left out."""
    own = first + jnp.arange(len(q), dtype=jnp.int32)
    return own if excluded else jnp.full_like(own, -1)


def nearest(
    q: Float[Array, "m d"],
    ring: Ring,
    k: int,
    metric: str,
    own: Int[Array, " m"],
    excluded: bool,
    block_rows: int | None = None,
) -> Ranked:
    """`topk.nearest` of a device's queries in a ring; query i leaves out point own[i]."""
    whole, m = ring.whole(metric), q.shape[0]
    c = min(k + topk.SPARE + excluded, ring.n)
    step = lambda best, part, _: parts.propose(q, part, whole, best, metric, block_rows)
    best = _gathered(ring, step, topk.no_candidates(m, c, q.dtype))
    ranked = _rank(q, ring, whole, best, own, k, metric)
    if c == ring.n:
        return ranked
    part = Part(ring.points, jnp.zeros((), jnp.int32), jnp.ones(len(ring.points), bool))
    sure = parts.are_proved(q, part, whole, best, ranked, metric)

    def again(state):
        ranked, sure = state
        rows = jnp.nonzero(~sure, size=min(topk.REPAIR_ROWS, m), fill_value=m)[0]
        asked, owns = pairwise.take(q, rows), pairwise.take(own, rows)
        step = lambda best, part, _: parts.refind(asked, part, whole, best, metric)
        found = _gathered(ring, step, topk.no_candidates(len(rows), c, q.dtype))
        new = _rank(asked, ring, whole, found, owns, k, metric)
        put = lambda a, b: a.at[rows].set(b, mode="drop")
        return jax.tree.map(put, ranked, new), put(sure, True)

    # All devices turn as often as the one with most to do, or the ring would stand still.
    left = lambda state: lax.pmax(jnp.any(~state[1]), ring.axes)
    return lax.while_loop(left, again, (ranked, sure))[0]


def nearest_by_key(
    q: Float[Array, "m d"],
    ring: Ring,
    k: int,
    metric: str,
    own: Int[Array, " m"],
    keys: tuple[topk.Elementwise, topk.Elementwise],
    states: Tree,
    spare: int,
    block_rows: int | None = None,
) -> Ranked:
    """`topk.nearest_by_key` in a ring: `keys` are (key, coarse), `states` those of the queries."""
    whole, keyed = ring.whole(metric), Keyed(keys[1], states)
    c = min(k + spare + 1, ring.n)

    def step(best, part, of_points):
        return parts.propose_by_key(q, part, whole, best, metric, keyed, of_points, block_rows)

    index = _gathered(ring, step, topk.no_candidates(len(q), c, q.dtype)).index
    cost = jnp.where(index == own[:, None], jnp.inf, _costs(q, ring, whole, index, metric))
    left_out = jnp.isinf(cost)
    d = pairwise.distance(jnp.where(left_out, 0, cost), metric)
    of_points = _states(ring, index)
    key = keys[0](d, jax.tree.map(lambda a: a[:, None], states), of_points)
    key, _, index = topk.sort_rows((jnp.where(left_out, jnp.inf, key), cost), index, k)
    return Ranked(key, index)


def _gathered(ring: Ring, step: Callable[[Best, Part, Tree], Best], empty: Best) -> Best:
    """The candidates of all parts; among equals those of the lowest numbers.

    `step` takes parts of ascending numbers. Where they start anew, what was found is set aside.
    """

    def turn(carry, part, states):
        best, aside, last = carry
        anew = lambda: (empty, _joined(best, aside))
        best, aside = lax.cond(part.first < last, anew, lambda: (best, aside))
        return step(best, part, states), aside, part.first

    best, aside, _ = ring.fold(turn, (empty, empty, jnp.zeros((), jnp.int32)))
    return _joined(best, aside)


def _joined(a: Best, b: Best) -> Best:
    """The largest keys of both, of the lowest numbers among equals."""
    key, index = (jnp.concatenate(pair, axis=1) for pair in zip(a, b, strict=True))
    key, index = topk.sort_rows((-key,), index, a.key.shape[1])
    return Best(-key, index)


def _rank(q, ring, whole, best, own, k, metric) -> Ranked:
    cost = _costs(q, ring, whole, best.index, metric)
    cost = jnp.where(best.index == own[:, None], jnp.inf, cost)
    return Ranked(*topk.sort_rows((cost,), best.index, k))


def _costs(q, ring, whole, index, metric) -> Float[Array, "m c"]:
    """Exact costs of candidates, each from the device that passes by with its row."""

    def step(cost, part, _):
        space = parts.space_of(q, part, whole, metric)
        at, inside = _local(part, index)
        return jnp.where(inside, topk.pair_costs(space, at), cost)

    return ring.fold(step, jnp.full(index.shape, jnp.inf, q.dtype))


def _states(ring: Ring, index: Int[Array, "m c"]) -> Tree:
    """The states of candidates."""

    def step(found, part, of_points):
        at, inside = _local(part, index)
        put = lambda a, b: jnp.where(inside, pairwise.take(b, at), a)
        return jax.tree.map(put, found, of_points)

    empty = jax.tree.map(lambda a: jnp.zeros(index.shape, a.dtype), ring.states)
    return ring.fold(step, empty)


def _local(part: Part, index):
    at = index - part.first
    return jnp.clip(at, 0, len(part.points) - 1), (at >= 0) & (at < len(part.points))
