"""One method on one split: hubness, and the error of nearest-neighbour classification."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

import hubness
from experiments.hubness.methods import FEATURES, Found, Method, search
from hubness import significance

K_HUBNESS = 10
K_VOTES = tuple(range(2, 20))  # as published
Weigh = Callable[[np.ndarray], np.ndarray]  # votes of neighbours, from their distances


@dataclasses.dataclass(frozen=True)
class Split:
    """Rows of the training points and of the queries, with the seed they were drawn by."""

    seed: int
    train: Int[np.ndarray, "t"]
    test: Int[np.ndarray, "m"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a method did on a split.

    Attributes:
      counts: N_10 of the training points, from the queries.
      index: the neighbours of the training points among themselves.
      right: whether each query was classified rightly; None without labels.
    """

    row: dict[str, Any]
    counts: Int[np.ndarray, "t"]
    index: Int[np.ndarray, "t k"]
    right: Bool[np.ndarray, "m"] | None


def half_split(n: int, labels: Int[np.ndarray, "n"] | None, seed: int) -> Split:
    """Two halves with the same class shares, shuffled by NumPy's generator."""
    r = np.random.default_rng(seed)
    groups = [np.arange(n)] if labels is None else _members(labels)
    halves = [(g[: len(g) // 2], g[len(g) // 2 :]) for g in (r.permutation(g) for g in groups)]
    train, test = (np.sort(np.concatenate(part)) for part in zip(*halves, strict=True))
    return Split(seed, train, test)


def _members(labels: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(labels == c) for c in np.unique(labels)]


def vote(
    labels: Int[np.ndarray, "m k"], weights: Float[np.ndarray, "m k"], num_classes: int
) -> Int[np.ndarray, "k m"]:
    """The winning class of the first 1, 2, ..., k neighbours; the lowest of equals."""
    rows = np.arange(len(labels))
    votes = np.zeros((len(labels), num_classes))
    winners = np.empty(labels.T.shape, np.int64)
    for place in range(labels.shape[1]):
        votes[rows, labels[:, place]] += weights[:, place]
        winners[place] = votes.argmax(axis=1)
    return winners


def evaluate(
    method: Method,
    x: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, "n"] | None,
    split: Split,
    *,
    metric: str,
    local_k: int,
) -> Outcome:
    """Hubness of the training points among themselves and from the queries, and kNN error.

    The number of votes is the best of 2..19 by leave-one-out on the training points.
    """
    moved = FEATURES[method.feature](x, split.train, split.seed)
    points, queries = moved[split.train], moved[split.test]
    k = min(K_VOTES[-1], len(points) - 1)
    own = search(method, points, None, k, metric=metric, local_k=local_k)
    asked = search(method, points, queries, k, metric=metric, local_k=local_k)
    row: dict[str, Any] = {"method": method.name, "seed": split.seed}
    row["self"] = hubness_of(own.index, len(points))
    row["query"] = hubness_of(asked.index, len(points))
    counts = np.asarray(hubness.k_occurrence(asked.index[:, :K_HUBNESS], len(points)))
    if labels is None:
        return Outcome(row, counts, own.index, None)
    train, test = labels[split.train], labels[split.test]
    bad = hubness.bad_k_occurrence(asked.index[:, :K_HUBNESS], train, test)
    row["bad_rate"] = float(bad.sum()) / (K_HUBNESS * len(test))
    right = None
    for name, weigh in ways_to_vote(method):
        chosen, predicted = _classify(own, asked, train, weigh)
        row[name] = {"k": chosen, "error": float(np.mean(predicted != test))}
        right = predicted == test if name == "uniform" else right
    return Outcome(row, counts, own.index, right)


def ways_to_vote(method: Method) -> list[tuple[str, Weigh]]:
    """Names of weights, and weights from distances.

    1/distance only of plain distances and where published so: elsewhere it is no scale for votes.
    """
    found: list[tuple[str, Weigh]] = [("uniform", lambda d: np.ones_like(d))]
    if method.kind is None or method.kind.invertible:
        found.append(("distance", lambda d: 1 / np.maximum(d, 1e-12)))
    return found


def _classify(
    own: Found, asked: Found, train: Int[np.ndarray, "t"], weigh: Weigh
) -> tuple[int, np.ndarray]:
    """Votes chosen by leave-one-out, and the classes of the queries."""
    num_classes = int(train.max()) + 1
    left_out = vote(train[own.index], weigh(own.distance), num_classes)
    choices = [k for k in K_VOTES if k <= len(left_out)]
    errors = [np.mean(left_out[k - 1] != train) for k in choices]
    chosen = choices[int(np.argmin(errors))]
    return chosen, vote(train[asked.index], weigh(asked.distance), num_classes)[chosen - 1]


def hubness_of(index: Int[np.ndarray, "m k"], n: int) -> dict[str, float]:
    """All measures at k = 10 and the largest count."""
    counts = hubness.k_occurrence(index[:, :K_HUBNESS], n)
    measured = hubness.measures(counts, K_HUBNESS, len(index))
    return {name: float(v) for name, v in measured._asdict().items()} | {
        "largest": int(counts.max())
    }


def compare(base: Outcome, other: Outcome) -> dict[str, float] | None:
    """Exact McNemar test of two methods' right answers on the same queries."""
    if base.right is None or other.right is None:
        return None
    return significance.mcnemar(base.right, other.right)._asdict()
