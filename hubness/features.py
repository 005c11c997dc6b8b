"""Changes of the feature space that lower hubness, before any distance is taken."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Key

from hubness.search import checked, pairwise
from hubness.search.checked import Checked, Given, precisely
from repgeo import inputs

MAX_WHITE_CONDITION = 1e-6  # directions with less of the largest variance are dropped


def unit_rows(x: Given) -> Float[Array, "n d"]:
    """Each row divided by its Euclidean length; a zero row stays zero."""
    return precisely(_unit_rows, checked.rows(x))


_unit_rows = jax.jit(pairwise.unit_rows)


def zscore_rows(x: Given, eps: float = 1e-6) -> Float[Array, "n d"]:
    """(x − mean(x)) / (sd(x) + ε) of each row over its features; length becomes √d.

    Nielsen & Hansen 2024, arXiv 2311.18364 (sd with divisor d, ε = 1e-6).

    Raises:
        ValueError: ε is not a finite number above 0; constant rows are divided by it.
    """
    inputs.number("eps", eps, 0)
    return precisely(lambda x: _zscored(x, eps), checked.rows(x))


@jax.jit
def _zscored(x, eps):
    x = _centred_rows(x)
    return x / (jnp.sqrt(jnp.mean(x * x, axis=1, keepdims=True)) + eps)


def centre_rows(x: Given) -> Float[Array, "n d"]:
    """Each row minus its own mean over features: "c" of arXiv 2311.18364."""
    return precisely(_centred_rows, checked.rows(x))


@jax.jit
def _centred_rows(x):
    return x - x.mean(axis=1, keepdims=True)


def centre(x: Given, reference: Given = None) -> Float[Array, "n d"]:
    """Rows minus the mean of `reference` (default x); Suzuki et al. 2013."""
    return precisely(_centred, *_both(x, reference))


_centred = jax.jit(pairwise.centred)


def _both(x: Given, reference: Given) -> tuple[Checked, Checked]:
    x = checked.rows(x)
    return x, x if reference is None else checked.queries(reference, x, "reference")


def centre_weighted(x: Given, reference: Given = None, gamma: float = 1.0) -> Float[Array, "n d"]:
    """Rows minus Σ w_i r_i, w_i ∝ (Σ_j cos(r_i, r_j))^γ over the rows r of `reference`.

    Hara et al. 2015: hubs weigh more. Negative similarity sums count as zero.

    Raises:
        ValueError: γ is negative or not finite.
    """
    inputs.number("gamma", gamma, 0, ends=True)
    weighted = lambda x, points: _centred_weighted(x, points, gamma)
    return precisely(weighted, *_both(x, reference))


@jax.jit
def _centred_weighted(x, points, gamma):
    unit = pairwise.unit_rows(points)
    popularity = jnp.maximum(unit @ unit.sum(axis=0), 0)
    most = popularity.max()  # so that no power overflows
    popularity = (popularity / jnp.where(most > 0, most, 1)) ** gamma
    total = popularity.sum()
    weights = jnp.where(total > 0, popularity / jnp.where(total > 0, total, 1), 1 / len(points))
    near = points.mean(axis=0)[None]  # so that the offset does not round
    return (x - near) - (weights @ (points - near))[None]


def whiten(x: Given, reference: Given = None) -> Float[Array, "n d"]:
    """(x − μ) C^{−1/2} (ZCA) with mean and covariance of `reference` (default x).

    Directions with less than 1e-6 of the largest variance are dropped, not blown up.
    """
    return precisely(_whitened, *_both(x, reference))


@jax.jit
def _whitened(x, points):
    centred = pairwise.centred(points, points)
    values, vectors = jnp.linalg.eigh(pairwise.products(centred.T, centred.T) / len(points))
    keep = values > MAX_WHITE_CONDITION * values[-1]
    scale = jnp.where(keep, 1 / jnp.sqrt(jnp.where(keep, values, 1)), 0)
    rotated = pairwise.products(pairwise.centred(x, points), vectors.T) * scale[None]
    return pairwise.products(rotated, vectors)


def f_norm(
    x: Given,
    key: Key[Array, ""] | None = None,
    *,
    draws: Given = None,
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
    x: Given,
    key: Key[Array, ""] | None = None,
    *,
    draws: Given = None,
) -> Float[Array, "n d"]:
    """`f_norm` with draws from the uniform distribution on (−1, 1)."""
    sample = lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -1, 1)
    return _replace_by_rank(x, key, draws, sample)


def _replace_by_rank(x, key, draws, sample):
    x = checked.rows(x)
    if (key is None) == (draws is None):
        raise ValueError("pass either key (jax.random.key) or draws of the shape of x, not both.")
    if key is not None:
        # Folded in, not split: without equal values the draws are those of recorded runs.
        ties = jax.random.bits(jax.random.fold_in(key, 1), x.shape)
        drawn = sample(key, x.shape, jax.dtypes.canonicalize_dtype(x.dtype))
        return precisely(lambda x: pairwise.unit_rows(_by_rank(x, drawn.astype(x.dtype), ties)), x)
    draws = checked.queries(draws, x, "draws")
    if draws.shape != x.shape:
        raise ValueError(f"draws have shape {draws.shape}; expected the shape of x, {x.shape}.")
    ties = jnp.zeros(x.shape, jnp.uint32)
    return precisely(lambda x, draws: pairwise.unit_rows(_by_rank(x, draws, ties)), x, draws)


@jax.jit
def _by_rank(x, draws, ties):
    """The sorted draws of each column in the order of x, then of `ties`, then of the rows."""
    rows = lax.broadcasted_iota(jnp.int32, x.shape, 0)
    # Adding 0 makes −0 equal to 0, as comparisons have it.
    _, _, order = lax.sort((x + 0.0, ties, rows), dimension=0, num_keys=2, is_stable=True)
    columns = jnp.arange(x.shape[1])[None]
    return jnp.zeros_like(x).at[order, columns].set(jnp.sort(draws, axis=0))


class RankNormal(NamedTuple):
    """Sorted values of each feature, in the precision given, and the normal score of each."""

    values: Float[Array, "n d"] | Float[np.ndarray, "n d"]
    scores: Float[Array, "n d"]


def rank_normal_fit(x: Given) -> RankNormal:
    """The state of the inductive f-norm: z = Φ⁻¹((r − ½)/n), r the average rank among equals.

    Deterministic; duplicates keep one vector and new points are transformed one by one.
    """
    x = checked.rows(x)
    values = np.sort(x, axis=0) if isinstance(x, np.ndarray) else jnp.sort(x, axis=0)
    return RankNormal(values, precisely(_scores, values, ranged=False))


def rank_normal_apply(state: RankNormal, x: Given) -> Float[Array, "m d"]:
    """Features of x by interpolation between the fitted scores, then rows of length 1.

    Values outside the fitted range take the score of its end. A feature that was constant gives 0.
    """
    x = checked.queries(x, state.values, "x")
    apply = lambda x, *state: pairwise.unit_rows(_interpolate(x, *state))
    return precisely(apply, x, state.values, state.scores)


_interpolate = jax.jit(jax.vmap(jnp.interp, in_axes=1, out_axes=1))


@jax.jit
def _scores(values: Float[Array, "n d"]) -> Float[Array, "n d"]:
    sides = lambda side: jax.vmap(lambda v: jnp.searchsorted(v, v, side=side), 1, 1)(values)
    rank = (sides("left") + sides("right") + 1) / 2
    return ndtri((rank - 0.5) / values.shape[0])
