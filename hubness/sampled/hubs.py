"""Which points are hubs of all queries, by a test of how many sampled ones list them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from hubness.occurrence import known_lists
from hubness.search.checked import Given
from repgeo import inputs


class Hubs(NamedTuple):
    """Points that are surely hubs, most listed first.

    Attributes:
      index: their numbers.
      sampled: sampled queries that list them.
      estimate: N_k over all queries, without bias: sampled · population / m.
      low, high: the interval of N_k of that level of each (Clopper and Pearson's).
      p_value: P(as many sampled | N_k just below `threshold`).
      threshold: a hub is in at least so many lists over all queries.
    """

    index: Int[np.ndarray, " h"]
    sampled: Int[np.ndarray, " h"]
    estimate: Float[np.ndarray, " h"]
    low: Int[np.ndarray, " h"]
    high: Int[np.ndarray, " h"]
    p_value: Float[np.ndarray, " h"]
    threshold: int


def hubs(
    index: Given,
    n: int,
    *,
    population: int | None = None,
    hub_size: float = 2.0,
    level: float = 0.95,
) -> Hubs:
    """The points in at least hub_size · mean lists of all queries, from the lists of sampled ones.

    Of N lists over a population of queries, m drawn without replacement hold a hypergeometric
    number; a point counts as a hub where that number would be too large for one list less than a
    hub has. Holm's correction over all n points: the chance that any point is named wrongly is at
    most 1 − level, however the lists depend on each other. Hubs that m queries cannot tell from
    others are missing, so their number is no estimate of the number of hubs.

    Raises:
        ValueError: more queries than the population, or a level outside (0, 1).
    """
    index = known_lists("hubs", index, n)
    m, k = index.shape
    total = n if population is None else inputs.count("population", population, 2**53)
    inputs.number("hub_size", hub_size, 0)
    inputs.number("level", level, 0, 1)
    if m > total:
        raise ValueError(f"{m} sampled queries of {total}; accepted are up to all queries")
    from scipy import stats  # takes longer to import than all the rest of hubness

    # Eleven lists are 1.1 times ten of them, although 1.1 * 10 > 11 in floating point.
    threshold = max(1, int(np.ceil(hub_size * k * total / n * (1 - 4 * np.finfo(float).eps))))
    counts = np.bincount(index.reshape(-1), minlength=n)
    values, inverse = np.unique(counts, return_inverse=True)
    p = stats.hypergeom.sf(values - 1, total, min(threshold - 1, total), m)[inverse]
    order = np.lexsort((-counts, p))
    found = order[_holm(p[order], 1 - level)]
    at = inverse[found]
    low, high = _intervals(values, np.unique(at), m, total, 1 - level)
    estimate = counts[found] * (total / m)
    return Hubs(found, counts[found], estimate, low[at], high[at], p[found], threshold)


def _holm(ascending: Float[np.ndarray, " n"], alpha: float) -> Bool[np.ndarray, " n"]:
    """Which of the p-values stand, all of them together: those before the first that fails."""
    n = len(ascending)
    passed = ascending * (n - np.arange(n)) <= alpha
    return np.cumsum(~passed) == 0


def _intervals(values, needed, m, total, alpha):
    """Bounds of N for each number of sampled lists; only `needed` ones are computed."""
    from scipy import stats

    low, high = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for i in needed:
        s = int(values[i])
        least, most = s, total - (m - s)
        at_least = lambda big: stats.hypergeom.sf(s - 1, total, big, m) >= alpha / 2
        above = lambda big: stats.hypergeom.cdf(s, total, big, m) < alpha / 2
        low[i] = _first(at_least, least, most)
        high[i] = _first(above, least, most + 1) - 1
    return low, high


def _first(claim, low: int, high: int) -> int:
    """The least number in low..high for which a claim that stays true holds, or high."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if claim(middle) else (middle + 1, high)
    return low
