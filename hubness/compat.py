"""What scikit-hubness 0.30 computes, for comparison with numbers published with it.

Its reductions see a graph of `num_candidates` stored neighbours of each row. Rows of indexed points
hold the point itself, at distance 0, and its statistics include it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from hubness import blocks, local, pairwise, topk, validate
from hubness.knn import Neighbors
from hubness.request import Request

VERSION = "skhubness-0.30"
MIN_SD = 1e-7  # scikit-hubness divides by 0 and stores NaN


def reduce(r: Request, method: str) -> Neighbors:
    """The k nearest stored neighbours after the library's reduction; self left out afterwards.

    Raises:
        ValueError: k or local_k beyond the stored neighbours, or two domains.
    """
    if r.two_domain:
        raise ValueError(f"{VERSION} has no two-domain form; drop two_domain.")
    stored = min(r.num_candidates, len(r.x))
    validate.count(r.k, stored - r.exclude_self, "k", "stored neighbours (num_candidates)")
    validate.count(r.local_k, stored - 1, "local_k", "stored neighbours (num_candidates)")
    r = local.as_euclidean(r) if method == "dsl" else r
    points = _with_self(r.point_neighbors(stored - 1)[0]) if stored > 1 else None
    graph = points if r.queries is None or r.exclude_self else r.query_neighbors(stored)
    distance = REDUCTIONS[method](r, graph, points)
    if r.exclude_self:
        own = jnp.arange(len(r.x), dtype=jnp.int32)[:, None]
        distance = jnp.where(graph.index == own, jnp.inf, distance)
    stored_order = jnp.broadcast_to(jnp.arange(stored, dtype=jnp.int32), graph.index.shape)
    distance, _, index = topk.sort_rows((distance, stored_order), graph.index, r.k)
    return Neighbors(distance, index)


def _with_self(near: Neighbors) -> Neighbors:
    own = jnp.arange(near.index.shape[0], dtype=jnp.int32)[:, None]
    zero = jnp.zeros_like(near.distance[:, :1])
    distance = jnp.concatenate([zero, near.distance], axis=1)
    return Neighbors(distance, jnp.concatenate([own, near.index], axis=1))


def mp_gauss(r: Request, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
    """1 − SF · SF with moments of the stored distances only."""
    del r
    mean, sd = _stored_moments(points)
    mean_q, sd_q = _stored_moments(graph)
    own = ndtr((mean_q[:, None] - graph.distance) / sd_q[:, None])
    return 1 - own * ndtr((mean[graph.index] - graph.distance) / sd[graph.index])


def _stored_moments(graph: Neighbors) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    return graph.distance.mean(axis=1), jnp.maximum(graph.distance.std(axis=1), MIN_SD)


def mp_empiric(r: Request, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
    """1 − |A ∩ B| / n for neighbour y at place t and distance v in the list of x.

    A = what follows t in the list of x, and the list of y outside that of x; B = what is farther
    than v in the list of y, and the list of x outside that of y. 1 where v reaches the end of y's.
    """
    del r
    return _set_counts(graph, points)


@jax.jit
def _set_counts(graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
    m, c = graph.index.shape
    n = points.index.shape[0]

    def one(index, distance):
        place = jnp.full(n, c, jnp.int32).at[index].set(jnp.arange(c, dtype=jnp.int32))
        in_x = place[points.index[index]]  # place in the list of x, c if absent
        farther = points.distance[index] > distance[:, None]
        t = jnp.arange(c, dtype=jnp.int32)[:, None]
        lost = jnp.sum((in_x > t) & (in_x < c) & ~farther, axis=1)
        gained = jnp.sum((in_x == c) & farther, axis=1)
        both = c - 1 - t[:, 0] - lost + gained
        return 1 - jnp.where(farther[:, -1], both, 0) / n

    return blocks.map_rows(lambda _, lists: jax.vmap(one)(*lists), m, 64, graph[::-1])


def local_scaling(r: Request, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
    """1 + d² / (r_q r_x): the exponential is missing; r_q is one place too far for new queries."""
    radius = jnp.maximum(points.distance[:, r.local_k], local.TINY)
    radius_q = jnp.maximum(graph.distance[:, r.local_k, None], local.TINY)
    ratio = (graph.distance / radius_q) * (graph.distance / radius[graph.index])
    return jnp.minimum(1 + ratio, jnp.finfo(ratio.dtype).max)


def nicdm(r: Request, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
    """d / √(r_q r_x), r_x over k neighbours and r_q over k + 1 stored ones, self included."""
    r_x = jnp.maximum(points.distance[:, 1 : r.local_k + 1].mean(axis=1), local.TINY)
    r_q = jnp.maximum(graph.distance[:, : r.local_k + 1].mean(axis=1, keepdims=True), local.TINY)
    return graph.distance / (jnp.sqrt(r_q) * jnp.sqrt(r_x[graph.index]))


def dsl(r: Request, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
    """‖q−x‖² − ‖x−c(x)‖² − ‖q−c(q)‖², raised to 0 at the least value among all the queries.

    c(x) is the mean of x and its k − 1 nearest; c(q) the mean of the centroids of k neighbours.
    """
    centroids = local.centroids(r.x, points.index[:, : r.local_k])
    h_x = 2 * pairwise.half_squares(r.x - centroids)
    c_q = local.centroids(centroids, graph.index[:, : r.local_k])
    h_q = 2 * pairwise.half_squares(r.q - c_q)
    distance = graph.distance - h_q[:, None] - h_x[graph.index]
    return distance - jnp.minimum(distance.min(), 0)


REDUCTIONS: dict[str, Callable[[Request, Neighbors, Neighbors], Float[Array, "m c"]]] = {
    "dsl": dsl,
    "local_scaling": local_scaling,
    "mp_empiric": mp_empiric,
    "mp_gauss": mp_gauss,
    "nicdm": nicdm,
}
