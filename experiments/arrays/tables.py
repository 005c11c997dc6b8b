"""Matrices in tables: .csv, .tsv and .parquet, read a block of rows at a time."""

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

# Cells of a block: as text about 16 MB.
_BLOCK_CELLS = 1 << 18
# So many whole numbers 0, 1, 2, … in the first line of a table are the names of its columns.
_NUMBERED = 8
# What stands for no value in tables of pandas, R and SQL, in any case.
_MISSING = ("", "#n/a", "<na>", "n/a", "na", "nan", "none", "null")


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
    _check_delimiter(path, delimiter, first[-1])
    header = _is_header(path, *first)
    width = len(first[0])
    if header and len(first) == 1:
        raise UserError(f"{path} has no rows below its header")
    names = first[0] if header else [f"column{i}" for i in range(width)]
    if len(set(names)) != width:
        raise UserError(f"{path}: two columns have one name; give each its own")
    numeric = _numeric(path, delimiter, header, width)
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


def _check_delimiter(path: pathlib.Path, delimiter: str, row: Sequence[str]) -> None:
    """Raises `UserError` for a row that another delimiter makes numbers of.

    It is of one cell; or, where commas are those of decimals, each cell but its ends holds the
    last digits of a number and the first of the next.
    """
    inner = row[1:-1]
    for other in {",", ";", "\t"} - {delimiter}:
        parts = row[0].split(other) if len(row) == 1 else []
        halves = [half for cell in inner for half in cell.split(other)]
        cut = len(halves) == 2 * len(inner) > 0 and all(map(is_number, halves))
        if cut or (len(parts) > 1 and any(map(is_number, parts))):
            raise UserError(
                f"{path}: columns are separated by {other!r}; accepted are commas in .csv and tabs "
                "in .tsv, and points in numbers"
            )


def _is_header(path: pathlib.Path, first: Sequence[str], second: Sequence[str] = ()) -> bool:
    """Whether the first line names the columns. What is missing, in either line, tells nothing."""
    known = [name for name in first if not _is_missing(name)]
    counted = [name for name in known if is_number(name)]
    if not counted:
        return True
    if any(
        not is_number(name) and is_number(value)
        for name, value in zip(first, second, strict=False)
        if not _is_missing(name) and not _is_missing(value)
    ):
        if all(name.isdecimal() for name in counted):
            return True
        raise UserError(
            f"{path}: the first line may name the columns or be a row; give all columns names "
            "that are no numbers, or none"
        )
    # Data frames without names number their columns, perhaps after one of text or without a name.
    if counted != [str(i) for i in range(len(counted))]:
        return False
    if len(counted) >= _NUMBERED or first[0] == "":
        return True
    return not all(v.lstrip("-").isdecimal() for v in second if v)


def _numeric(path: pathlib.Path, delimiter: str, header: bool, width: int) -> list[int]:
    """The columns whose first cell that is not missing is a number."""
    found: dict[int, bool] = {}
    for row in _rows(path, delimiter, header, width):
        open_columns = [i for i in range(width) if i not in found]
        if not open_columns:
            break
        found |= {i: is_number(row[i]) for i in open_columns if not _is_missing(row[i])}
    return [i for i in range(width) if found.get(i)]


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in _MISSING


def is_number(text: str) -> bool:
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
        for block in batched(rows, width):
            yield _block(path, [[row[i] for i in columns] for row in block], done, dtype)
            done += len(block)

    found = gathered(blocks())
    if found is None:
        raise UserError(f"{path} has no rows below its header")
    return found


def batched(rows: Iterator[Any], width: int) -> Iterator[list[Any]]:
    """The rows, so many at a time that a block has about `_BLOCK_CELLS` cells."""
    while block := list(itertools.islice(rows, max(1, _BLOCK_CELLS // width))):
        yield block


def _block(
    path: pathlib.Path, rows: Sequence[Sequence[str]], before: int, dtype: type | None
) -> np.ndarray:
    try:
        return np.array(rows) if dtype is None else np.array(rows, dtype)
    except ValueError:
        number, cell = next((i, c) for i, r in enumerate(rows) for c in r if not is_number(c))
        raise UserError(
            f"{path}, row {before + number:,} counted from 0: {cell!r} is no number, as the "
            "column's others are; fill or remove the row"
        ) from None


def _vector(read, column: int, numeric: bool) -> np.ndarray:
    return read([column], np.float64 if numeric else None)[:, 0]


def parquet(path: pathlib.Path) -> dict[str, Stored]:
    """Columns of lists as matrices, others as vectors; without lists, the numeric ones joined.

    An index of pandas is a vector and not joined.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(f"{path} needs pyarrow: pip install 'repgeo[tables]'") from error
    with pq.ParquetFile(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows
    index = (schema.pandas_metadata or {}).get("index_columns", ())
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
            number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
            if number and field.name not in index:
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
