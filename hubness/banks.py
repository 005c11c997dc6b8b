"""Reductions that measure how popular a point is with a bank of queries.

Cross-modal retrieval: the bank is a set of queries other than the ones asked, for example the
training queries. Without one, the points themselves serve, each left out of its own statistics;
between two domains the queries that are asked.
Similarities are −distance: cos − 1 under cosine, which ranks as cos does.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hubness import local, rowstats
from hubness.knn import Neighbors, search
from hubness.request import Request


def inverted_softmax(r: Request) -> Neighbors:
    """−log [e^{βs(q,x)} / Σ_b e^{βs(b,x)}] over the bank b. Smith et al. 2017, arXiv 1702.03859."""
    return _scored(r, _log_popularity(r, _bank(r)), 1)


def dual_bank(r: Request) -> Neighbors:
    """The product of the inverted softmaxes over `bank` and over `gallery_bank` (default x).

    DualIS, Wang et al. 2023 (EMNLP), arXiv 2310.11612.
    """
    return _scored(r, _log_popularity(r, _bank(r)) + _log_popularity(r, r.gallery_bank), 2)


def _log_popularity(r: Request, bank: Float[Array, "b d"] | None) -> Float[Array, " n"]:
    """log Σ_b e^{βs(b,x)} of each point."""
    members = r.x if bank is None else bank
    return rowstats.log_sum_exp(members, r.x, r.beta, r.metric, bank is None, r.block_size)


def _bank(r: Request) -> Float[Array, "b d"] | None:
    """The bank of queries; None where the points serve."""
    return r.queries if r.bank is None and r.two_domain else r.bank


def _scored(r: Request, log_popularity: Float[Array, " n"], factors: int) -> Neighbors:
    """Neighbours at distance factors · β · d + log_popularity."""
    scale = factors * r.beta
    distance, index = local.penalised(r, log_popularity / scale)
    return Neighbors(scale * distance, index)


def query_bank(r: Request) -> Neighbors:
    """Inverted softmax for queries whose nearest point is popular, plain neighbours for others.

    Popular points are among the `bank_k` nearest of some member of the bank. QB-Norm (dynamic
    inverted softmax), Bogolin et al. 2022, arXiv 2112.12777. Distances of plain rows are β · d.
    """
    rescaled = inverted_softmax(r)
    plain = r.query_neighbors(r.k)
    active = _popular(r)[plain.index[:, 0]][:, None]
    distance = jnp.where(active, rescaled.distance, r.beta * plain.distance)
    return Neighbors(distance, jnp.where(active, rescaled.index, plain.index))


def _popular(r: Request) -> Bool[Array, " n"]:
    bank = _bank(r)
    k = min(r.bank_k or 1, len(r.x) - (bank is None))
    members = r.x if bank is None else bank
    found = search(r.x, members, k, r.metric, bank is None, r.block_size)
    return jnp.zeros(len(r.x), bool).at[found.index].set(True)


def nnn(r: Request) -> Neighbors:
    """−(s(q,x) − w · mean of the bank_k greatest s(b,x)): nearest neighbour normalisation.

    Chowdhury et al. 2024 (EMNLP), arXiv 2410.24114; an additive bias of each point, so it can be
    stored in an index.
    """
    bank = _bank(r)
    members = r.x if bank is None else bank
    k = min(r.bank_k or 128, len(members) - (bank is None))
    near = search(members, r.x, k, r.metric, bank is None, r.block_size)
    return local.penalised(r, -r.weight * near.distance.mean(axis=1))
