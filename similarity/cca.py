"""Canonical correlations and the similarities built on them.

All come from one QR of the centred columns of both sides and the SVD of each triangular block, so
that a null direction is dropped rather than correlated with rounding.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from repgeo import inputs
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
    directions below rtol (by default ε (m + m')) of the largest, of columns brought to one size,
    count as absent and get ρ = 0. Warns when n <= m + m': then `trivial_correlations` of them are
    1 for any data.

    Raises:
        ValueError: rtol is outside [0, 1].
    """
    return correlate(*_representations(f, f2, rtol)).correlations


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
    return _mcca(*_representations(f, f2, rtol))


def svcca(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], *, threshold: float = 0.99
) -> Float[Array, ""]:
    """SVCCA: m_CCA of the leading singular directions that hold `threshold` of the variance.

    In [0, 1]; symmetric; a similarity. Invariant to rotation, isotropic scale and translation.
    Raghu et al. 2017, https://arxiv.org/abs/1706.05806.

    Raises:
        ValueError: threshold is outside (0, 1].
    """
    inputs.number("threshold", threshold, 0, 1, ends=True)
    if inputs.surely(lambda share: share == 0, threshold):
        raise ValueError(f"threshold={threshold}; accepted is a share of variance in (0, 1]")
    f, f2 = checks.representations(f, f2)
    warn_if_trivial(f, f2)
    return _svcca(f, f2, 1 - threshold)


def pwcca(f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"]) -> Float[Array, ""]:
    """PWCCA = Σ α_i ρ_i / Σ α_i, α_i = Σ_j |⟨h_i, f_j⟩| for the canonical variates h_i of f.

    In [0, 1]; a similarity; not symmetric: f sets the weights. Invariant to translation and
    isotropic scale of f, and to any invertible affine map of f'.
    Morcos et al. 2018, https://arxiv.org/abs/1806.05759.
    """
    f, f2 = checks.representations(f, f2, columns=(False, True))
    warn_if_trivial(f, f2)
    return _pwcca(f, f2)


def linear_regression_r2(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"]
) -> Float[Array, ""]:
    """R² of f regressed on f' with an intercept: ‖Q_f'ᵀ f‖²/‖f‖², in [0, 1].

    A similarity; not symmetric. Invariant to any invertible affine map of f', and to rotation,
    isotropic scale and translation of f. 0 when f does not vary.
    """
    f, f2 = checks.representations(f, f2, columns=(False, True))
    warn_if_trivial(f, f2)
    return _r2(f, f2)


def trivial_correlations(n: int, m: int, m2: int) -> int:
    """How many canonical correlations are 1 for any n rows: max(0, m + m' - (n - 1))."""
    return min(max(0, m + m2 - (n - 1)), m, m2)


def _representations(
    f: ArrayLike, f2: ArrayLike, rtol: float | None
) -> tuple[Array, Array, Array | float]:
    if rtol is not None:
        inputs.number("rtol", rtol, 0, 1, ends=True)
    f, f2 = checks.representations(f, f2, columns=(True, True))
    warn_if_trivial(f, f2)
    return f, f2, rank_tolerance(f, f2) if rtol is None else rtol


def warn_if_trivial(f: Array, f2: Array) -> None:
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
def _mcca(f: Array, f2: Array, rtol: Array) -> Array:
    return _mean(correlate(f, f2, rtol))


@jax.jit
def correlate(
    f: Float[Array, "n m"], f2: Float[Array, "n m2"], rtol: Float[Array, ""] | float
) -> CanonicalAnalysis:
    """Canonical correlations of checked representations."""
    rows, rows2 = centred_rows(f, f2, columns=(True, True))
    return _overlap(*left_basis(rows, rtol), *left_basis(rows2, rtol))


@jax.jit
def _svcca(f: Array, f2: Array, spare: Array) -> Array:
    """m_CCA of the directions that hold all but a share `spare` of the variance of each side."""
    rtol, (rows, rows2) = rank_tolerance(f, f2), centred_rows(f, f2)
    sides = _leading(*left_basis(rows, rtol), spare), _leading(*left_basis(rows2, rtol), spare)
    return _mean(_overlap(*sides[0], *sides[1]))


def _leading(u: Array, s: Array, spare: Array) -> tuple[Array, Array]:
    # Summed from the least: beside the whole, singular values below √ε of the first would round.
    rest = jnp.cumsum(jnp.square(s)[::-1])[::-1]
    # A direction is needed if more than what may be spared would go with it; ε s₁ is the rounding
    # of a singular value, and must not demand one more.
    spared = spare + 4 * jnp.finfo(s.dtype).eps * jnp.sqrt(spare)
    s = jnp.where(rest > spared * rest[0], s, 0)
    return jnp.where((s > 0)[None, :], u, 0), s


def _overlap(u: Array, s: Array, u2: Array, s2: Array) -> CanonicalAnalysis:
    rho = jnp.linalg.svd(jnp.matmul(u.T, u2, precision=HIGHEST), compute_uv=False)
    ranks = ((x > 0).sum().astype(x.dtype) for x in (s, s2))
    return CanonicalAnalysis(jnp.minimum(rho, 1), *ranks)


def _mean(analysis: CanonicalAnalysis) -> Float[Array, ""]:
    smaller = jnp.minimum(analysis.rank, analysis.rank2)
    return analysis.correlations.sum() / jnp.maximum(smaller, 1)


@jax.jit
def _pwcca(f: Array, f2: Array) -> Array:
    rows, rows2 = centred_rows(f, f2, columns=(False, True))
    rtol = rank_tolerance(f, f2)
    # The span of f's columns does not see their scales, the weights do.
    (u, s), (u2, s2) = left_basis(inputs.scaled(rows, axis=0)[0], rtol), left_basis(rows2, rtol)
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
    rows, rows2 = centred_rows(f, f2, columns=(False, True))
    u2, _ = left_basis(rows2, rank_tolerance(f, f2))
    explained = jnp.square(jnp.matmul(u2.T, rows, precision=HIGHEST)).sum()
    total = jnp.square(rows).sum()
    return jnp.minimum(explained / jnp.where(total > 0, total, 1), 1)
