"""Measures of how unequally neighbour slots are shared, in O(n log n), and their chance values.

Chance draws neighbours uniformly. Then N_k is Binomial(m, k/n), close to Poisson(λ) with λ = m·k/n,
and any measure has a floor above zero that grows as λ falls: with 120,000 points, 7,600 queries and
k=10, λ = 0.63, the skewness of pure chance is 1.26 and its Robin Hood index 0.53. Gaussian points
on a sphere reach the floor.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy import stats
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, Real

from hubness.search import checked
from hubness.search.checked import Given
from repgeo import inputs

Value = Float[Array, ""] | float


class Measures(NamedTuple):
    """Hubness of one space at one k. Each `*_null` is the value that chance alone would give.

    Attributes:
      skewness: g1 = m3 / m2^{3/2} of N_k (biased moments); 0 if all counts are equal.
      robin_hood: ½Σ|N − N̄| / ΣN in [0, 1 − 1/n], slots to move for equality.
      gini: Σ_ij |N_i − N_j| / (2n ΣN) in [0, 1 − 1/n].
      atkinson: 1 − (mean √N)² / N̄ = Var(√N) / N̄ in [0, 1].
      truncnorm_skewness: third raw moment of the standard normal above a = −N̄/s (scikit-hubness).
      antihub_rate: share of points with N = 0.
      hub_rate: share of points with N ≥ hub_size · N̄.
      hub_occurrence: share of all neighbour slots held by these hubs.
      groupie_ratio: max N / m, share of lists that hold the largest hub.
    """

    skewness: Value
    robin_hood: Value
    gini: Value
    atkinson: Value
    truncnorm_skewness: Value
    antihub_rate: Value
    hub_rate: Value
    hub_occurrence: Value
    groupie_ratio: Value
    skewness_null: Value
    robin_hood_null: Value
    antihub_rate_null: Value


def measures(
    counts: Given,
    k: int,
    num_queries: int | None = None,
    *,
    hub_size: float = 2.0,
) -> Measures:
    """All measures of N_k of n points, for m = `num_queries` lists of k (default ΣN/k).

    Hubs are points with at least `hub_size` times the mean count λ = m·k/n, which is k when a set
    is searched for its own rows. For sentence embeddings skewness above 2.5 is high; it follows
    single hubs, so decide by robin_hood − robin_hood_null.

    Raises:
        ValueError: counts that are not one vector, negative or not finite; k or `num_queries` no
            integer of at least 1; `hub_size` not finite or not above 0.

    Examples:
        >>> found = hubness.measures([6, 0, 0, 0, 0, 0], 1)
        >>> round(float(found.robin_hood), 3), round(float(found.robin_hood_null), 3)
        (0.833, 0.368)
    """
    counts = inputs.array("counts", counts, 1)
    k = inputs.count("k", k, 2**31 - 1)
    if num_queries is not None:
        num_queries = inputs.count("num_queries", num_queries, 2**31 - 1)
    inputs.number("hub_size", hub_size, 0)
    if inputs.surely(lambda c: c.min() < 0, counts):
        raise ValueError(f"{int((counts < 0).sum())} counts are negative; pass N_k ≥ 0.")

    def run(counts):
        counts = counts.astype(jnp.promote_types(counts.dtype, jnp.result_type(float)))
        return _measures(counts, k, num_queries, hub_size)

    return checked.precisely(run, counts, ranged=False)


@jax.jit
def _measures(counts, k, num_queries, hub_size):
    counts = jnp.sort(counts)  # sums in one order, whatever the order of the points
    n, middle = counts.shape[0], counts[counts.shape[0] // 2]
    mean = middle + (counts - middle).mean()  # exact where all counts are equal, however large
    total, some = mean * n, mean > 0
    slots = total if num_queries is None else jnp.asarray(num_queries, counts.dtype) * k
    share = lambda part: jnp.where(some, part / jnp.where(some, total, 1), 0)
    rate = lambda mask: jnp.mean(mask.astype(counts.dtype))
    # Eleven lists are 1.1 times ten of them, although 1.1 * 10 > 11 in floating point.
    least = hub_size * mean * (1 - 4 * jnp.finfo(counts.dtype).eps)
    hubs = (counts >= least) & some
    return Measures(
        skewness=skewness(counts),
        robin_hood=share(0.5 * jnp.abs(counts - mean).sum()),
        gini=share(_gini_sum(counts) / n),
        atkinson=share(n * jnp.var(jnp.sqrt(counts))),
        truncnorm_skewness=truncnorm_skewness(counts),
        antihub_rate=rate(counts == 0),
        hub_rate=rate(hubs),
        hub_occurrence=share(jnp.where(hubs, counts, 0).sum()),
        groupie_ratio=jnp.where(some, counts[-1] * k / jnp.where(some, slots, 1), 0),
        skewness_null=skewness_null(slots / n),
        robin_hood_null=robin_hood_null(slots / n),
        antihub_rate_null=antihub_rate_null(slots / n),
    )


def _gini_sum(ascending: Float[Array, " n"]) -> Float[Array, ""]:
    """Σ_i (2i − n − 1) N_(i), the O(n log n) form of Σ_ij |N_i − N_j| / 2."""
    n = ascending.shape[0]
    # Differences to the mean: the rank weights sum to zero, and equal counts give exactly 0.
    ranks = 2 * jnp.arange(1, n + 1, dtype=ascending.dtype) - n - 1
    return jnp.sum(ranks * (ascending - ascending[n // 2]))


def skewness(counts: Real[Array, " n"]) -> Float[Array, ""]:
    """Population skewness g1 = m3 / m2^{3/2}; 0 where all counts are equal."""
    z = inputs.scaled(counts - counts.mean())[0]  # of large counts the cube would overflow
    constant = counts.max() == counts.min()
    m2 = jnp.where(constant, 1, jnp.mean(z**2))
    return jnp.where(constant, 0, jnp.mean(z**3) / m2**1.5)


def truncnorm_skewness(counts: Real[Array, " n"]) -> Float[Array, ""]:
    """(a² + 2) φ(a) / (1 − Φ(a)) at a = −N̄/s, s with n − 1; 0 where all counts are equal.

    scikit-hubness calls this third raw moment a skewness; it has no null value.
    """
    sd = jnp.std(counts, ddof=min(1, counts.shape[0] - 1))
    a = -counts.mean() / jnp.where(sd == 0, 1, sd)
    value = (a**2 + 2) * jnp.exp(stats.norm.logpdf(a) - stats.norm.logsf(a))
    return jnp.where(counts.max() == counts.min(), 0, value)


def skewness_null(mean: Value) -> Float[Array, ""]:
    """1/√λ, the skewness of Poisson(λ); 0 where nothing is counted at all."""
    mean = jnp.asarray(mean, float)
    return jnp.where(mean > 0, 1 / jnp.sqrt(jnp.where(mean > 0, mean, 1)), 0)


def robin_hood_null(mean: Value) -> Float[Array, ""]:
    """E|N − λ| / 2λ = e^{−λ} λ^⌊λ⌋ / ⌊λ⌋! for N ~ Poisson(λ); 0 where nothing is counted."""
    mean = jnp.asarray(mean, float)
    some, whole = mean > 0, jnp.floor(mean)
    safe = jnp.where(some, mean, 1)
    exact = jnp.exp(-safe + whole * jnp.log(safe) - gammaln(whole + 1))
    # Beyond 10³ the exponent cancels in float32; Stirling is within 1/(12λ) < 1e-4 there.
    return jnp.where(some, jnp.where(mean > 1e3, 1 / jnp.sqrt(2 * jnp.pi * safe), exact), 0)


def antihub_rate_null(mean: Value) -> Float[Array, ""]:
    """P(N = 0) = e^{−λ} for N ~ Poisson(λ)."""
    return jnp.exp(-jnp.asarray(mean, float))
