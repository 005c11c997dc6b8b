"""Exact counts for empirical mutual proximity, without the O(m·c·n) double comparison.

With W_x = {j : d_xj ≤ t} and t = d_qx, the points farther than t from both q and x number

    n − |W_q ∪ W_x| = n − |W_q| − |W_x| + |W_q ∩ W_x|.

W_q is a prefix of the sorted candidates of q, so only |W_x| needs a pass over all points. There
the thresholds that fall on one point are gathered into rows of SLOTS, so that its distances are
fetched once for many comparisons.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from hubness.search import blocks, pairwise, shards, topk

SLOTS = 32
OWNER_ROWS = 64
PAIR_ROWS = 16
LIST_ROWS = 16
TIE = 4  # units of rounding by which two stored distances of one pair may differ
TILE_COSTS = 2**23  # costs of all points to a tile: 32 MB


@jax.jit(static_argnames=("metric", "mesh"))
def farther_from_both(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    near: topk.Ranked,
    metric: str,
    mesh: Mesh | None = None,
) -> Int[Array, "m c"]:
    """#{j : d_qj > t and d_xj > t} with t = d_qx for each listed neighbour x of each query q.

    A point is never farther from itself; points that tie with the end of a list but are not on it
    count as farther from q. Costs that differ by a few rounding errors count as equal. `mesh`
    shares the comparisons out with the queries; products of the points are taken on every device.
    """
    run = lambda asked, x, first: _farther_from_both(x, asked[0], asked[1], metric)
    return shards.over_queries(run, mesh, (q, near), x)


def _farther_from_both(x, q, near, metric):
    points, queries = pairwise.make_space(x, x, metric), pairwise.make_space(q, x, metric)
    half_x = pairwise.half_squares(pairwise.point_operand(points))
    half_q = pairwise.half_squares(pairwise.query_operand(queries, jnp.arange(q.shape[0])))
    squares = half_q[:, None] + half_x[near.index]
    product = jnp.abs(squares - near.cost) if metric != "dot" else jnp.abs(near.cost)
    # Largest errors of products seen from d = 3 to 2,048, in units of eps: 2 in squares for rows
    # in general position, √d/2 in q·p for parallel ones.
    rounding = jnp.finfo(x.dtype).eps * (2 * squares + x.shape[1] ** 0.5 / 2 * product)
    threshold = near.cost + rounding
    within_q = jnp.sum(near.cost[:, None] <= threshold[:, :, None], axis=2)
    within_x = count_within(points, near.index, threshold)
    return x.shape[0] - within_q - within_x + _within_both(points, near, threshold)


def count_within(
    points: pairwise.Space, index: Int[Array, "m c"], threshold: Float[Array, "m c"]
) -> Int[Array, "m c"]:
    """#{j : cost(index, j) ≤ threshold} for each pair, the point itself always counted."""
    n, dtype = points.points.shape[0], threshold.dtype
    flat = index.reshape(-1)
    counts = jnp.zeros(n, jnp.int32).at[flat].add(1)
    rows = -(-counts // SLOTS)
    first, start = jnp.cumsum(rows) - rows, jnp.cumsum(counts) - counts
    order = jnp.argsort(flat)
    place = jnp.zeros_like(flat).at[order].set(jnp.arange(flat.size, dtype=jnp.int32))
    place -= start[flat]
    row, slot = first[flat] + place // SLOTS, place % SLOTS
    number = min(n, flat.size) + flat.size // SLOTS
    table = jnp.full((number, SLOTS), -jnp.inf, dtype).at[row, slot].set(threshold.reshape(-1))
    owner = jnp.zeros(number, jnp.int32).at[row].set(flat)
    return _count_table(points, owner, table)[row, slot].reshape(index.shape)


def _count_table(points, owner, table):
    n = points.points.shape[0]
    every = jnp.arange(n, dtype=jnp.int32)

    def step(counts, tile, ids, valid):
        bias = jnp.where(valid, tile[2], -jnp.inf)
        operand = pairwise.point_operand(points)
        score = pairwise.products(operand, pairwise.tile_operand(points, *tile[:2])) + bias[None]
        costs = pairwise.score_costs(points, score, operand)
        costs = jnp.where(valid[None] & (ids[None] == every[:, None]), -jnp.inf, costs)

        def block(_, carry):
            counts, owner, table = carry
            row = pairwise.take(costs, owner)[:, None]
            # A float32 sum of 0 and 1 is exact, and twice as fast as one of integers on a CPU.
            within = jnp.sum(row <= table[:, :, None], axis=2, dtype=row.dtype)
            return counts + within.astype(jnp.int32)

        return blocks.map_rows(block, owner.shape[0], OWNER_ROWS, (counts, owner, table))

    tile = points.points, points.point_scale, points.bias
    init = jnp.zeros(table.shape, jnp.int32)
    return blocks.fold_points(step, init, tile, n, max(1, TILE_COSTS // n))


def _within_both(points, near, threshold):
    """#{j on the list of q : cost(q, j) ≤ t and cost(x, j) ≤ t} for each x on the list."""

    def block(_, carry):
        cost, index, t = carry
        rows = pairwise.query_operand(points, index)
        score = jnp.einsum("qcd,qed->qce", rows, rows, precision="highest")
        score += pairwise.take(points.bias, index)[:, None]
        costs = pairwise.half_squares(rows)[:, :, None] - score if points.by_difference else -score
        itself = jnp.eye(index.shape[1], dtype=bool)[None]
        t = t[:, :, None]
        both = (cost[:, None] <= t) & ((costs <= t) | itself)
        return jnp.sum(both, axis=2, dtype=jnp.int32)

    carry = near.cost, near.index, threshold
    return blocks.map_rows(block, near.index.shape[0], PAIR_ROWS, carry)


def known_farther(
    distance: Float[Array, "n c"], index: Int[Array, "n c"], stored: Int[np.ndarray, " n"]
) -> Int[Array, "n c"]:
    """`farther_from_both` as far as stored neighbours tell, for each stored neighbour x of q.

    A point that is not on a list is at least as far as its end. Where the list of x ends before
    t = d_qx nothing is known of the points that it lacks, and they do not count.
    """
    n, c = index.shape
    number = jnp.asarray(stored)
    threshold = distance + TIE * jnp.finfo(distance.dtype).eps * jnp.abs(distance)
    end = threshold[jnp.arange(n), number - 1]
    on_list = jnp.arange(c)[None] < number[:, None]

    def one(q, d, near, t, on_q):
        of_q = jnp.full(n, jnp.inf, d.dtype).at[jnp.where(on_q, near, n)].set(d, mode="drop")
        theirs = jnp.where(on_list[near], index[near], n)
        itself = theirs == q  # never farther from itself
        close = (distance[near] <= t[:, None]) & on_list[near] | itself
        within_q = jnp.sum(on_q[None] & (d[None] <= t[:, None]), axis=1)
        within_x = 1 + jnp.sum(close, axis=1) + ~jnp.any(itself, axis=1)
        both = close & (pairwise.take(of_q, theirs) <= t[:, None]) & ~itself
        within_both = 1 + jnp.sum(both, axis=1)
        return jnp.where(end[near] >= d, n - within_q - within_x + within_both, 0)

    lists = distance, index, threshold, on_list
    return blocks.map_rows(lambda rows, xs: jax.vmap(one)(rows, *xs), n, LIST_ROWS, lists)
