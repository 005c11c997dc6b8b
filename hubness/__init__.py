"""Hubness: exact measures and reductions in O(n·k) memory.

A space is hubby if few points are among the nearest neighbours of very many others. `knn` finds
neighbours, `k_occurrence` counts them, `measures` says how unequal the counts are and how much of
that is chance, `reduced_knn` searches again under distances that lower it, `reduce_graph` does so
among neighbours that another library stored. A reduction is an object, `CSLS(local_k=10)`, or its
short name in `REDUCTIONS`. `hubness.features` changes the space, `hubness.significance` tests
differences, `hubness.sampled` judges more points than can be searched, `hubness.tokens` compares
contexts with vocabularies and `hubness.estimators` (needs scikit-learn, and its own import) serves
pipelines.
"""

from hubness import features, reductions, sampled, significance, tokens
from hubness.measures import Measures, measures
from hubness.occurrence import bad_k_occurrence, drop_self, k_occurrence
from hubness.reductions import (
    CSLS,
    DSG,
    DSL,
    NICDM,
    NNN,
    REDUCTIONS,
    SNN,
    DualBank,
    InvertedSoftmax,
    LocalizedCentring,
    LocalScaling,
    MPEmpiric,
    MPGamma,
    MPGauss,
    MPGaussFull,
    MutualProximity,
    QueryBank,
    Reduction,
    SimHub,
    reduce_graph,
    reduced_knn,
)
from hubness.search.knn import Neighbors, knn

__all__ = [
    "CSLS",
    "DSG",
    "DSL",
    "NICDM",
    "NNN",
    "REDUCTIONS",
    "SNN",
    "DualBank",
    "InvertedSoftmax",
    "LocalScaling",
    "LocalizedCentring",
    "MPEmpiric",
    "MPGamma",
    "MPGauss",
    "MPGaussFull",
    "Measures",
    "MutualProximity",
    "Neighbors",
    "QueryBank",
    "Reduction",
    "SimHub",
    "bad_k_occurrence",
    "drop_self",
    "features",
    "k_occurrence",
    "knn",
    "measures",
    "reduce_graph",
    "reduced_knn",
    "reductions",
    "sampled",
    "significance",
    "tokens",
]
