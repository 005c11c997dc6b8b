"""Hubness: exact measures and reductions in O(n·k) memory."""

from hubness.knn import Neighbors, knn
from hubness.measures import Measures, measures
from hubness.occurrence import bad_k_occurrence, k_occurrence
from hubness.rescale import reduced_knn

__all__ = [
    "Measures",
    "Neighbors",
    "bad_k_occurrence",
    "k_occurrence",
    "knn",
    "measures",
    "reduced_knn",
]
