"""Pairs of rows in inner-product form: every metric ranks points by q·p + b.

    dot           b = 0
    euclidean     b = −‖p‖²/2 on rows centred by the mean of the points
    cosine        the same on unit rows, not centred

Methods that only shift the score of a point (CSLS, DisSim, inverted softmax, ...) add to b, so one
matrix product per block serves all of them. Products cancel where distances are small; `cost`
recomputes a pair from the rows themselves and is exactly 0 for duplicates.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

SQUARE_ROWS = 512
METRICS = ("euclidean", "sqeuclidean", "cosine", "dot")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Space:
    """Queries and points as given, and what turns them into operands of one matrix product.

    Points may be held in half precision; all else, and their rows once taken, is as the queries.

    score(q, p) = q·p + bias on operands: larger is nearer, up to a constant of the query.
    cost(q, p)  = ‖q − p‖²/2 − shift on raw (cosine: unit) rows, −q·p − shift for dot.
    """

    queries: Float[Array, "m d"]
    points: Float[Array, "n d"]
    centre: Float[Array, " d"]
    query_scale: Float[Array, " m"]
    point_scale: Float[Array, " n"]
    bias: Float[Array, " n"]
    shift: Float[Array, " n"]
    metric: str = dataclasses.field(metadata=dict(static=True))
    single: bool = dataclasses.field(default=False, metadata=dict(static=True))

    @property
    def operand_dtype(self) -> jnp.dtype:
        """What products are taken in; costs are in the precision of the rows."""
        return jnp.dtype(jnp.float32) if self.single else self.queries.dtype

    @property
    def by_difference(self) -> bool:
        return self.metric != "dot"


def make_space(
    queries: Float[Array, "m d"],
    points: Float[Array, "n d"],
    metric: str,
    shift: Float[Array, " n"] | None = None,
    centre: Float[Array, " d"] | None = None,
) -> Space:
    """The inner-product form of a metric; `shift` is added to the score of each point.

    The score is −‖q−p‖²/2 (euclidean, sqeuclidean; on unit rows for cosine) or q·p (dot), plus
    shift and up to a constant of the query. `centre` is that of all points, where these are some.
    """
    (m, d), n, dtype = queries.shape, points.shape[0], queries.dtype
    scales = jnp.ones(m, dtype), jnp.ones(n, dtype)
    if metric == "cosine":
        scales = inverse_norms(queries), inverse_norms(points.astype(dtype))
    euclidean = metric in ("euclidean", "sqeuclidean")
    if centre is None:
        centre = points.mean(axis=0) if euclidean else jnp.zeros(d, dtype)
    shift = jnp.zeros(n, dtype) if shift is None else shift
    space = Space(queries, points, centre, *scales, shift, shift, metric)
    if metric == "dot":
        return space
    return dataclasses.replace(space, bias=shift - point_half_squares(space))


def in_single(space: Space) -> tuple[Space, Float[Array, ""]]:
    """(the space of float64 rows with products in float32, what its costs are to be divided by).

    Rows are taken to magnitudes below 1 by a power of two, exactly, so that no product overflows.
    """
    unit = jnp.ones((), space.points.dtype)
    if space.metric != "cosine":
        farthest = [jnp.abs(x - space.centre[None]).max() for x in (space.queries, space.points)]
        top = jnp.maximum(*farthest)
        unit = jnp.ldexp(unit, -jnp.frexp(jnp.where(top > 0, top, 1))[1])
    rows = {n: getattr(space, n) * unit for n in ("queries", "points", "centre")}
    costs = {n: getattr(space, n) * unit**2 for n in ("bias", "shift")}
    return dataclasses.replace(space, **rows, **costs, single=True), unit**2


def inverse_norms(x: Float[Array, "n d"]) -> Float[Array, " n"]:
    """1 / ‖x‖₂ of each row, 1 for a zero row; squares neither overflow nor vanish."""
    scale = jnp.max(jnp.abs(x), axis=1)
    scale = jnp.where(scale == 0, 1, scale)
    norm = jnp.sqrt(2 * half_squares(x / scale[:, None]))
    return 1 / (jnp.where(norm == 0, 1, norm) * scale)


def unit_rows(x: Float[ArrayLike, "n d"]) -> Float[Array, "n d"]:
    """Rows of length 1, x / ‖x‖₂; a zero row stays zero."""
    x = jnp.asarray(x)
    return x * inverse_norms(x)[:, None]


def centred(x: Float[Array, "m d"], points: Float[Array, "n d"]) -> Float[Array, "m d"]:
    """Rows minus the mean of `points`, to the rounding of the differences at any offset."""
    near = points.mean(axis=0)[None]  # off by the rounding of the offset
    return (x - near) - (points - near).mean(axis=0)[None]


def query_half_squares(space: Space) -> Float[Array, " m"]:
    """‖q‖²/2 of the operand of each query."""
    return _operand_half_squares(space, space.queries, space.query_scale)


def point_half_squares(space: Space) -> Float[Array, " n"]:
    """‖p‖²/2 of the operand of each point."""
    return _operand_half_squares(space, space.points, space.point_scale)


def _operand_half_squares(space, x, scale):
    """In blocks: XLA on CPU would write out all differences to the centre before it squares."""
    n = x.shape[0]
    size = min(n, SQUARE_ROWS)

    def block(i, out):
        start = jnp.minimum(i * size, n - size)
        cut = lambda a: lax.dynamic_slice_in_dim(a, start, size)
        half = half_squares(widened(space, cut(x), cut(scale)) - space.centre[None])
        return lax.dynamic_update_slice_in_dim(out, half, start, axis=0)

    return lax.fori_loop(0, -(-n // size), block, jnp.zeros(n, scale.dtype))


def query_operand(space: Space, rows: Int[Array, "..."]) -> Float[Array, "..."]:
    """Rows of queries as an operand of the matrix product."""
    q = exact_queries(space, rows) - jnp.expand_dims(space.centre, range(rows.ndim))
    return q.astype(space.operand_dtype)


def point_operand(space: Space) -> Float[Array, "n d"]:
    """All points as an operand of the matrix product; fused into what reads it."""
    return tile_operand(space, space.points, space.point_scale)


def tile_operand(
    space: Space, points: Float[Array, "b d"], scale: Float[Array, " b"]
) -> Float[Array, "b d"]:
    """Some points as an operand of the matrix product."""
    return (widened(space, points, scale) - space.centre[None]).astype(space.operand_dtype)


def exact_queries(space: Space, rows: Int[Array, "..."]) -> Float[Array, "..."]:
    """Rows of queries as `cost` takes them; rows beyond the last repeat it."""
    return _scaled_rows(space, space.queries, space.query_scale, rows)


def exact_points(space: Space, rows: Int[Array, "..."]) -> Float[Array, "..."]:
    """Rows of points as `cost` takes them."""
    return _scaled_rows(space, space.points, space.point_scale, rows)


def _scaled_rows(space, x, scale, rows):
    return widened(space, take(x, rows), take(scale, rows))


def widened(
    space: Space, x: Float[Array, "*r d"], scale: Float[Array, "*r"]
) -> Float[Array, "*r d"]:
    """Rows as `cost` takes them, in the precision of the queries: cosine's of length 1."""
    x = x.astype(scale.dtype)
    return x * scale[..., None] if space.metric == "cosine" else x


