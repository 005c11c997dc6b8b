"""What a reduction is, and the search it is asked to do."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from hubness.reductions.graph import Graph
from hubness.search import pairwise, rowstats, shards, topk
from hubness.search.knn import Neighbors, search
from hubness.search.streamed import BySample
from repgeo import inputs

# Scaled or fitted distances must be positive; DisSim and centring choose their own geometry.
DISTANCES = tuple(m for m in pairwise.METRICS if m != "dot")
Moments = tuple[Float[Array, "_"], Float[Array, "_"]]  # of queries or of points


@runtime_checkable
class Reduction(Protocol):
    """A distance of less hubness: a frozen dataclass of its hyperparameters.

    A new one is one class with `nearest`, its formula and source in its docstring. The traits
    below are read by `reduced_knn`, `reduce_graph`, the estimators and the experiments.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    metrics: ClassVar[tuple[str, ...]] = pairwise.METRICS
    """The metrics it accepts."""
    two_domain: ClassVar[bool] = True
    """Whether queries and points may come from two domains, which share no third points."""
    signed: ClassVar[bool] = False
    """Whether values may be negative: they order neighbours and say no more."""
    invertible: ClassVar[bool] = False
    """Whether 1/value is a sensible vote. Mutual proximity spans 1e-12 to 1 among neighbours:
    1/value makes it a one-nearest-neighbour rule."""
    banks: ClassVar[tuple[str, ...]] = ()
    """The fields that hold rows which measure how popular a point is."""
    ring: ClassVar[bool] = False
    """Whether neighbours, moments and keys are all it needs, which points in a ring give."""
    max_points: ClassVar[int | None] = None
    """The most points or queries it can hold at once."""
    beyond_graph: ClassVar[str] = "the vectors themselves"
    """What it needs and stored neighbours lack."""

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and hold the same values, arrays by their content."""
        return type(self) is type(other) and _content(self) == _content(other)

    def __hash__(self) -> int:
        return hash(_content(self))

    def nearest(self, pairs: "Search", /) -> Neighbors:
        """The pairs.k points of least value for each query."""
        ...

    def by_sample(self) -> BySample | None:
        """How its statistics of points follow from a sample of the rows; None where they do not."""
        return None

    def on_graph(self, graph: Graph, /) -> Neighbors:
        """`nearest` among stored neighbours; ValueError where they do not suffice."""
        name = type(self).__name__
        raise ValueError(
            f"{name} needs {self.beyond_graph}, which stored neighbours lack; "
            "use reduced_knn on the vectors, or CSLS, NICDM or LocalScaling here."
        )


@runtime_checkable
class Pairs(Protocol):
    """What most reductions need: `Search` has it of vectors, `Graph` of stored neighbours."""

    @property
    def k(self) -> int: ...

    def local(self, k: int) -> tuple[Neighbors, Neighbors]:
        """The k nearest of each query, and of each point."""
        ...

    def moments(self) -> tuple[Moments, Moments]:
        """(mean, standard deviation) of the distances of each query, and of each point."""
        ...

    def keyed(self, key, states, *, coarse=None, spare: int = topk.SPARE) -> topk.Ranked:
        """The k points of least key(distance, state of query, state of point)."""
        ...

    def penalised(self, penalty: Float[Array, " n"]) -> Neighbors:
        """The k points of least distance + penalty; `distance` is that sum."""
        ...


@dataclasses.dataclass(frozen=True)
class Search:
    """Checked rows and their roles. Statistics of points come from `x` without self, or, between
    two domains, from the queries; statistics of queries come from `x`."""

    x: Float[Array, "n d"]
    queries: Float[Array, "m d"] | None
    k: int
    metric: str
    exclude_self: bool
    two_domain: bool
    block_size: int | None
    mesh: Mesh | None = None
    ring: bool = False

    @property
    def q(self) -> Float[Array, "m d"]:
        return self.x if self.queries is None else self.queries

    @property
    def reference(self) -> Float[Array, "r d"]:
        """The rows that statistics of points are taken over."""
        return self.q if self.two_domain else self.x

    def local(self, k: int) -> tuple[Neighbors, Neighbors]:
        of_points = self.of_points(k)
        return of_points if self.queries is None else self.neighbors(k), of_points

    def of_points(self, k: int) -> Neighbors:
        """The k nearest references of each point."""
        n, own = len(self.x), not self.two_domain
        most = min(len(self.q) if self.two_domain else n - 1, n - self.exclude_self)
        inputs.count("local_k", k, most)
        args = self.metric, own, self.block_size, self.mesh, self.ring
        return search(self.reference, self.x, k, *args)

    def neighbors(self, k: int) -> Neighbors:
        """The k nearest points of each query."""
        args = self.metric, self.exclude_self, self.block_size, self.mesh, self.ring
        return search(self.x, self.q, k, *args)

    def moments(self) -> tuple[Moments, Moments]:
        args = self.metric, not self.two_domain, self.block_size, self.mesh, self.ring
        points = rowstats.moments(self.reference, self.x, *args)
        if self.queries is None:
            return points, points
        args = self.metric, self.exclude_self, self.block_size, self.mesh, self.ring
        return rowstats.moments(self.x, self.queries, *args), points

    def shifted(self, shift: Float[Array, " n"], k: int | None = None) -> topk.Ranked:
        """The k points of greatest score + shift."""
        args = k or self.k, self.metric, self.exclude_self, self.block_size, self.mesh
        return _shifted(self.x, self.q, shift, *args)

    def keyed(self, key, states, *, coarse=None, spare: int = topk.SPARE) -> topk.Ranked:
        args = self.k, self.metric, key, coarse, spare, self.exclude_self, self.block_size
        return _keyed(self.x, self.q, states, *args, self.mesh, self.ring)

    def penalised(self, penalty: Float[Array, " n"]) -> Neighbors:
        if self.metric == "euclidean" or self.ring:
            return Neighbors(*self.keyed(_plus, (None, penalty)))
        scale = 0.5 if self.metric == "sqeuclidean" else 1.0  # the cost of a pair is ‖q − x‖²/2
        cost, index = self.shifted(-scale * penalty)
        return Neighbors(cost / scale, index)

    def under(self, metric: str, change: Callable[[Array], Array] = lambda rows: rows) -> "Search":
        """The same search of changed rows under another metric."""
        queries = None if self.queries is None else change(self.queries)
        return dataclasses.replace(self, x=change(self.x), queries=queries, metric=metric)


def _content(method: Any) -> tuple:
    """The class and its fields, of arrays and lists the shape, dtype and bytes."""
    return type(method), *(_frozen(getattr(method, f.name)) for f in dataclasses.fields(method))


def _frozen(value: Any) -> Any:
    if inputs.is_traced(value):
        return id(value)
    if isinstance(value, list | tuple) or hasattr(value, "__array__"):
        value = np.asarray(value)
        return value.shape, str(value.dtype), value.tobytes()
    return value


def _plus(d, _, penalty):
    return d + penalty


_STATIC = ("k", "metric", "exclude_self", "block_size", "mesh")


@jax.jit(static_argnames=_STATIC)
def _shifted(x, q, shift, k, metric, exclude_self, block_size, mesh=None):
    def run(q, points, first):
        space = pairwise.make_space(q, points[0], metric, points[1])
        return topk.nearest(space, k, own=first if exclude_self else None, block_rows=block_size)

    return shards.over_queries(run, mesh, q, (x, shift))


@jax.jit(static_argnames=(*_STATIC, "key", "coarse", "spare", "ring"))
def _keyed(
    x, q, states, k, metric, key, coarse, spare, exclude_self, block_size, mesh=None, ring=False
):
    def around(queries, held, first):
        own, keys = shards.own_numbers(queries[0], first, exclude_self), (key, coarse or key)
        args = own, keys, queries[1], spare, block_size
        return shards.nearest_by_key(queries[0], held, k, metric, *args)

    if ring and mesh is not None:
        return shards.around(around, mesh, (q, states[0]), x, states[1])

    def run(queries, points, first):
        return topk.nearest_by_key(
            pairwise.make_space(queries[0], points[0], metric),
            k,
            key,
            (queries[1], points[1]),
            coarse=coarse,
            spare=spare,
            exclude_self=exclude_self,
            first=first,
            block_rows=block_size,
        )

    return shards.over_queries(run, mesh, (q, states[0]), (x, states[1]))


def check_counts(**values: Any) -> None:
    """ValueError for hyperparameters that are not integers of at least 1; None passes."""
    for name, value in values.items():
        if value is not None:
            inputs.count(name, value, 2**31 - 1)


def check_positive(**values: float) -> None:
    """ValueError for hyperparameters that are not finite and above 0."""
    for name, value in values.items():
        inputs.number(name, value, 0)
