"""What a user compares: models with f and g, or representations alone, out of files."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.arrays import load, split_reference
from experiments.runtime.errors import UserError, nearest


class Entry(NamedTuple):
    """Embeddings f (n, m) and, of a model, unembeddings g (k, m)."""

    name: str
    f: np.ndarray
    g: np.ndarray | None


def read_entries(references: Sequence[str]) -> list[Entry]:
    """The entries of FILE (its f and g, and bias b), FILE:NAME (a representation) and FILE:*.

    Raises:
      UserError: fewer than two, inputs that differ in number, or arrays that cannot be read.
    """
    entries = [entry for reference in references for entry in _read(reference)]
    if len(entries) < 2:
        raise UserError("--models needs at least two: FILE,FILE or FILE:NAME,FILE:NAME or FILE:*")
    rows = {entry.name: len(entry.f) for entry in entries}
    if len(set(rows.values())) != 1:
        listed = ", ".join(f"{name}: {n}" for name, n in rows.items())
        raise UserError(f"row i of every model must be the same input; numbers of rows: {listed}")
    if len({entry.name for entry in entries}) != len(entries):
        raise UserError(f"a model is given twice: {', '.join(entry.name for entry in entries)}")
    return entries


def _read(reference: str) -> list[Entry]:
    path, name = split_reference(reference)
    stored, stem = load(path), pathlib.Path(path).stem
    if name == "*":
        return [Entry(f"{stem}:{key}", _rows(key, stored[key]), None) for key in sorted(stored)]
    if name:
        if name not in stored:
            raise nearest(name, stored, f"array in {path}")
        return [Entry(f"{stem}:{name}", _rows(name, stored[name]), None)]
    if "f" not in stored:
        raise UserError(
            f"{path} holds {', '.join(sorted(stored))} but no f; a model is a file with f (inputs, "
            f"dim), g (labels, dim) and perhaps b (labels). For one array give {path}:NAME"
        )
    f, g, b = stored["f"], stored.get("g"), stored.get("b")
    if g is not None and b is not None:
        f = np.concatenate([f, np.ones((len(f), 1), f.dtype)], 1)
        g = np.concatenate([g, b[:, None].astype(g.dtype)], 1)
    return [Entry(stem, _rows("f", f), g)]


def _rows(name: str, array: np.ndarray) -> np.ndarray:
    """One row an input: (n, t, d) and (n, c, h, w) are flattened."""
    if array.ndim < 2 or not np.issubdtype(array.dtype, np.number):
        raise UserError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; a representation has inputs "
            "on its first axis and numbers on the others"
        )
    return np.asarray(array.reshape(len(array), -1), np.promote_types(array.dtype, np.float32))
