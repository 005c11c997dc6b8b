"""What scikit-hubness 0.30 computes, for comparison with numbers published with it.

Its reductions see a graph of `num_candidates` stored neighbours of each row. Rows of indexed points
hold the point itself, at distance 0, and its statistics include it. `REDUCTIONS` maps the short
names that `hubness.REDUCTIONS` gives the forms of the papers.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from hubness.reductions import bivariate, local
from hubness.reductions.base import DISTANCES, Reduction, Search, check_counts
from hubness.reductions.graph import Graph
from hubness.search import blocks, pairwise, topk
from hubness.search.knn import Neighbors
from repgeo import inputs

VERSION = "skhubness-0.30"


@dataclass(frozen=True)
class Stored(Reduction):
    """The k nearest stored neighbours after the library's reduction; self left out afterwards."""

    num_candidates: int = 100
    two_domain = False
    invertible = True  # as published

    def __post_init__(self):
        check_counts(num_candidates=self.num_candidates, local_k=getattr(self, "local_k", None))

    def values(self, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
        """Values of the stored neighbours of queries, from those and the lists of the points."""
        ...

    def nearest(self, search: Search) -> Neighbors:
        stored = self._count(len(search.x), search.k + search.exclude_self)
        graph, points = self._lists(search, stored)
        return self._least(self.values(graph, points), graph, search.k, search.exclude_self)

    def on_graph(self, graph: Graph) -> Neighbors:
        stored = self._count(int(graph.stored.min()) + 1, graph.k + 1)
        lists = _with_self(graph.first(stored - 1, "num_candidates"))
        return self._least(self.values(lists, lists), lists, graph.k, True)

    def _count(self, most: int, needed: int) -> int:
        """How many neighbours are stored, itself included; at least as many as are asked for."""
        stored, of = min(self.num_candidates, most), "stored neighbours (num_candidates)"
        inputs.count("k", needed - 1, stored - 1, least=0, of=of)
        inputs.count("local_k", getattr(self, "local_k", 1), stored - 1, of=of)
        return stored

    def _lists(self, search: Search, stored: int) -> tuple[Neighbors, Neighbors]:
        """The stored lists of queries and of points."""
        points = _with_self(search.of_points(stored - 1))
        own = search.queries is None or search.exclude_self
        return points if own else search.neighbors(stored), points

    def _least(self, value, graph: Neighbors, k: int, own: bool) -> Neighbors:
        m, stored = graph.index.shape
        if own:
            itself = graph.index == jnp.arange(m, dtype=jnp.int32)[:, None]
            value = jnp.where(itself, jnp.inf, value)
        order = jnp.broadcast_to(jnp.arange(stored, dtype=jnp.int32), (m, stored))
        value, _, index = topk.sort_rows((value, order), graph.index, k)
        return Neighbors(value, index)


def _with_self(near: Neighbors) -> Neighbors:
    own = jnp.arange(near.index.shape[0], dtype=jnp.int32)[:, None]
    zero = jnp.zeros_like(near.distance[:, :1])
    distance = jnp.concatenate([zero, near.distance], axis=1)
    return Neighbors(distance, jnp.concatenate([own, near.index], axis=1))


@dataclass(frozen=True)
class MPGauss(Stored):
    """1 − SF · SF with moments of the stored distances only."""

    def values(self, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
        mean, sd = _stored_moments(points)
        mean_q, sd_q = _stored_moments(graph)
        own = ndtr((mean_q[:, None] - graph.distance) / sd_q[:, None])
        return 1 - own * ndtr((mean[graph.index] - graph.distance) / sd[graph.index])


def _stored_moments(graph: Neighbors) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    mean = graph.distance.mean(axis=1)
    # scikit-hubness divides by 0 and stores NaN
    return mean, bivariate.spread(mean, graph.distance.std(axis=1))


@dataclass(frozen=True)
class MPEmpiric(Stored):
    """1 − |A ∩ B| / n for neighbour y at place t and distance v in the list of x.

    A = what follows t in the list of x, and the list of y outside that of x; B = what is farther
    than v in the list of y, and the list of x outside that of y. 1 where v reaches the end of y's.
    """

    def values(self, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
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


@dataclass(frozen=True)
class LocalScaling(Stored):
    """1 + d² / (r_q r_x): the exponential is missing; r_q is one place too far for new queries."""

    local_k: int = 10
    metrics = DISTANCES

    def values(self, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
        radius = local.positive(points.distance[:, self.local_k])
        radius_q = local.positive(graph.distance[:, self.local_k, None])
        ratio = (graph.distance / radius_q) * (graph.distance / radius[graph.index])
        return jnp.minimum(1 + ratio, jnp.finfo(ratio.dtype).max)


@dataclass(frozen=True)
class NICDM(Stored):
    """d / √(r_q r_x), r_x over k neighbours and r_q over k + 1 stored ones, self included."""

    local_k: int = 10
    metrics = DISTANCES

    def values(self, graph: Neighbors, points: Neighbors) -> Float[Array, "m c"]:
        k = self.local_k
        r_x = local.positive(points.distance[:, 1 : k + 1].mean(axis=1))
        r_q = local.positive(graph.distance[:, : k + 1].mean(axis=1, keepdims=True))
        return graph.distance / (jnp.sqrt(r_q) * jnp.sqrt(r_x[graph.index]))


@dataclass(frozen=True)
class DSL(Stored):
    """‖q−x‖² − ‖x−c(x)‖² − ‖q−c(q)‖², raised to 0 at the least value among all the queries.

    c(x) is the mean of x and its k − 1 nearest; c(q) the mean of the centroids of k neighbours.
    """

    local_k: int = 10
    metrics = DISTANCES
    beyond_graph = "the vectors, for the mean of each point's neighbours"

    def nearest(self, search: Search) -> Neighbors:
        search = local.as_euclidean(search)
        stored = self._count(len(search.x), search.k + search.exclude_self)
        graph, points = self._lists(search, stored)
        x, q = (pairwise.centred(rows, search.x) for rows in (search.x, search.q))
        centroids = local.centroids(x, points.index[:, : self.local_k])
        h_x = 2 * pairwise.half_squares(x - centroids)
        c_q = local.centroids(centroids, graph.index[:, : self.local_k])
        h_q = 2 * pairwise.half_squares(q - c_q)
        value = graph.distance - h_q[:, None] - h_x[graph.index]
        value -= jnp.minimum(value.min(), 0)
        return self._least(value, graph, search.k, search.exclude_self)

    def on_graph(self, graph: Graph) -> Neighbors:
        return Reduction.on_graph(self, graph)


REDUCTIONS: dict[str, type[Stored]] = {
    "dsl": DSL,
    "local_scaling": LocalScaling,
    "mp_empiric": MPEmpiric,
    "mp_gauss": MPGauss,
    "nicdm": NICDM,
}
