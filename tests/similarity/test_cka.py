import itertools

import jax
import numpy as np
import pytest

import similarity as S
from similarity.cka import CkaSums


@pytest.fixture
def pair(models):
    return models.f + 4, models.f2[:, :2] - 3


def biased(f, f2):
    n = len(f)
    H = np.eye(n) - 1 / n
    hsic = lambda a, b: np.trace(H @ a @ a.T @ H @ b @ b.T)
    return hsic(f, f2) / np.sqrt(hsic(f, f) * hsic(f2, f2))


def unbiased_hsic(a, b):
    """Song et al. 2012, equation 5, on matrices with zero diagonals."""
    K, L = a @ a.T, b @ b.T
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    n, one = len(K), np.ones(len(K))
    total = np.trace(K @ L) + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ K @ L @ one) / (n * (n - 3))


def debiased(f, f2):
    return unbiased_hsic(f, f2) / np.sqrt(unbiased_hsic(f, f) * unbiased_hsic(f2, f2))


def test_values_are_those_of_kernel_matrices(x64, pair):
    np.testing.assert_allclose(S.cka(*pair), biased(*pair), rtol=1e-11)
    np.testing.assert_allclose(S.cka(*pair, debiased=True), debiased(*pair), rtol=1e-11)
    f, f2 = pair
    for flag in (False, True):
        got = S.cka_from_grams(f @ f.T, f2 @ f2.T, debiased=flag)
        np.testing.assert_allclose(got, S.cka(*pair, debiased=flag), rtol=1e-11)


def test_unbiased_hsic_is_the_mean_over_all_quadruples(x64):
    """The U-statistic written out: an oracle that shares no algebra with the estimator."""
    r = np.random.default_rng(0)
    f, f2 = r.normal(size=(7, 2)), r.normal(size=(7, 3))
    K, L = f @ f.T, f2 @ f2.T
    total = [
        K[i, j] * L[i, j] + K[i, j] * L[q, s] - 2 * K[i, j] * L[i, q]
        for i, j, q, s in itertools.permutations(range(7), 4)
    ]
    np.testing.assert_allclose(unbiased_hsic(f, f2), np.mean(total), rtol=1e-10)


def test_self_similarity_is_one_and_constants_are_zero(pair):
    f = pair[0].astype(np.float32)
    for flag in (False, True):
        np.testing.assert_allclose(S.cka(f, 3 * f + 1, debiased=flag), 1, atol=1e-6)
        assert S.cka(f * 0 + 1, f, debiased=flag) == 0


def test_debiased_cka_of_independent_data_is_near_zero_where_the_biased_is_not():
    """100 seeds of n = 32, m = m' = 8: mean within 2 standard errors of 0; biased 0.20."""
    r = np.random.default_rng(0)
    f, f2 = r.normal(size=(2, 100, 32, 8)).astype(np.float32)
    values = np.asarray(jax.vmap(lambda a, b: S.cka(a, b, debiased=True))(f, f2))
    assert abs(values.mean()) < 2 * values.std(ddof=1) / 10
    assert values.min() < 0
    assert np.mean(jax.vmap(S.cka)(f, f2)) > 0.18


@pytest.mark.parametrize("sizes", [(400,), (100, 300), (1, 99, 300), (37, 163, 100, 100)])
def test_streamed_cka_is_that_of_all_examples_in_single_precision(pair, sizes):
    """Any split, biased and debiased: measured 2e-7."""
    f, f2 = (x.astype(np.float32) for x in pair)
    sums = CkaSums.init(f[:50].mean(0), f2[:50].mean(0))
    for part in np.split(np.arange(400), np.cumsum(sizes)[:-1]):
        sums = sums.update(f[part], f2[part])
    for flag in (False, True):
        want = S.cka(f, f2, debiased=flag)
        np.testing.assert_allclose(sums.cka(debiased=flag), want, atol=1e-6)


def test_merged_sums_are_those_of_both(x64, pair):
    f, f2 = pair
    start = CkaSums.init(f.mean(0), f2.mean(0))
    merged = start.update(f[:100], f2[:100]).merge(start.update(f[100:], f2[100:]))
    np.testing.assert_allclose(merged.cka(debiased=True), debiased(f, f2), rtol=1e-11)
    with pytest.raises(ValueError, match="different shifts"):
        merged.merge(CkaSums.init(f[0], f2[0]))


def test_minibatches_sum_unbiased_hsic(x64, pair):
    f, f2 = (x.reshape(8, 50, -1) for x in pair)
    hsic = lambda a, b: sum(map(unbiased_hsic, a, b))
    want = hsic(f, f2) / np.sqrt(hsic(f, f) * hsic(f2, f2))
    np.testing.assert_allclose(S.minibatch_cka(f, f2), want, rtol=1e-11)


@pytest.mark.usefixtures("unchecked")
def test_errors(pair):
    f, f2 = pair
    with pytest.raises(ValueError, match="needs at least 4"):
        S.cka(f[:3], f2[:3], debiased=True)
    with pytest.raises(ValueError, match="n >= 4"):
        S.minibatch_cka(f.reshape(200, 2, 3), f2.reshape(200, 2, 2))
    with pytest.raises(ValueError, match="n×n kernel"):
        S.cka_from_grams(f, f2)
    with pytest.raises(ValueError, match="as in init"):
        CkaSums.init(np.zeros(2), np.zeros(2)).update(f, f2)


def test_shifts_far_from_the_means_are_refused_and_constant_sides_are_not(models):
    """Against sums about 0 of data at 10³, CKA was off by .19 without a word."""
    f, f2 = models.f, models.f2
    sums = CkaSums.init(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="column means of the first batch"):
        sums.update(f + 1e3, f2).cka()
    still = np.full_like(f, 0.5)
    assert CkaSums.init(still.mean(axis=0), f2.mean(axis=0)).update(still, f2).cka() == 0
