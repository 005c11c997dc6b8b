"""What a user compares: models with f and g, or representations alone, checked and aligned."""

import collections
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments import arrays
from experiments.runtime.errors import UserError, nearest

# What names the inputs of a file: an array, a column, or the words of word2vec.
IDS = ("ids", "words")

BY_ORDER = "Inputs are matched by their order"


class Entry(NamedTuple):
    """Embeddings f of the inputs; of a model also unembeddings g and perhaps a bias b.

    `ids` name the inputs, where the file has them: equal ids are the same input.
    """

    name: str
    f: Float[np.ndarray, "n m"]
    g: Float[np.ndarray, "k m"] | None = None
    b: Float[np.ndarray, "k"] | None = None
    ids: np.ndarray | None = None


def read_entries(references: Sequence[str], *, stacked: bool = False) -> list[Entry]:
    """The entries of FILE (its f and g, and bias b), FILE:NAME (a representation) and FILE:*.

    A file's array `ids` (n) names its inputs. Arrays of more axes are flattened to one row an
    input. `stacked` says that the first axis of every array is a seed, each an entry; a g of three
    axes says so itself.

    Raises:
      UserError: arrays that cannot be read, are not finite, or whose shapes do not fit together.
    """
    labels = _labels([arrays.split_reference(reference)[0] for reference in references])
    found = []
    for reference in references:
        path, name = arrays.split_reference(reference)
        found += _read(path, name, labels[path], stacked)
    return found


