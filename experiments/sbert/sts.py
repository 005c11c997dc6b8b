"""The STS benchmark as training batches, and what a sentence encoder scores on it."""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import hubness
from experiments.data.texts import sources
from experiments.models.sentence import encoder as sentence
from experiments.runtime.errors import UserError
from experiments.sbert.objectives import NORMALISATIONS, pair_similarities
from similarity import spearman

_LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def read_split(folder: str, split: str) -> sources.Pairs:
    """stsbenchmark_<split>.csv or .csv.gz in `folder`."""
    if not folder:
        raise UserError(
            "--config.data.folder=DIR is missing: the folder with "
            "stsbenchmark_{train,dev,test}.csv, gzipped or not"
        )
    path = pathlib.Path(folder) / f"stsbenchmark_{split}.csv"
    packed = path.with_suffix(".csv.gz")
    return sources.sts_benchmark(packed if packed.exists() else path)


class TrainingPairs(NamedTuple):
    """Tokenised pairs; `take` gives a batch padded to the shortest standard length that fits."""

    first: list[list[int]]
    second: list[list[int]]
    score: Float[np.ndarray, "n"]

    def take(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """ids and mask [b, 2, length], score [b]."""
        # Hosts see different parts of a batch, and must all compile the same shape.
        chosen = indices if jax.process_count() == 1 else np.arange(len(self.score))
        longest = max(len(side[i]) for i in chosen for side in (self.first, self.second))
        length = next((n for n in _LENGTHS if n >= longest), longest)
        rows = [side[i] for i in indices for side in (self.first, self.second)]
        ids, mask = sentence.pad(rows, length)
        shape = (len(indices), 2, length)
        return {
            "ids": ids.reshape(shape),
            "mask": mask.reshape(shape),
            "score": self.score[indices],
        }


def training_pairs(model: sentence.SentenceModel, pairs: sources.Pairs) -> TrainingPairs:
    """The pairs as token ids of `model`."""
    first, second = (sentence.tokenise(model, side) for side in (pairs.first, pairs.second))
    return TrainingPairs(first, second, pairs.score)


def sts_spearman(
    model: sentence.SentenceModel, pairs: sources.Pairs, *, loss: str, normalisation: str
) -> float:
    """Spearman's ρ between the scores and the similarities of the pairs, in [-1, 1]."""
    n = len(pairs.score)
    embedded = sentence.encode(model, pairs.first + pairs.second)
    u, v = jnp.asarray(embedded[:n]), jnp.asarray(embedded[n:])
    found = pair_similarities(u, v, loss=loss, normalisation=normalisation)
    return float(spearman(found, jnp.asarray(pairs.score)))


def hubness_of(
    model: sentence.SentenceModel, texts: Sequence[str], *, normalisation: str, k: int = 10
) -> dict[str, Any]:
    """k-occurrence measures of the normalised embeddings of `texts` under Euclidean distance."""
    embedded = sentence.encode(model, texts)
    normalised = jax.vmap(NORMALISATIONS[normalisation])(jnp.asarray(embedded))
    counts = hubness.k_occurrence(hubness.knn(normalised, k).index, len(texts))
    found = hubness.measures(counts, k)
    wanted = ("skewness", "robin_hood", "antihub_rate", "skewness_null", "robin_hood_null")
    return {name: float(getattr(found, name)) for name in wanted} | {
        "largest": int(counts.max()),
        "num_texts": len(texts),
        "k": k,
    }
