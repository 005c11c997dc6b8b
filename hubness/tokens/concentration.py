"""Do distances concentrate? Moments, histograms and the identity of the probability distance.

Distances concentrate (Beyer et al. 1999) iff Var[d^p] / E[d^p]² → 0 as the dimension grows
(converse: Durrant & Kabán 2009).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from hubness.search import blocks, checked, pairwise, rowstats
from hubness.search.checked import Checked, Given
from repgeo import inputs


class DistanceMoments(NamedTuple):
    """Moments of d^power over all pairs, and of d within each query.

    relative_variance is Var[d^power] / E[d^power]², contrast (d_max − d_min) / d_min of each query:
    0 where all are at one distance, else infinite where a point is at distance 0.
    """

    mean: Float[Array, ""]
    variance: Float[Array, ""]
    minimum: Float[Array, " m"]
    maximum: Float[Array, " m"]
    relative_variance: Float[Array, ""]
    contrast: Float[Array, " m"]


def distance_moments(
    points: Given,
    queries: Given = None,
    metric: str = "euclidean",
    power: float = 1.0,
) -> DistanceMoments:
    """Moments of all distances between queries and points, self left out without queries.

    Raises:
        ValueError: power ≤ 0 or so large that d^power overflows, no pair of points, metric dot
            (not a distance), or rows that `knn` refuses.
    """
    inputs.number("power", power, 0)
    points, asked = _checked(points, queries, metric)
    if queries is None and len(points) < 2:
        raise ValueError("one point has no distance to another; give at least 2, or queries")
    run = lambda points, asked: _moments(points, asked, metric, power, queries is None)
    found = checked.precisely(run, points, asked)
    if inputs.surely(lambda v: ~jnp.isfinite(v), found.relative_variance):
        raise ValueError(
            f"power={power} takes distances out of the range of numbers; give a smaller power, or "
            "rescale the points"
        )
    return found


def _checked(points: Given, queries: Given, metric: str) -> tuple[Checked, Checked]:
    points = checked.rows(points, "points")
    asked = points if queries is None else checked.queries(queries, points)
    accepted = tuple(m for m in pairwise.METRICS if m != "dot")
    checked.metric(metric, points, asked, accepted=accepted)
    return points, asked


@jax.jit(static_argnames=("metric", "exclude_self"))
def _moments(points, queries, metric, power, exclude_self):
    space = pairwise.make_space(queries, points, metric)

    def step(carry, tile):
        moments, low, high = carry
        cost = pairwise.score_costs(space, tile.score, tile.operand)
        mask = rowstats.pair_mask(tile, exclude_self)
        d = pairwise.distance(jnp.where(mask, cost, 0), metric)
        low = jnp.minimum(low, jnp.min(d, axis=1, where=mask, initial=jnp.inf))
        high = jnp.maximum(high, jnp.max(d, axis=1, where=mask, initial=0))
        return rowstats.add_tile(moments, d**power, mask), low, high

    zero = lambda m: jnp.zeros(m, points.dtype)
    init = lambda m: ((zero(m),) * 3, zero(m) + jnp.inf, zero(m))
    (count, mean, squares), low, high = blocks.fold_scores(step, init, space)
    total = mean.mean()
    variance = (squares.sum() / count[0] + jnp.sum((mean - total) ** 2)) / len(count)
    ratio = variance / jnp.where(total == 0, 1, total**2)
    contrast = jnp.where(high > low, (high - low) / low, 0)
    return DistanceMoments(total, variance, low, high, ratio, contrast)


def distance_histogram(
    points: Given,
    edges: Given,
    queries: Given = None,
    metric: str = "euclidean",
) -> Int[Array, "m bins"]:
    """Counts of each query's distances in bins [e_i, e_{i+1}), the last closed; self left out.

    Sum over queries in 64 bits: all pairs of a vocabulary exceed 2³¹.
    """
    points, asked = _checked(points, queries, metric)
    edges = inputs.array("edges", edges, 1)
    if len(edges) < 2 or inputs.surely(lambda e: (e[1:] <= e[:-1]).any(), edges):
        raise ValueError(f"edges of shape {edges.shape} must be one rising vector of at least 2.")
    run = lambda *arrays: _histogram(*arrays, metric, queries is None)
    return checked.precisely(run, points, asked, edges)


@jax.jit(static_argnames=("metric", "exclude_self"))
def _histogram(points, queries, edges, metric, exclude_self):
    space = pairwise.make_space(queries, points, metric)
    bins = edges.shape[0] - 1

    def step(counts, tile):
        d = pairwise.distance(pairwise.score_costs(space, tile.score, tile.operand), metric)
        place = jnp.searchsorted(edges, d, side="right") - 1
        place = jnp.where(d == edges[-1], bins - 1, place)
        inside = rowstats.pair_mask(tile, exclude_self) & (place >= 0) & (place < bins)
        rows = jnp.arange(d.shape[0])[:, None]
        return counts.at[rows, jnp.where(inside, place, bins)].add(1, mode="drop")

    return blocks.fold_scores(step, lambda m: jnp.zeros((m, bins), jnp.int32), space)


def probability_relative_variance(
    l2_uniform: Float[ArrayLike, "..."], vocabulary: int
) -> Float[Array, ""]:
    """Var[d] / E[d]² of d = 1 − p(y given x), y uniform on the vocabulary, x over contexts.

    Exactly mean ‖p_x − u‖² / (V (1 − 1/V)²), since E_y d = 1 − 1/V for every context and
    Var_y d = ‖p_x − u‖² / V (arXiv 2502.10201, theorem 1, in finite form); `l2_uniform` are the
    ‖p_x − u‖₂. It is at most `probability_variance_bound(V)` whatever the model does: about 2e-5
    at V = 50,000, so it must not be compared with ratios of other distances.
    """
    vocabulary = inputs.count("vocabulary", vocabulary, 2**31 - 1, least=2, of="tokens")
    distance = inputs.single("l2_uniform", inputs.array("l2_uniform", l2_uniform, degree=2))
    return jnp.square(distance).mean() / (vocabulary * (1 - 1 / vocabulary) ** 2)


def probability_variance_bound(vocabulary: int) -> float:
    """1 / (V − 1), the ratio of one-hot predictions, for V ≥ 2."""
    vocabulary = inputs.count("vocabulary", vocabulary, 2**31 - 1, least=2, of="tokens")
    return 1 / (vocabulary - 1)
