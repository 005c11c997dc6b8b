"""Distance moments, histograms and the probability distance; oracle: float64 NumPy."""

import numpy as np
import pytest
from scipy import special

from hubness import tokens
from tests.hubness import oracles


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("own", [True, False])
def test_moments_over_all_pairs(x, q, metric, own):
    d = oracles.Case(x, None if own else q, metric).d
    inside = np.isfinite(d)
    got = tokens.distance_moments(x, None if own else q, metric)
    np.testing.assert_allclose(float(got.mean), d[inside].mean(), rtol=2e-6)
    np.testing.assert_allclose(float(got.variance), d[inside].var(), rtol=1e-5)
    ratio = d[inside].var() / d[inside].mean() ** 2
    np.testing.assert_allclose(float(got.relative_variance), ratio, rtol=1e-5)
    low, high = np.where(inside, d, np.inf).min(1), np.where(inside, d, -np.inf).max(1)
    np.testing.assert_allclose(np.asarray(got.contrast), (high - low) / low, rtol=1e-4)


def test_powers_of_distances_concentrate_by_their_own_ratio(x):
    """Var[d²]/E[d²]² is that of squared distances."""
    squared = tokens.distance_moments(x, metric="sqeuclidean").relative_variance
    power = tokens.distance_moments(x, power=2.0).relative_variance
    np.testing.assert_allclose(float(power), float(squared), rtol=1e-4)


def test_gaussian_distances_concentrate_as_published():
    """Spec 2 of prediction hubs gives mean 24.4756, sd 0.9961 for independent pairs in d = 300."""
    r = np.random.default_rng(0)
    a, b = r.normal(size=(2, 600, 300)).astype(np.float32)
    got = tokens.distance_moments(a, b)
    np.testing.assert_allclose(float(got.mean), 24.4756, rtol=2e-3)
    np.testing.assert_allclose(float(got.variance) ** 0.5, 0.9961, rtol=0.03)


@pytest.mark.parametrize("own", [True, False])
def test_histograms_count_every_pair_once(x, q, own):
    d = oracles.Case(x, None if own else q).d
    edges = np.array([2.0, 3.0, 4.5, 6.0, 100.0], np.float32)
    got = np.asarray(tokens.distance_histogram(x, edges, None if own else q))
    want = [np.histogram(row[np.isfinite(row)], edges)[0] for row in d]
    np.testing.assert_array_equal(got, want)


def test_variance_identity_of_the_probability_distance():
    """E_y d = 1 − 1/V exactly and Var d / E² = mean ‖p − u‖² / (V (1 − 1/V)²) ≤ 1/(V − 1)."""
    r, v = np.random.default_rng(0), 700
    h, w = (r.normal(size=(n, 9)).astype(np.float32) for n in (40, v))
    p = special.softmax(h.astype(float) @ w.T, axis=1)
    d = 1 - p
    np.testing.assert_allclose(d.mean(1), 1 - 1 / v, rtol=1e-12)
    l2 = tokens.top_tokens(h, w, 1, with_stats=True).stats.l2_uniform
    got = float(tokens.probability_relative_variance(l2, v))
    np.testing.assert_allclose(got, d.var() / d.mean() ** 2, rtol=1e-4)
    assert got <= tokens.probability_variance_bound(v)


def test_one_hot_predictions_reach_the_bound():
    one_hot = np.full(5, np.sqrt(1 - 1 / 700))
    got = float(tokens.probability_relative_variance(one_hot, 700))
    np.testing.assert_allclose(got, tokens.probability_variance_bound(700), rtol=1e-6)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: tokens.distance_moments(x, power=0.0), "0 < power"),
        (lambda x: tokens.distance_moments(x, power=np.nan), "power is nan"),
        (lambda x: tokens.distance_moments(1e3 * x, power=60.0), "smaller power"),
        (lambda x: tokens.distance_moments(x[:1]), "at least 2, or queries"),
        (lambda x: tokens.probability_relative_variance([0.1], 1), "vocabulary=1 must be at least"),
        (lambda x: tokens.probability_relative_variance([0.1], 0), "vocabulary=0 must be at least"),
        (lambda x: tokens.probability_variance_bound(1), "vocabulary=1 must be at least 2"),
        (lambda x: tokens.skewness_bound(1), "n=1 must be at least 2"),
        (lambda x: tokens.distance_moments(x, metric="dot"), "metric 'dot' is not known here"),
        (lambda x: tokens.distance_histogram(x, np.array([2.0, 1.0])), "one rising vector"),
    ],
)
def test_bad_requests_are_one_clear_error(x, call, message):
    with pytest.raises(ValueError, match=message):
        call(x)


def test_contrast_of_duplicates():
    """By hand: 0 where all distances are equal, infinite where only the least is 0."""
    equal = tokens.distance_moments(np.zeros((3, 2))).contrast
    np.testing.assert_array_equal(np.asarray(equal), 0)
    some = tokens.distance_moments([[0.0], [0.0], [1.0]]).contrast
    np.testing.assert_array_equal(np.asarray(some), [np.inf, np.inf, 0])
