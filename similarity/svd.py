"""d_SVD: one minus the mean singular value of the correlation matrix of two sets of coordinates.

Nielsen et al. 2025, https://arxiv.org/abs/2506.03784, section 4. It is not invariant to rotation,
so it is applied to Lᵀf and Nᵀg, the coordinates that p itself determines.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST, displaced
from similarity.moments import centred_rows, residual_after_rotation
from similarity.sets import label_sets_of

_SETS_TOGETHER = 256


def d_svd(z: Real[ArrayLike, "n s"], w: Real[ArrayLike, "n s2"]) -> Float[Array, ""]:
    """d_SVD = 1 - ‖R‖_*/√(s s'), R the correlation matrix of the columns of z and of w.

    In [0, 1]; symmetric; not a metric. Invariant to permutation, and to scale, sign and shift of
    each column, of either side; not to rotation. A column that does not vary has correlation 0
    with everything. For s = s' this is the published 1 - ‖R‖_*/m. Resolves values down to ε².

    Raises:
        ValueError: differing numbers of rows, or fewer than 2.

    Examples:
        >>> f = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
        >>> round(float(similarity.d_svd(f, f[:, ::-1] + 3)), 3)
        0.0
        >>> round(float(similarity.d_svd(f, f[::-1])), 3)
        0.194
    """
    z, w = checks.representations(z, w, columns=(True, True))
    return d_svd_of_columns(z, w)


def max_d_svd(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    pivot: Int[ArrayLike, ""] | int,
    leave_out: Int[ArrayLike, ""] | int,
    *,
    label_sets: Int[ArrayLike, "s w"] | None = None,
    key: Key[Array, ""] | None = None,
    num_sets: int | None = None,
) -> Float[Array, ""]:
    """max over label sets of d_SVD(Lᵀf, L'ᵀf'), the dissimilarity of embeddings, in [0, 1].

    Sets are the C(k-2, m) that hold the pivot and not the label left out, or `label_sets` (S, m+1)
    with a pivot first, or `num_sets` drawn with `key`: then a lower estimate of the maximum.
    Invariant to the gauge group of either model. At most 2·t1² of `llv_distance`.

    Raises:
        ValueError: k < m + 2, or more than 100,000 sets and no key.
    """
    heads, (f, g, f2, g2) = (g, g2), checks.pair(f, g, f2, g2)
    k, m = g.shape
    if label_sets is None:
        if (key is None) != (num_sets is None):
            raise ValueError("give both key and num_sets to sample label sets, or neither for all")
        sets = label_sets_of(k, m, pivot, leave_out, key=key, num=num_sets)
    else:
        sets = checks.index_sets("label_sets", label_sets, k, None)
    g, g2 = (_about(*x, sets[0, 0]) for x in zip(heads, (g, g2), strict=True))
    return _max_d_svd(f, g, f2, g2, sets)


@jax.jit
def _max_d_svd(f: Array, g: Array, f2: Array, g2: Array, label_sets: Array) -> Array:
    return d_svd_of_label_sets(f, g, f2, g2, label_sets).max()


@jax.jit
def d_svd_of_label_sets(
    f: Float[Array, "n m"],
    g: Float[Array, "k m"],
    f2: Float[Array, "n m2"],
    g2: Float[Array, "k m2"],
    label_sets: Int[Array, "s w"],
) -> Float[Array, " s"]:
    """d_SVD(Lᵀf, L'ᵀf') for each label set; no validation."""
    rows, rows2 = centred_rows(f, f2)

    def one(label_set: Array) -> Array:
        z = _coordinates(rows, displaced(g, label_set))
        w = _coordinates(rows2, displaced(g2, label_set))
        return _of_centred(*z, *w)

    return jax.lax.map(one, label_sets, batch_size=_SETS_TOGETHER)


def d_svd_labels(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    input_set: Int[ArrayLike, " w"],
) -> Float[Array, ""]:
    """d_SVD(Nᵀg, N'ᵀg') over the labels, N = [f(x₁) - f(x₀), …] for an input set, pivot first.

    The dissimilarity of unembeddings, in [0, 1]. Invariant to the gauge group of either model. At
    most 2·t2² for the input set of `llv_distance`.
    """
    given, (f, g, f2, g2) = (f, f2), checks.pair(f, g, f2, g2)
    chosen = checks.index_set("input_set", input_set, f.shape[0], None)
    f, f2 = (_about(*x, chosen[0]) for x in zip(given, (f, f2), strict=True))
    return _max_d_svd(g, f, g2, f2, chosen[None])


@jax.jit
def d_svd_of_columns(z: Float[Array, "n s"], w: Float[Array, "n s2"]) -> Float[Array, ""]:
    """`d_svd` of checked coordinates."""
    z, w = centred_rows(z, w, columns=(True, True))
    largest = lambda x: jnp.linalg.norm(x, axis=0, keepdims=True).max()
    return _of_centred(z, largest(z), w, largest(w))


def _about(given: ArrayLike, x: Array, pivot: Array) -> Array:
    """x, which is `given`, less its row `pivot`, in the precision given: float32 merges rows."""
    exact = inputs.array("x", given)
    if not isinstance(exact, np.ndarray) or exact.dtype != np.float64 or inputs.is_traced(pivot):
        return x
    return jnp.asarray((exact - exact[int(pivot)]).astype(x.dtype), x.dtype)


def _coordinates(rows: Array, L: Array) -> tuple[Array, Array]:
    """The coordinates of centred rows by unit columns of L, and the size of the terms of each."""
    L = inputs.unit_rows(L.T).T  # of any length: labels may lie at any distance from each other
    terms = jnp.linalg.norm(rows, axis=0, keepdims=True) @ jnp.abs(L)
    return jnp.matmul(rows, L, precision=HIGHEST), terms


def _of_centred(z: Array, terms: Array, w: Array, terms2: Array) -> Array:
    """½‖ẑ - ŵQ‖² plus half the share of columns that do not vary, of unit-length columns."""
    z, still = _unit_columns(z, terms)
    w, still2 = _unit_columns(w, terms2)
    rotated = residual_after_rotation(z, w)
    return jnp.minimum(0.5 * (rotated + still + still2), 1)


def _unit_columns(x: Array, terms: Array) -> tuple[Array, Array]:
    """Columns of length s^-½, or zero where they are the rounding of their terms; their share."""
    length = jnp.linalg.norm(x, axis=0, keepdims=True)
    live = length > 8 * jnp.finfo(x.dtype).eps * terms
    unit = x / (jnp.where(live, length, 1) * x.shape[1] ** 0.5)
    return jnp.where(live, unit, 0), (~live).sum() / x.shape[1]
