"""Mutual proximity: how likely it is that a third point is farther from both.

Schnitzer, Flexer, Schedl & Widmer, JMLR 13 (2012). Distances are 1 − MP in [0, 1].
"""

import jax.numpy as jnp
from jax.scipy.special import log_ndtr

from hubness import empiric, topk
from hubness.knn import Neighbors
from hubness.request import Request
from hubness.survival import log_gamma_sf, quick_log_normal_sf

MIN_SD = 1e-7  # of a row whose distances are all equal (hub-toolbox)
SPARE = 20  # candidates beyond k; the quick key is off by less than 0.5 %


def mp_gauss(r: Request) -> Neighbors:
    """1 − SF((d−μ_q)/σ_q) · SF((d−μ_x)/σ_x), SF = 1 − Φ, for rows of independent Gaussians.

    Ranked by −log SF − log SF, which does not saturate where 1 − MP rounds to 0 or 1. An
    approximation within 0.5 % proposes k + 20 candidates, which are ranked exactly.
    """
    states = tuple((mean, jnp.maximum(sd, MIN_SD)) for mean, sd in r.moments())
    cost, index = r.keyed(gauss_key, states, coarse=_quick_gauss_key, spare=SPARE)
    return Neighbors(-jnp.expm1(-cost), index)


def gauss_key(d, query, point):
    """−log SF((d−μ_q)/σ_q) − log SF((d−μ_x)/σ_x)."""
    return -sum(log_ndtr((mean - d) / sd) for mean, sd in (query, point))


def _quick_gauss_key(d, query, point):
    return -sum(quick_log_normal_sf((d - mean) / sd) for mean, sd in (query, point))


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
    root = jnp.cbrt(d)

    def log_sf(a, scale):
        z = root / jnp.cbrt(a * scale) - (1 - 1 / (9 * a))
        return quick_log_normal_sf(3 * jnp.sqrt(a) * z)

    return -log_sf(*query) - log_sf(*point)


def mp_empiric(r: Request) -> Neighbors:
    """1 − #{j : d_qj > d_qx and d_xj > d_qx} / n, exact counts, for the nearest candidates.

    The `num_candidates` nearest points of each query are rescored and the k least kept: O(m·c·n)
    comparisons, O(c·m + n) memory. Distances that agree to rounding count as equal; ties go to the
    nearer point, then the lowest index.
    """
    c = max(min(r.num_candidates, len(r.x) - r.exclude_self), r.k)
    near = r.shifted(jnp.zeros(len(r.x), r.x.dtype), k=c)
    counts = empiric.farther_from_both(r.x, r.q, near, r.metric)
    distance, _, index = topk.sort_rows((1 - counts / len(r.x), near.cost), near.index, r.k)
    return Neighbors(distance, index)
