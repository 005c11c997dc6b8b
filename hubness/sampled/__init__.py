"""Hubness of more points than can be searched: all points stay, the queries are a sample.

The hubness of a sample of the points is another quantity. Here m of n rows, drawn without
replacement, ask among all n, and what N_k of all n queries is follows from their counts as far as
it can: its moments and skewness, with an interval (`moments`), and which points are hubs (`hubs`).
How many points are in no list, and with it the Robin Hood, Gini and Atkinson indices, does not
follow from m ≪ n queries: a point in no sampled list may be in any number of others.

    rows = draw(jax.random.key(0), n, 20_000)
    found = knn(np.load(file, mmap_mode="r"), 10, rows, metric="cosine")
    moments(found.index, n)
"""

from hubness.sampled.hubs import Hubs, hubs
from hubness.sampled.moments import Moments, moments
from hubness.sampled.search import draw, knn, reduced_knn

__all__ = [
    "Hubs",
    "Moments",
    "draw",
    "hubs",
    "knn",
    "moments",
    "reduced_knn",
]
