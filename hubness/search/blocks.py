"""Loops over blocks: no query × point array larger than one tile exists at any time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from hubness.search import pairwise

QUERY_ROWS = 512  # enough rows for the matrix product to run at full speed
POINT_COLUMNS = 16_384  # 512 × 16,384 scores are 32 MB
LANES = 32  # wide tiles are multiples, so that `topk.merge` cuts no remainder off
Tree = Any


class Tile(NamedTuple):
    """Scores of a block of queries and a tile of points."""

    score: Float[Array, "r b"]  # −inf where the tile repeats points of the one before
    operand: Float[Array, "r d"]
    rows: Int[Array, " r"]  # beyond the last query, rows repeat it
    ids: Int[Array, " b"]  # consecutive
    valid: Bool[Array, " b"]
    extra: Tree


def split(total: int, size: int) -> tuple[int, int]:
    """(number of blocks, their common size) that cover `total`."""
    number = -(-total // size)
    return number, -(-total // number)


def rows_within(total: int, row_bytes: int, most_bytes: int) -> int:
    """Rows that fill so many bytes at most: whole tiles where several fit, one at the least."""
    rows = max(1, most_bytes // row_bytes)
    if rows > POINT_COLUMNS:
        rows -= rows % POINT_COLUMNS
    return min(total, rows)


def map_rows(
    fn: Callable[[Int[Array, " r"], Tree], Tree],
    total: int,
    block_rows: int | None = None,
    carry: Tree = None,
    *,
    even: bool = True,
) -> Tree:
    """fn(rows, carry of the rows) of consecutive blocks, joined; rows beyond the last are cut.

    Blocks are of equal size up to block_rows, or with even=False of block_rows whatever the total:
    a sum over features rounds in an order that the compiler chooses for the shape of the block.
    """
    most = block_rows or QUERY_ROWS
    number, size = split(total, most)
    size = size if even else most
    starts = jnp.arange(number, dtype=jnp.int32) * size
    fold = lambda a: jnp.pad(a, [(0, number * size - total)] + [(0, 0)] * (a.ndim - 1)).reshape(
        (number, size, *a.shape[1:])
    )
    rows = jnp.arange(size, dtype=jnp.int32)
    out = lax.map(lambda xs: fn(xs[0] + rows, xs[1]), (starts, jax.tree.map(fold, carry)))
    return jax.tree.map(lambda a: a.reshape((-1, *a.shape[2:]))[:total], out)


def fold_points(
    step: Callable[[Tree, Tree, Int[Array, " b"], Bool[Array, " b"]], Tree],
    init: Tree,
    operands: Tree,
    total: int,
    columns: int = POINT_COLUMNS,
    *,
    lanes: int = 1,
) -> Tree:
    """Fold step(carry, tile of operands, ids, valid) over tiles of points.

    `operands` are arrays over points; `valid` is False where a tile repeats points of the last one
    or, so that wide tiles are multiples of `lanes`, runs beyond the points.
    """
    number, width = split(total, columns)
    width += -width % lanes if width > 64 * lanes else 0
    if number == 1:
        ids = jnp.arange(width, dtype=jnp.int32)
        fill = lambda a: jnp.pad(a, [(0, width - total)] + [(0, 0)] * (a.ndim - 1))
        return step(init, jax.tree.map(fill, operands), ids, ids < total)

    def body(carry, t):
        start = jnp.minimum(t * width, total - width)
        ids = start + jnp.arange(width, dtype=jnp.int32)
        tile = jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, width), operands)
        return step(carry, tile, ids, ids >= t * width), None

    return lax.scan(body, init, jnp.arange(number, dtype=jnp.int32))[0]


def fold_scores(
    step: Callable[[Tree, Tile], Tree],
    init: Callable[[int], Tree],
    space: pairwise.Space,
    extra: Tree = None,
    block_rows: int | None = None,
) -> Tree:
    """Fold step(carry of a block of queries, tile) over all tiles; leaves [m, ...].

    Tiles of points are the outer loop, so each is cut out once. init(m) is the first carry.
    """
    m, n = space.queries.shape[0], space.points.shape[0]
    number, size = split(m, block_rows or QUERY_ROWS)
    whole = number * size  # carries of whole blocks, or each tile would copy them all to pad them

    def over_queries(carry, operands, ids, valid):
        points, scale, bias, extra = operands
        points = pairwise.tile_operand(space, points, scale)
        points = pairwise.biased(points, jnp.where(valid, bias, -jnp.inf))

        def block(rows, carry):
            q = pairwise.query_operand(space, rows)
            score = pairwise.scores(q, points)
            return step(carry, Tile(score, q, rows, ids, valid, extra))

        return map_rows(block, whole, size, carry)

    operands = space.points, space.point_scale, space.bias, extra
    out = fold_points(over_queries, init(whole), operands, n, lanes=LANES)
    return jax.tree.map(lambda a: a[:m], out)
