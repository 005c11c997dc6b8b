"""Closeness of distributions and of representations, and every bound between them."""

from similarity import bounds, constructions, gauge, patterns, sets, sharded
from similarity.cca import (
    canonical_correlations,
    linear_regression_r2,
    mcca,
    pwcca,
    svcca,
    trivial_correlations,
)
from similarity.cka import CkaSums, cka, cka_from_grams, minibatch_cka
from similarity.distribution import agreement, js, kl, total_variation
from similarity.family import (
    alignment,
    apply_gauge,
    centre,
    clr,
    log_partition,
    log_probs,
    logits,
    with_bias,
)
from similarity.linear_identifiability import d_rep, d_rep_symmetric
from similarity.llv import llv_distance, llv_label_terms
from similarity.logit_distance import (
    logit_distance,
    logit_distance_from_logits,
    logit_distance_sq,
    pairwise_logit_distance,
    squared_logit_distances,
)
from similarity.measures import MEASURES, Measure, find
from similarity.neighbours import cknna, mutual_knn, neighbour_jaccard
from similarity.procrustes import angular_procrustes, procrustes
from similarity.ranks import spearman
from similarity.rsa import rsa
from similarity.stats import PairStats
from similarity.svd import d_svd, d_svd_labels, max_d_svd
from similarity.uncertainty import calibrated, interval, permutation_null

__all__ = [
    "CkaSums",
    "MEASURES",
    "Measure",
    "PairStats",
    "agreement",
    "alignment",
    "angular_procrustes",
    "apply_gauge",
    "bounds",
    "calibrated",
    "canonical_correlations",
    "centre",
    "cka",
    "cka_from_grams",
    "cknna",
    "clr",
    "constructions",
    "d_rep",
    "d_rep_symmetric",
    "d_svd",
    "d_svd_labels",
    "find",
    "gauge",
    "interval",
    "js",
    "kl",
    "linear_regression_r2",
    "llv_distance",
    "llv_label_terms",
    "log_partition",
    "log_probs",
    "logit_distance",
    "logit_distance_from_logits",
    "logit_distance_sq",
    "logits",
    "max_d_svd",
    "mcca",
    "minibatch_cka",
    "mutual_knn",
    "neighbour_jaccard",
    "pairwise_logit_distance",
    "patterns",
    "permutation_null",
    "procrustes",
    "pwcca",
    "rsa",
    "sets",
    "sharded",
    "spearman",
    "squared_logit_distances",
    "svcca",
    "total_variation",
    "trivial_correlations",
    "with_bias",
]
