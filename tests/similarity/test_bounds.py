import itertools

import jax
import numpy as np
import pytest
from scipy.special import log_softmax, rel_entr

import similarity as S
from similarity import bounds

SETS = np.arange(160).reshape(40, 4)


@pytest.fixture(params=[0.001, 0.1, 1.0], ids=lambda noise: f"noise{noise}")
def pair(request, make_models, x64):
    return make_models(0, noise=request.param)


def log_pair(f, g, f2, g2):
    return S.log_probs(f, g), S.log_probs(f2, g2)


def test_kl_and_logit_distance_sandwich_each_other(pair):
    f, g, f2, g2 = pair
    log_p, log_q = log_pair(*pair)
    below, above = bounds.kl_below_logit(log_p, log_q), bounds.logit_below_kl(log_p, log_q)
    assert below.holds.all() and above.holds.all()
    # Both sides against NumPy, in an order of operations of its own.
    lp, lq = log_softmax(f @ g.T, axis=1), log_softmax(f2 @ g2.T, axis=1)
    kl = rel_entr(np.exp(lp), np.exp(lq)).sum(1)
    d = (lp - lq) - (lp - lq).mean(1, keepdims=True)
    np.testing.assert_allclose(below.lhs, 4 * kl, rtol=1e-6, atol=1e-14)
    np.testing.assert_allclose(below.rhs, (d**2).sum(1), rtol=1e-9)
    np.testing.assert_allclose(above.constants["tau"], np.exp(np.minimum(lp, lq)).min(1))
    np.testing.assert_allclose(above.slack, above.rhs - above.lhs)


def test_raw_logit_losses(pair):
    f, g, f2, g2 = pair
    u, u2 = f @ g.T + 0.3, f2 @ g2.T
    loss = bounds.raw_logit_loss(u, u2)
    assert loss.holds
    np.testing.assert_allclose(loss.lhs, ((u - u2) ** 2).sum(1).mean())
    np.testing.assert_allclose(loss.constants["d_logit_sq"], S.logit_distance_sq(*pair), rtol=1e-9)
    for bound, lhs in (
        (bounds.l2_below_l1(u, u2), np.linalg.norm(u - u2, axis=1).mean()),
        (bounds.l1_below_l2(u, u2), 7 * np.abs(u - u2).mean()),
    ):
        assert bound.holds and bound.slack > 0
        np.testing.assert_allclose(bound.lhs, lhs)


def test_average_over_label_sets_is_an_identity(pair):
    """Measured 2e-15; a sample of sets estimates it without bias."""
    exact = bounds.label_set_average(*pair)
    assert exact.holds and exact.constants["exact"]
    f, g, f2, g2 = pair
    loop = [
        ((f @ (g[list(c)] - g[j]).T - f2 @ (g2[list(c)] - g2[j]).T) ** 2).sum(1).mean()
        for j in range(7)
        for c in itertools.combinations([y for y in range(7) if y != j], 3)
    ]
    np.testing.assert_allclose(exact.lhs, np.mean(loop), rtol=1e-8)
    sampled = bounds.label_set_average(*pair, key=jax.random.key(0), num_sets=4000)
    assert not sampled.constants["exact"]
    np.testing.assert_allclose(
        sampled.lhs, exact.rhs, rtol=0.03
    )  # 4 standard errors: measured .007


def test_d_rep_is_bounded_by_the_logit_distance(pair):
    bound = bounds.d_rep_below_logit(*pair)
    assert bound.holds and bound.constants["exact"]
    want = np.sqrt(2 * 3 / 6 * S.logit_distance_sq(*pair)) / S.d_rep(*pair).sigma_min.min()
    np.testing.assert_allclose(bound.rhs, want, rtol=1e-12)


def test_chain_from_canonical_correlations_to_the_logit_distance(pair):
    f, g, f2, g2 = pair
    first, second = bounds.cca_below_residual(f, g, f2), bounds.residual_below_logit(*pair)
    assert first.holds and second.holds
    np.testing.assert_allclose(first.rhs, second.lhs)
    # The residual of a least-squares fit, and the eigenvalues of a covariance, by NumPy.
    u = f @ (g - g.mean(0)).T
    design = np.hstack([f2, np.ones((400, 1))])
    residual = u - design @ np.linalg.lstsq(design, u, rcond=None)[0]
    np.testing.assert_allclose(first.rhs, (residual**2).sum() / 400, rtol=1e-8)
    values = np.linalg.eigvalsh(np.cov(u.T, ddof=0))[::-1][:3]
    np.testing.assert_allclose(first.constants["eigenvalues"], values, rtol=1e-8)
    np.testing.assert_allclose(first.constants["rho"], S.canonical_correlations(f, f2), rtol=1e-10)
    mean = bounds.mcca_above_logit(*pair)
    assert mean.holds
    np.testing.assert_allclose(mean.lhs, 1 - S.logit_distance_sq(*pair) / (3 * values[-1]))


