"""Points that lie elsewhere: anything with a shape, a dtype and slices of rows, read in parts."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np

from hubness.search import blocks, checked
from hubness.search.parts import Part, Whole
from hubness.search.topk import Extent
from repgeo import inputs

PART_BYTES = 2**26  # of float32 rows: two parts are held, one read while the other is searched


@runtime_checkable
class Source(Protocol):
    """n rows of d numbers, for example `np.load(file, mmap_mode="r")` or a dataset of h5py."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


class Points(NamedTuple):
    """A source whose rows have all been looked at."""

    source: Source
    whole: Whole
    rows: int  # of each part

    def __len__(self) -> int:
        return self.source.shape[0]

    def parts(self) -> Iterator[Part]:
        """All points in parts of one size; the last repeats some of the one before."""
        n, size = len(self), self.rows
        for start in range(0, n, size):
            first = max(min(start, n - size), 0)
            block = _read(self.source, first, first + size)
            valid = np.arange(first, first + size) >= start
            yield Part(jnp.asarray(block), jnp.asarray(first, jnp.int32), jnp.asarray(valid))

    def take(self, index: np.ndarray) -> np.ndarray:
        """The rows of these numbers in any order, in one pass through the source."""
        order = np.argsort(index, kind="stable")
        ascending = index[order]
        found = np.empty((len(index), self.source.shape[1]), np.float32)
        for start in range(0, len(self), self.rows):
            low, high = np.searchsorted(ascending, (start, start + self.rows))
            if low < high:
                block = self.source[start : start + self.rows]
                found[order[low:high]] = np.asarray(block)[ascending[low:high] - start]
        return found


def survey(source: checked.Given, metric: str, rows: int | None = None) -> Points:
    """The source after one pass that checks every row.

    Raises:
        ValueError: not such a source, rows that are not finite or that float32 does not hold, or
            zero rows under cosine.
    """
    shape: Any = getattr(source, "shape", None)
    whole = isinstance(shape, tuple) and len(shape) == 2 and min(shape) > 0
    if not whole or not hasattr(source, "dtype"):
        raise ValueError(
            f"the source of points is a {type(source).__name__} of shape {shape}; accepted is what "
            "has a shape (rows, width), a dtype and slices of rows, such as "
            'np.load(file, mmap_mode="r")'
        )
    n, d = shape
    size = blocks.rows_within(n, 4 * d, PART_BYTES)
    if rows is not None:
        size = min(inputs.count("part_rows", rows, 2**31 - 1), n)
    total, squares, most = np.zeros(d), 0.0, 0.0
    for start in range(0, n, size):
        block = _checked(source, start, start + size, metric)
        total += block.sum(axis=0, dtype=np.float64)
        norms = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        squares, most = squares + float(norms.sum()), max(most, float(norms.max()))
    return Points(source, _whole(metric, total / n, squares / n, most), size)


def _whole(metric: str, mean: np.ndarray, square: float, most: float) -> Whole:
    if metric in ("cosine", "dot"):
        mean = np.zeros_like(mean)
    square, most = (1.0, 1.0) if metric == "cosine" else (square - float(mean @ mean), most)
    # Products round, so the largest is not to be below what float32 makes of it.
    single = lambda a: jnp.asarray(a, jnp.float32)
    extent = Extent(single(max(square, 0) / 2), single(most / 2 * (1 + 1e-5)))
    return Whole(single(mean), extent)


def _read(source: Source, start: int, stop: int) -> np.ndarray:
    """Rows as float32, copied: what a slice of a file shows is read here and not later."""
    return np.array(source[start:stop], dtype=np.float32)


def _checked(source: Source, start: int, stop: int, metric: str) -> np.ndarray:
    block = inputs.array(f"rows {start:,} to {stop - 1:,}", source[start:stop], 2)
    if checked.needs_double(block):
        raise ValueError(
            f"rows {start:,} to {stop - 1:,} of dtype {source.dtype} hold digits or magnitudes "
            "that float32 does not; a search in parts is one in float32: store the rows as "
            "float32, or pass the array itself to knn"
        )
    block = np.asarray(block).astype(np.float32, copy=False)
    if metric == "cosine" and not (some := block.any(axis=1)).all():
        raise ValueError(
            f"row {start + int(np.argmin(some)):,} is zero: it has no direction, so no cosine. "
            'Drop zero rows or use metric="euclidean".'
        )
    return block
