"""Mutual proximity: how likely it is that a third point is farther from both.

Schnitzer, Flexer, Schedl & Widmer, JMLR 13 (2012). Distances are 1 − MP in [0, 1]. On stored
neighbours the laws are fitted to the stored distances, as kiez and scikit-hubness do: those of the
near neighbourhood, and of all points only where the lists are complete.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax.scipy.special import log_ndtr

from hubness.reductions import bivariate, empiric
from hubness.reductions.base import DISTANCES, Pairs, Reduction, Search, check_counts
from hubness.reductions.graph import Graph
from hubness.reductions.survival import log_gamma_sf, quick_log_normal_sf
from hubness.search import rowstats, topk
from hubness.search.knn import Neighbors

SPARE = 20  # candidates beyond k; the quick key is off by less than 0.5 %


@dataclass(frozen=True)
class MPGauss(Reduction):
    """1 − SF((d−μ_q)/σ_q) · SF((d−μ_x)/σ_x), SF = 1 − Φ, for rows of independent Gaussians.

    Ranked by −log SF − log SF, which does not saturate where 1 − MP rounds to 0 or 1. An
    approximation within 0.5 % proposes k + 20 candidates, which are ranked exactly.
    """

    ring = True

    def by_sample(self) -> "SampledMoments":
        return SampledMoments()

    def nearest(self, pairs: Pairs) -> Neighbors:
        states = tuple((mean, bivariate.spread(mean, sd)) for mean, sd in pairs.moments())
        cost, index = pairs.keyed(gauss_key, states, coarse=quick_gauss_key, spare=SPARE)
        return Neighbors(-jnp.expm1(-cost), index)

    on_graph = nearest


def gauss_key(d, query, point):
    """−log SF((d−μ_q)/σ_q) − log SF((d−μ_x)/σ_x)."""
    return -sum(log_ndtr((mean - d) / sd) for mean, sd in (query, point))


def quick_gauss_key(d, query, point):
    """`gauss_key` within 0.5 %."""
    return -sum(quick_log_normal_sf((d - mean) / sd) for mean, sd in (query, point))


@dataclass(frozen=True)
class SampledMoments:
    """`MPGauss` with the moments of each point over r sampled rows: off by σ/√r and σ/√2r."""

    spare: int = SPARE

    def states(self, reference, points, metric, exclude_self, block_size):
        mean, sd = rowstats.moments(reference, points, metric, exclude_self, block_size)
        return mean, bivariate.spread(mean, sd)

    key = staticmethod(gauss_key)
    coarse = staticmethod(quick_gauss_key)

    def value(self, key):
        return -jnp.expm1(-key)


@dataclass(frozen=True)
class MPGamma(Reduction):
    """1 − SF_q(d) · SF_x(d) for rows of independent gamma distances, a = μ²/σ², scale σ²/μ.

    The `num_candidates` least under the Wilson-Hilferty normal approximation of the gamma are
    rescored with the incomplete gamma function itself.
    """

    num_candidates: int = 100
    metrics = DISTANCES
    ring = True

    def __post_init__(self):
        check_counts(num_candidates=self.num_candidates)

    def nearest(self, pairs: Pairs) -> Neighbors:
        states = tuple(_shape_and_scale(mean, sd) for mean, sd in pairs.moments())
        spare = max(self.num_candidates - pairs.k, 0)
        cost, index = pairs.keyed(gamma_key, states, coarse=_wilson_hilferty_key, spare=spare)
        return Neighbors(-jnp.expm1(-cost), index)

    on_graph = nearest


def _shape_and_scale(mean, sd):
    mean = jnp.where(mean > 0, mean, 1)
    variance = jnp.maximum(sd**2, bivariate.MIN_SD * mean**2)  # a beyond 10⁷ is a step in float32
    return mean**2 / variance, variance / mean


def gamma_key(d, query, point):
    """−log SF(d; a_q, b_q) − log SF(d; a_x, b_x)."""
    return -sum(log_gamma_sf(a, d / scale) for a, scale in (query, point))


def _wilson_hilferty_key(d, query, point):
    root = jnp.cbrt(d)

    def log_sf(a, scale):
        z = root / jnp.cbrt(a * scale) - (1 - 1 / (9 * a))
        return quick_log_normal_sf(3 * jnp.sqrt(a) * z)

    return -log_sf(*query) - log_sf(*point)


@dataclass(frozen=True)
class MPEmpiric(Reduction):
    """1 − #{j : d_qj > d_qx and d_xj > d_qx} / n, exact counts, for the nearest candidates.

    The `num_candidates` nearest points of each query are rescored and the k least kept: O(m·c·n)
    comparisons, O(c·m + n) memory. Distances that agree to rounding count as equal; ties go to the
    nearer point, then the lowest index. Among stored neighbours those j count that are known to be
    farther: none beyond the end of the list of x, so that only mutual neighbours stay below 1.
    """

    num_candidates: int = 100
    two_domain = False

    def __post_init__(self):
        check_counts(num_candidates=self.num_candidates)

    def nearest(self, search: Search) -> Neighbors:
        n = len(search.x)
        c = max(min(self.num_candidates, n - search.exclude_self), search.k)
        near = search.shifted(jnp.zeros(n, search.x.dtype), k=c)
        counts = empiric.farther_from_both(search.x, search.q, near, search.metric, search.mesh)
        value = (1 - counts / n).astype(near.cost.dtype)
        distance, _, index = topk.sort_rows((value, near.cost), near.index, search.k)
        return Neighbors(distance, index)

    def on_graph(self, graph: Graph) -> Neighbors:
        counts = empiric.known_farther(graph.distance, graph.index, graph.stored)
        candidate = jnp.arange(graph.index.shape[1])[None] < max(self.num_candidates, graph.k)
        value = jnp.where(candidate, 1 - counts / len(counts), jnp.inf)
        return Neighbors(*graph.ranked(value.astype(graph.distance.dtype)))


@dataclass(frozen=True)
class MPGaussFull(Reduction):
    """1 − P(X > d, Y > d) for the bivariate normal fitted to the distance rows of q and x.

    Schnitzer et al. 2012, eq. 3. Correlations are over third points. Their covariance needs every
    distance at once: at most `max_points` points and queries.
    """

    two_domain = False
    max_points = bivariate.MAX_POINTS
    beyond_graph = "the distances of every pair, for the covariance of two rows"

    def nearest(self, search: Search) -> Neighbors:
        most = self.max_points
        if most is not None and max(len(search.x), len(search.q)) > most:
            raise ValueError(
                f"mp_gauss_full keeps all distances and is limited to n ≤ {most:,} "
                f"points and queries; there are {len(search.x):,} and {len(search.q):,}. Use "
                "mp_gauss, which treats the two rows as independent, or a sample."
            )
        args = search.k, search.metric, search.exclude_self, search.queries is None
        return bivariate.nearest(search.x, search.q, *args)


LAWS = {"empiric": MPEmpiric, "gamma": MPGamma, "gauss": MPGauss, "gauss_full": MPGaussFull}


def MutualProximity(law: str = "gauss", **fields: Any) -> Reduction:
    """Mutual proximity under a law of the distances: gauss, gamma, gauss_full, or empiric counts.

    `fields` are those of its class, `LAWS[law]`.

    Raises:
        ValueError: an unknown law.
    """
    if law not in LAWS:
        raise ValueError(f"law {law!r} is not known; use one of {', '.join(LAWS)}.")
    return LAWS[law](**fields)
