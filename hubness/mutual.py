"""Mutual proximity: how likely it is that a third point is farther from both.

Schnitzer, Flexer, Schedl & Widmer, JMLR 13 (2012). Distances are 1 − MP in [0, 1].
"""

import functools

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float, Int

from hubness import blocks, pairwise, topk
from hubness.incomplete_gamma import log_gamma_sf
from hubness.knn import Neighbors
from hubness.request import Request

MIN_SD = 1e-7  # of a row whose distances are all equal (hub-toolbox)
COUNT_ROWS = 64
TILE_SCORES = 2**24  # distances of all points to a tile: 64 MB


def mp_gauss(r: Request) -> Neighbors:
    """1 − SF((d−μ_q)/σ_q) · SF((d−μ_x)/σ_x), SF = 1 − Φ, for rows of independent Gaussians.

    Ranked by −log SF − log SF, which does not saturate where 1 − MP rounds to 0 or 1.
    """
    states = tuple((mean, jnp.maximum(sd, MIN_SD)) for mean, sd in r.moments())
    cost, index = r.keyed(gauss_key, states)
    return Neighbors(-jnp.expm1(-cost), index)


def gauss_key(d, query, point):
    """−log SF((d−μ_q)/σ_q) − log SF((d−μ_x)/σ_x)."""
    log_sf = lambda mean, sd: log_ndtr((mean - d) / sd)
    return -log_sf(*query) - log_sf(*point)


def mp_gamma(r: Request) -> Neighbors:
    """1 − SF_q(d) · SF_x(d) for rows of independent gamma distances, a = μ²/σ², scale σ²/μ.

    The `num_candidates` least under the Wilson-Hilferty normal approximation of the gamma are
    rescored with the incomplete gamma function itself.
    """
    states = tuple(_shape_and_scale(mean, sd) for mean, sd in r.moments())
    spare = max(r.num_candidates - r.k, 0)
    cost, index = r.keyed(gamma_key, states, coarse=_wilson_hilferty_key, spare=spare)
    return Neighbors(-jnp.expm1(-cost), index)


def _shape_and_scale(mean, sd):
    mean = jnp.maximum(mean, MIN_SD)
    variance = jnp.maximum(sd**2, MIN_SD * mean**2)  # a beyond 10⁷ is a step in float32
    return mean**2 / variance, variance / mean


def gamma_key(d, query, point):
    """−log SF(d; a_q, b_q) − log SF(d; a_x, b_x)."""
    return -sum(log_gamma_sf(a, d / scale) for a, scale in (query, point))


def _wilson_hilferty_key(d, query, point):
    def log_sf(a, scale):
        mean = 1 - 1 / (9 * a)
        return log_ndtr((mean - jnp.cbrt(d / (a * scale))) * 3 * jnp.sqrt(a))

    return -log_sf(*query) - log_sf(*point)


def mp_empiric(r: Request) -> Neighbors:
    """1 − #{j : d_qj > d_qx and d_xj > d_qx} / n, exact counts, for the nearest candidates.

    The `num_candidates` nearest points of each query are rescored and the k least kept: O(m·c·n)
    comparisons, O(c·m + n) memory. Distances that agree to rounding count as equal; ties go to the
    nearer point, then the lowest index.
    """
    c = max(min(r.num_candidates, len(r.x) - r.exclude_self), r.k)
    near = r.shifted(jnp.zeros(len(r.x), r.x.dtype), k=c)
    counts = farther_from_both(r.x, r.q, near, r.metric, r.exclude_self)
    distance, _, index = topk.sort_rows((1 - counts / len(r.x), near.cost), near.index, r.k)
    return Neighbors(distance, index)


@functools.partial(jax.jit, static_argnames=("metric", "exclude_self"))
def farther_from_both(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    near: topk.Ranked,
    metric: str,
    exclude_self: bool,
) -> Int[Array, "m c"]:
    """#{j : d_qj > t and d_xj > t} with t = d_qx for each candidate x of each query q."""
    points, queries = pairwise.make_space(x, x, metric), pairwise.make_space(q, x, metric)
    n, m = x.shape[0], q.shape[0]
    half_x, half_q = pairwise.half_squares(points.queries), pairwise.half_squares(queries.queries)
    # Products of equal pairs may differ in their last bits; a few of them are not "farther".
    rounding = 4 * jnp.finfo(x.dtype).eps * (half_q[:, None] + half_x[near.index])
    threshold = near.cost + rounding
    every = jnp.arange(n, dtype=jnp.int32)

    def step(counts, tile, ids, valid):
        to_points = pairwise.block_costs(points, points.queries, *tile)
        other = valid[None] & (ids[None] != every[:, None])
        to_points = jnp.where(other, to_points, -jnp.inf)

        def block(start):
            rows = blocks.row_ids(start, m, COUNT_ROWS)
            q, index, t = (
                pairwise.gather_rows(a, rows) for a in (queries.queries, near.index, threshold)
            )
            to_queries = pairwise.block_costs(queries, q, *tile)
            if exclude_self:
                to_queries = jnp.where(ids[None] != rows[:, None], to_queries, -jnp.inf)
            candidates = pairwise.gather_rows(to_points, index)
            both = (to_queries[:, None] > t[:, :, None]) & (candidates > t[:, :, None])
            return both.sum(axis=2, dtype=jnp.int32)

        return counts + blocks.map_rows(block, m, COUNT_ROWS)

    init = jnp.zeros(near.index.shape, jnp.int32)
    return blocks.fold_points(step, init, (points.points, points.bias), n, TILE_SCORES // n + 1)
