"""FILE and FILE:NAME as arrays, as a matrix of finite numbers, or as labels."""

import os
import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

from experiments.arrays.formats import FORMATS, SUFFIXES, stored
from experiments.arrays.lazy import UNNAMED, Stored
from experiments.arrays.numbers import as_numbers, row_blocks
from experiments.runtime import files
from experiments.runtime.errors import UserError, nearest

# Columns of these names are no coordinates of a point.
NOT_COORDINATES = ("class", "id", "index", "label", "labels", "target", "y")
# Names that pandas gives an index without one, in .csv, read back from it, and in .parquet.
_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
# Of so many rows, all of 0, 1, 2, … in another order are no coordinates by chance: 1 in 8!.
_SHUFFLED = 8
_REFERENCE = re.compile(
    rf"(?P<path>.+?({'|'.join(map(re.escape, SUFFIXES))}))(:(?P<name>.*))?", re.I | re.S
)


def split_reference(reference: str) -> tuple[str, str]:
    """FILE:NAME as (FILE, NAME); the name may be empty."""
    match = _REFERENCE.fullmatch(reference)
    if not match:
        stored(reference.partition(":")[0])
        raise UserError(f"{reference!r} names no file in one of the formats {', '.join(SUFFIXES)}")
    return match["path"], match["name"] or ""


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """All arrays of a file by name. Raises `UserError` for a file that cannot be read as one."""
    return {name: read(path, name, entry) for name, entry in stored(path).items()}


def load_one(reference: str) -> np.ndarray:
    """The array FILE:NAME, or the only one of FILE."""
    path, name = split_reference(reference)
    return _choose(path, name)[1]


def read(path: str | os.PathLike[str], name: str, entry: Stored) -> np.ndarray:
    """The array of `entry`. Raises `UserError`, naming it, where it is damaged or pickled."""
    try:
        return entry.read()
    except UserError:
        raise
    except Exception as error:
        # Damage shows as ValueError, EOFError, BadZipFile, zlib.error, ...
        raise UserError(f"{path}: array {name!r} cannot be read: {error}") from error


def _choose(path: str, name: str) -> tuple[Stored, np.ndarray]:
    """What `name` says, or the only array, or of several the only one of two axes."""
    found = stored(path)
    if not name:
        matrices = [n for n, entry in found.items() if len(entry.shape or ()) == 2]
        named = [n for n in ("embeddings", UNNAMED) if n in matrices]
        choices = list(found) if len(found) == 1 else named or matrices
        if len(choices) != 1 and not named:
            raise UserError(
                f"{path} holds {', '.join(sorted(found)) or 'no array'}: give one as {path}:NAME"
            )
        name = choices[0]
    if name not in found:
        raise nearest(name, found, f"array in {path}")
    return found[name], read(path, name, found[name])


def read_matrix(reference: str, *, labels: str | None = None) -> Float[np.ndarray, "n d"]:
    """The matrix of FILE[:NAME], one row an item, in the precision that it is stored in.

    Of a table the numeric columns, without the one that `labels` names. A file of several arrays
    needs :NAME, unless one is named `embeddings` or one alone has two axes.

    Raises:
      UserError: for a damaged file, an array that is no matrix, rows that are not finite or beyond
        single precision, a column that numbers the rows or holds labels.
    """
    path, name = split_reference(reference)
    entry, array = _choose(path, name)
    if array.ndim != 2 or not array.size:
        raise UserError(
            f"{reference}: embeddings are a matrix of numbers, not {array.dtype} of shape "
            f"{array.shape}"
        )
    matrix = as_numbers(array, reference)
    if entry.columns:
        matrix = _without_labels(path, labels, entry, matrix)
    _check_finite(reference, matrix)
    return matrix


def _without_labels(path: str, labels: str | None, entry: Stored, matrix: np.ndarray) -> np.ndarray:
    of, name = split_reference(labels) if labels and _is_array_file(labels) else ("", "")
    advice = "give labels as --labels={path}:{column}, which leaves them out, or remove the column"
    left_out = (name,) if of == path else ()
    return coordinates(path, entry, matrix, left_out=left_out, advice=advice)


