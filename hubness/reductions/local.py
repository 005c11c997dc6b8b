"""Reductions by statistics of each point's own neighbourhood."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from hubness.reductions.base import (
    DISTANCES,
    Pairs,
    Reduction,
    Search,
    check_counts,
    check_positive,
)
from hubness.search import checked, pairwise
from hubness.search.knn import Neighbors


def positive(radius: Float[Array, "..."]) -> Float[Array, "..."]:
    """The radius, or of a point with local_k duplicates a tiny one that can still be divided by."""
    return jnp.maximum(radius, jnp.finfo(radius.dtype).tiny ** 0.8)


@dataclass(frozen=True)
class LocalScaling(Reduction):
    """1 − exp(−d² / (r_q r_x)), r the distance to the `local_k`-th neighbour, in [0, 1).

    Zelnik-Manor & Perona 2004; Schnitzer et al. 2012.
    """

    local_k: int = 10
    metrics = DISTANCES
    ring = True

    def __post_init__(self):
        check_counts(local_k=self.local_k)

    def nearest(self, pairs: Pairs) -> Neighbors:
        radii = (positive(nb.distance[:, -1]) for nb in pairs.local(self.local_k))
        cost, index = pairs.keyed(_scaled_square, tuple(radii))
        return Neighbors(-jnp.expm1(-cost), index)

    on_graph = nearest


def _scaled_square(d, r_q, r_x):
    return (d / r_q) * (d / r_x)


@dataclass(frozen=True)
class NICDM(Reduction):
    """d / √(μ_q μ_x), μ the mean distance to the `local_k` nearest neighbours.

    Jégou et al. 2007.
    """

    local_k: int = 10
    metrics = DISTANCES
    invertible = True
    ring = True

    def __post_init__(self):
        check_counts(local_k=self.local_k)

    def nearest(self, pairs: Pairs) -> Neighbors:
        means = (positive(nb.distance.mean(axis=1)) for nb in pairs.local(self.local_k))
        return Neighbors(*pairs.keyed(_scaled, tuple(means)))

    on_graph = nearest


def _scaled(d, mu_q, mu_x):
    return d / (jnp.sqrt(mu_q) * jnp.sqrt(mu_x))


@dataclass(frozen=True)
class CSLS(Reduction):
    """2d − r_q − r_x, r the mean distance to the `local_k` nearest neighbours; can be < 0.

    For cosine this is −(2 cos − r̄_q − r̄_x) with mean similarities r̄: Conneau et al. 2018,
    arXiv 1710.04087, where two domains are the paper's form.
    """

    local_k: int = 10
    signed = True
    ring = True

    def __post_init__(self):
        check_counts(local_k=self.local_k)

    def nearest(self, pairs: Pairs) -> Neighbors:
        r_q, r_x = (nb.distance.mean(axis=1) for nb in pairs.local(self.local_k))
        cost, index = pairs.penalised(-r_x / 2)
        return Neighbors(2 * cost - r_q[:, None], index)

    on_graph = nearest


@dataclass(frozen=True)
class DSL(Reduction):
    """DisSimLocal ‖q−x‖² − ‖x−c(x)‖² − ‖q−c(q)‖², c the mean of the `local_k` nearest; can be < 0.

    Hara et al. 2016 (AAAI). Under cosine on unit rows.
    """

    local_k: int = 10
    metrics = DISTANCES
    signed = True
    beyond_graph = "the vectors, for the mean of each point's neighbours"

    def __post_init__(self):
        check_counts(local_k=self.local_k)

    def nearest(self, search: Search) -> Neighbors:
        search = as_euclidean(search)
        near_q, near_x = search.local(self.local_k)
        # Means of neighbours round as an offset does; distances of centred rows would not tie.
        centred = lambda rows: pairwise.centred(rows, search.x)
        x, reference = centred(search.x), centred(search.reference)
        h_x = centroid_distance(x, reference, near_x.index)
        h_q = h_x
        if search.queries is not None:
            h_q = centroid_distance(centred(search.q), x, near_q.index)
        cost, index = search.shifted(h_x / 2)
        return Neighbors(2 * cost - h_q[:, None], index)


@dataclass(frozen=True)
class DSG(Reduction):
    """DisSimGlobal ‖q−x‖² − ‖x−c‖² − ‖q−c‖² = −2⟨x−c, q−c⟩, c the mean of the points.

    Hara et al. 2016: the ranking of the centred inner product. Under cosine on unit rows.
    """

    metrics = DISTANCES
    two_domain = False
    signed = True
    beyond_graph = "the vectors, for the centre of all points"

    def nearest(self, search: Search) -> Neighbors:
        search = as_euclidean(search)
        points = search.x
        search = search.under("dot", lambda rows: pairwise.centred(rows, points))
        cost, index = search.shifted(jnp.zeros(len(search.x), search.x.dtype))
        return Neighbors(2 * cost, index)


@dataclass(frozen=True)
class LocalizedCentring(Reduction):
    """−(⟨q, x⟩ − ⟨x, c(x)⟩^γ) on unit rows, c the mean of the `local_k` nearest; can be < 0.

    γ applies only if no ⟨x, c(x)⟩ is negative. Hara et al. 2015 (AAAI); their neighbourhoods are
    larger than usual, local_k = 40.
    """

    local_k: int = 10
    gamma: float = 1.0
    metrics = DISTANCES
    signed = True
    beyond_graph = "the vectors, for the mean of each point's neighbours"

    def __post_init__(self):
        check_counts(local_k=self.local_k)
        check_positive(gamma=self.gamma)

    def nearest(self, search: Search) -> Neighbors:
        checked.directions(search.x, search.queries)
        search = search.under("cosine", pairwise.unit_rows)
        near = search.of_points(self.local_k)
        affinity = local_affinity(search.x, search.reference, near.index)
        power = jnp.abs(affinity) ** self.gamma
        cost, index = search.shifted(-jnp.where((affinity >= 0).all(), power, affinity))
        return Neighbors(cost - 1, index)


def centroid_distance(
    x: Float[Array, "m d"], reference: Float[Array, "n d"], index: Int[Array, "m k"]
) -> Float[Array, " m"]:
    """‖x − c‖² with c the mean of the rows of `reference` at each index."""
    return 2 * pairwise.half_squares(x - centroids(reference, index))


def local_affinity(
    x: Float[Array, "m d"], reference: Float[Array, "n d"], index: Int[Array, "m k"]
) -> Float[Array, " m"]:
    """⟨x, c⟩ with c the mean of the rows of `reference` at each index."""
    return jnp.sum(x * centroids(reference, index), axis=1)


def centroids(reference: Float[Array, "n d"], index: Int[Array, "m k"]) -> Float[Array, "m d"]:
    """The mean of the rows at each index, one neighbour at a time: no m × k × d array."""
    rows = lambda i, total: total + pairwise.take(reference, index[:, i])
    zero = jnp.zeros((index.shape[0], reference.shape[1]), reference.dtype)
    return lax.fori_loop(0, index.shape[1], rows, zero) / index.shape[1]


def as_euclidean(search: Search) -> Search:
    """The search under squared Euclidean distance, on unit rows if it was under cosine."""
    if search.metric == "cosine":
        return search.under("sqeuclidean", pairwise.unit_rows)
    return search.under("sqeuclidean")
