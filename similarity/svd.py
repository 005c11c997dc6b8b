"""d_SVD: one minus the mean singular value of the correlation matrix of two sets of coordinates.

Nielsen et al. 2025, https://arxiv.org/abs/2506.03784, section 4. It is not invariant to rotation,
so it is applied to Lᵀf and Nᵀg, the coordinates that p itself determines.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Key, Real

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
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    k, m = g.shape
    if label_sets is None:
        if (key is None) != (num_sets is None):
            raise ValueError("give both key and num_sets to sample label sets, or neither for all")
        sets = label_sets_of(k, m, pivot, leave_out, key=key, num=num_sets)
    else:
        sets = checks.index_sets("label_sets", label_sets, k, None)
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
        z = jnp.matmul(rows, displaced(g, label_set), precision=HIGHEST)
        w = jnp.matmul(rows2, displaced(g2, label_set), precision=HIGHEST)
        return _of_centred(z, w)

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
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    chosen = checks.index_sets("input_set", jnp.atleast_2d(input_set), f.shape[0], None)[0]
    return _d_svd_labels(f, g, f2, g2, chosen)


@jax.jit
def _d_svd_labels(f: Array, g: Array, f2: Array, g2: Array, input_set: Array) -> Array:
    z = jnp.matmul(g, displaced(f, input_set), precision=HIGHEST)
    w = jnp.matmul(g2, displaced(f2, input_set), precision=HIGHEST)
    return _of_centred(*centred_rows(z, w))


@jax.jit
def d_svd_of_columns(z: Float[Array, "n s"], w: Float[Array, "n s2"]) -> Float[Array, ""]:
    """`d_svd` of checked coordinates."""
    return _of_centred(*centred_rows(z, w, columns=(True, True)))


def _of_centred(z: Array, w: Array) -> Array:
    """½‖ẑ - ŵQ‖² plus half the share of columns that do not vary, of unit-length columns."""
    z, still = _unit_columns(z)
    w, still2 = _unit_columns(w)
    rotated = residual_after_rotation(z, w)
    return jnp.minimum(0.5 * (rotated + still + still2), 1)


def _unit_columns(x: Array) -> tuple[Array, Array]:
    """Columns of length s^-½, or zero where there is no variation; the share of those."""
    length = jnp.linalg.norm(x, axis=0, keepdims=True)
    live = length > 8 * jnp.finfo(x.dtype).eps * length.max()
    unit = x / (jnp.where(live, length, 1) * x.shape[1] ** 0.5)
    return jnp.where(live, unit, 0), (~live).sum() / x.shape[1]
