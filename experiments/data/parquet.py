"""Images in parquet as Hugging Face's datasets writes them: a column of bytes with their path."""

import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.data.pictures import Pictures, of_bytes
from experiments.data.splits import by_word
from experiments.data.wanted import Wanted
from experiments.runtime.errors import UserError, nearest

LABELS = ("label", "labels", "class", "fine_label", "target", "y")


def parquet_files(path: pathlib.Path) -> list[pathlib.Path]:
    """The file, or every .parquet below the folder, by name."""
    return [path] if path.is_file() else sorted(path.rglob("*.parquet"))


def read_parquet(path: pathlib.Path, wanted: Wanted) -> Pictures:
    """The images of a file, or of all files of a folder, held in memory as they are encoded.

    Files are splits by the first word of their names, as train-00000-of-00001.parquet, or images
    are by the column that `wanted.split` names.

    Raises:
      UserError: pyarrow is missing, there is no column of images, or images are missing.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(f"{path} needs pyarrow: pip install 'repgeo[tables]'") from error
    files = parquet_files(path)
    try:
        tables = [pq.read_table(file) for file in files]
        table = pa.concat_tables(tables)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read as parquet: {error}") from error
    column = _image_column(path, table.schema)
    content = _content(path, table.column(column))
    label, classes = _labels(table)
    kind, _, name = wanted.split.partition(":")
    if kind == "column":
        if name not in table.column_names:
            raise nearest(name, table.column_names, f"column of {path}")
        test = _by_column(path, name, table.column(name).to_pylist())
    else:
        words = [file.name.split("-")[0] for file in files]
        counts = [len(one) for one in tables]
        by_file = by_word(words)
        test = None if by_file is None else np.repeat(by_file, counts)
    names = [f"row {i}" for i in range(len(content))]
    sha = hashlib.sha256(label.tobytes())
    for one in content:
        sha.update(hashlib.sha256(one).digest())
    return Pictures(names, label, classes, test, lambda i: of_bytes(content[i]), sha.hexdigest())


def _image_column(path: pathlib.Path, schema: Any) -> str:
    """The only column of bytes, or of bytes with a path; `image` or `img` among several."""
    import pyarrow as pa

    binary = lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    def holds(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
            return "bytes" in fields and binary(fields["bytes"])
        return binary(kind)

    found = [field.name for field in schema if holds(field.type)]
    named = [name for name in ("image", "img") if name in found]
    if len(found) != 1 and not named:
        raise UserError(
            f"{path} has {len(found)} columns of image bytes among {', '.join(schema.names)}; one "
            "of bytes, or of bytes and path, is needed"
        )
    return (named or found)[0]


def _content(path: pathlib.Path, column: Any) -> list[bytes]:
    rows = [row["bytes"] if isinstance(row, dict) else row for row in column.to_pylist()]
    missing = next((i for i, row in enumerate(rows) if not row), None)
    if missing is not None:
        raise UserError(
            f"{path}: row {missing:,} holds no bytes, perhaps a path to a file elsewhere; write "
            "images into the file (datasets' embed_external_files=True)"
        )
    if not rows:
        raise UserError(f"{path} has no rows")
    return rows


def _labels(table: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes by number, and their names where Hugging Face's metadata has them."""
    column = next((name for name in LABELS if name in table.column_names), None)
    if column is None:
        return np.zeros(len(table), np.int32), ("",)
    values = table.column(column).to_pylist()
    features = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    known = features.get("info", {}).get("features", {}).get(column, {}).get("names")
    if known and all(isinstance(v, int) and 0 <= v < len(known) for v in values):
        return np.array(values, np.int32), tuple(known)
    classes = sorted({str(value) for value in values})
    return np.array([classes.index(str(v)) for v in values], np.int32), tuple(classes)


def _by_column(path: pathlib.Path, name: str, values: Sequence[object]) -> np.ndarray:
    if all(isinstance(value, bool) for value in values):
        return np.array(values, bool)
    found = by_word([str(value) for value in values])
    if found is None:
        said = ", ".join(sorted({str(value) for value in values})[:5])
        raise UserError(
            f"{path}: column {name!r} holds {said}; accepted are train and test (or validation)"
        )
    return found
