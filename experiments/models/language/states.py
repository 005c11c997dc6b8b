"""Hidden states with the matrix that turns them into logits: checks, and files of them."""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import Float, Int

from experiments.arrays import load
from experiments.data.texts.digests import file_digest
from experiments.runtime.errors import UserError, nearest


def check_states(
    hidden: Float[np.ndarray, "n d"],
    unembedding: Float[np.ndarray, "v d"],
    bias: Float[np.ndarray, "v"] | None,
    *,
    what: str,
) -> None:
    """Raises `UserError` for widths that do not match, an ill-shaped bias, NaN or infinite rows."""
    if hidden.ndim != 2 or unembedding.ndim != 2:
        raise UserError(
            f"{what}: hidden states and unembedding must be matrices, not of shape "
            f"{hidden.shape} and {unembedding.shape}"
        )
    if hidden.shape[1] != unembedding.shape[1]:
        raise UserError(
            f"{what}: hidden states of width {hidden.shape[1]}, but an unembedding of width "
            f"{unembedding.shape[1]}: they are not of one model and layer"
        )
    if bias is not None and bias.shape != unembedding.shape[:1]:
        raise UserError(f"{what}: bias of shape {bias.shape} for {len(unembedding):,} tokens")
    for name, array in (("hidden states", hidden), ("unembedding", unembedding)):
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            raise UserError(
                f"{what}: {len(bad):,} of {len(array):,} rows of the {name} are NaN or infinite, "
                f"the first is row {bad[0]:,}"
            )


@dataclasses.dataclass(frozen=True)
class States:
    """Hidden states that were extracted elsewhere, and what else the file has.

    Attributes:
      tokens: the vocabulary as text, for tables.
      counts: how often each token occurs in the corpus.
    """

    name: str
    sha256: str
    hidden: Float[np.ndarray, "n d"]
    unembedding: Float[np.ndarray, "v d"]
    bias: Float[np.ndarray, "v"] | None = None
    next_token: Int[np.ndarray, "n"] | None = None
    counts: Int[np.ndarray, "v"] | None = None
    tokens: tuple[str, ...] | None = None


def read(kind: str, path: str | pathlib.Path) -> States:
    """Reads arrays `hidden`, `unembedding` and, optionally, `bias`, `next_token`, `counts`, and
    `tokens` (an array of strings, "npz" only) from a file of `kind` "npz" or "safetensors".

    Raises:
      UserError: for a damaged file, a missing, unknown or ill-shaped array, NaN rows.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != f".{kind}":
        raise UserError(f"{path} is no {kind} file by its name; write {kind}:FILE.{kind}")
    arrays = load(path)
    accepted = [f.name for f in dataclasses.fields(States) if f.name not in ("name", "sha256")]
    for name in arrays.keys() - set(accepted):
        raise nearest(name, accepted, f"array in {path}:")
    for name in ("hidden", "unembedding"):
        if name not in arrays:
            raise UserError(f"{path} has no array {name!r}; it has {sorted(arrays)}")
    hidden = np.asarray(arrays["hidden"], np.float32)
    unembedding = np.asarray(arrays["unembedding"], np.float32)
    bias = arrays.get("bias")
    check_states(hidden, unembedding, bias, what=str(path))
    num_tokens = len(unembedding)
    sizes = {"next_token": len(hidden), "counts": num_tokens, "tokens": num_tokens}
    for name, size in sizes.items():
        if name in arrays and arrays[name].shape != (size,):
            raise UserError(f"{path}: {name} has shape {arrays[name].shape}, not ({size},)")
    tokens = arrays.get("tokens")
    return States(
        name=path.stem,
        sha256=file_digest(path),
        hidden=hidden,
        unembedding=unembedding,
        bias=bias,
        next_token=arrays.get("next_token"),
        counts=arrays.get("counts"),
        tokens=None if tokens is None else tuple(str(t) for t in tokens),
    )
