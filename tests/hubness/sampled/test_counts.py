"""Moments and hubs of all queries from sampled ones. Oracle: the counts of all queries."""

import itertools

import numpy as np
import pytest
from scipy import stats

from hubness import measures, sampled

N, K = 3000, 10


@pytest.fixture(scope="module")
def lists():
    """Lists of 3,000 Gaussian points in 40 dimensions among themselves: skewness 4.8."""
    x = np.random.default_rng(0).normal(size=(N, 40))
    squares = (x * x).sum(1)
    distance = squares[:, None] + squares[None] - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    return np.argpartition(distance, K, axis=1)[:, :K]


@pytest.fixture(scope="module")
def counts(lists):
    return np.bincount(lists.reshape(-1), minlength=N)


def samples(lists, m, times):
    r = np.random.default_rng(1)
    return [lists[r.choice(N, m, replace=False)] for _ in range(times)]


def test_of_all_queries_it_is_the_measured_skewness(lists, counts):
    found = sampled.moments(lists, N)
    assert found.skewness == pytest.approx(float(measures(counts, K).skewness), rel=1e-5)
    assert found.variance == pytest.approx(counts.var(), rel=1e-12)
    assert (found.low, found.high) == (found.skewness, found.skewness)
    assert found.mean == K and found.skewness_null == pytest.approx(10**-0.5)


def test_over_every_possible_sample_the_variance_is_without_bias():
    lists = np.array([[0, 1 + i % 4] for i in range(6)])  # no sample's estimate is below 0
    every = [lists[list(rows)] for rows in itertools.combinations(range(6), 4)]
    found = np.mean([sampled.moments(some, 5, population=6).variance for some in every])
    assert found == pytest.approx(np.bincount(lists.reshape(-1), minlength=5).var(), rel=1e-12)


def test_the_jackknife_is_that_of_samples_without_one_query(lists):
    some = lists[:30]
    without = [sampled.moments(np.delete(some, i, 0), N).skewness for i in range(30)]
    want = np.sqrt((1 - 30 / N) * 29 / 30 * np.sum((without - np.mean(without)) ** 2))
    assert sampled.moments(some, N).skewness_error == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("m", [100, 600])
def test_intervals_hold_the_skewness_of_all_queries(lists, counts, m):
    """Measured: 97 and 93 of 100; the naive skewness of the sample's counts is far off."""
    truth = stats.skew(counts)
    found = [sampled.moments(some, N) for some in samples(lists, m, 100)]
    assert sum(f.low <= truth <= f.high for f in found) >= 90
    error = np.std([f.skewness for f in found])
    assert abs(np.mean([f.skewness for f in found]) - truth) < 4 * error / 10 + 0.05 * truth
    assert 0.8 * error < np.mean([f.skewness_error for f in found]) < 1.6 * error


def test_points_named_hubs_are_hubs_and_their_intervals_hold(lists, counts):
    named, wrong, held = 0, 0, []
    for some in samples(lists, 300, 40):
        found = sampled.hubs(some, N)
        assert found.threshold == 2 * K
        true = counts[found.index]
        named, wrong = named + len(true), wrong + int((true < found.threshold).any())
        held.extend((found.low <= true) & (true <= found.high))
        np.testing.assert_allclose(found.estimate, found.sampled * N / 300)
    # 5 % of samples may name a wrong one; chosen for being large, their intervals lean to it.
    assert named > 400 and wrong <= 4 and np.mean(held) > 0.85


def test_of_all_queries_the_hubs_are_all_of_them(lists, counts):
    found = sampled.hubs(lists, N)
    np.testing.assert_array_equal(np.sort(found.index), np.flatnonzero(counts >= 2 * K))
    np.testing.assert_array_equal(found.low, counts[found.index])
    np.testing.assert_array_equal(found.high, counts[found.index])


def test_an_interval_is_clopper_and_pearsons():
    """Oracle: the tails of the hypergeometric law at both ends and just beyond."""
    index = np.array([[0, i] for i in range(1, 13)] + [[i, i + 1] for i in range(20, 60)])
    found = sampled.hubs(index, 400, population=400, level=0.9)
    assert found.index[0] == 0 and found.sampled[0] == 12
    low, high, m = int(found.low[0]), int(found.high[0]), len(index)
    assert stats.hypergeom.sf(11, 400, low, m) >= 0.05 > stats.hypergeom.sf(11, 400, low - 1, m)
    assert stats.hypergeom.cdf(12, 400, high, m) >= 0.05 > stats.hypergeom.cdf(12, 400, high + 1, m)


@pytest.mark.parametrize("k, tenths", [(10, 11), (50, 11), (50, 22), (100, 22)])
def test_the_least_hub_is_of_exactly_its_size(k, tenths):
    lists = np.tile(np.arange(k), (k + 1, 1)) % (k + 1)
    assert sampled.hubs(lists, k + 1, hub_size=tenths / 10).threshold == -(-tenths * k // 10)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("hub_size", [-1, np.nan, "2"])
def test_impossible_hub_sizes_are_refused(lists, hub_size):
    with pytest.raises(ValueError, match="hub_size.*accepted"):
        sampled.hubs(lists[:5], N, hub_size=hub_size)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("given", [{"level": 1.0}, {"level": "a"}, {"population": 2}])
def test_impossible_samples_are_refused(lists, given):
    for estimate in (sampled.moments, sampled.hubs):
        with pytest.raises(ValueError, match="accepted are"):
            estimate(lists[:5], N, **given)
        with pytest.raises(ValueError, match="no entries; accepted are"):
            estimate(lists[:5, :0], N)


def test_lists_that_hardly_share_a_point_leave_the_skewness_unknown():
    """Three queries of 3,000 and no point in two of their lists: it was 0, and surely so."""
    found = sampled.moments(np.arange(3 * K).reshape(3, K), N)
    assert np.isnan(found.skewness) and (found.low, found.high) == (-np.inf, np.inf)