@pytest.mark.parametrize("seed", range(4))
def test_a_model_breaks_no_bound_with_its_copy(make_models, seed):
    """Both sides are rounding then, of the size of what was subtracted: in single precision."""
    f, g, _, _ = (np.asarray(x, np.float32) for x in make_models(seed))
    f, g = (np.asarray(x) for x in S.with_bias(f, g, np.ones(len(g), np.float32)))
    llv = S.llv_distance(f, g, f, g, key=jax.random.key(0), num_sets=20)
    for found in (
        bounds.embeddings_below_llv(f, g, f, g, llv),
        bounds.unembeddings_below_llv(f, g, f, g, llv),
        bounds.published_llv(f, g, f, g, llv),
        bounds.cca_below_residual(f, g, f),
        bounds.residual_below_logit(f, g, f, g),
        bounds.mcca_above_logit(f, g, f, g),
    ):
        assert found.holds, found


def test_trace_and_llv_bounds(pair):
    llv = S.llv_distance(*pair, input_sets=SETS)
    f, g, f2, g2 = pair
    for bound, rhs in (
        (
            bounds.svd_below_trace(f, f2),
            1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(f.T, f2.T, strict=True)]),
        ),
        (bounds.embeddings_below_llv(*pair, llv), 2 * llv.t1**2),
        (bounds.unembeddings_below_llv(*pair, llv), 2 * llv.t2**2),
        (bounds.published_llv(*pair, llv), 6 * llv.d),
    ):
        assert bound.holds
        np.testing.assert_allclose(bound.rhs, rhs, rtol=1e-9)
    sharper = max(
        bounds.embeddings_below_llv(*pair, llv).rhs, bounds.unembeddings_below_llv(*pair, llv).rhs
    )
    if not bounds.published_llv(*pair, llv).constants["vacuous"]:
        assert sharper <= bounds.published_llv(*pair, llv).rhs


def test_concepts_carry_over(pair):
    """B = W g̃⁺ found again from the left side: W = B g̃ and W' = B g̃'."""
    f, g, f2, g2 = pair
    W = np.random.default_rng(5).normal(size=(4, 3))
    bound = bounds.concept_kl(W, f, g, f2, g2)
    B = np.linalg.lstsq((g - g.mean(0)).T, W.T, rcond=None)[0].T
    W2 = B @ (g2 - g2.mean(0))
    p, q = np.exp(log_softmax(f @ W.T, axis=1)), np.exp(log_softmax(f2 @ W2.T, axis=1))
    np.testing.assert_allclose(bound.lhs, rel_entr(p, q).sum(1).mean(), rtol=1e-5)
    assert bound.holds
    np.testing.assert_allclose(bound.constants["norm"], np.linalg.norm(B, 2), rtol=1e-10)


def test_a_hundred_random_pairs_break_no_bound(x64, make_models):
    """Few labels, few inputs, large and small noise, k = m + 2."""
    for seed in range(100):
        models = make_models(seed, 40, 5, 3, noise=10.0 ** (seed % 4 - 3))
        llv = S.llv_distance(*models, input_sets=np.arange(40).reshape(10, 4))
        log_p, log_q = log_pair(*models)
        f, g, f2, _ = models
        for bound in (
            bounds.kl_below_logit(log_p, log_q),
            bounds.logit_below_kl(log_q, log_p),
            bounds.label_set_average(*models),
            bounds.d_rep_below_logit(*models),
            bounds.cca_below_residual(f, g, f2),
            bounds.residual_below_logit(*models),
            bounds.mcca_above_logit(*models),
            bounds.embeddings_below_llv(*models, llv),
            bounds.unembeddings_below_llv(*models, llv),
            bounds.published_llv(*models, llv),
        ):
            assert bound.holds.all()


def test_a_wrong_constant_is_seen(x64, make_models):
    """The planted error: half of each right side breaks on some pair, so the test can fail."""
    models = make_models(3, noise=0.001)
    log_p, log_q = log_pair(*models)
    assert not (
        bounds.kl_below_logit(log_p, log_q).lhs <= 0.5 * bounds.kl_below_logit(log_p, log_q).rhs
    ).all()
    identity = bounds.label_set_average(*models)
    assert abs(identity.slack) < 1e-12 * identity.rhs < abs(identity.rhs * 7 / 6 - identity.lhs)


def test_rank_deficient_unembeddings_and_unequal_columns(x64, models, unchecked):
    f, g, f2, g2 = models
    flat = g.copy()
    flat[:, 2] = flat[:, 0]
    assert bounds.cca_below_residual(f, flat, f2).holds
    assert bounds.mcca_above_logit(f, flat, f2, g2).lhs == -np.inf
    with pytest.raises(ValueError, match="lack rank"):
        bounds.concept_kl(np.eye(3), f, flat, f2, g2)
    with pytest.raises(ValueError, match="as many columns"):
        bounds.svd_below_trace(f, f2[:, :2])
