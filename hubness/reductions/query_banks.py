"""Reductions that measure how popular a point is with a bank of queries.

Cross-modal retrieval: the bank is a set of queries other than the ones asked, for example the
training queries. Without one, the points themselves serve, each left out of its own statistics;
between two domains the queries that are asked.
Similarities are −distance: cos − 1 under cosine, which ranks as cos does.
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hubness.reductions.base import Pairs, Reduction, Search, check_counts, check_positive
from hubness.reductions.graph import Graph
from hubness.search import rowstats
from hubness.search.checked import Given
from hubness.search.knn import Neighbors, search

SUM = "the distances of every pair, for a sum over the bank"


@dataclass(frozen=True, eq=False)
class InvertedSoftmax(Reduction):
    """−log [e^{βs(q,x)} / Σ_b e^{βs(b,x)}] over the bank b. Smith et al. 2017, arXiv 1702.03859.

    β is the inverse temperature.
    """

    beta: float = 20.0
    bank: Given = None
    banks = ("bank",)
    signed = True
    beyond_graph = SUM

    def __post_init__(self):
        check_positive(beta=self.beta)

    def nearest(self, search: Search) -> Neighbors:
        return _scored(
            search, _log_popularity(search, _bank(search, self.bank), self.beta), self.beta
        )


@dataclass(frozen=True, eq=False)
class DualBank(Reduction):
    """The product of the inverted softmaxes over `bank` and over `gallery_bank` (default x).

    DualIS, Wang et al. 2023 (EMNLP), arXiv 2310.11612.
    """

    beta: float = 20.0
    bank: Given = None
    gallery_bank: Given = None
    banks = ("bank", "gallery_bank")
    signed = True
    beyond_graph = SUM

    def __post_init__(self):
        check_positive(beta=self.beta)

    def nearest(self, search: Search) -> Neighbors:
        of_queries = _log_popularity(search, _bank(search, self.bank), self.beta)
        of_gallery = _log_popularity(search, self.gallery_bank, self.beta)
        return _scored(search, of_queries + of_gallery, 2 * self.beta)


def _log_popularity(s: Search, bank: Float[Array, "b d"] | None, beta) -> Float[Array, " n"]:
    """log Σ_b e^{βs(b,x)} of each point."""
    members = s.x if bank is None else bank
    return rowstats.log_sum_exp(members, s.x, beta, s.metric, bank is None, s.block_size)


def _bank(s: Search, bank: Float[Array, "b d"] | None) -> Float[Array, "b d"] | None:
    """The bank of queries; None where the points serve."""
    return s.queries if bank is None and s.two_domain else bank


def _scored(pairs: Pairs, log_popularity: Float[Array, " n"], scale: float) -> Neighbors:
    """Neighbours at distance scale · d + log_popularity."""
    distance, index = pairs.penalised(log_popularity / scale)
    return Neighbors(scale * distance, index)


@dataclass(frozen=True, eq=False)
class QueryBank(Reduction):
    """Inverted softmax for queries whose nearest point is popular, plain neighbours for others.

    Popular points are among the `bank_k` nearest of some member of the bank. QB-Norm (dynamic
    inverted softmax), Bogolin et al. 2022, arXiv 2112.12777. Distances of plain rows are β · d.
    """

    beta: float = 20.0
    bank_k: int = 1
    bank: Given = None
    banks = ("bank",)
    signed = True
    beyond_graph = SUM

    def __post_init__(self):
        check_positive(beta=self.beta)
        check_counts(bank_k=self.bank_k)

    def nearest(self, search: Search) -> Neighbors:
        rescaled = InvertedSoftmax(self.beta, self.bank).nearest(search)
        plain = search.neighbors(search.k)
        active = self._popular(search)[plain.index[:, 0]][:, None]
        distance = jnp.where(active, rescaled.distance, self.beta * plain.distance)
        return Neighbors(distance, jnp.where(active, rescaled.index, plain.index))

    def _popular(self, s: Search) -> Bool[Array, " n"]:
        bank = _bank(s, self.bank)
        k = min(self.bank_k, len(s.x) - (bank is None))
        members = s.x if bank is None else bank
        found = search(s.x, members, k, s.metric, bank is None, s.block_size)
        return jnp.zeros(len(s.x), bool).at[found.index].set(True)


@dataclass(frozen=True, eq=False)
class NNN(Reduction):
    """−(s(q,x) − w · mean of the `bank_k` greatest s(b,x)): nearest neighbour normalisation.

    Chowdhury et al. 2024 (EMNLP), arXiv 2410.24114; an additive bias of each point, so it can be
    stored in an index.
    """

    bank_k: int = 128
    weight: float = 0.75
    bank: Given = None
    banks = ("bank",)
    signed = True

    def __post_init__(self):
        check_counts(bank_k=self.bank_k)
        if not math.isfinite(self.weight):
            raise ValueError(f"weight={self.weight}; accepted are finite numbers.")

    def nearest(self, search: Search) -> Neighbors:
        return self._normalised(search, self._near(search))

    def on_graph(self, graph: Graph) -> Neighbors:
        k = min(self.bank_k, len(graph.index) - 1)
        return self._normalised(graph, graph.first(k, "bank_k"))

    def _near(self, s: Search) -> Neighbors:
        """The members of the bank that are nearest to each point."""
        bank = _bank(s, self.bank)
        members = s.x if bank is None else bank
        k = min(self.bank_k, len(members) - (bank is None))
        return search(members, s.x, k, s.metric, bank is None, s.block_size)

    def _normalised(self, pairs: Pairs, near: Neighbors) -> Neighbors:
        return pairs.penalised(-self.weight * near.distance.mean(axis=1))
