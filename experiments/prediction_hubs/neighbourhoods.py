"""Who is whose neighbour: contexts to tokens, contexts to contexts, tokens to tokens."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

import hubness
from hubness import tokens

COMPARISONS = {
    "ct": "contexts to tokens",
    "cc": "contexts to contexts",
    "tt": "tokens to tokens",
}
DISTANCES = {"dot": "softmax dot", "euclidean": "Euclidean", "cosine": "cosine"}


@dataclasses.dataclass(frozen=True)
class Sample:
    """Contexts of one corpus in a model's space.

    Attributes:
      answers: tokens that count as the true next one, -1 where fewer; None if unknown.
      counts: token counts of the corpus; None if unknown.
      texts: the contexts as text, for examples; None if unknown.
    """

    name: str
    hidden: Float[np.ndarray, "n d"]
    answers: Int[np.ndarray, "n a"] | None
    counts: Int[np.ndarray, "v"] | None
    texts: Sequence[str] | None
    facts: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Space:
    """A model's contexts and vocabulary.

    Attributes:
      decode: the text of a token id.
    """

    name: str
    samples: Sequence[Sample]
    unembedding: Float[np.ndarray, "v d"]
    bias: Float[np.ndarray, "v"] | None
    decode: Callable[[int], str]
    facts: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Neighbourhood:
    """The k nearest points of each query under one distance.

    Attributes:
      corpus: of the contexts; "" among tokens.
      counts: k-occurrence of every point.
    """

    comparison: str
    distance: str
    corpus: str
    index: Int[np.ndarray, "m k"]
    counts: Int[np.ndarray, "n"]

    @property
    def key(self) -> str:
        return ":".join(part for part in (self.comparison, self.distance, self.corpus) if part)


def sides(
    space: Space, comparison: str, sample: Sample | None
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    """The points of a comparison and its queries; among tokens no sample is needed."""
    if comparison == "tt":
        return space.unembedding, space.unembedding
    if sample is None:
        raise ValueError(f"{comparison} compares contexts, so it needs a sample of them")
    return (space.unembedding if comparison == "ct" else sample.hidden), sample.hidden


def search(
    space: Space, comparison: str, distance: str, sample: Sample | None, *, k: int, with_self: bool
) -> Neighbourhood:
    """Exact neighbours; ranked by scores, which order as probabilities do but do not saturate.

    `with_self` lets a point be its own neighbour in cc and tt.
    """
    points, queries = sides(space, comparison, sample)
    if comparison == "ct":
        bias = space.bias if distance == "dot" else None
        index = tokens.top_tokens(queries, points, k, metric=distance, bias=bias).index
    else:
        others = queries if with_self else None
        exclude = False if with_self else None
        found = hubness.knn(points, k, queries=others, metric=distance, exclude_self=exclude)
        index = found.index
    counts = hubness.k_occurrence(index, len(points))
    name = sample.name if sample else ""
    return Neighbourhood(comparison, distance, name, np.asarray(index), np.asarray(counts))
