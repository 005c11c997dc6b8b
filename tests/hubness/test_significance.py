"""McNemar, the Beta interval and the bootstrap; oracles: SciPy and simulation."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hubness import knn, measures, significance


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(b, c):
    right_a = np.array([True] * b + [False] * c + [True] * 5)
    right_b = np.array([False] * b + [True] * c + [True] * 5)
    got = significance.mcnemar(right_a, right_b)
    want = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert (got.b, got.c) == (b, c)
    np.testing.assert_allclose(got.p_value, want, rtol=1e-9)
    assert got.low <= (b - c) / (b + c + 5) + 1e-12 and got.high >= (b - c) / (b + c + 5) - 1e-12


def test_beta_interval_matches_its_moments():
    """The Beta law has mean δ and the variance (n(b+c) − (b−c)²)/(n²(n+1)) of the difference."""
    b, c, n = 120, 80, 1000
    low, high = significance.beta_interval(b, c, n, 0.9)
    mean, var = (b - c) / n, (n * (b + c) - (b - c) ** 2) / (n**2 * (n + 1))
    share, spread = (mean + 1) / 2, var / 4
    q = share * (1 - share) / spread - 1
    law = stats.beta(share * q, (1 - share) * q)
    np.testing.assert_allclose([low, high], 2 * law.ppf([0.05, 0.95]) - 1, rtol=1e-9)
    np.testing.assert_allclose(high - low, 2 * 1.645 * var**0.5, rtol=0.01)


@pytest.mark.parametrize("b, c, n", [(0, 0, 10), (10, 0, 10), (0, 10, 10)])
def test_beta_interval_without_spread_is_a_point(b, c, n):
    assert significance.beta_interval(b, c, n) == ((b - c) / n,) * 2


def test_bootstrap_spread_is_that_of_new_queries():
    """Standard error of Robin Hood over 200 resamples within 25 % of 40 fresh sets of queries."""
    r = np.random.default_rng(0)
    x = r.normal(size=(100, 6)).astype(np.float32)
    statistic = lambda counts: measures(counts, 10).robin_hood
    queries = r.normal(size=(40, 300, 6)).astype(np.float32)
    indices = [np.asarray(knn(x, 10, queries=q).index) for q in queries]
    counts = [np.bincount(i.ravel(), minlength=100) for i in indices]
    fresh = np.std([float(statistic(c)) for c in counts])
    samples = significance.bootstrap(statistic, indices[0], 100, jax.random.key(0))
    assert samples.shape == (200,)
    assert abs(np.std(np.asarray(samples)) / fresh - 1) < 0.25


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: significance.mcnemar(np.ones(3, bool), np.ones(4, bool)), "two boolean vectors"),
        (lambda: significance.mcnemar(np.ones(3), np.ones(3)), "predictions == labels"),
        (lambda: significance.beta_interval(5, 6, 10), "b \\+ c ≤ n"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
