"""Hubness: exact measures and reductions in O(n·k) memory.

A space is hubby if few points are among the nearest neighbours of very many others. `knn` finds
neighbours, `k_occurrence` counts them, `measures` says how unequal the counts are and how much of
that is chance, `reduced_knn` searches again under distances that lower it. `hubness.features`
changes the space, `hubness.significance` tests differences, `hubness.tokens` compares contexts
with vocabularies and `hubness.estimators` (needs scikit-learn) serves pipelines.
"""

from hubness.knn import Neighbors, knn
from hubness.measures import Measures, measures
from hubness.occurrence import bad_k_occurrence, drop_self, k_occurrence
from hubness.rescale import REDUCTIONS, reduced_knn

__all__ = [
    "REDUCTIONS",
    "Measures",
    "Neighbors",
    "bad_k_occurrence",
    "drop_self",
    "k_occurrence",
    "knn",
    "measures",
    "reduced_knn",
]
