"""d_rep: how far f is from the linear image of f' that equal distributions would imply.

Nielsen et al. 2026, https://arxiv.org/abs/2602.15438. For a label set with pivot j, equal
distributions give f = A f' with A = L⁻ᵀ L'ᵀ; d_rep averages ‖f - A f'‖² over sets and inputs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST, displaced
from similarity.logit_distance import centred_differences, padded
from similarity.moments import condensed
from similarity.sets import chosen_label_sets

_SETS_TOGETHER = 256


class RepDistance(NamedTuple):
    """d_rep² with what is needed to judge it.

    `per_set` is E_x‖f - A f'‖² of each label set, infinite where L is singular; `sigma_min` the
    smallest singular value of each L, of the first model; `kept` marks the sets averaged;
    `exhaustive` says that these are all sets: otherwise d_sq is an estimate from a sample.
    """

    d_sq: Float[Array, ""]
    per_set: Float[Array, " s"]
    sigma_min: Float[Array, " s"]
    kept: Bool[Array, " s"]
    exhaustive: bool


class SymmetricRepDistance(NamedTuple):
    """The mean of d_rep² in both directions, and each direction."""

    d_sq: Float[Array, ""]
    forward: RepDistance
    backward: RepDistance


def d_rep(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    label_sets: Int[ArrayLike, "s w"] | None = None,
    key: Key[Array, ""] | None = None,
    num_sets: int | None = None,
    min_ratio: float = 0.0,
    singular_values: bool = True,
) -> RepDistance:
    """d_rep² = mean over label sets of E_x‖f(x) - A f'(x)‖², A = L⁻ᵀ L'ᵀ, in [0, ∞].

    0 for equal distributions. Invariant to the whole gauge group of the second model, but only
    to rotation of the first, whose scale it measures; not symmetric (`d_rep_symmetric` is), not a
    metric. Bounded by √(2m/(k-1))·d_logit/min σ_min.

    Sets are all k·C(k-1, m), or `label_sets` (S, m+1) with the pivot first, or `num_sets` drawn
    with `key`. Sets with σ_min/σ_max <= min_ratio are left out of the mean: near-singular ones
    dominate it. O(m³) a set, in memory that does not grow with their number; most of it is the
    singular values, which `singular_values=False` leaves out: then sigma_min is NaN.

    Raises:
        ValueError: k < m + 1, more than 100,000 sets and no key, or a min_ratio without singular
            values.
    """
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    sets, exhaustive = chosen_label_sets(g.shape[0], g.shape[1], label_sets, key, num_sets)
    if min_ratio > 0 and not singular_values:
        raise ValueError(f"min_ratio={min_ratio} needs singular_values=True")
    found, none_kept = _d_rep(f, g, f2, g2, sets, min_ratio, singular_values)
    if inputs.surely(bool, none_kept):
        raise ValueError(
            f"no label set has σ_min/σ_max above min_ratio={min_ratio}: the unembeddings g of "
            f"shape {g.shape} do not span their dimension, or min_ratio must be lowered"
        )
    return found._replace(exhaustive=exhaustive)


def d_rep_symmetric(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    label_sets: Int[ArrayLike, "s w"] | None = None,
    key: Key[Array, ""] | None = None,
    num_sets: int | None = None,
    min_ratio: float = 0.0,
) -> SymmetricRepDistance:
    """½(d_rep²(1, 2) + d_rep²(2, 1)): symmetric, in [0, ∞], invariant to rotation of either model.

    Both directions use the same label sets when the dimensions are equal. Not a metric.
    """
    options = {"label_sets": label_sets, "key": key, "num_sets": num_sets, "min_ratio": min_ratio}
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    forward = d_rep(f, g, f2, g2, **options)
    # One after the other under jit too: see `_per_set`.
    f2, g2 = _after(forward.d_sq, f2, g2)
    backward = d_rep(f2, g2, f, g, **options)
    return SymmetricRepDistance(_half_sum(forward.d_sq, backward.d_sq), forward, backward)


@jax.jit
def _after(d_sq: Array, f: Array, g: Array) -> tuple[Array, Array]:
    """The model as it is, which waits for a squared distance."""
    return jnp.where(d_sq < 0, jnp.nan, f), jnp.where(d_sq < 0, jnp.nan, g)


@jax.jit
def _half_sum(a: Array, b: Array) -> Array:
    return 0.5 * (a + b)


@jax.jit(static_argnames=("singular_values",))
def _d_rep(
    f: Array,
    g: Array,
    f2: Array,
    g2: Array,
    sets: Array,
    min_ratio: float | Array,
    singular_values: bool,
) -> tuple[RepDistance, Bool[Array, ""]]:
    """The distance, and whether no set is kept."""
    per_set, sigma_min, sigma_max = _per_set(f, g, f2, g2, sets, singular_values)
    kept = (sigma_min > min_ratio * sigma_max) | (min_ratio <= 0)
    d_sq = jnp.where(kept, per_set, 0).sum() / kept.sum()
    return RepDistance(d_sq, per_set, sigma_min, kept, False), ~kept.any()


@jax.jit(static_argnames=("singular_values",))
def _per_set(
    f: Array, g: Array, f2: Array, g2: Array, sets: Array, singular_values: bool
) -> tuple[Array, Array, Array]:
    """E‖f - A f'‖² of each set, and the least and greatest singular values of its L."""
    (n, m), unembeddings = f.shape, g
    f, g, f2, g2 = padded(f, g, f2, g2)
    rows, rows2 = condensed((f - f2)[:, :m], f2)
    difference = g - g2

    def one(label_set: Array) -> tuple[Array, Array, Array]:
        L = displaced(unembeddings, label_set)
        s = jnp.linalg.svd(L, compute_uv=False) if singular_values else jnp.full(m, jnp.nan)
        # The inverse waits for the singular values: batches of the two at once can block each
        # other for ever on XLA's CPU threads (jax 0.10.2).
        inverse = jnp.linalg.inv(jnp.where(s[0] < 0, jnp.nan, L))
        # f - A f' = f - f' + L⁻ᵀ(L - L')ᵀ f': nothing cancels where the models are near.
        turn = jnp.matmul(displaced(difference, label_set), inverse, precision=HIGHEST)
        residual = rows + jnp.matmul(rows2, turn, precision=HIGHEST)
        condition = jnp.linalg.norm(L) * jnp.linalg.norm(inverse)
        regular = condition * m * jnp.finfo(L.dtype).eps < 1  # also False for NaN
        mean_square = jnp.where(regular, jnp.square(residual).sum() / n, jnp.inf)
        return mean_square, s[-1], s[0]

    return jax.lax.map(one, sets, batch_size=_SETS_TOGETHER)


def label_differences(
    f: Float[Array, "n m"],
    g: Float[Array, "k m"],
    f2: Float[Array, "n m2"],
    g2: Float[Array, "k m2"],
) -> Float[Array, "r k"]:
    """min(n, 2m) rows with the inner products, over inputs, of the columns of ũ - ũ'."""
    f, g, f2, g2 = padded(f, g, f2, g2)
    g, difference = centred_differences(g, g2)
    rows, rows2 = condensed(f - f2, f2)
    first = jnp.matmul(rows, g.T, precision=HIGHEST)
    return first + jnp.matmul(rows2, difference.T, precision=HIGHEST)
