"""What a reduction is asked: the rows, their roles, and the statistics all methods share."""

import dataclasses
import functools

import jax
from jaxtyping import Array, Float

from hubness import pairwise, rowstats, topk
from hubness.knn import Neighbors, search


@dataclasses.dataclass(frozen=True)
class Request:
    """Validated arguments of `reduced_knn`. Statistics of points come from `x` without self, or,
    between two domains, from the queries; statistics of queries come from `x`."""

    x: Float[Array, "n d"]
    queries: Float[Array, "m d"] | None
    k: int
    metric: str
    exclude_self: bool
    two_domain: bool
    local_k: int
    num_candidates: int
    block_size: int | None
    bank: Float[Array, "b d"] | None
    gallery_bank: Float[Array, "g d"] | None
    beta: float
    bank_k: int | None
    weight: float
    gamma: float

    @property
    def q(self) -> Float[Array, "m d"]:
        return self.x if self.queries is None else self.queries

    def point_neighbors(self, k: int) -> tuple[Neighbors, Float[Array, "r d"]]:
        """The k nearest references of each point, and the references."""
        reference = self.queries if self.two_domain else self.x
        own = not self.two_domain
        found = search(reference, self.x, k, self.metric, own, self.block_size)
        return found, reference

    def query_neighbors(self, k: int, of_points: Neighbors | None = None) -> Neighbors:
        """The k nearest points of each query; `of_points` itself where x is its own query."""
        if self.queries is None and of_points is not None:
            return of_points
        return search(self.x, self.q, k, self.metric, self.exclude_self, self.block_size)

    def moments(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(mean, standard deviation) of the distances of each query and of each point."""
        reference = self.queries if self.two_domain else self.x
        points = rowstats.moments(
            reference, self.x, self.metric, not self.two_domain, self.block_size
        )
        if self.queries is None:
            return points, points
        args = self.metric, self.exclude_self, self.block_size
        return rowstats.moments(self.x, self.queries, *args), points

    def shifted(self, shift: Float[Array, " n"], k: int | None = None) -> topk.Ranked:
        """The k points of greatest score + shift."""
        args = k or self.k, self.metric, self.exclude_self, self.block_size
        return _shifted(self.x, self.q, shift, *args)

    def keyed(self, key, states, *, coarse=None, spare: int = topk.SPARE) -> topk.Ranked:
        """The k points of least key(distance, state of query, state of point)."""
        args = self.k, self.metric, key, coarse, spare, self.exclude_self, self.block_size
        return _keyed(self.x, self.q, states, *args)


@functools.partial(jax.jit, static_argnames=("k", "metric", "exclude_self", "block_size"))
def _shifted(x, q, shift, k, metric, exclude_self, block_size):
    space = pairwise.make_space(q, x, metric, shift)
    return topk.nearest(space, k, own=0 if exclude_self else None, block_rows=block_size)


@functools.partial(
    jax.jit,
    static_argnames=("k", "metric", "key", "coarse", "spare", "exclude_self", "block_size"),
)
def _keyed(x, q, states, k, metric, key, coarse, spare, exclude_self, block_size):
    return topk.nearest_by_key(
        pairwise.make_space(q, x, metric),
        k,
        key,
        states,
        coarse=coarse,
        spare=spare,
        exclude_self=exclude_self,
        block_rows=block_size,
    )