def take(x: Float[Array, "n *d"] | Int[Array, "n *d"], index: Int[Array, "..."]) -> Array:
    """x[index] along the first axis, indices beyond the last clamped to it."""
    return x.at[index].get(mode="clip")


@jax.jit  # so that squares of all rows are never written out, inside a jit or not
def half_squares(x: Float[Array, "*n d"]) -> Float[Array, "*n"]:
    """‖x‖²/2 of each row."""
    return 0.5 * jnp.sum(x * x, axis=-1)


def products(q: Float[Array, "m d"], p: Float[Array, "n d"]) -> Float[Array, "m n"]:
    """Inner products of two blocks of rows, in full float32 on every backend."""
    return jnp.matmul(q, p.T, precision=lax.Precision.HIGHEST, preferred_element_type=q.dtype)


def biased(p: Float[Array, "n d"], bias: Float[Array, " n"]) -> Float[Array, "n d+1"]:
    """Operands of points for `scores`: their bias as one more column."""
    return jnp.concatenate([p, bias[:, None].astype(p.dtype)], axis=1)


def scores(q: Float[Array, "m d"], points: Float[Array, "n d+1"]) -> Float[Array, "m n"]:
    """q·p + bias of query operands and `biased` points.

    On a CPU the bias stays a column of the product: adding it would be another pass over the
    scores, 6 % of a search. Accelerators add it as they store, and need aligned widths.
    """

    def folded(q, points):
        return products(jnp.pad(q, ((0, 0), (0, 1)), constant_values=1), points)

    def added(q, points):
        return products(q, points[:, :-1]) + points[None, :, -1]

    return lax.platform_dependent(q, points, cpu=folded, default=added)


def cost(
    space: Space, q: Float[Array, "*#r d"], p: Float[Array, "*#r d"], shift: Float[Array, "*#r"]
) -> Float[Array, "*#r"]:
    """The cost of pairs of exact rows, computed without cancellation."""
    if space.by_difference:
        return half_squares(q - p) - shift
    return -jnp.sum(q * p, axis=-1) - shift


def score_costs(
    space: Space, score: Float[Array, "r b"], q: Float[Array, "r d"]
) -> Float[Array, "r b"]:
    """Costs from the scores of a block of query operands."""
    return half_squares(q)[:, None] - score if space.by_difference else -score


def distance(cost: Float[Array, "..."], metric: str) -> Float[Array, "..."]:
    """The metric's distance from a cost without shift; −q·p for dot, 1 − cos for cosine."""
    if metric == "dot":
        return cost
    cost = jnp.maximum(cost, 0)  # products may fall below zero, differences cannot
    if metric == "euclidean":
        return jnp.sqrt(2 * cost)
    return 2 * cost if metric == "sqeuclidean" else cost
