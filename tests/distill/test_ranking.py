"""Rank agreement against SciPy and scikit-learn, with and without ties."""

import warnings

import jax
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import ndcg_score

import distill


@pytest.fixture(scope="module", params=["distinct", "ties"])
def rows(request):
    rng = np.random.default_rng(0)
    student, teacher = rng.dirichlet(np.ones(9), (2, 40)).astype(np.float32)
    if request.param == "ties":
        student, teacher = np.ceil(student * 15) / 16, np.ceil(teacher * 15) / 16
    return student, teacher


def test_kendall_and_spearman_against_scipy(rows):
    for ours, theirs in (
        (distill.kendall_tau, stats.kendalltau),
        (distill.spearman_rho, stats.spearmanr),
    ):
        want = [theirs(s, t).statistic for s, t in zip(*rows, strict=True)]
        np.testing.assert_allclose(jax.jit(jax.vmap(ours))(*rows), want, atol=1e-6)


def test_ndcg_against_scikit_learn(rows):
    student, teacher = rows
    want = [ndcg_score(t[None], s[None]) for s, t in zip(student, teacher, strict=True)]
    ideal = [ndcg_score(t[None], t[None]) for t in teacher]
    got = jax.jit(jax.vmap(distill.ndcg))(student, teacher)
    # With ties, scikit-learn's ideal order breaks them and ours shares their positions: the gains
    # are equal, so the two ideals are too.
    np.testing.assert_allclose(ideal, 1, rtol=1e-6)
    np.testing.assert_allclose(got, want, rtol=2e-6)


def test_pairwise_agreement_against_a_loop(rows):
    student, teacher = rows
    want = []
    for s, t in zip(student, teacher, strict=True):
        pairs = [(i, j) for i in range(9) for j in range(i) if t[i] != t[j]]
        credit = [0.5 * (1 + np.sign(s[i] - s[j]) * np.sign(t[i] - t[j])) for i, j in pairs]
        want.append(np.mean(credit))
    got = jax.jit(jax.vmap(distill.pairwise_agreement))(student, teacher)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_a_monotone_map_changes_nothing_and_reversal_is_the_other_end(rows):
    _, teacher = rows
    measures = (distill.kendall_tau, distill.spearman_rho, distill.pairwise_agreement)
    for measure, worst in zip(measures, (-1, -1, 0), strict=True):
        np.testing.assert_allclose(jax.vmap(measure)(np.exp(teacher), teacher), 1, atol=1e-6)
        np.testing.assert_allclose(jax.vmap(measure)(-teacher, teacher), worst, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(distill.ndcg)(np.exp(teacher), teacher), 1, atol=1e-6)


def test_a_constant_ranking_is_nan():
    flat, order = np.zeros(4, np.float32), np.arange(4, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(stats.kendalltau(flat, order).statistic)
    assert np.isnan(distill.kendall_tau(flat, order))
    assert np.isnan(distill.spearman_rho(flat, order))
    assert np.isnan(distill.pairwise_agreement(order, flat))
    assert distill.pairwise_agreement(flat, order) == 0.5


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((4,), (5,)), ((1,), (1,))])
def test_anything_but_two_vectors_is_one_clear_error(shapes):
    for fn in (
        distill.kendall_tau,
        distill.spearman_rho,
        distill.pairwise_agreement,
        distill.ndcg,
    ):
        with pytest.raises(ValueError, match="vmap"):
            getattr(fn, "__wrapped__", fn)(*(np.zeros(s, np.float32) for s in shapes))
