"""Neighbours that some library stored, read once, and what reductions ask of them."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hubness.search import topk
from hubness.search.checked import Given
from hubness.search.knn import Neighbors
from repgeo import inputs

_DISTANCES = "pass distances: 1 − cos for metric='cosine', −q·x for metric='dot'"
_MOST_LISTS = 0.9  # of lists: so many do not fall by chance, where there are more than a few
SLACK = 1e-5  # of the largest distance: below zero by less is rounding of the library's products


class Lists(NamedTuple):
    """Neighbours of each point without itself, nearest first; 0 beyond the `stored` of a row."""

    distance: Float[np.ndarray, "n c"]
    index: Int[np.ndarray, "n c"]
    stored: Int[np.ndarray, " n"]


def read(neighbors: Given, metric: str, n: int | None = None) -> Lists:
    """(distance, index) lists, in either order, or a sparse graph, without duplicates.

    The lists are of the points themselves, which are left out of their own, or of queries among n.

    Raises:
        ValueError: other shapes or types, indices outside -1..n−1, distances that the metric
            cannot have, or similarities in place of distances.
    """
    sparse = hasattr(neighbors, "tocsr")
    if sparse and n is None and neighbors.shape != neighbors.shape[:1] * 2:
        raise ValueError(
            f"the graph has shape {neighbors.shape}; accepted are square graphs, row i the "
            "neighbours of point i"
        )
    distance, index = _of_sparse(neighbors.tocoo()) if sparse else _of_pair(neighbors)
    rows, points = np.arange(len(index))[:, None], len(index) if n is None else n
    low, high = index.min(), index.max()
    if low < -1 or high >= points:
        raise ValueError(
            f"indices run from {low} to {high}, but there are {points} points, one per row; "
            f"accepted are 0 to {points - 1}, and -1 where a neighbour is missing"
        )
    keep = (index >= 0) & ((index != rows) | (n is not None))
    if sparse and n is None:
        _check_own(distance, keep, index == rows)
    distance = np.where(keep, distance, 0)
    _check_distances(distance, index, keep, metric)
    distance = distance if metric == "dot" else np.maximum(distance, 0)
    return _sorted(distance, index, keep)


def _of_pair(pair) -> tuple[np.ndarray, np.ndarray]:
    """(distance, index): hnswlib and pynndescent put the indices first."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(
            f"neighbors is a {type(pair).__name__}; accepted are a pair (distance, index) of "
            "matrices, one row a point, or a sparse graph of scipy"
        )
    distance, index = (
        np.asarray(inputs.read(f"the {place} of neighbors", a))
        for place, a in zip(("first", "second"), pair, strict=True)
    )
    real = lambda a: jnp.issubdtype(a.dtype, np.floating)  # also bfloat16
    if distance.dtype.kind in "iu" and real(index):
        distance, index = index, distance
    if not (distance.dtype.kind in "iu" or real(distance)) or index.dtype.kind not in "iu":
        raise ValueError(
            f"distances are {distance.dtype} and indices {index.dtype}; accepted are real numbers "
            "and integers"
        )
    if index.ndim != 2 or distance.shape != index.shape or index.size == 0:
        raise ValueError(
            f"distances have shape {distance.shape} and indices {index.shape}; accepted are two "
            "matrices of one shape, one row a point and one column a neighbour"
        )
    index, most = index.astype(np.int64), np.iinfo(index.dtype).max
    if most in (2**32 - 1, 2**64 - 1):  # -1 of hnswlib and others, unsigned
        index = np.where(index == np.asarray(most, np.uint64).astype(np.int64), -1, index)
    return _floating(distance), index


def _of_sparse(graph) -> tuple[np.ndarray, np.ndarray]:
    """Lists in the order stored; entries that are stored twice stay two."""
    n = graph.shape[0]
    if graph.nnz == 0:
        raise ValueError("the graph has no entries; store the neighbours of each point")
    if graph.nnz > n and (graph.data == 1).all():
        raise ValueError(
            "every entry of the graph is 1, which says who is near but not how near; build it "
            "with mode='distance'"
        )
    order = np.argsort(graph.row, kind="stable")
    row, counts = graph.row[order], np.bincount(graph.row, minlength=n)
    shape = n, int(counts.max())
    column = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
    distance, index = np.zeros(shape, _floating(graph.data).dtype), np.full(shape, -1)
    distance[row, column], index[row, column] = graph.data[order], graph.col[order]
    return distance, index


def _floating(distance: np.ndarray) -> np.ndarray:
    wide = distance.dtype.itemsize > 4 or distance.dtype.kind in "iu"
    return distance.astype(np.float64 if wide else np.float32)


def _check_distances(distance, index, keep, metric) -> None:
    if not np.isfinite(distance).all():
        row = int(np.argmin(np.isfinite(distance).all(axis=1)))
        raise ValueError(
            f"row {row} stores a neighbour at a distance that is not finite; give it the index -1"
        )
    _check_order(distance, index, keep)
    low, high = distance.min(), distance.max()
    limit = 2.0 if metric == "cosine" else np.inf
    if metric != "dot" and (low < -SLACK * max(high, -low, 0) * 10 or high > limit + SLACK):
        raise ValueError(
            f"distances run from {low:.3g} to {high:.3g}, which {metric} ones do not; pass the "
            "metric that they are of"
        )


