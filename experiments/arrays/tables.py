"""Matrices in tables: .csv, .tsv, .parquet and word2vec's text, read a block of rows at a time."""

import csv as csv_module
import functools
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from experiments.arrays.lazy import UNNAMED, Stored
from experiments.arrays.numbers import gathered
from experiments.runtime.errors import UserError

# Name of the words of a word2vec file.
WORDS = "words"
# Cells of a block: as text about 16 MB.
_BLOCK_CELLS = 1 << 18
# So many whole numbers 0, 1, 2, … in the first line of a table are the names of its columns.
_NUMBERED = 8


def csv(path: pathlib.Path) -> dict[str, Stored]:
    """The numeric columns joined, and every column by its name, of comma-separated rows."""
    return _delimited(path, ",")


def tsv(path: pathlib.Path) -> dict[str, Stored]:
    """As `csv`, of tab-separated rows."""
    return _delimited(path, "\t")


def _delimited(path: pathlib.Path, delimiter: str) -> dict[str, Stored]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = list(itertools.islice(csv_module.reader(file, delimiter=delimiter), 2))
    if not first or not any(first[0]):
        raise UserError(f"{path} is empty")
    header = _is_header(*first)
    width = len(first[0])
    names = first[0] if header else [f"column{i}" for i in range(width)]
    if len(set(names)) != width:
        raise UserError(f"{path}: two columns have one name; give each its own")
    sample = first[-1]
    numeric = [i for i in range(width) if i < len(sample) and _is_number(sample[i])]
    read = functools.partial(_read_columns, path, delimiter, header, width)
    found = {
        name: Stored((None,), None, functools.partial(_vector, read, i, i in numeric))
        for i, name in enumerate(names)
    }
    if numeric:
        matrix = functools.partial(read, numeric, np.float64)
        columns = tuple(names[i] for i in numeric)
        found[UNNAMED] = Stored((None, len(numeric)), np.dtype(np.float64), matrix, columns)
    return found


