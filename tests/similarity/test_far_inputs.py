"""One input far from all others, as a massive activation is: right to few digits, or refused.

Oracle: NumPy of n×n matrices in extended precision, without their diagonals.
"""

import sys

import jax
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

import similarity as S
from similarity.cka import CkaSums


def spread(n, size):
    """64 dimensions and 32 of a noisy map of these; in the first of the 64, small, one is large."""
    r = np.random.default_rng(0)
    x = r.normal(size=(n, 64))
    y = x @ r.normal(size=(64, 32)) + r.normal(size=(n, 32))
    x[:, 0] *= 0.01
    x[0, 0] = size
    return x, y


def u_centred(x):
    x = x.astype(np.longdouble) - x[-1]
    K, n = x @ x.T, len(x)
    np.fill_diagonal(K, 0)
    row = K.sum(axis=0) / (n - 2)
    K = K - row - row[:, None] + K.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(K, 0)
    return K


def hsics(x, y):
    K, L = u_centred(x), u_centred(y)
    return np.array([(K * L).sum(), (K * K).sum(), (L * L).sum()])


def of(parts):
    return float(parts[0] / np.sqrt(parts[1] * parts[2]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "size"), [(300, 1e3), (1000, 3e3), (1000, 1e4), (300, 1e6)])
def test_debiased_cka_is_that_of_matrices_without_diagonals(n, size, dtype):
    """Measured 4e-8; from sums in float32 it was off by .08 to .49."""
    x, y = (z.astype(dtype) for z in spread(n, size))
    np.testing.assert_allclose(S.cka(x, y, debiased=True), of(hsics(x, y)), atol=5e-7)
    np.testing.assert_allclose(S.cka(x, x, debiased=True), 1, atol=5e-7)


def test_debiased_cka_of_few_inputs_is_right_in_single_precision_and_traced():
    """n <= dimensions: matrices of n×n; measured 1e-7, where sums in float32 were off by .3."""
    x, y = (z.astype(np.float32) for z in spread(60, 1e3))
    got = jax.jit(lambda x, y: S.cka(x, y, debiased=True))(x, y)
    np.testing.assert_allclose(got, of(hsics(x, y)), atol=2e-6)
    slope = jax.grad(lambda x: S.cka(x, y, debiased=True))(x)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("size", [1e3, 1e4])
def test_minibatch_cka_is_that_of_matrices_without_diagonals(size):
    x, y = spread(1000, size)
    x, y = x.reshape(4, 250, 64), y.reshape(4, 250, 32)
    want = of(sum(hsics(*batch) for batch in zip(x, y, strict=True)))
    np.testing.assert_allclose(S.minibatch_cka(x, y), want, atol=5e-7)


def test_what_traced_arithmetic_does_not_hold_is_nan():
    """It was .42, and 0."""
    for size in (3e3, 1e4):
        x, y = (z.astype(np.float32) for z in spread(1000, size))
        assert np.isnan(jax.jit(lambda x, y: S.cka(x, y, debiased=True))(x, y))
        assert np.isnan(jax.jit(lambda x, y: S.minibatch_cka(x[None], y[None]))(x, y))


def test_streamed_sums_that_lost_the_digits_are_refused(monkeypatch):
    """Only debiased; it was 0."""
    x, y = spread(1000, 1e4)
    sums = CkaSums.init(x.mean(axis=0), y.mean(axis=0)).update(x, y)
    with pytest.raises(ValueError, match="cka_from_grams"):
        sums.cka(debiased=True)
    assert np.isnan(jax.jit(lambda s: s.cka(debiased=True))(sums))
    np.testing.assert_allclose(sums.cka(), S.cka(x, y), rtol=1e-5)
    monkeypatch.setattr(sys.modules["similarity.cka"], "_FEW", 0)
    x[0, 0] = 1e6
    with pytest.raises(ValueError, match="cka_from_grams"):
        S.cka(x, y, debiased=True)


def test_streamed_sums_in_double_precision_are_those_of_matrices(x64):
    x, y = spread(1000, 1e4)
    got = CkaSums.init(x.mean(axis=0), y.mean(axis=0)).update(x, y).cka(debiased=True)
    np.testing.assert_allclose(got, of(hsics(x, y)), atol=1e-6)


@pytest.mark.parametrize("offset", [0, 1e3])
@pytest.mark.parametrize("size", [1e4, 1e5, 1e6, 1e8])
def test_euclidean_rsa_is_scipys(size, offset):
    """To 1e6 measured 3e-5, at 1e8, where distances to the row tie, 2e-4; with wider ties .5."""
    r = np.random.default_rng(0)
    x = r.normal(size=(300, 12))
    y = x @ r.normal(size=(12, 8)) + 2 * r.normal(size=(300, 8))
    x[0] *= size
    x += offset
    want = spearmanr(pdist(x), pdist(y)).statistic
    got = S.rsa(x, y, dissimilarity="euclidean")
    np.testing.assert_allclose(got, want, atol=1e-4 if size < 1e8 else 5e-4)
    key = jax.random.key(0)
    drawn = S.rsa(x, y, dissimilarity="euclidean", key=key, num_pairs=20_000)
    assert abs(drawn - want) < 4 * (1 - want**2) / 20_000**0.5


@pytest.mark.parametrize("size", [1e4, 1e8])
@pytest.mark.parametrize("far", [3, 100])
def test_euclidean_rsa_of_clusters_far_apart_is_scipys(far, size):
    """It was off by .1 for halves 1e4 apart; measured 1e-8, and 2e-7 at 1e8."""
    r = np.random.default_rng(0)
    x = r.normal(size=(200, 32))
    y = x @ r.normal(size=(32, 8)) + 3 * r.normal(size=(200, 8))
    x[:far] += size
    want = spearmanr(pdist(x), pdist(y)).statistic
    np.testing.assert_allclose(S.rsa(x, y, dissimilarity="euclidean"), want, atol=1e-5)


@pytest.mark.parametrize("comparison", ["pearson", "cosine"])
def test_the_slope_of_euclidean_rsa_is_finite_beside_equal_rows(comparison):
    x, y = (z.astype(np.float32) for z in spread(40, 1.0))
    x[1] = x[0]
    agreement = lambda x: S.rsa(x, y, dissimilarity="euclidean", comparison=comparison)
    assert np.isfinite(jax.grad(agreement)(x)).all()


def test_chance_of_what_traced_arithmetic_does_not_hold_is_drawn_in_double_precision():
    """Every draw was NaN, and its p-value the least there is. The same permutations in NumPy."""
    x, y = np.split(np.random.default_rng(0).normal(size=(200, 96)), [64], axis=1)
    x[0, 0] = 3000
    measure = lambda f, f2: S.cka(f, f2, debiased=True)
    key, num = jax.random.key(0), 29
    orders = [np.asarray(jax.random.permutation(k, 200)) for k in jax.random.split(key, num)]
    want, value = [of(hsics(x, y[order])) for order in orders], of(hsics(x, y))
    found = S.calibrated("cka_debiased", key, x, y, num=num)
    null = S.permutation_null(measure, key, x, y, num=num)
    for one in (found, null):
        np.testing.assert_allclose(one.draws, want, atol=5e-7)
        np.testing.assert_allclose(one.p_value, (1 + (np.array(want) >= value).sum()) / (1 + num))
    spread_of = S.interval(measure, key, x, y, num=20)
    assert spread_of.low < found.value < spread_of.high
    lost = S.permutation_null(lambda f, f2: f2[0, 0] * np.nan, key, x, y, num=20)
    assert lost.p_value == 1
