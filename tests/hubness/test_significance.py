"""McNemar, the Beta interval and the bootstrap; oracles: SciPy and simulation."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hubness import knn, measures, reduce_graph, sampled, significance, tokens


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


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: significance.mcnemar(np.ones(3, bool), np.ones(4, bool)), "two boolean vectors"),
        (lambda: significance.mcnemar(np.ones(3), np.ones(3)), "predictions == labels"),
        (lambda: significance.beta_interval(5, 6, 10), "b \\+ c ≤ n"),
        (lambda: significance.beta_interval(1, 1, 10, "a"), "level has dtype"),
        (
            lambda: significance.mcnemar(np.ma.masked_array([True], [True]), np.ones(1, bool)),
            "right_a is a masked array",
        ),
        (
            lambda: significance.sampled_skewness(INDEX, 20, num_groups=2.5),
            "num_groups=2.5 is no integer",
        ),
        (lambda: significance.sampled_skewness(INDEX[:, :0], 20), "no entries"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_sampled_moments_are_unbiased():
    """Over every sample of 6 of 8 queries: the mean estimate is the moment of all 8."""
    index = np.argsort(np.random.default_rng(0).random((8, 9)), axis=1)[:, :2]
    n_k = np.bincount(index.ravel(), minlength=9)
    samples = [list(rows) for rows in itertools.combinations(range(8), 6)]
    found = [significance.sampled_skewness(index[s], 9, 8, num_groups=2) for s in samples]
    deviation = n_k - n_k.mean()
    np.testing.assert_allclose(np.mean([f.variance for f in found]), np.mean(deviation**2))
    np.testing.assert_allclose(np.mean([f.third_moment for f in found]), np.mean(deviation**3))


def test_skewness_of_all_queries_is_that_of_the_counts():
    index = np.asarray(knn(np.random.default_rng(0).normal(size=(300, 20)), 10).index)
    found = significance.sampled_skewness(index, 300)
    want = stats.skew(np.bincount(index.ravel(), minlength=300))
    np.testing.assert_allclose(found[:3], want, rtol=1e-10)


@pytest.mark.parametrize("d, bias", [(4, 0.84), (24, 0.01)])
def test_intervals_of_sampled_skewness_hold_that_of_all_queries(d, bias):
    """95 % intervals of 600 of 2,000 queries hold it 95 times of 100 at d = 24, always at d = 4.

    There the skewness of the samples themselves is 0.46, that of all queries −0.38.
    """
    r = np.random.default_rng(1)
    index = np.asarray(knn(r.normal(size=(2_000, d)).astype(np.float32), 10).index)
    want = stats.skew(np.bincount(index.ravel(), minlength=2_000))
    drawn = [index[r.choice(2_000, 600, replace=False)] for _ in range(100)]
    found = [significance.sampled_skewness(rows, 2_000) for rows in drawn]
    assert sum(f.low <= want <= f.high for f in found) >= 90
    np.testing.assert_allclose(np.mean([f.skewness for f in found]), want, atol=0.1)
    naive = np.mean([stats.skew(np.bincount(rows.ravel(), minlength=2_000)) for rows in drawn])
    np.testing.assert_allclose(abs(naive - want), bias, atol=0.02)


def test_too_few_sampled_queries_are_one_clear_error():
    with pytest.raises(ValueError, match="5 queries of 30 in 20 groups"):
        significance.sampled_skewness(np.zeros((5, 2), int), 30)


INDEX = np.arange(60).reshape(20, 3) % 20
ON_THE_HOST = {
    "mcnemar": lambda i: significance.mcnemar(i[:, 0] > 3, i[:, 1] > 3),
    "sampled_skewness": lambda i: significance.sampled_skewness(i, 20, num_groups=2),
    "sampled.hubs": lambda i: sampled.hubs(i, 20),
    "sampled.moments": lambda i: sampled.moments(i, 20),
    "draw": lambda i: sampled.draw(jax.random.key(i[0, 0]), 20, 3),
    "sampled.knn": lambda i: sampled.knn(INDEX * 1.0, 2, i[0]),
    "sampled.reduced_knn": lambda i: sampled.reduced_knn(INDEX * 1.0, 2, "mp_gauss", i[0]),
    "spearman": lambda i: tokens.spearman(i[:, 0], i[:, 1]),
    "spearman_interval": lambda i: tokens.spearman_interval(i[:, 0], i[:, 1], jax.random.key(0)),
    "reduce_graph": lambda i: reduce_graph((INDEX * 1.0, i), "csls", 1, local_k=1),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("function", ON_THE_HOST)
def test_work_on_the_host_is_refused_under_jit(function):
    with pytest.raises(ValueError, match="works on the host .*: call it outside jit"):
        jax.jit(ON_THE_HOST[function])(INDEX)
