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
from hubness.search import rowstats, topk
from hubness.search.checked import Given
from hubness.search.knn import Neighbors, search

SUM = "the distances of every pair, for a sum over the bank"


@dataclass(frozen=True, eq=False)
class InvertedSoftmax(Reduction):
    """−log [e^{βs(q,x)} / Σ_b e^{βs(b,x)}] over the bank b. Smith et al. 2017, arXiv 1702.03859.

    β is the inverse temperature, in the unit of 1/d: where β times the differences of distances is
    below the precision of the rows (1e-16 of 1 for float64), nothing is left to rank by.
    """

    beta: float = 20.0
    bank: Given = None
    banks = ("bank",)
    signed = True
    beyond_graph = SUM

    def __post_init__(self):
        check_positive(beta=self.beta)

    def by_sample(self) -> "SampledBank | None":
        return None if self.bank is not None else SampledBank(self.beta, self.beta)

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

    def by_sample(self) -> "SampledBank | None":
        given = self.bank is not None or self.gallery_bank is not None
        return None if given else SampledBank(self.beta, 2 * self.beta, times=2)

    def nearest(self, search: Search) -> Neighbors:
        of_queries = _log_popularity(search, _bank(search, self.bank), self.beta)
        of_gallery = _log_popularity(search, self.gallery_bank, self.beta)
        return _scored(search, of_queries + of_gallery, 2 * self.beta)


def _log_popularity(s: Search, bank: Float[Array, "b d"] | None, beta) -> Float[Array, " n"]:
    """log Σ_b e^{βs(b,x)} of each point."""
    members = s.x if bank is None else bank
    args = beta, s.metric, bank is None, s.block_size, s.mesh
    return rowstats.log_sum_exp(members, s.x, *args)


def _bank(s: Search, bank: Float[Array, "b d"] | None) -> Float[Array, "b d"] | None:
    """The bank of queries; None where the points serve."""
    return s.queries if bank is None and s.two_domain else bank


def _scored(pairs: Pairs, log_popularity: Float[Array, " n"], scale: float) -> Neighbors:
    """Neighbours at distance scale · d + log_popularity."""
    distance, index = pairs.penalised(log_popularity / scale)
    return Neighbors(scale * distance, index)


@dataclass(frozen=True)
class SampledBank:
    """scale · d + times · log Σ_b e^{−βd(b,x)} with sampled rows as the bank, as any bank is one.

    The rows that are asked are the bank, so that every first neighbour is popular and `QueryBank`
    rescales every list.
    """

    beta: float
    scale: float
    times: int = 1
    spare: int = topk.KEY_SPARE

    def states(self, reference, points, metric, exclude_self, block_size):
        args = self.beta, metric, exclude_self, block_size
        return self.times * rowstats.log_sum_exp(reference, points, *args)

    def key(self, d, query, point):
        return self.scale * d + point

    coarse = key

    def value(self, key):
        return key


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

    def by_sample(self) -> SampledBank | None:
        return InvertedSoftmax(self.beta, self.bank).by_sample()

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
        found = search(s.x, members, k, s.metric, bank is None, s.block_size, s.mesh)
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

    def by_sample(self) -> "SampledNearest | None":
        return None if self.bank is not None else SampledNearest(self.bank_k, self.weight)

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
        return search(members, s.x, k, s.metric, bank is None, s.block_size, s.mesh)

    def _normalised(self, pairs: Pairs, near: Neighbors) -> Neighbors:
        return pairs.penalised(-self.weight * near.distance.mean(axis=1))


@dataclass(frozen=True)
class SampledNearest:
    """`NNN` with sampled rows as the bank, as any bank is one."""

    bank_k: int
    weight: float
    spare: int = topk.KEY_SPARE

    def states(self, reference, points, metric, exclude_self, block_size):
        k = min(self.bank_k, len(reference) - 1)
        near = search(reference, points, k, metric, exclude_self, block_size)
        return -self.weight * near.distance.mean(axis=1)

    def key(self, d, query, point):
        return d + point

    coarse = key

    def value(self, key):
        return key
