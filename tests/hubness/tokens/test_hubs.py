"""Hub rules, frequencies and accuracies; oracles: SciPy, loops, exact identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hubness import measures, tokens

R = np.random.default_rng(0)
COUNTS, FREQUENCY = R.poisson(5, 300), R.poisson(4, 300)


@pytest.mark.usefixtures("unchecked")
def test_token_counts_are_bincounts():
    ids = R.integers(0, 50, (7, 20))
    want = np.bincount(ids.ravel(), minlength=60)
    np.testing.assert_array_equal(np.asarray(tokens.token_counts(ids, 60)), want)
    with pytest.raises(ValueError, match="there are n=40"):
        tokens.token_counts(ids, 40)
    for bad, message in (([True], "token ids are bool"), ([[1], [1, 2]], "token ids is no array")):
        with pytest.raises(ValueError, match=message):
            tokens.token_counts(bad, 40)


@pytest.mark.usefixtures("unchecked")
def test_hub_rules():
    mask = lambda *a: np.asarray(tokens.hub_mask(COUNTS, *a))
    np.testing.assert_array_equal(mask("absolute", 8.0), COUNTS >= 8)
    np.testing.assert_array_equal(mask("relative", 1.5), 1.5 * COUNTS.mean() <= COUNTS)
    np.testing.assert_array_equal(mask("quantile", 0.9), np.quantile(COUNTS, 0.9) < COUNTS)
    with pytest.raises(ValueError, match="use 'absolute', 'relative', or 'quantile'"):
        mask("top", 3.0)
    for rule, bad in (("quantile", 3.0), ("absolute", np.nan), ("relative", "1")):
        with pytest.raises(ValueError, match="value.*accepted"):
            mask(rule, bad)


def test_one_hub_reaches_the_bound_of_skewness():
    """And no counts exceed it: (n − 2)/√(n − 1), 224 for n = 50,277."""
    spike = np.zeros(500)
    spike[3] = 70
    bound = tokens.skewness_bound(500)
    np.testing.assert_allclose(float(measures(spike, 10).skewness), bound, rtol=1e-5)
    assert float(measures(COUNTS, 10).skewness) < bound
    assert round(tokens.skewness_bound(50_277)) == 224


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_spearman_is_scipys_with_ties(seed, values):
    x, y = np.random.default_rng(seed).integers(0, values, (2, 200))
    want = stats.spearmanr(x, y).statistic
    np.testing.assert_allclose(float(tokens.spearman(x, y)), want, atol=2e-6)
    shaped = tokens.spearman(np.log(x + 1e-9), y / y.sum())
    np.testing.assert_array_equal(np.asarray(shaped), np.asarray(tokens.spearman(x, y)))


def test_spearman_over_some_points():
    where = COUNTS >= 5
    want = stats.spearmanr(COUNTS[where], FREQUENCY[where]).statistic
    np.testing.assert_allclose(float(tokens.spearman(COUNTS, FREQUENCY, where)), want, atol=2e-6)


def test_spearman_tells_large_counts_apart():
    """2²⁴ and 2²⁴ + 1 are one float32."""
    x = np.array([2**24, 2**24 + 1, 2**24 + 2])
    assert float(tokens.spearman(x, np.arange(3))) == 1


def test_spearman_without_variance_is_nan():
    assert np.isnan(float(tokens.spearman(np.ones(5), np.arange(5))))
    interval = tokens.spearman_interval(np.ones(5), np.arange(5), jax.random.key(0), num_samples=9)
    assert np.isnan(interval).all()


def test_spearman_interval_covers_as_often_as_it_says():
    """Normal pairs with ρ_s = 0.48 (r = 0.5): 95 % intervals of 60 samples miss at most 8."""
    r, missed = np.random.default_rng(1), 0
    truth = 6 / np.pi * np.arcsin(0.25)
    for i in range(60):
        x = r.normal(size=100)
        y = 0.5 * x + 0.75**0.5 * r.normal(size=100)
        low, high = tokens.spearman_interval(x, y, jax.random.key(i), num_samples=200)
        missed += not low < truth < high
    assert missed <= 8


@pytest.mark.parametrize(
    "args, message",
    [
        ((np.ones(3), np.ones(4)), "vectors of one length"),
        ((np.ones(3), np.ones(3), np.zeros(3, bool)), "0 points are left"),
        ((np.array([1, np.nan]), np.ones(2)), "NaN or inf"),
        ((np.ma.masked_array([1.0, 2, 3], [0, 0, 1]), np.ones(3)), "x is a masked array"),
        ((np.ones(2), np.ones(2), np.ma.masked_array([True, True], [0, 1])), "where is a masked"),
    ],
)
def test_bad_vectors_are_one_clear_error(args, message):
    with pytest.raises(ValueError, match=message):
        tokens.spearman(*args)


def test_accuracy_is_the_mean_of_hubs_and_others():
    predicted, true = R.integers(0, 50, (2, 400)) // 5
    hubs = np.arange(50) % 3 == 0
    got = tokens.hub_accuracy(predicted, true, hubs)
    hub = hubs[predicted]
    np.testing.assert_allclose(float(got.hub), (predicted == true)[hub].mean(), rtol=1e-6)
    weighted = (got.n_hub * got.hub + (400 - got.n_hub) * got.non_hub) / 400
    np.testing.assert_allclose(float(got.all), float(weighted), rtol=1e-6)
    assert np.isnan(float(tokens.hub_accuracy(predicted, true, np.zeros(50, bool)).hub))


@pytest.mark.usefixtures("unchecked")
def test_only_minus_one_is_no_token():
    """255 of uint8 and 2³² − 1 of uint32 are tokens, though JAX takes them for its −1."""
    true = np.array([255, 1], np.uint8)
    for uint in (true, jnp.asarray(true)):
        assert float(tokens.neighbour_hit([[255, 2], [1, 3]], uint)) == 1.0
        with pytest.raises(ValueError, match="tokens must lie in 0..1; got 1..255"):
            tokens.hub_accuracy([0, 1], uint, [True, False])
    with pytest.raises(ValueError, match="true: tokens must lie"):
        tokens.neighbour_hit([[1], [1]], jnp.array([2**32 - 1, 1], jnp.uint32))
    with pytest.raises(ValueError, match="hubs is a masked array"):
        tokens.hub_accuracy([0, 1], [0, 1], np.ma.masked_array([True, False], [1, 0]))


def test_hits_and_purity():
    index, true = R.integers(0, 30, (40, 5)), R.integers(0, 30, 40)
    labels, own = R.integers(0, 3, 30), R.integers(0, 3, 40)
    want = np.mean([t in row for t, row in zip(true, index, strict=True)])
    np.testing.assert_allclose(float(tokens.neighbour_hit(index, true)), want, rtol=1e-6)
    want = np.mean([labels[j] == own[i] for i in range(40) for j in index[i]])
    np.testing.assert_allclose(float(tokens.purity(index, labels, own)), want, rtol=1e-6)
