"""Canonical correlations and the similarities built on them.

All come from one QR of the centred columns of both sides and the SVD of each triangular block, so
that a null direction is dropped rather than correlated with rounding.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from similarity import checks
from similarity.family import HIGHEST
from similarity.moments import centred_rows, left_basis, rank_tolerance


class CanonicalAnalysis(NamedTuple):
    """Canonical correlations, descending, padded with zeros beyond the smaller rank."""

    correlations: Float[Array, " q"]
    rank: Float[Array, ""]
    rank2: Float[Array, ""]


def canonical_correlations(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], *, rtol: float | None = None
) -> Float[Array, " q"]:
    """The min(m, m') canonical correlations ρ of f and f', descending, each in [0, 1].

    Singular values of Q_fᵀ Q_f'. Invariant to any invertible affine map of either side. Singular
    directions below rtol (by default ε (m + m')) of the largest count as absent and get ρ = 0.
    Warns when n <= m + m': then `trivial_correlations` of them are 1 for any data.
    """
    return _analyse(f, f2, rtol, 1.0).correlations


def mcca(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], *, rtol: float | None = None
) -> Float[Array, ""]:
    """m_CCA: the mean canonical correlation over the smaller of the two ranks, in [0, 1].

    1 iff one side is an affine image of the other; 0 when a side does not vary. Symmetric; a
    similarity. Invariant to any invertible affine map of either side, and so blind to the
    coupling of f and g: two models can have m_CCA 1 on both and predict different labels.

    Examples:
        >>> f = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
        >>> round(float(similarity.mcca(f, f @ np.array([[1.0, 5.0], [0.0, 2.0]]))), 4)
        1.0
        >>> round(float(similarity.mcca(f, f[::-1])), 4)
        0.7837
    """
    return _mean(_analyse(f, f2, rtol, 1.0))


def svcca(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], *, threshold: float = 0.99
) -> Float[Array, ""]:
    """SVCCA: m_CCA of the leading singular directions that hold `threshold` of the variance.

    In [0, 1]; symmetric; a similarity. Invariant to rotation, isotropic scale and translation.
    Raghu et al. 2017, https://arxiv.org/abs/1706.05806.

    Raises:
        ValueError: threshold is outside (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold}; accepted is a share of variance in (0, 1]")
    return _mean(_analyse(f, f2, None, threshold))


def pwcca(f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"]) -> Float[Array, ""]:
    """PWCCA = Σ α_i ρ_i / Σ α_i, α_i = Σ_j |⟨h_i, f_j⟩| for the canonical variates h_i of f.

    In [0, 1]; a similarity; not symmetric: f sets the weights. Invariant to translation and
    isotropic scale of f, and to any invertible affine map of f'.
    Morcos et al. 2018, https://arxiv.org/abs/1806.05759.
    """
    f, f2 = checks.representations(f, f2)
    _warn_if_trivial(f, f2)
    return _pwcca(f, f2)


def linear_regression_r2(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"]
) -> Float[Array, ""]:
    """R² of f regressed on f' with an intercept: ‖Q_f'ᵀ f‖²/‖f‖², in [0, 1].

    A similarity; not symmetric. Invariant to any invertible affine map of f', and to rotation,
    isotropic scale and translation of f. 0 when f does not vary.
    """
    f, f2 = checks.representations(f, f2)
    _warn_if_trivial(f, f2)
    return _r2(f, f2)


def trivial_correlations(n: int, m: int, m2: int) -> int:
    """How many canonical correlations are 1 for any n rows: max(0, m + m' - (n - 1))."""
    return min(max(0, m + m2 - (n - 1)), m, m2)


def _analyse(
    f: ArrayLike, f2: ArrayLike, rtol: float | None, threshold: float
) -> CanonicalAnalysis:
    f, f2 = checks.representations(f, f2)
    _warn_if_trivial(f, f2)
    if rtol is None:
        rtol = rank_tolerance(f, f2)
    return _correlate(f, f2, rtol, threshold)


def _warn_if_trivial(f: Array, f2: Array) -> None:
    (n, m), m2 = f.shape, f2.shape[1]
    if n <= m + m2:
        ones = trivial_correlations(n, m, m2)
        warnings.warn(
            f"{n} inputs for representations of {m} and {m2} dimensions: {ones} canonical "
            f"correlations are 1 for any data; use more than {m + m2} inputs, or compare with "
            "permutation_null",
            stacklevel=4,
        )


@jax.jit
def _correlate(f: Array, f2: Array, rtol: Array, threshold: Array) -> CanonicalAnalysis:
    width = min(f.shape[1], f2.shape[1])
    bases, ranks = [], []
    for rows in centred_rows(f, f2):
        u, s = left_basis(rows, rtol)
        energy = jnp.cumsum(jnp.square(s))
        # The first direction to reach the threshold is kept; rounding must not demand one more.
        before = jnp.concatenate([jnp.zeros(1, s.dtype), energy[:-1]])
        slack = 4 * jnp.finfo(s.dtype).eps * energy[-1]
        kept = (s > 0) & (before < threshold * energy[-1] - slack)
        bases.append(jnp.where(kept[None, :], u, 0))
        ranks.append(kept.sum().astype(s.dtype))
    overlap = jnp.matmul(bases[0].T, bases[1], precision=HIGHEST)
    correlations = jnp.linalg.svd(overlap, compute_uv=False)[:width]
    return CanonicalAnalysis(jnp.minimum(correlations, 1), *ranks)


def _mean(analysis: CanonicalAnalysis) -> Float[Array, ""]:
    smaller = jnp.minimum(analysis.rank, analysis.rank2)
    return analysis.correlations.sum() / jnp.maximum(smaller, 1)


@jax.jit
def _pwcca(f: Array, f2: Array) -> Array:
    rows, rows2 = centred_rows(f, f2)
    rtol = rank_tolerance(f, f2)
    (u, s), (u2, s2) = left_basis(rows, rtol), left_basis(rows2, rtol)
    overlap = jnp.matmul(u.T, u2, precision=HIGHEST)
    left, correlations, _ = jnp.linalg.svd(overlap, full_matrices=False)
    variates = jnp.matmul(u, left, precision=HIGHEST)
    weights = jnp.abs(jnp.matmul(variates.T, rows, precision=HIGHEST)).sum(axis=1)
    # Beyond the smaller rank a variate is any direction of correlation zero: it has no weight.
    rank = jnp.minimum((s > 0).sum(), (s2 > 0).sum())
    weights = jnp.where(jnp.arange(weights.size) < rank, weights, 0)
    total = weights.sum()
    return jnp.vdot(weights, jnp.minimum(correlations, 1)) / jnp.where(total > 0, total, 1)


@jax.jit
def _r2(f: Array, f2: Array) -> Array:
    rows, rows2 = centred_rows(f, f2)
    u2, _ = left_basis(rows2, rank_tolerance(f, f2))
    explained = jnp.square(jnp.matmul(u2.T, rows, precision=HIGHEST)).sum()
    total = jnp.square(rows).sum()
    return jnp.minimum(explained / jnp.where(total > 0, total, 1), 1)