def coordinates(
    path: str, entry: Stored, matrix: np.ndarray, *, left_out: Sequence[str] = (), advice: str
) -> np.ndarray:
    """The columns of a table that place a point, and all of an array that is no table.

    Args:
      left_out: names of columns that place none, as the user knows.
      advice: what to do about a column of labels; {path} and {column} are filled in.

    Raises:
      UserError: beside these a column that numbers the rows or holds labels.
    """
    columns = entry.columns
    kept = [i for i, name in enumerate(columns) if name not in left_out]
    for i in kept:
        # Beside an x, y is a coordinate.
        if columns[i].lower() in NOT_COORDINATES and ("x" not in columns or columns[i] != "y"):
            how = advice.format(path=path, column=columns[i])
            raise UserError(f"{path}: column {columns[i]!r} holds no coordinates; {how}")
    for i in _that_number_rows(matrix, columns, kept):
        raise UserError(
            f"{path}: column {columns[i]!r} numbers the rows; remove it (in pandas, "
            "to_csv(index=False))"
        )
    return matrix if len(kept) == len(columns) else matrix[:, kept]


def _that_number_rows(
    matrix: np.ndarray, columns: Sequence[str], kept: Sequence[int]
) -> Iterator[int]:
    """Columns named as pandas names an index; or that count up, or count in any order alone."""
    yield from (i for i in kept if _INDEX.fullmatch(columns[i]))
    counts = np.arange(len(matrix))
    if kept and len(matrix) > 2 and np.array_equal(matrix[:, kept[0]] - matrix[0, kept[0]], counts):
        yield kept[0]
    if len(matrix) >= _SHUFFLED:
        spans = matrix.max(axis=0) == matrix.min(axis=0) + (len(matrix) - 1)
        shuffled = [i for i in kept if spans[i] and _is_shuffled(matrix[:, i])]
        if len(shuffled) < len(kept):  # a matrix of ranks has no other columns
            yield from shuffled


def _is_shuffled(column: np.ndarray) -> bool:
    return np.array_equal(np.sort(column) - column.min(), np.arange(len(column)))


def _check_finite(what: str, matrix: np.ndarray) -> None:
    limit = np.finfo(np.float32).max
    bad, first = 0, None
    for rows in row_blocks(matrix):
        wrong = np.flatnonzero(~(np.abs(matrix[rows]) <= limit).all(axis=1))
        bad += len(wrong)
        first = rows.start + wrong[0] if first is None and len(wrong) else first
    if bad:
        raise UserError(
            f"{what}: {bad:,} rows are NaN or infinite, the first is {first:,}, counted from 0; "
            "remove them (values beyond 3e38 are infinite in float32)"
        )


def read_labels(reference: str) -> Int[np.ndarray, "n"]:
    """Labels numbered in sorted order: of FILE[:NAME], or the lines of any other text file.

    A line of a text file is a name as it stands, "nan" too; in other formats NaN is refused.

    Raises:
      UserError: where there is no such file, or it holds no vector.
    """
    if _is_array_file(reference):
        path, name = split_reference(reference)
        values = _choose_labels(path, name)
    else:
        values = _lines(pathlib.Path(reference))
    if values.ndim != 1 or not len(values):
        raise UserError(f"labels {reference} have shape {values.shape}; one label a row is needed")
    blank = np.flatnonzero(values == "") if values.dtype.kind == "U" else []
    if len(blank):
        raise UserError(
            f"labels {reference}: {len(blank):,} are empty, the first is that of row {blank[0]:,}, "
            "counted from 0; give each row a class"
        )
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise UserError(
            f"labels {reference}: {np.isnan(values).sum():,} are NaN; give each row a class"
        )
    return np.unique(values, return_inverse=True)[1]


def _is_array_file(reference: str) -> bool:
    """Whether `reference` is of a format of arrays; a .txt file holds lines."""
    match = _REFERENCE.fullmatch(reference)
    return bool(match) and match[2].lower() != ".txt"


def _choose_labels(path: str, name: str) -> np.ndarray:
    found = {n: entry for n, entry in stored(path).items() if len(entry.shape or ()) != 2}
    if not name and len(found) == 1:
        name = next(iter(found))
    if not name:
        raise UserError(
            f"{path}: labels are one of {', '.join(sorted(found))}: give {path}:NAME"
            if found
            else f"{path} holds no vector; labels are one a row"
        )
    if name not in found:
        raise nearest(name, found, f"labels in {path}")
    return np.asarray(read(path, name, found[name]))


def _lines(path: pathlib.Path) -> np.ndarray:
    files.check_there(path)
    try:
        return np.array(path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: labels are a vector in one of {', '.join(FORMATS)}, or the lines of a text "
            f"file ({error})"
        ) from error
