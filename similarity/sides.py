"""Both sides of each bound in `similarity.bounds` from checked arrays, one program each."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from repgeo import inputs
from similarity.cca import correlate
from similarity.family import HIGHEST
from similarity.linear_identifiability import label_differences
from similarity.logit_distance import mean_squared_distance
from similarity.moments import centred, centred_rows, condensed, left_basis, rank_tolerance
from similarity.svd import d_svd_of_columns


class Bound(NamedTuple):
    """lhs <= rhs, or lhs = rhs for an identity.

    `slack` is rhs - lhs; `holds` allows rounding of 64 ε of the larger side; `constants` are what
    the right side was made of. Where a constant `exact` is False, label sets were sampled: both
    sides are estimates, and a failure of `holds` does not contradict the theorem.
    """

    lhs: Float[Array, "*n"]
    rhs: Float[Array, "*n"]
    slack: Float[Array, "*n"]
    holds: Bool[Array, "*n"]
    constants: dict[str, Array | bool]


@jax.jit
def kl_below_logit(divergence: Array, p: Array, q: Array) -> Bound:
    return _bound(4 * divergence, jnp.square(p - q).sum(axis=-1))


@jax.jit
def logit_below_kl(divergence: Array, p: Array, q: Array, log_p: Array, log_q: Array) -> Bound:
    tau = jnp.exp(jnp.minimum(log_p, log_q).min(axis=-1))
    return _bound(jnp.square(p - q).sum(axis=-1), 2 * divergence / tau, tau=tau)


@jax.jit
def raw_logit_loss(difference: Array) -> Bound:
    shift = difference.mean(axis=1, keepdims=True)
    d_sq = jnp.square(difference - shift).sum(axis=1).mean()
    shift_sq = difference.shape[1] * jnp.square(shift).mean()
    total = jnp.square(difference).sum(axis=1).mean()
    return _identity(total, d_sq + shift_sq, d_logit_sq=d_sq, shift_sq=shift_sq)


@jax.jit
def l2_below_l1(difference: Array) -> Bound:
    l2 = jnp.linalg.norm(difference, axis=1).mean()
    return _bound(l2, difference.shape[1] * jnp.abs(difference).mean())


@jax.jit
def l1_below_l2(difference: Array) -> Bound:
    k = difference.shape[1]
    l2 = jnp.linalg.norm(difference, axis=1).mean()
    return _bound(k * jnp.abs(difference).mean(), k**0.5 * l2)


@jax.jit
def label_set_average(f: Array, g: Array, f2: Array, g2: Array, sets: Array) -> Bound:
    k, m = g.shape
    rows = label_differences(f, g, f2, g2)
    gram = jnp.matmul(rows.T, rows, precision=HIGHEST) / f.shape[0]
    diagonal, pivot, others = jnp.diagonal(gram), sets[:, :1], sets[:, 1:]
    # ‖δ_i - δ_j‖² summed over the set, from inner products over inputs.
    gaps = diagonal[others] + diagonal[pivot] - 2 * gram[others, pivot]
    d_sq = mean_squared_distance(f, g, f2, g2)
    return _identity(gaps.sum(axis=1).mean(), 2 * m / (k - 1) * d_sq, d_logit_sq=d_sq)


@jax.jit
def d_rep_below_logit(rep_sq: Array, sigma_min: Array, d_sq: Array, share: Array) -> Bound:
    d, sigma = jnp.sqrt(d_sq), sigma_min.min()
    return _bound(jnp.sqrt(rep_sq), jnp.sqrt(share) * d / sigma, d_logit=d, sigma_min=sigma)


@jax.jit
def cca_below_residual(values: Array, rho: Array, residual: Array) -> Bound:
    lhs = ((1 - jnp.square(rho)) * values).sum()
    return _bound(lhs, residual, size=values.sum(), eigenvalues=values, rho=rho)


@jax.jit
def residual_below_logit(values: Array, residual: Array, d_sq: Array) -> Bound:
    return _bound(residual, d_sq, size=_squared_rounding(residual) * values.sum())


@jax.jit(static_argnames=("m",))
def mcca_above_logit(values: Array, rho: Array, d_sq: Array, m: int) -> Bound:
    least = values.min()
    varies = least > m * jnp.finfo(values.dtype).eps * values.max()
    lhs = jnp.where(varies, 1 - d_sq / (m * jnp.where(varies, least, 1)), -jnp.inf)
    return _bound(lhs, rho.sum() / m, d_logit_sq=d_sq, least_variance=least)


@jax.jit
def svd_below_trace(z: Array, w: Array) -> Bound:
    a, b = centred_rows(z, w)
    scale = jnp.linalg.norm(a, axis=0) * jnp.linalg.norm(b, axis=0)
    correlation = jnp.where(scale > 0, (a * b).sum(axis=0) / jnp.where(scale > 0, scale, 1), 0)
    return _bound(d_svd_of_columns(z, w), 1 - correlation.mean())


@jax.jit
def below_llv(lhs: Array, term: Array) -> Bound:
    return _bound(lhs, 2 * jnp.square(term), size=_squared_rounding(lhs))


@jax.jit
def published_llv(embeddings: Array, unembeddings: Array, d: Array, factor: Array) -> Bound:
    lhs, rhs = jnp.maximum(embeddings, unembeddings), factor * d
    return _bound(lhs, rhs, d_llv=d, vacuous=rhs >= 1)


@jax.jit
def carried_over(W: Array, near: Array, g: Array, g2: Array) -> tuple[Array, Array, Array]:
    """B g̃', the norm of B, and whether W is other than B g̃."""
    g, g2 = (x - x.mean(axis=0, keepdims=True) for x in (g, g2))
    inverse = jnp.linalg.pinv(g)
    B = jnp.matmul(W, inverse, precision=HIGHEST)
    missed = jnp.linalg.norm(W - jnp.matmul(B, g, precision=HIGHEST))
    rounding = 1e3 * jnp.finfo(g.dtype).eps * jnp.linalg.norm(W)
    turn = jnp.matmul(inverse, g2, precision=HIGHEST)
    W2 = jnp.matmul(near, turn, precision=HIGHEST)
    return W2, jnp.linalg.norm(B, ord=2), missed > rounding


