"""Loops over blocks: no query × point array larger than one tile exists at any time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from hubness import pairwise

QUERY_ROWS = 512  # enough rows for the matrix product to run at full speed
POINT_COLUMNS = 16_384  # 512 × 16,384 scores are 32 MB
Tree = Any


def tiles(total: int, size: int) -> tuple[int, int]:
    """(number of tiles, their common size); the last tile overlaps the one before it."""
    number = -(-total // min(size, total))
    return number, -(-total // number)


def map_rows(fn: Callable[[Array], Tree], total: int, block_rows: int | None) -> Tree:
    """fn(start) of consecutive blocks of rows, joined: [total, ...] leaves.

    The leaves that fn returns have one row for each of `row_ids(start, total, block_rows)`.
    """
    number, rows = tiles(total, block_rows or QUERY_ROWS)
    starts = jnp.minimum(jnp.arange(number, dtype=jnp.int32) * rows, total - rows)
    blocks = lax.map(fn, starts)
    overlap = number * rows - total

    def join(leaf):
        head = leaf[:-1].reshape((-1, *leaf.shape[2:]))
        return jnp.concatenate([head, leaf[-1, overlap:]])

    return jax.tree.map(join, blocks)


def row_ids(start: Int[Array, ""], total: int, block_rows: int | None) -> Int[Array, " r"]:
    """The rows of the block that begins at start."""
    return start + jnp.arange(tiles(total, block_rows or QUERY_ROWS)[1], dtype=jnp.int32)


def fold_points(
    step: Callable[[Tree, Array, Int[Array, " b"], Bool[Array, " b"]], Tree],
    init: Tree,
    operands: Tree,
    total: int,
    columns: int = POINT_COLUMNS,
) -> Tree:
    """Fold step(carry, tile of operands, ids, valid) over tiles of points.

    `operands` are arrays over points; `valid` is False where a tile repeats points of the last one.
    """
    number, width = tiles(total, columns)

    def body(carry, t):
        start = jnp.minimum(t * width, total - width)
        ids = start + jnp.arange(width, dtype=jnp.int32)
        tile = jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, width), operands)
        return step(carry, tile, ids, ids >= t * width), None

    return lax.scan(body, init, jnp.arange(number, dtype=jnp.int32))[0]


def fold_scores(
    step: Callable[[Tree, Float[Array, "r b"], Tree, Int[Array, " b"], Bool[Array, " b"]], Tree],
    init: Tree,
    q: Float[Array, "r d"],
    space: pairwise.Space,
    extra: Tree = None,
) -> Tree:
    """Fold step(carry, scores, tile of extra, ids, valid) over tiles of points for one block.

    Repeated columns have score −inf; one matrix product per tile.
    """

    def body(carry, tile, ids, valid):
        points, bias, tail = tile
        bias = jnp.where(valid, bias, -jnp.inf)
        return step(carry, pairwise.scores(q, points) + bias[None], tail, ids, valid)

    return fold_points(body, init, (space.points, space.bias, extra), space.points.shape[0])