def _check_order(distance, index, keep) -> None:
    """ValueError for lists in falling order, of those that are in no order of the indices."""
    both = keep[:, 1:] & keep[:, :-1]
    steps = np.where(both, np.diff(distance, axis=1), 0)
    told = (both & (np.diff(index, axis=1) < 0)).any(axis=1) & steps.any(axis=1)
    falling = told & (steps <= 0).all(axis=1)
    if told.any() and falling.sum() >= _MOST_LISTS * told.sum():
        every = "every list" if falling.all() else f"{falling.sum()} of {len(falling)} lists"
        raise ValueError(f"values fall along {every}, so they are similarities; {_DISTANCES}")


def _check_own(distance, keep, own) -> None:
    """ValueError where every point is stored beside its neighbours, and farther than these."""
    others = keep.sum(axis=1)
    mean = np.where(keep, distance, 0).sum(axis=1) / np.maximum(others, 1)
    value = np.where(own, distance, 0).sum(axis=1) / np.maximum(own.sum(axis=1), 1)
    if (own.any(axis=1) & (others > 0) & (value > mean)).all():
        raise ValueError(
            "every point is stored farther from itself than its neighbours are, so the values are "
            f"similarities; {_DISTANCES}"
        )


def _sorted(distance, index, keep) -> Lists:
    """Rows in the order (distance, index), of equal indices the nearest."""
    last = np.iinfo(np.int64).max
    index = np.where(keep, index, last)
    order = np.lexsort((distance, index), axis=1)
    distance, index = (np.take_along_axis(a, order, 1) for a in (distance, index))
    index[:, 1:][index[:, 1:] == index[:, :-1]] = last
    missing = index == last
    order = np.lexsort((index, distance, missing), axis=1)
    distance, index, missing = (np.take_along_axis(a, order, 1) for a in (distance, index, missing))
    stored = (~missing).sum(axis=1)
    width = max(1, int(stored.max()))
    index, distance = np.where(missing, 0, index), np.where(missing, 0, distance)
    return Lists(distance[:, :width], index[:, :width].astype(np.int32), stored)


@dataclasses.dataclass(frozen=True)
class Graph:
    """`Lists` as arrays of JAX, asked for the k least; row i is point i, query and point alike."""

    distance: Float[Array, "n c"]
    index: Int[Array, "n c"]
    stored: Int[np.ndarray, " n"]
    k: int
    metric: str

    @property
    def complete(self) -> bool:
        """Whether every list holds every other point."""
        return int(self.stored.min()) == len(self.index) - 1

    @property
    def valid(self) -> Bool[Array, "n c"]:
        """Where a neighbour is stored."""
        return jnp.arange(self.index.shape[1])[None] < jnp.asarray(self.stored)[:, None]

    def require(self, name: str, count: int) -> None:
        """ValueError unless every row stores `count` neighbours."""
        check_stored(self.stored, name, count)

    def first(self, k: int, name: str = "local_k") -> Neighbors:
        """The k nearest stored of each point."""
        self.require(name, k)
        return Neighbors(self.distance[:, :k], self.index[:, :k])

    def local(self, k: int) -> tuple[Neighbors, Neighbors]:
        near = self.first(k)
        return near, near

    def moments(self):
        """(mean, standard deviation) of the stored distances, those of all points if complete."""
        self.require("of which the moments are taken, least", 1)
        valid = self.valid
        mean = jnp.mean(self.distance, axis=1, where=valid)
        squares = jnp.square(self.distance - mean[:, None])
        of_each = mean, jnp.sqrt(jnp.mean(squares, axis=1, where=valid))
        return of_each, of_each

    def ranked(self, value: Float[Array, "n c"]) -> topk.Ranked:
        """The k stored neighbours of least value, then nearest, then of lowest index."""
        value = jnp.where(self.valid, value, jnp.inf)
        value, _, index = topk.sort_rows((value, self.distance), self.index, self.k)
        return topk.Ranked(value, index)

    def keyed(self, key, states, *, coarse=None, spare: int = 0) -> topk.Ranked:
        del coarse, spare  # every stored neighbour is ranked exactly
        queries = jax.tree.map(lambda a: a[:, None], states[0])
        points = jax.tree.map(lambda a: a[self.index], states[1])
        return self.ranked(key(self.distance, queries, points))

    def penalised(self, penalty: Float[Array, " n"]) -> Neighbors:
        return Neighbors(*self.ranked(self.distance + penalty[self.index]))


def check_stored(stored: Int[np.ndarray, " n"], name: str, count: int) -> None:
    """ValueError unless every row stores `count` neighbours."""
    least = int(stored.min())
    if least < count:
        raise ValueError(
            f"row {int(np.argmin(stored))} stores {least} neighbours besides itself; {name}={count}"
            " needs as many. Store more, or lower it"
        )
