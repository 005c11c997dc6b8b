"""Prediction hubs: tokens that are near very many contexts.

Nielsen, Macocco & Baroni 2025 (ACL), arXiv 2502.10201. A token is a prediction hub if it is among
the k most probable continuations of very many contexts.
"""

from hubness.tokens.concentration import (
    DistanceMoments,
    distance_histogram,
    distance_moments,
    probability_relative_variance,
    probability_variance_bound,
)
from hubness.tokens.hubs import (
    HubAccuracy,
    hub_accuracy,
    hub_mask,
    neighbour_hit,
    purity,
    skewness_bound,
    spearman,
    spearman_interval,
    token_counts,
)
from hubness.tokens.search import RowStats, TopTokens, top_tokens

__all__ = [
    "DistanceMoments",
    "HubAccuracy",
    "RowStats",
    "TopTokens",
    "distance_histogram",
    "distance_moments",
    "hub_accuracy",
    "hub_mask",
    "neighbour_hit",
    "probability_relative_variance",
    "probability_variance_bound",
    "purity",
    "skewness_bound",
    "spearman",
    "spearman_interval",
    "token_counts",
    "top_tokens",
]
