"""Every theorem and inequality between distributions and representations, as numbers to check.

Each function returns both sides of `lhs <= rhs`. A: https://arxiv.org/abs/2506.03784,
B: https://arxiv.org/abs/2602.15438; the others are derived here and tested.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.cca import canonical_correlations
from similarity.distribution import kl
from similarity.family import HIGHEST, centre, clr, log_probs
from similarity.linear_identifiability import d_rep, label_differences
from similarity.llv import LlvDistance
from similarity.logit_distance import logit_distance_sq
from similarity.moments import centred, centred_rows, condensed, left_basis, rank_tolerance
from similarity.sets import chosen_label_sets
from similarity.svd import d_svd, d_svd_labels, max_d_svd


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
    constants: dict[str, Array | float | bool]


def kl_below_logit(log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]) -> Bound:
    """4 KL(p‖q) <= ‖ũ - ũ'‖² for each input: the Hessian of log Σ exp is at most ½ I."""
    return _bound(4 * kl(log_p, log_q), _squared_clr(log_p, log_q))


def logit_below_kl(log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]) -> Bound:
    """‖ũ - ũ'‖² <= (2/τ) KL(p‖q), τ = min_y min(p, q), for each input.

    Only informative where every probability is bounded away from 0: τ is in `constants`.
    """
    log_p, log_q = inputs.array("log_p", log_p), inputs.array("log_q", log_q)
    tau = jnp.exp(jnp.minimum(*inputs.working(log_p=log_p, log_q=log_q)).min(axis=-1))
    return _bound(_squared_clr(log_p, log_q), 2 * kl(log_p, log_q) / tau, tau=tau)


def raw_logit_loss(u: Real[ArrayLike, "n k"], u2: Real[ArrayLike, "n k"]) -> Bound:
    """Identity: E_x Σ_y (u - u')² = d_logit² + k E_x (mean_y(u - u'))²."""
    difference = checks.difference(u, u2, degree=2)
    shift = difference.mean(axis=1, keepdims=True)
    d_sq = jnp.square(difference - shift).sum(axis=1).mean()
    shift_sq = difference.shape[1] * jnp.square(shift).mean()
    total = jnp.square(difference).sum(axis=1).mean()
    return _identity(total, d_sq + shift_sq, d_logit_sq=d_sq, shift_sq=shift_sq)


def l2_below_l1(u: Real[ArrayLike, "n k"], u2: Real[ArrayLike, "n k"]) -> Bound:
    """E_x‖δ‖₂ <= k·L1 for raw logit differences δ, L1 their mean absolute entry (B's loss)."""
    difference = checks.difference(u, u2, degree=2)
    l2 = jnp.linalg.norm(difference, axis=1).mean()
    return _bound(l2, difference.shape[1] * jnp.abs(difference).mean())


def l1_below_l2(u: Real[ArrayLike, "n k"], u2: Real[ArrayLike, "n k"]) -> Bound:
    """k·L1 <= √k E_x‖δ‖₂."""
    difference = checks.difference(u, u2, degree=2)
    k = difference.shape[1]
    l2 = jnp.linalg.norm(difference, axis=1).mean()
    return _bound(k * jnp.abs(difference).mean(), k**0.5 * l2)


def label_set_average(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    label_sets: Int[ArrayLike, "s w"] | None = None,
    key: Key[Array, ""] | None = None,
    num_sets: int | None = None,
) -> Bound:
    """Identity: the mean over all label sets of E_x‖Lᵀf - L'ᵀf'‖² is (2m/(k-1)) d_logit².

    The step from d_rep to d_logit. Over a sample of sets the left side is an unbiased estimate.
    """
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    k, m = g.shape
    sets, exact = chosen_label_sets(k, m, label_sets, key, num_sets)
    rows = label_differences(f, g, f2, g2)
    gram = jnp.matmul(rows.T, rows, precision=HIGHEST) / f.shape[0]
    diagonal, pivot, others = jnp.diagonal(gram), sets[:, :1], sets[:, 1:]
    # ‖δ_i - δ_j‖² summed over the set, from inner products over inputs.
    gaps = diagonal[others] + diagonal[pivot] - 2 * gram[others, pivot]
    d_sq = logit_distance_sq(f, g, f2, g2)
    return _identity(gaps.sum(axis=1).mean(), 2 * m / (k - 1) * d_sq, d_logit_sq=d_sq, exact=exact)


