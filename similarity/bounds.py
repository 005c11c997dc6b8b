"""Every theorem and inequality between distributions and representations, as numbers to check.

Each function returns both sides of `lhs <= rhs`. A: https://arxiv.org/abs/2506.03784,
B: https://arxiv.org/abs/2602.15438; the others are derived here and tested.
"""

import numpy as np
from jaxtyping import Array, ArrayLike, Int, Key, Real

from repgeo import inputs
from similarity import checks, sides
from similarity.cca import warn_if_trivial
from similarity.distribution import kl
from similarity.family import clr, log_probs
from similarity.linear_identifiability import d_rep
from similarity.llv import LlvDistance
from similarity.logit_distance import logit_distance_sq, mean_squared_distance
from similarity.sets import chosen_label_sets
from similarity.sides import Bound
from similarity.svd import d_svd_labels, max_d_svd


def kl_below_logit(log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]) -> Bound:
    """4 KL(p‖q) <= ‖ũ - ũ'‖² for each input: the Hessian of log Σ exp is at most ½ I."""
    return sides.kl_below_logit(kl(log_p, log_q), *_clrs(log_p, log_q))


def logit_below_kl(log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]) -> Bound:
    """‖ũ - ũ'‖² <= (2/τ) KL(p‖q), τ = min_y min(p, q), for each input.

    Only informative where every probability is bounded away from 0: τ is in `constants`.
    """
    pair = (inputs.array("log_p", log_p), inputs.array("log_q", log_q))
    working = inputs.working(log_p=pair[0], log_q=pair[1])
    return sides.logit_below_kl(kl(*pair), *_clrs(*pair), *working)


def raw_logit_loss(u: Real[ArrayLike, "n k"], u2: Real[ArrayLike, "n k"]) -> Bound:
    """Identity: E_x Σ_y (u - u')² = d_logit² + k E_x (mean_y(u - u'))²."""
    return sides.raw_logit_loss(checks.difference(u, u2, degree=2))


def l2_below_l1(u: Real[ArrayLike, "n k"], u2: Real[ArrayLike, "n k"]) -> Bound:
    """E_x‖δ‖₂ <= k·L1 for raw logit differences δ, L1 their mean absolute entry (B's loss)."""
    return sides.l2_below_l1(checks.difference(u, u2, degree=2))


def l1_below_l2(u: Real[ArrayLike, "n k"], u2: Real[ArrayLike, "n k"]) -> Bound:
    """k·L1 <= √k E_x‖δ‖₂."""
    return sides.l1_below_l2(checks.difference(u, u2, degree=2))


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
    sets, exact = chosen_label_sets(g.shape[0], g.shape[1], label_sets, key, num_sets)
    return _with(sides.label_set_average(f, g, f2, g2, sets), exact=exact)


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
    rep = d_rep(f, g, f2, g2, label_sets=label_sets, key=key, num_sets=num_sets)
    d_sq, share = mean_squared_distance(f, g, f2, g2), 2 * g.shape[1] / (g.shape[0] - 1)
    bound = sides.d_rep_below_logit(rep.d_sq, rep.sigma_min, d_sq, share)
    return _with(bound, exact=rep.exhaustive)


def cca_below_residual(
    f: Real[ArrayLike, "n m"], g: Real[ArrayLike, "k m"], f2: Real[ArrayLike, "n m2"]
) -> Bound:
    """Σ_i (1 - ρ_i²) λ_i <= E_x‖ũ - its regression on f'‖², all centred over inputs (B).

    λ the eigenvalues of the covariance of ũ and ρ the canonical correlations of ũ and f', both
    descending.
    """
    return sides.cca_below_residual(*_cca_parts(f, g, f2))


def residual_below_logit(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Bound:
    """E_x‖ũ - its regression on f'‖² <= d_logit²: ũ' is one linear function of f'."""
    values, _, residual = _cca_parts(f, g, f2)
    return sides.residual_below_logit(values, residual, logit_distance_sq(f, g, f2, g2))


def mcca_above_logit(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Bound:
    """1 - d_logit²/(m λ_m) <= m_CCA over m correlations, λ_m the least variance of ũ."""
    values, rho, _ = _cca_parts(f, g, f2)
    return sides.mcca_above_logit(values, rho, logit_distance_sq(f, g, f2, g2), np.shape(f)[1])


def svd_below_trace(z: Real[ArrayLike, "n s"], w: Real[ArrayLike, "n s"]) -> Bound:
    """d_SVD(z, w) <= 1 - tr(R)/s: the nuclear norm is at least the trace."""
    z, w = checks.representations(z, w, columns=(True, True))
    if z.shape != w.shape:
        raise ValueError(f"z {z.shape} and w {w.shape} must have as many columns")
    return sides.svd_below_trace(z, w)


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
    return _with(sides.below_llv(lhs, llv.t1), t1=llv.t1)


def unembeddings_below_llv(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    llv: LlvDistance,
) -> Bound:
    """d_SVD(Nᵀg, N'ᵀg') <= 2 t2², for the input set of d_LLV."""
    lhs = d_svd_labels(f, g, f2, g2, llv.input_set)
    return _with(sides.below_llv(lhs, llv.t2), t2=llv.t2)


def published_llv(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    llv: LlvDistance,
) -> Bound:
    """d_{f,g} <= 2 m d_LLV (A, theorem 4.7); says nothing (`vacuous`) from d_LLV = 1/(2m) on."""
    embeddings = max_d_svd(f, g, f2, g2, llv.pivot, llv.leave_out)
    unembeddings = d_svd_labels(f, g, f2, g2, llv.input_set)
    return sides.published_llv(embeddings, unembeddings, llv.d, 2 * np.shape(f)[1])


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
    # No probability sees a translation of W, which would round in W'.
    near = inputs.single("W", given, centre=True)
    W2, norm, missed = sides.carried_over(W, near, g, g2)
    if inputs.surely(bool, missed):
        raise ValueError("W is not a linear image of the centred unembeddings, which lack rank")
    divergence = kl(log_probs(f, near), log_probs(f2, W2))
    return sides.concept_kl(divergence, norm, logit_distance_sq(f, g, f2, g2))


def _cca_parts(f: ArrayLike, g: ArrayLike, f2: ArrayLike) -> tuple[Array, Array, Array]:
    """Eigenvalues of the covariance of ũ, its correlations with f', and the residual of ũ."""
    u, f2 = checks.representations(
        sides.coordinates(*checks.model(f, g, centre=True, degree=4)), f2, scale=False
    )
    warn_if_trivial(u, f2)
    return sides.parts(u, f2)


def _clrs(log_p: ArrayLike, log_q: ArrayLike) -> tuple[Array, Array]:
    pair = (("log_p", log_p), ("log_q", log_q))
    p, q = (clr(inputs.array(name, value, degree=2)) for name, value in pair)
    return p, q


def _with(bound: Bound, **constants: Array | bool) -> Bound:
    """The bound with constants that need no program."""
    return bound._replace(constants=bound.constants | constants)
