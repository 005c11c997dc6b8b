"""Statistics of each query over all points, streamed block by block."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from hubness.search import blocks, pairwise, parts, shards

_STATIC = ("metric", "exclude_self", "block_size", "mesh")


def moments(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    metric: str,
    exclude_self: bool = False,
    block_size: int | None = None,
    mesh: Mesh | None = None,
    ring: bool = False,
) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    """Mean and standard deviation (divisor: number of points) of each query's distances.

    With exclude_self, query i is point i and its distance to itself is left out. In closed form,
    O(n d² + m d²), for sqeuclidean, cosine and dot; one pass over all pairs for euclidean. `mesh`
    shares the queries out, and with `ring` the points, in one pass over all pairs.
    """
    return _moments(x, q, metric, exclude_self, block_size, mesh, ring)


@jax.jit(static_argnames=(*_STATIC, "ring"))
def _moments(x, q, metric, exclude_self, block_size, mesh, ring):
    if ring:
        around = lambda q, held, first: _ring(q, held, metric, exclude_self, block_size, first)
        return shards.around(around, mesh, q, x)
    form = _streamed if metric == "euclidean" else _closed
    run = lambda q, x, first: form(x, q, metric, exclude_self, block_size, first)
    return shards.over_queries(run, mesh, q, x)


def _closed(x, q, metric, exclude_self, block_size, first):
    """Moments of ‖q−x‖² or −q·x from the mean and covariance of the points.

    On centred rows, with s = ‖x‖², C the covariance and c = Cov(x, s):
        E ‖q−x‖² = ‖q‖² + E s,   Var ‖q−x‖² = Var s + 4 qᵀCq − 4 q·c.
    """
    del block_size, first  # a row is its own whatever its number
    if metric == "cosine":
        x, q = pairwise.unit_rows(x), pairwise.unit_rows(q)
    n = x.shape[0]
    centre = x.mean(axis=0, keepdims=True)
    x_c = pairwise.centred(x, x)
    covariance = pairwise.products(x_c.T, x_c.T) / n
    spread = lambda q: jnp.sum(pairwise.products(q, covariance) * q, axis=1)
    if metric == "sqeuclidean":
        q = pairwise.centred(q, x)
        s = jnp.sum(x_c * x_c, axis=1)
        s_c = s - s.mean()
        mean = jnp.sum(q * q, axis=1) + s.mean()
        variance = jnp.mean(s_c**2) + 4 * spread(q) - 4 * jnp.sum(q * (s_c @ x_c / n)[None], axis=1)
        own = jnp.zeros(())
    else:
        mean, variance = -jnp.sum(q * centre, axis=1), spread(q)
        own = -jnp.sum(q * q, axis=1)
        mean, own = (1 + mean, jnp.zeros(())) if metric == "cosine" else (mean, own)
    if exclude_self:
        variance = (n * variance - n / (n - 1) * (own - mean) ** 2) / (n - 1)
        mean = (n * mean - own) / (n - 1)
    return mean, jnp.sqrt(jnp.maximum(variance, 0))


def _streamed(x, q, metric, exclude_self, block_size, first):
    space = pairwise.make_space(q, x, metric)

    def step(carry, tile):
        cost = pairwise.score_costs(space, tile.score, tile.operand)
        return add_tile(
            carry, pairwise.distance(cost, metric), pair_mask(tile, exclude_self, first)
        )

    init = lambda m: (jnp.zeros(m, x.dtype),) * 3
    count, mean, squares = blocks.fold_scores(step, init, space, block_rows=block_size)
    return mean, jnp.sqrt(squares / jnp.maximum(count, 1))


def _ring(q, held, metric, exclude_self, block_size, first):
    whole, own = held.whole(metric), shards.own_numbers(q, first, exclude_self)

    def with_part(carry, part, _):
        space = parts.space_of(q, part, whole, metric)

        def step(carry, tile):
            cost = pairwise.score_costs(space, tile.score, tile.operand)
            other = part.first + tile.ids[None] != pairwise.take(own, tile.rows)[:, None]
            mask = (tile.valid & tile.extra)[None] & other
            return add_tile(carry, pairwise.distance(cost, metric), mask)

        pad = lambda rows: tuple(jnp.pad(a, (0, rows - len(q)), mode="edge") for a in carry)
        return blocks.fold_scores(step, pad, space, part.valid, block_size)

    count, mean, squares = held.fold(with_part, (jnp.zeros(len(q), q.dtype),) * 3)
    return mean, jnp.sqrt(squares / jnp.maximum(count, 1))


def pair_mask(
    tile: blocks.Tile, exclude_self: bool, first: int | Int[Array, ""] = 0
) -> Bool[Array, "r b"]:
    """The pairs of a tile that count: each point once, and if asked not query i with point
    first + i, which is itself."""
    mask = jnp.broadcast_to(tile.valid[None], tile.score.shape)
    return mask & (tile.ids[None] != first + tile.rows[:, None]) if exclude_self else mask


def add_tile(carry, distance, mask):
    """Merge (count, mean, sum of squared deviations) with a tile's (Chan et al. 1979)."""
    count, mean, squares = carry
    new = mask.sum(axis=1, dtype=distance.dtype)
    tile_mean = jnp.where(mask, distance, 0).sum(axis=1) / jnp.maximum(new, 1)
    tile_squares = jnp.where(mask, (distance - tile_mean[:, None]) ** 2, 0).sum(axis=1)
    total = count + new
    share = new / jnp.maximum(total, 1)
    shift = tile_mean - mean
    return total, mean + shift * share, squares + tile_squares + shift**2 * count * share


@jax.jit(static_argnames=_STATIC)
def log_sum_exp(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    beta: Float[Array, ""] | float,
    metric: str,
    exclude_self: bool = False,
    block_size: int | None = None,
    mesh: Mesh | None = None,
) -> Float[Array, " m"]:
    """log Σ_x exp(−β · distance(q, x)) of each query over the points, without self if asked."""
    run = lambda q, x, first: _log_sum_exp(x, q, beta, metric, exclude_self, block_size, first)
    return shards.over_queries(run, mesh, q, x)


def _log_sum_exp(x, q, beta, metric, exclude_self, block_size, first):
    space = pairwise.make_space(q, x, metric)

    def step(carry, tile):
        cost = pairwise.score_costs(space, tile.score, tile.operand)
        logit = -beta * pairwise.distance(cost, metric)
        logit = jnp.where(pair_mask(tile, exclude_self, first), logit, -jnp.inf)
        return jnp.logaddexp(carry, jax.nn.logsumexp(logit, axis=1))

    init = lambda m: jnp.full(m, -jnp.inf, x.dtype)
    return blocks.fold_scores(step, init, space, block_rows=block_size)