def d_rep_below_logit(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    label_sets: Int[ArrayLike, "s w"] | None = None,
    key: Key[Array, ""] | None = None,
    num_sets: int | None = None,
) -> Bound:
    """d_rep <= √(2m/(k-1))·d_logit/σ_min, σ_min the least singular value over L of model 1 (B)."""
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    k, m = g.shape
    rep = d_rep(f, g, f2, g2, label_sets=label_sets, key=key, num_sets=num_sets)
    d, sigma = jnp.sqrt(logit_distance_sq(f, g, f2, g2)), rep.sigma_min.min()
    rhs = (2 * m / (k - 1)) ** 0.5 * d / sigma
    return _bound(jnp.sqrt(rep.d_sq), rhs, d_logit=d, sigma_min=sigma, exact=rep.exhaustive)


def cca_below_residual(
    f: Real[ArrayLike, "n m"], g: Real[ArrayLike, "k m"], f2: Real[ArrayLike, "n m2"]
) -> Bound:
    """Σ_i (1 - ρ_i²) λ_i <= E_x‖ũ - its regression on f'‖², all centred over inputs (B).

    λ the eigenvalues of the covariance of ũ and ρ the canonical correlations of ũ and f', both
    descending.
    """
    values, rho, residual, _ = _cca_parts(f, g, f2)
    lhs = ((1 - jnp.square(rho)) * values).sum()
    return _bound(lhs, residual, size=values.sum(), eigenvalues=values, rho=rho)


