"""Reductions by statistics of each point's own neighbourhood."""

import dataclasses

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from hubness import pairwise
from hubness.knn import Neighbors
from hubness.request import Request

TINY = 1e-30  # radius of a point with local_k duplicates


def local_scaling(r: Request) -> Neighbors:
    """1 − exp(−d² / (r_q r_x)), r the distance to the k-th neighbour, in [0, 1).

    Zelnik-Manor & Perona 2004; Schnitzer et al. 2012.
    """
    near, _ = r.point_neighbors(r.local_k)
    radius = lambda nb: jnp.maximum(nb.distance[:, -1], TINY)
    states = radius(r.query_neighbors(r.local_k, near)), radius(near)
    cost, index = r.keyed(_scaled_square, states)
    return Neighbors(-jnp.expm1(-cost), index)


def _scaled_square(d, r_q, r_x):
    return (d / r_q) * (d / r_x)


def nicdm(r: Request) -> Neighbors:
    """d / √(μ_q μ_x), μ the mean distance to the k nearest neighbours. Jégou et al. 2007."""
    near, _ = r.point_neighbors(r.local_k)
    mean = lambda nb: jnp.maximum(nb.distance.mean(axis=1), TINY)
    states = mean(r.query_neighbors(r.local_k, near)), mean(near)
    return Neighbors(*r.keyed(_scaled, states))


def _scaled(d, mu_q, mu_x):
    return d / (jnp.sqrt(mu_q) * jnp.sqrt(mu_x))


def csls(r: Request) -> Neighbors:
    """2d − r_q − r_x, r the mean distance to the k nearest neighbours.

    For cosine this is −(2 cos − r̄_q − r̄_x) with mean similarities r̄: Conneau et al. 2018,
    arXiv 1710.04087, where `two_domain` is the paper's form.
    """
    near, _ = r.point_neighbors(r.local_k)
    r_x = near.distance.mean(axis=1)
    r_q = r.query_neighbors(r.local_k, near).distance.mean(axis=1)
    cost, index = penalised(r, -r_x / 2)
    return Neighbors(2 * cost - r_q[:, None], index)


def penalised(r: Request, penalty: Float[Array, " n"]) -> Neighbors:
    """The k points of least distance + penalty; `distance` is that sum."""
    if r.metric == "euclidean":
        return Neighbors(*r.keyed(_plus, (None, penalty)))
    scale = 0.5 if r.metric == "sqeuclidean" else 1.0  # the cost of a pair is ‖q − x‖²/2
    cost, index = r.shifted(-scale * penalty)
    return Neighbors(cost / scale, index)


def _plus(d, _, penalty):
    return d + penalty


def dsl(r: Request) -> Neighbors:
    """DisSimLocal ‖q−x‖² − ‖x−c_k(x)‖² − ‖q−c_k(q)‖², c_k the mean of the k nearest; can be < 0.

    Hara et al. 2016 (AAAI). Under cosine on unit rows.
    """
    r = as_euclidean(r)
    near, reference = r.point_neighbors(r.local_k)
    h_x = centroid_distance(r.x, reference, near.index)
    h_q = h_x
    if r.queries is not None:
        h_q = centroid_distance(r.q, r.x, r.query_neighbors(r.local_k).index)
    cost, index = r.shifted(h_x / 2)
    return Neighbors(2 * cost - h_q[:, None], index)


def dsg(r: Request) -> Neighbors:
    """DisSimGlobal ‖q−x‖² − ‖x−c‖² − ‖q−c‖² = −2⟨x−c, q−c⟩, c the mean of the points.

    Hara et al. 2016: the ranking of the centred inner product. Under cosine on unit rows.
    """
    r = as_euclidean(r)
    centre = r.x.mean(axis=0, keepdims=True)
    queries = None if r.queries is None else r.queries - centre
    r = dataclasses.replace(r, x=r.x - centre, queries=queries, metric="dot")
    cost, index = r.shifted(jnp.zeros(len(r.x), r.x.dtype))
    return Neighbors(2 * cost, index)


def localized_centring(r: Request) -> Neighbors:
    """−(⟨q, x⟩ − ⟨x, c_k(x)⟩^γ) on unit rows; γ applies only if no ⟨x, c_k(x)⟩ is negative.

    Hara et al. 2015 (AAAI); their neighbourhoods are larger than usual, local_k = 40.
    """
    r = dataclasses.replace(as_unit(r), metric="cosine")
    near, reference = r.point_neighbors(r.local_k)
    affinity = local_affinity(r.x, reference, near.index)
    affinity = jnp.where((affinity >= 0).all(), jnp.abs(affinity) ** r.gamma, affinity)
    cost, index = r.shifted(-affinity)
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


def as_unit(r: Request) -> Request:
    """The request on unit rows."""
    queries = None if r.queries is None else pairwise.unit_rows(r.queries)
    return dataclasses.replace(r, x=pairwise.unit_rows(r.x), queries=queries)


def as_euclidean(r: Request) -> Request:
    """The request under squared Euclidean distance, on unit rows if it was under cosine."""
    r = as_unit(r) if r.metric == "cosine" else r
    return dataclasses.replace(r, metric="sqeuclidean")
