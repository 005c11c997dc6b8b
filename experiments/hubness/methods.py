"""The combinations that are compared: a change of the features, then a reduction of distances."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

import hubness
from experiments.runtime.errors import UserError, nearest
from hubness import features
from hubness.reductions import skhubness

Rows = Float[np.ndarray, "n d"]
STORED = 121  # neighbours in the published graphs for mutual proximity: 19 + 100 + 2


@dataclasses.dataclass(frozen=True)
class Method:
    """One combination, `feature+reduction`; `reduction@skhubness-0.30` is as that library does."""

    feature: str
    reduction: str

    @property
    def name(self) -> str:
        return "+".join(p for p in (self.feature, self.reduction) if p != "none") or "none"

    @property
    def kind(self) -> type[hubness.Reduction] | None:
        """The class of the reduction, None without."""
        return REDUCTIONS.get(self.reduction)

    @property
    def max_points(self) -> int | None:
        """The most points that the reduction takes; None for any number."""
        return None if self.kind is None else self.kind.max_points

    @property
    def options(self) -> set[str]:
        """The names of the reduction's own options."""
        return set() if self.kind is None else {f.name for f in dataclasses.fields(self.kind)}


REDUCTIONS: dict[str, type[hubness.Reduction]] = hubness.REDUCTIONS | {
    f"{name}@{skhubness.VERSION}": cls for name, cls in skhubness.REDUCTIONS.items()
}


def _fitted(transform: Callable[..., object]) -> Callable[..., Rows]:
    """By statistics of the training rows, then of unit length.

    A shift alone moves no Euclidean distance, and whitened rows differ in length by their noise:
    static AG News at 10 neighbours has 68 % error without unit length, 19 % with it.
    """
    return lambda x, train, seed: np.asarray(features.unit_rows(transform(x, x[train])))


def _inductive(x: Rows, train: Int[np.ndarray, "t"], seed: int) -> Rows:
    return np.asarray(features.rank_normal_apply(features.rank_normal_fit(x[train]), x))


FEATURES: dict[str, Callable[[Rows, Int[np.ndarray, "t"], int], Rows]] = {
    "none": lambda x, train, seed: x,
    "unit": lambda x, train, seed: np.asarray(features.unit_rows(x)),
    "f-norm": lambda x, train, seed: np.asarray(features.f_norm(x, jax.random.key(seed))),
    "f-norm-inductive": _inductive,
    "f-uniform": lambda x, train, seed: np.asarray(features.f_uniform(x, jax.random.key(seed))),
    "centre": _fitted(features.centre),
    "centre-weighted": _fitted(features.centre_weighted),
    "centre-rows": lambda x, train, seed: np.asarray(features.centre_rows(x)),
    "z": lambda x, train, seed: np.asarray(features.zscore_rows(x)),
    "whiten": _fitted(features.whiten),
}


def parse(word: str) -> Method:
    """The method written `reduction`, `feature` or `feature+reduction`, "none" for neither.

    Raises:
      UserError: for an unknown feature transform or reduction.
    """
    first, plus, second = word.partition("+")
    feature, reduction = (first, second) if plus else ("none", first)
    if not plus and first in FEATURES:
        feature, reduction = first, "none"
    if feature not in FEATURES:
        raise nearest(feature, FEATURES, "feature transform")
    if reduction != "none" and reduction not in REDUCTIONS:
        raise nearest(reduction, ["none", *REDUCTIONS], "reduction")
    return Method(feature, reduction)


def all_methods(words: Sequence[str]) -> list[Method]:
    """The methods of a config, the plain space first."""
    found = [parse("none"), *(parse(word) for word in words)]
    return list(dict.fromkeys(found))


def check_local_k(methods: Sequence[Method], local_k: int, num_points: int) -> None:
    """Raises `UserError` where a method has no such neighbourhood among so many points."""
    for method in methods:
        stored = method.kind is not None and issubclass(method.kind, skhubness.Stored)
        most = min(num_points, STORED if stored else num_points) - 1
        if "local_k" in method.options and local_k > most:
            raise UserError(
                f"config.local_k={local_k}: {method.name} finds at most {most:,} neighbours of "
                f"each of {num_points:,} points; lower it to that, or leave the method out"
            )


class Found(NamedTuple):
    """The neighbours of each query, nearest first, on the host."""

    distance: Float[np.ndarray, "m k"]
    index: Int[np.ndarray, "m k"]


def search(
    method: Method,
    points: Rows,
    queries: Rows | None,
    k: int,
    *,
    metric: str,
    local_k: int,
) -> Found:
    """The k nearest points under the method's distance; of the points themselves without queries.

    Vectors are already transformed. CSLS and what else compares similarities follow `metric` too.
    """
    if method.kind is None:
        found = hubness.knn(points, k, queries=queries, metric=metric)
    else:
        stored = issubclass(method.kind, skhubness.Stored)
        options = {"local_k": local_k} | ({"num_candidates": STORED} if stored else {})
        reduction = method.kind(**{n: v for n, v in options.items() if n in method.options})
        found = hubness.reduced_knn(points, k, reduction, queries=queries, metric=metric)
    return Found(np.asarray(found.distance), np.asarray(found.index))