def _is_header(first: Sequence[str], second: Sequence[str] = ()) -> bool:
    """Whether the first line names the columns."""
    if any(
        not _is_number(name) and _is_number(value)
        for name, value in zip(first, second, strict=False)
    ):
        return True
    if not any(_is_number(name) for name in first):
        return True
    # Data frames without names number their columns, perhaps after one of text.
    counted = [name for name in first if _is_number(name)]
    if counted != [str(i) for i in range(len(counted))]:
        return False
    return len(counted) >= _NUMBERED or not all(v.lstrip("-").isdecimal() for v in second if v)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows(path: pathlib.Path, delimiter: str, header: bool, width: int) -> Iterator[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv_module.reader(file, delimiter=delimiter)
        for row in itertools.islice(reader, int(header), None):
            if not row:
                continue
            if len(row) != width:
                raise UserError(
                    f"{path}, line {reader.line_num:,}: {len(row)} columns, but {width} before"
                )
            yield row


def _read_columns(
    path: pathlib.Path,
    delimiter: str,
    header: bool,
    width: int,
    columns: Sequence[int],
    dtype: type | None,
) -> np.ndarray:
    """Columns of every row; text where `dtype` is None."""
    rows = _rows(path, delimiter, header, width)

    def blocks() -> Iterator[np.ndarray]:
        done = 0
        for block in _batched(rows, width):
            yield _block(path, [[row[i] for i in columns] for row in block], done, dtype)
            done += len(block)

    found = gathered(blocks())
    if found is None:
        raise UserError(f"{path} has no rows below its header")
    return found


def _batched(rows: Iterator[Any], width: int) -> Iterator[list[Any]]:
    """The rows, so many at a time that a block has about `_BLOCK_CELLS` cells."""
    while block := list(itertools.islice(rows, max(1, _BLOCK_CELLS // width))):
        yield block


def _block(
    path: pathlib.Path, rows: Sequence[Sequence[str]], before: int, dtype: type | None
) -> np.ndarray:
    try:
        return np.array(rows) if dtype is None else np.array(rows, dtype)
    except ValueError:
        number, cell = next((i, c) for i, r in enumerate(rows) for c in r if not _is_number(c))
        raise UserError(
            f"{path}, row {before + number:,} counted from 0: {cell!r} is no number, as the "
            "column's others are; fill or remove the row"
        ) from None


def _vector(read, column: int, numeric: bool) -> np.ndarray:
    return read([column], np.float64 if numeric else None)[:, 0]


def word2vec(path: pathlib.Path) -> dict[str, Stored]:
    """The vectors and the words of word2vec's text form, with or without its line of sizes."""
    with path.open(encoding="utf-8") as file:
        sizes = file.readline().split()
    header = len(sizes) == 2 and all(size.isdecimal() for size in sizes)
    count, width = (int(s) for s in sizes) if header else (None, len(sizes) - 1)
    if width < 1:
        raise UserError(
            f"{path} is no word2vec text: a line is a word and its numbers, separated by spaces"
        )
    read = functools.partial(_read_word2vec, path, header, count, width)
    return {
        UNNAMED: Stored((count, width), np.dtype(np.float32), lambda: read()[1]),
        WORDS: Stored((count,), None, lambda: read()[0]),
    }


def _read_word2vec(
    path: pathlib.Path, header: bool, count: int | None, width: int
) -> tuple[np.ndarray, np.ndarray]:
    words: list[str] = []

    def vectors() -> Iterator[list[float]]:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if (header and number == 1) or not line.strip():
                    continue
                # A word may itself hold spaces.
                word, *values = line.rstrip(" \r\n").rsplit(" ", width)
                if len(values) != width or not all(map(_is_number, values)):
                    raise UserError(f"{path}, line {number:,}: not a word and {width} numbers")
                words.append(word)
                yield [float(value) for value in values]

    found = gathered(np.array(rows, np.float32) for rows in _batched(vectors(), width))
    if found is None or count not in (None, len(words)):
        raise UserError(f"{path} is truncated: {len(words):,} of {count or 0:,} words are there")
    return np.array(words), found


def parquet(path: pathlib.Path) -> dict[str, Stored]:
    """Columns of lists as matrices, others as vectors; without lists, the numeric ones joined."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(f"{path} needs pyarrow: pip install 'repgeo[tables]'") from error
    with pq.ParquetFile(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows
    found: dict[str, Stored] = {}
    scalars = []
    for field in schema:
        read = functools.partial(_read_parquet, path, field.name)
        if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
            found[field.name] = Stored((count, None), None, read)
        elif pa.types.is_fixed_size_list(field.type):
            found[field.name] = Stored((count, field.type.list_size), None, read)
        else:
            found[field.name] = Stored((count,), None, read)
            if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
                scalars.append(field.name)
    if scalars and all(len(entry.shape or ()) == 1 for entry in found.values()):
        together = functools.partial(_read_parquet, path, scalars)
        shape = (count, len(scalars))
        found[UNNAMED] = Stored(shape, np.dtype(np.float64), together, tuple(scalars))
    return found


def _read_parquet(path: pathlib.Path, names: str | Sequence[str]) -> np.ndarray:
    """One column; of several names these columns of numbers side by side, as float64."""
    import pyarrow.parquet as pq

    one = isinstance(names, str)
    wanted = [names] if one else [*names]
    # Mapped, or all rows that were written together are read at once.
    with pq.ParquetFile(path, memory_map=True) as file:
        rows = max(1, _BLOCK_CELLS // max(len(wanted), _width(file, wanted)))
        batches = file.iter_batches(rows, columns=wanted)
        parts = ([_parquet_column(path, n, b.column(n)) for n in wanted] for b in batches)
        side_by_side = lambda part: np.stack(part, axis=1).astype(np.float64, copy=False)
        found = gathered(part[0] if one else side_by_side(part) for part in parts)
    if found is None:
        raise UserError(f"{path} has no rows")
    return found


def _width(file: Any, names: Sequence[str]) -> int:
    """Values of a row in these columns, about."""
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    chunks = [group.column(j) for group in groups for j in range(group.num_columns)]
    values = sum(c.num_values for c in chunks if c.path_in_schema.partition(".")[0] in names)
    return values // max(file.metadata.num_rows, 1)


def _parquet_column(path: pathlib.Path, name: str, column: Any) -> np.ndarray:
    if column.null_count:
        raise UserError(f"{path}: column {name!r} has missing values; fill or remove them")
    return np.asarray(_lists(path, name, column) if hasattr(column, "flatten") else column)


def _lists(path: pathlib.Path, name: str, column: Any) -> np.ndarray:
    values = column.flatten()
    width = len(values) // max(len(column), 1)
    lengths = column.value_lengths() if hasattr(column, "value_lengths") else None
    uneven = lengths is not None and lengths.unique().to_pylist() != [width]
    if values.null_count or uneven:
        raise UserError(f"{path}: the lists in column {name!r} have different lengths or gaps")
    return values.to_numpy(zero_copy_only=False).reshape(len(column), width)
