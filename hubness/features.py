"""Changes of the feature space that lower hubness, before any distance is taken."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtri
from jaxtyping import Array, ArrayLike, Float, Key, Real

from hubness import pairwise, validate

MAX_WHITE_CONDITION = 1e-6  # directions with less of the largest variance are dropped


def unit_rows(x: Real[ArrayLike, "..."]) -> Float[Array, "n d"]:
    """Each row divided by its Euclidean length; a zero row stays zero."""
    return pairwise.unit_rows(validate.rows(x))


def zscore_rows(x: Real[ArrayLike, "..."], eps: float = 1e-6) -> Float[Array, "n d"]:
    """(x − mean(x)) / (sd(x) + ε) of each row over its features; length becomes √d.

    Nielsen & Hansen 2024, arXiv 2311.18364 (sd with divisor d, ε = 1e-6).
    """
    x = centre_rows(x)
    return x / (jnp.sqrt(jnp.mean(x * x, axis=1, keepdims=True)) + eps)


def centre_rows(x: Real[ArrayLike, "..."]) -> Float[Array, "n d"]:
    """Each row minus its own mean over features: "c" of arXiv 2311.18364."""
    x = validate.rows(x)
    return x - x.mean(axis=1, keepdims=True)


def centre(
    x: Real[ArrayLike, "..."], reference: Real[ArrayLike, "..."] | None = None
) -> Float[Array, "n d"]:
    """Rows minus the mean of `reference` (default x); Suzuki et al. 2013."""
    x = validate.rows(x)
    points = x if reference is None else validate.queries(reference, x, "reference")
    return x - points.mean(axis=0)[None]


def centre_weighted(
    x: Real[ArrayLike, "..."],
    reference: Real[ArrayLike, "..."] | None = None,
    gamma: float = 1.0,
) -> Float[Array, "n d"]:
    """Rows minus Σ w_i r_i, w_i ∝ (Σ_j cos(r_i, r_j))^γ over the rows r of `reference`.

    Hara et al. 2015: hubs weigh more. Negative similarity sums count as zero.
    """
    x = validate.rows(x)
    points = x if reference is None else validate.queries(reference, x, "reference")
    unit = pairwise.unit_rows(points)
    popularity = jnp.maximum(unit @ unit.sum(axis=0), 0) ** gamma
    total = popularity.sum()
    weights = jnp.where(total > 0, popularity / jnp.where(total > 0, total, 1), 1 / len(points))
    return x - (weights @ points)[None]


def whiten(
    x: Real[ArrayLike, "..."], reference: Real[ArrayLike, "..."] | None = None
) -> Float[Array, "n d"]:
    """(x − μ) C^{−1/2} (ZCA) with mean and covariance of `reference` (default x).

    Directions with less than 1e-6 of the largest variance are dropped, not blown up.
    """
    x = validate.rows(x)
    points = x if reference is None else validate.queries(reference, x, "reference")
    centred = points - points.mean(axis=0)[None]
    values, vectors = jnp.linalg.eigh(pairwise.products(centred.T, centred.T) / len(points))
    keep = values > MAX_WHITE_CONDITION * values[-1]
    scale = jnp.where(keep, 1 / jnp.sqrt(jnp.where(keep, values, 1)), 0)
    rotated = pairwise.products(x - points.mean(axis=0)[None], vectors.T) * scale[None]
    return pairwise.products(rotated, vectors)


def f_norm(
    x: Real[ArrayLike, "..."],
    key: Key[Array, ""] | None = None,
    *,
    draws: Real[ArrayLike, "..."] | None = None,
) -> Float[Array, "n d"]:
    """Each feature replaced by sorted normal draws in its own order, then rows of length 1.

    The paper's transductive form (arXiv 2311.18364): stack train and test rows, transform, split.
    Equal values receive different draws at random, so that duplicates become different vectors;
    `rank_normal_fit` gives them the same one. `draws` [n, d] are used in place of draws from `key`
    to reproduce published numbers: equal values then receive them in the order of their rows, which
    tells where a row stood in the file, and its class where rows are sorted by class.
    """
    return _replace_by_rank(x, key, draws, jax.random.normal)


def f_uniform(
    x: Real[ArrayLike, "..."],
    key: Key[Array, ""] | None = None,
    *,
    draws: Real[ArrayLike, "..."] | None = None,
) -> Float[Array, "n d"]:
    """`f_norm` with draws from the uniform distribution on (−1, 1)."""
    sample = lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -1, 1)
    return _replace_by_rank(x, key, draws, sample)


def _replace_by_rank(x, key, draws, sample):
    x = validate.rows(x)
    if (key is None) == (draws is None):
        raise ValueError("pass either key (jax.random.key) or draws of the shape of x, not both.")
    if key is not None:
        # Folded in, not split: without equal values the draws are those of recorded runs.
        ties = jax.random.bits(jax.random.fold_in(key, 1), x.shape)
        return pairwise.unit_rows(_by_rank(x, sample(key, x.shape, x.dtype), ties))
    draws = validate.queries(draws, x, "draws")
    if draws.shape != x.shape:
        raise ValueError(f"draws have shape {draws.shape}; expected the shape of x, {x.shape}.")
    return pairwise.unit_rows(_by_rank(x, draws, jnp.zeros(x.shape, jnp.uint32)))


@jax.jit
def _by_rank(x, draws, ties):
    """The sorted draws of each column in the order of x, then of `ties`, then of the rows."""
    rows = lax.broadcasted_iota(jnp.int32, x.shape, 0)
    # Adding 0 makes −0 equal to 0, as comparisons have it.
    _, _, order = lax.sort((x + 0.0, ties, rows), dimension=0, num_keys=2, is_stable=True)
    columns = jnp.arange(x.shape[1])[None]
    return jnp.zeros_like(x).at[order, columns].set(jnp.sort(draws, axis=0))


class RankNormal(NamedTuple):
    """Sorted values of each feature and the normal score of each."""

    values: Float[Array, "n d"]
    scores: Float[Array, "n d"]


def rank_normal_fit(x: Real[ArrayLike, "..."]) -> RankNormal:
    """The state of the inductive f-norm: z = Φ⁻¹((r − ½)/n), r the average rank among equals.

    Deterministic; duplicates keep one vector and new points are transformed one by one.
    """
    return _fit(validate.rows(x))


def rank_normal_apply(state: RankNormal, x: Real[ArrayLike, "..."]) -> Float[Array, "m d"]:
    """Features of x by interpolation between the fitted scores, then rows of length 1.

    Values outside the fitted range take the score of its end. A feature that was constant gives 0.
    """
    x = validate.queries(x, state.values, "x")
    return pairwise.unit_rows(_interpolate(x, state.values, state.scores))


_interpolate = jax.jit(jax.vmap(jnp.interp, in_axes=1, out_axes=1))


@jax.jit
def _fit(x):
    n = x.shape[0]
    values = jnp.sort(x, axis=0)
    sides = lambda side: jax.vmap(lambda v: jnp.searchsorted(v, v, side=side), 1, 1)(values)
    rank = (sides("left") + sides("right") + 1) / 2
    return RankNormal(values, ndtri((rank - 0.5) / n))