@jax.jit
def concept_kl(divergence: Array, norm: Array, d_sq: Array) -> Bound:
    rhs = 0.25 * jnp.square(norm) * d_sq
    return _bound(divergence.mean(), rhs, norm=norm, d_logit_sq=d_sq)


@jax.jit
def coordinates(f: Array, g: Array) -> Array:
    """ũ = (f Rᵀ) Qᵀ for g̃ = Q R: m coordinates with all the geometry of the k logits."""
    R = jnp.linalg.qr(g - g.mean(axis=0, keepdims=True), mode="r")
    return jnp.matmul(f, R.T, precision=HIGHEST)


@jax.jit
def parts(u: Array, f2: Array) -> tuple[Array, Array, Array]:
    rows, rows2 = condensed(centred(u), centred(f2))
    values, rtol = jnp.square(jnp.linalg.svd(rows, compute_uv=False)), rank_tolerance(u, f2)
    rho = correlate(u, f2, rtol).correlations
    values, rho = (jnp.pad(x, (0, max(0, u.shape[1] - x.size))) for x in (values, rho))
    basis, _ = left_basis(inputs.scaled(rows2, axis=0)[0], rtol)
    explained = jnp.matmul(basis, jnp.matmul(basis.T, rows, precision=HIGHEST), precision=HIGHEST)
    return values / u.shape[0], rho, jnp.square(rows - explained).sum() / u.shape[0]


def _bound(
    lhs: Array, rhs: Array, *, size: Array | float = 0.0, **constants: Array | bool
) -> Bound:
    """`size` is that of what a side was the difference of: rounding is of that size."""
    rounding = jnp.maximum(_rounding(lhs, rhs), 64 * jnp.finfo(lhs.dtype).eps * size)
    return Bound(lhs, rhs, rhs - lhs, lhs <= rhs + rounding, constants)


def _identity(lhs: Array, rhs: Array, **constants: Array | bool) -> Bound:
    holds = jnp.abs(rhs - lhs) <= _rounding(lhs, rhs)
    return Bound(lhs, rhs, rhs - lhs, holds, constants)


def _rounding(lhs: Array, rhs: Array) -> Array:
    return 64 * jnp.finfo(lhs.dtype).eps * jnp.maximum(jnp.abs(lhs), jnp.abs(rhs))


def _squared_rounding(side: Array) -> float:
    """The size, relative to its terms, of a sum of squares of differences that are rounding."""
    return 64 * float(jnp.finfo(side.dtype).eps)
