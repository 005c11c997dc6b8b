"""Plain forms that `hubness` is measured against: loops over rows and sets, as in the peers."""

import numpy as np
from scipy import stats
from sklearn.neighbors import NearestNeighbors


def measures(counts: np.ndarray) -> dict[str, float]:
    """The measures of N_k in NumPy, Gini by sorting."""
    n, total, mean = len(counts), counts.sum(), counts.mean()
    ranks = 2 * np.arange(1, n + 1) - n - 1
    sd = counts.std(ddof=1)
    hubs = counts >= 2 * mean
    return {
        "skewness": float(stats.skew(counts)),
        "robin_hood": np.abs(counts - mean).sum() / (2 * total),
        "gini": (ranks * np.sort(counts)).sum() / (n * total),
        "atkinson": 1 - np.sqrt(counts).mean() ** 2 / mean,
        "truncnorm_skewness": float(stats.truncnorm(-mean / sd, np.inf).moment(3)),
        "antihub_rate": (counts == 0).mean(),
        "hub_rate": hubs.mean(),
        "hub_occurrence": counts[hubs].sum() / total,
        "groupie_ratio": counts.max() / n,
    }


def mp_normal(x: np.ndarray, candidates: int) -> np.ndarray:
    """Neighbours by Gaussian mutual proximity on a stored graph, one row at a time.

    The moments are those of the stored distances with the point itself, as in scikit-hubness 0.30.
    """
    finder = NearestNeighbors(n_neighbors=candidates + 1, algorithm="brute").fit(x)
    distance, index = finder.kneighbors(x)
    mean, sd = distance.mean(1), distance.std(1)
    out = np.empty_like(index)
    for i in range(len(x)):
        d, near = distance[i], index[i]
        own = stats.norm.sf(d, d.mean(), d.std())
        proximity = own * stats.norm.sf(d, mean[near], sd[near])
        out[i] = near[np.argsort(-proximity, kind="stable")]
    return np.array([row[row != i][:candidates] for i, row in enumerate(out)])


def mp_empiric(distance: np.ndarray, index: np.ndarray, rows: int) -> np.ndarray:
    """Values of the first rows by set operations on the stored lists, as in scikit-hubness 0.30."""
    out = np.ones((rows, index.shape[1]))
    for i in range(rows):
        mine = index[i]
        for t, (y, v) in enumerate(zip(mine, distance[i], strict=True)):
            theirs, reach = index[y], distance[y]
            after = np.union1d(mine[t + 1 :], np.setdiff1d(theirs, mine, assume_unique=True))
            if len(after) == 0 or v >= reach[-1]:
                continue
            beyond = theirs[np.searchsorted(reach, v, side="right") :]
            beyond = np.union1d(beyond, np.setdiff1d(mine, theirs, assume_unique=True))
            both = np.intersect1d(after, beyond, assume_unique=True)
            out[i, t] -= len(both) / len(index)
    return out
