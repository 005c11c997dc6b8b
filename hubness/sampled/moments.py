"""Moments of N_k over all queries from the counts of some of them.

m of n queries are drawn without replacement and S(x) of them list x. Given N(x) lists over all
queries, S(x) is hypergeometric, and with (a)_j = a(a−1)…(a−j+1)

    E (S)_j = (N)_j (m)_j / (n)_j,   so   F_j = mean_x (S)_j · (n)_j / (m)_j

estimates mean_x (N)_j without bias at any m ≥ j. F_1 = k·n/points is known. Central moments are
polynomials of F_1, F_2 and F_3, and the skewness a smooth function of them: consistent as m grows.
F_j is also the mean over all j-tuples of queries of the number of points that all of them list, a
U-statistic, whose delete-one values follow from S: without query q, (S)_j of each of its k points
falls by j (S−1)_{j−1}. So the jackknife costs O(m·k), with (1 − m/n) for the finite population. It
overstates the variance of U-statistics rather than understate it (Efron & Stein 1981).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from hubness.occurrence import known_lists
from hubness.search.checked import Given
from repgeo import inputs


class Moments(NamedTuple):
    """Moments of N_k over all queries, as estimated from a sample of them.

    Attributes:
      mean: k · population / n, which needs no estimate.
      variance: of N_k.
      skewness: m3 / m2^{3/2} of N_k, and its standard error.
      low, high: the interval of the skewness, of level `level`.
      skewness_null: of Poisson counts of that mean, which neighbours drawn by chance have.
    """

    mean: float
    variance: float
    skewness: float
    skewness_error: float
    low: float
    high: float
    level: float
    skewness_null: float


def moments(index: Given, n: int, *, population: int | None = None, level: float = 0.95) -> Moments:
    """Variance and skewness of N_k of n points, from the lists [m, k] of sampled queries.

    The queries were drawn without replacement from `population` (default: the n points). The
    interval is a normal law's, of the logarithm of the skewness where that is above 2 errors; of
    all queries, it is a point. At level .95 it held the truth in 91 to 100 % of 300 samples of 2 %,
    10 % and 50 % of 4,000 Gaussian points of 10, 40 and 100 dimensions, least often in the last, and
    in 93 to 97 % of 200 samples of 2 % to 50 % of 20,000 points in clusters of unequal size.
    Where too few lists share points for a positive variance, the skewness is NaN: unknown.

    Raises:
        ValueError: fewer than 3 queries, more than the population, or a level outside (0, 1).
    """
    index = known_lists("moments", index, n)
    m, k = index.shape
    total = n if population is None else inputs.count("population", population, 2**53)
    inputs.number("level", level, 0, 1)
    if not 3 <= m <= total:
        raise ValueError(f"{m} sampled queries of {total}; accepted are 3 queries up to all")
    counts = np.bincount(index.reshape(-1), minlength=n).astype(float)
    factorial = np.array([np.sum(counts * (counts - 1)), _third(counts)])
    mean = k * total / n
    variance, skew = (float(value) for value in _of(factorial, m, total, n, mean))
    if variance == 0 and m < total:
        inf = float("inf")
        return Moments(mean, variance, float("nan"), inf, -inf, inf, level, 1 / np.sqrt(mean))
    error = _jackknife(index, counts, factorial, total, n, mean)
    low, high = _interval(skew, error, level)
    return Moments(mean, variance, skew, error, low, high, level, 1 / np.sqrt(mean))


def _third(counts: Float[np.ndarray, " n"]) -> float:
    return float(np.sum(counts * (counts - 1) * (counts - 2)))


def _of(factorial, m, total, n, mean):
    """(variance, skewness) from Σ(S)_2 and Σ(S)_3 of m queries, of each row of `factorial`."""
    two, three = np.moveaxis(np.asarray(factorial, float), -1, 0) / n
    two = two * (total / m) * ((total - 1) / (m - 1))
    three = three * (total / m) * ((total - 1) / (m - 1)) * ((total - 2) / (m - 2))
    second, third = two + mean, three + 3 * two + mean
    variance = second - mean**2
    central = third - 3 * mean * second + 2 * mean**3
    safe = np.where(variance > 0, variance, 1)
    return np.maximum(variance, 0), np.where(variance > 0, central / safe**1.5, 0)


def _jackknife(index: Int[np.ndarray, "m k"], counts, factorial, total, n, mean) -> float:
    """The standard error of the skewness over the draw of the queries."""
    m = len(index)
    if m < 4:
        return float("inf") if m < total else 0.0
    listed = counts[index]
    falls = 2 * (listed - 1), 3 * (listed - 1) * (listed - 2)
    without = factorial - np.stack([fall.sum(axis=1) for fall in falls], axis=1)
    skews = _of(without, m - 1, total, n, mean)[1]
    variance = (1 - m / total) * (m - 1) / m * np.sum((skews - skews.mean()) ** 2)
    return float(np.sqrt(variance))


def _interval(skew: float, error: float, level: float) -> tuple[float, float]:
    z = float(special.ndtri((1 + level) / 2))
    if not 0 < 2 * error < skew:
        return skew - z * error, skew + z * error
    factor = np.exp(z * error / skew)
    return float(skew / factor), float(skew * factor)