def align(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """The entries with the same inputs in the same order, and notes on what was done.

    Inputs are matched by ids where all entries have them; otherwise row i is the same input.

    Raises:
      UserError: fewer than two entries, one twice, numbers of inputs that differ without ids, ids
        that repeat, or fewer than three inputs in common.
    """
    if len(entries) < 2:
        raise UserError(
            "two models or more are compared: name another file, or of one file that holds several "
            "FILE:NAME and FILE:NAME, or FILE:*"
        )
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise UserError(f"a model is given twice: {', '.join(names)}")
    with_ids = [entry for entry in entries if entry.ids is not None]
    if len(with_ids) == len(entries):
        return _by_ids(entries)
    rows = {entry.name: len(entry.f) for entry in entries}
    if len(set(rows.values())) != 1:
        listed = ", ".join(f"{name}: {n}" for name, n in rows.items())
        raise UserError(
            f"row i of every model must be the same input; numbers of rows: {listed}. With an "
            "array ids in every file, inputs are matched by it"
        )
    if not with_ids:
        return list(entries), []
    without = ", ".join(entry.name for entry in entries if entry.ids is None)
    return list(entries), [f"{BY_ORDER}: {without} has no ids."]


def _by_ids(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    places = [{value: i for i, value in enumerate(np.asarray(e.ids).tolist())} for e in entries]
    for entry, place in zip(entries, places, strict=True):
        if len(place) != len(entry.f):
            raise UserError(
                f"{entry.name}: {len(place):,} different ids for {len(entry.f):,} inputs; each "
                "input needs its own"
            )
    common = [value for value in places[0] if all(value in place for place in places)]
    if len(common) < 3:
        raise UserError(f"the entries have {len(common)} ids in common; at least 3 are needed")
    moved, notes = [], []
    for entry, place in zip(entries, places, strict=True):
        order = np.array([place[value] for value in common])
        moved.append(entry._replace(f=entry.f[order], ids=np.asarray(common)))
        if len(order) < len(entry.f):
            notes.append(f"{entry.name}: {len(entry.f) - len(order):,} inputs are in no other.")
        elif (order != np.arange(len(order))).any():
            notes.append(f"{entry.name}: inputs were in another order.")
    return moved, [f"{len(common):,} inputs are matched by ids.", *notes]


def _labels(paths: Iterable[str]) -> dict[str, str]:
    """The shortest end of each path that no other path has, without suffix where that serves."""
    unique = list(dict.fromkeys(paths))
    for bare in (True, False):
        parts = {
            path: pathlib.PurePath(path).with_suffix("").parts
            if bare
            else pathlib.PurePath(path).parts
            for path in unique
        }
        if len(set(parts.values())) == len(unique):
            break
    found = {}
    for path in unique:
        others = [parts[other] for other in unique if other != path]
        length = 1
        while any(other[-length:] == parts[path][-length:] for other in others):
            length += 1
        found[path] = "/".join(parts[path][-length:])
    return found


def _read(path: str, name: str, label: str, stacked: bool) -> list[Entry]:
    held = arrays.stored(path)
    get = lambda key: arrays.load_one(f"{path}:{key}")
    ids = next((get(n) for n in IDS if n in held and held[n].shape != ()), None)
    if name == "*":
        wanted = [key for key in sorted(held) if len(held[key].shape or ()) >= 2]
        if not wanted:
            raise UserError(f"{path} holds no array of two axes or more, but {', '.join(held)}")
    elif not name and "f" not in held and held.get(arrays.UNNAMED):
        return _seeds(
            label, {"f": _coordinates(path, arrays.UNNAMED, held[arrays.UNNAMED])}, ids, stacked
        )
    elif name or (len(held) == 1 and "f" not in held):
        wanted = [name or next(iter(held))]
    else:
        return _model(path, {key: get(key) for key in ("f", "g", "b") if key in held}, label, ids)
    found = []
    for key in wanted:
        if key not in held:
            raise nearest(key, held, f"array in {path}")
        one = label if len(held) == 1 and not name else f"{label}:{key}"
        found += _seeds(one, {"f": _coordinates(path, key, held[key])}, ids, stacked)
    return found


def _coordinates(path: str, name: str, entry: arrays.Stored) -> np.ndarray:
    """An array of a file; of a table's numeric columns those that are no ids."""
    array = arrays.load_one(f"{path}:{name}")
    if not entry.columns:
        return array
    advice = "remove it (a column ids names the inputs)"
    return arrays.coordinates(path, entry, array, left_out=IDS, advice=advice)


def _model(
    path: str, given: Mapping[str, np.ndarray], label: str, ids: np.ndarray | None
) -> list[Entry]:
    if "f" not in given:
        raise UserError(
            f"{path} holds {', '.join(sorted(arrays.stored(path)))} but no f; a model is a file "
            "with f (inputs, dim), g (labels, dim) and perhaps b (labels). For one array give "
            f"{path}:NAME"
        )
    if "b" in given and "g" not in given:
        raise UserError(f"{path} has a bias b but no g (labels, dim) that it belongs to")
    return _seeds(label, given, ids, "g" in given and given["g"].ndim == 3)


def _seeds(
    label: str, given: Mapping[str, np.ndarray], ids: np.ndarray | None, stacked: bool
) -> list[Entry]:
    """One entry, or one for each index of the first axis of all arrays."""
    if not stacked:
        return [_entry(label, given, ids)]
    sizes = {key: len(array) if array.ndim else 0 for key, array in given.items()}
    if len(set(sizes.values())) != 1:
        raise UserError(f"{label}: stacked arrays have {sizes} seeds on their first axes")
    every = range(next(iter(sizes.values())))
    return [_entry(f"{label}:{i}", {k: a[i] for k, a in given.items()}, ids) for i in every]


def _entry(label: str, given: Mapping[str, np.ndarray], ids: np.ndarray | None) -> Entry:
    f = _rows(f"{label}: f", given["f"])
    if ids is not None and np.shape(ids) != (len(f),):
        raise UserError(f"{label}: ids have shape {np.shape(ids)} for {len(f):,} inputs")
    if "g" not in given:
        return Entry(label, f, ids=ids)
    g = _rows(f"{label}: g", given["g"])
    if g.shape[1] != f.shape[1]:
        hint = "; it is transposed" if g.shape[0] == f.shape[1] else ""
        raise UserError(
            f"{label}: g has shape {g.shape} and f {f.shape}; accepted is g (labels, "
            f"{f.shape[1]}){hint}"
        )
    if "b" not in given:
        return Entry(label, f, g, ids=ids)
    b = arrays.as_numbers(given["b"], f"{label}: b")
    if b.shape != (len(g),) or not np.isfinite(b).all():
        raise UserError(
            f"{label}: b has shape {b.shape}; accepted is ({len(g)},), one finite number for each "
            "label"
        )
    return Entry(label, f, g, b, ids)


def _rows(what: str, array: np.ndarray) -> np.ndarray:
    """One row an input: (n, t, d) and (n, c, h, w) are flattened."""
    if array.ndim < 2 or not array.size:
        raise UserError(
            f"{what} has shape {array.shape}; accepted are inputs on the first axis and numbers on "
            "the others"
        )
    rows = arrays.as_numbers(array, what).reshape(len(array), -1)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise UserError(
            f"{what}: {len(bad):,} of {len(rows):,} rows are NaN or infinite, the first is "
            f"{bad[0]:,}, counted from 0; remove these inputs from every model"
        )
    return rows


def shared_labels(entries: Sequence[Entry]) -> int:
    """The number of labels of all models. Raises `UserError` where it differs, or is below 2."""
    counts = collections.Counter(len(e.g) for e in entries if e.g is not None)
    if len(counts) > 1:
        listed = ", ".join(f"{e.name}: {len(e.g)}" for e in entries if e.g is not None)
        raise UserError(
            f"row y of every g must be the same label; numbers of labels: {listed}. Give f alone, "
            "as FILE:f, to compare representations"
        )
    (count,) = counts or (0,)
    if count == 1:
        raise UserError("the models have one label; a distribution needs two or more")
    return count