def residual_below_logit(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Bound:
    """E_x‖ũ - its regression on f'‖² <= d_logit²: ũ' is one linear function of f'."""
    values, _, residual, _ = _cca_parts(f, g, f2)
    size = _squared_rounding(residual) * values.sum()
    return _bound(residual, logit_distance_sq(f, g, f2, g2), size=size)


def mcca_above_logit(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Bound:
    """1 - d_logit²/(m λ_m) <= m_CCA over m correlations, λ_m the least variance of ũ."""
    values, rho, _, m = _cca_parts(f, g, f2)
    d_sq, least = logit_distance_sq(f, g, f2, g2), values.min()
    varies = least > m * jnp.finfo(values.dtype).eps * values.max()
    lhs = jnp.where(varies, 1 - d_sq / (m * jnp.where(varies, least, 1)), -jnp.inf)
    return _bound(lhs, rho.sum() / m, d_logit_sq=d_sq, least_variance=least)


def svd_below_trace(z: Real[ArrayLike, "n s"], w: Real[ArrayLike, "n s"]) -> Bound:
    """d_SVD(z, w) <= 1 - tr(R)/s: the nuclear norm is at least the trace."""
    z, w = checks.representations(z, w, columns=(True, True))
    if z.shape != w.shape:
        raise ValueError(f"z {z.shape} and w {w.shape} must have as many columns")
    a, b = centred_rows(z, w)
    scale = jnp.linalg.norm(a, axis=0) * jnp.linalg.norm(b, axis=0)
    correlation = jnp.where(scale > 0, (a * b).sum(axis=0) / jnp.where(scale > 0, scale, 1), 0)
    return _bound(d_svd(z, w), 1 - correlation.mean())


def embeddings_below_llv(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    llv: LlvDistance,
) -> Bound:
    """max d_SVD(Lᵀf, L'ᵀf') <= 2 t1², over the label sets of d_LLV's pivot and left-out label.

    Standardised coordinates differ by sd <= 2 t1, hence correlate at 1 - 2 t1² or more.
    """
    lhs = max_d_svd(f, g, f2, g2, llv.pivot, llv.leave_out)
    return _bound(lhs, 2 * jnp.square(llv.t1), size=_squared_rounding(lhs), t1=llv.t1)


def unembeddings_below_llv(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    llv: LlvDistance,
) -> Bound:
    """d_SVD(Nᵀg, N'ᵀg') <= 2 t2², for the input set of d_LLV."""
    lhs = d_svd_labels(f, g, f2, g2, llv.input_set)
    return _bound(lhs, 2 * jnp.square(llv.t2), size=_squared_rounding(lhs), t2=llv.t2)


def published_llv(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    llv: LlvDistance,
) -> Bound:
    """d_{f,g} <= 2 m d_LLV (A, theorem 4.7); says nothing (`vacuous`) from d_LLV = 1/(2m) on."""
    m = np.shape(f)[1]
    embeddings = max_d_svd(f, g, f2, g2, llv.pivot, llv.leave_out)
    lhs = jnp.maximum(embeddings, d_svd_labels(f, g, f2, g2, llv.input_set))
    rhs = 2 * m * llv.d
    return _bound(lhs, rhs, d_llv=llv.d, vacuous=rhs >= 1)


def concept_kl(
    W: Real[ArrayLike, "concepts m"],
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Bound:
    """E_x KL(softmax(W f)‖softmax(W' f')) <= ¼‖B‖² d_logit², with W = B g̃ and W' = B g̃' (B).

    B = W g̃⁺, in operator norm. A concept the first model reads off linearly can be read off the
    second.

    Raises:
        ValueError: W is not in the span of the unembeddings.
    """
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    given = inputs.array("W", W, 2)
    W = inputs.single("W", given)
    if W.shape[1] != g.shape[1]:
        raise ValueError(f"W has shape {W.shape}; accepted is (concepts, {g.shape[1]})")
    g, g2 = centre(g), centre(g2)
    B = jnp.matmul(W, jnp.linalg.pinv(g), precision=HIGHEST)
    missed = jnp.linalg.norm(W - jnp.matmul(B, g, precision=HIGHEST))
    rounding = 1e3 * jnp.finfo(g.dtype).eps * jnp.linalg.norm(W)
    if inputs.surely(jnp.greater, missed, rounding):
        raise ValueError("W is not a linear image of the centred unembeddings, which lack rank")
    # No probability sees a translation of W, which would round in W'.
    near = inputs.single("W", given, centre=True)
    turn = jnp.matmul(jnp.linalg.pinv(g), g2, precision=HIGHEST)
    W2 = jnp.matmul(near, turn, precision=HIGHEST)
    lhs = kl(log_probs(f, near), log_probs(f2, W2)).mean()
    norm = jnp.linalg.norm(B, ord=2)
    d_sq = logit_distance_sq(f, g, f2, g2)
    return _bound(lhs, 0.25 * jnp.square(norm) * d_sq, norm=norm, d_logit_sq=d_sq)


def _cca_parts(f: ArrayLike, g: ArrayLike, f2: ArrayLike) -> tuple[Array, Array, Array, int]:
    f, g = checks.model(f, g, centre=True, degree=4)
    # ũ = (f Rᵀ) Qᵀ for g̃ = Q R: m coordinates with all the geometry of the k logits.
    R = jnp.linalg.qr(centre(g), mode="r")
    u = jnp.matmul(f, R.T, precision=HIGHEST)
    u, f2 = checks.representations(u, f2, scale=False)
    rows, rows2 = condensed(centred(u), centred(f2))
    values = jnp.square(jnp.linalg.svd(rows, compute_uv=False)) / f.shape[0]
    rho = canonical_correlations(u, f2)
    values, rho = (jnp.pad(x, (0, max(0, u.shape[1] - x.size))) for x in (values, rho))
    basis, _ = left_basis(inputs.scaled(rows2, axis=0)[0], rank_tolerance(u, f2))
    explained = jnp.matmul(basis, jnp.matmul(basis.T, rows, precision=HIGHEST), precision=HIGHEST)
    return values, rho, jnp.square(rows - explained).sum() / f.shape[0], u.shape[1]


def _squared_clr(log_p: ArrayLike, log_q: ArrayLike) -> Array:
    pair = (("log_p", log_p), ("log_q", log_q))
    p, q = (inputs.array(name, value, degree=2) for name, value in pair)
    return jnp.square(clr(p) - clr(q)).sum(axis=-1)


def _bound(
    lhs: Array, rhs: Array, *, size: Array | float = 0.0, **constants: Array | float | bool
) -> Bound:
    """`size` is that of what a side was the difference of: rounding is of that size."""
    lhs, rhs = jnp.asarray(lhs), jnp.asarray(rhs)
    rounding = jnp.maximum(_rounding(lhs, rhs), 64 * jnp.finfo(lhs.dtype).eps * size)
    return Bound(lhs, rhs, rhs - lhs, lhs <= rhs + rounding, constants)


def _identity(lhs: Array, rhs: Array, **constants: Array | float | bool) -> Bound:
    holds = jnp.abs(rhs - lhs) <= _rounding(lhs, rhs)
    return Bound(lhs, rhs, rhs - lhs, holds, constants)


def _rounding(lhs: Array, rhs: Array) -> Array:
    return 64 * jnp.finfo(lhs.dtype).eps * jnp.maximum(jnp.abs(lhs), jnp.abs(rhs))


def _squared_rounding(side: Array) -> float:
    """The size, relative to its terms, of a sum of squares of differences that are rounding."""
    return 64 * float(jnp.finfo(side.dtype).eps)
