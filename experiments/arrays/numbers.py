"""Stored numbers as the floating ones that the libraries compute with, exactly or not at all."""

from collections.abc import Iterable, Iterator

import jax.numpy as jnp
import numpy as np

from experiments.runtime.errors import UserError

_BLOCK_BYTES = 1 << 26
# Whole numbers up to here are doubles, each its own.
_EXACT = 1 << 53


def row_blocks(array: np.ndarray) -> Iterator[slice]:
    """Slices of the first axis of about 64 MB each."""
    row = max(1, array.nbytes // max(len(array), 1))
    step = max(1, _BLOCK_BYTES // row)
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))


def gathered(blocks: Iterable[np.ndarray]) -> np.ndarray | None:
    """The blocks one below the other, or None where there are none.

    The result grows in place: beside it one block is held, where joining them at the end holds all
    of them twice.
    """
    result, rows = None, 0
    for block in blocks:
        if result is None:
            result = np.empty((0, *block.shape[1:]), block.dtype)
        dtype = np.promote_types(result.dtype, block.dtype)
        if dtype != result.dtype:  # text that is longer than all before
            result = result.astype(dtype)
        if rows + len(block) > len(result):
            # No other reference is alive; the memory is moved, if at all, by the system.
            room = max(rows + len(block), rows + rows // 8)
            result.resize((room, *block.shape[1:]), refcheck=False)
        result[rows : rows + len(block)] = block
        rows += len(block)
    if result is not None:
        result.resize((rows, *result.shape[1:]), refcheck=False)
    return result


def as_numbers(array: np.ndarray, what: str) -> np.ndarray:
    """`array` in single or double precision without loss; the array itself where it is that.

    Half precisions and short integers become float32, others float64. Blocks of rows are converted
    one at a time, so that a mapped file costs the result only.

    Raises:
      UserError: for complex numbers, text, dates, truth values, or whole numbers beyond 2**53.
    """
    dtype = _target(array.dtype)
    if dtype is None:
        raise UserError(
            f"{what}: accepted are real numbers, not {array.dtype} of shape {array.shape}"
        )
    if array.dtype == dtype and array.dtype.isnative:
        return array
    result = np.empty(array.shape, dtype)
    for rows in row_blocks(array) if array.ndim else [...]:
        block = np.asarray(array[rows])
        if dtype == np.float64 and block.dtype.kind in "iu" and block.itemsize == 8:
            _check_exact(block, what)
        result[rows] = block
    return result


def _target(dtype: np.dtype) -> type | None:
    # NumPy's own issubdtype does not know bfloat16.
    if jnp.issubdtype(dtype, jnp.floating):
        return np.float32 if dtype.itemsize <= 4 else np.float64
    if dtype.kind in "iu":
        return np.float32 if dtype.itemsize <= 2 else np.float64
    return None


def _check_exact(block: np.ndarray, what: str) -> None:
    if block.size and (block.max() > _EXACT or block.min() < -_EXACT):
        raise UserError(
            f"{what} holds whole numbers beyond 2**53, which floating point rounds; are they ids? "
            "Give vectors, or scale them down"
        )
