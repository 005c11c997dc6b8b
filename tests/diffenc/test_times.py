"""Oracles: counting strata, and the integral of a known function."""

import jax
import numpy as np
import pytest

from diffenc import stratified_times


def test_each_stratum_is_hit_once_and_times_are_uniform():
    t = np.asarray(stratified_times(jax.random.key(0), 64))[0]
    np.testing.assert_array_equal(np.sort(np.floor(64 * t)), np.arange(64))
    many = jax.vmap(lambda k: stratified_times(k, 16)[0])(jax.random.split(jax.random.key(1), 4000))
    first = np.asarray(many[:, 0])  # one example's time is uniform on its own
    assert abs(first.mean() - 0.5) < 4 / np.sqrt(12 * 4000)
    assert abs(np.var(first) - 1 / 12) < 0.004


def test_draws_split_the_unit_interval_for_each_example():
    t = np.asarray(stratified_times(jax.random.key(2), 8, draws=4))
    np.testing.assert_array_equal(np.floor(4 * t), np.arange(4)[:, None] + np.zeros((1, 8)))
    assert t.min() >= 0 and t.max() < 1


def test_strata_cut_the_estimators_deviation_tenfold():
    # f = (1/2) Gamma v / (v + e^gamma): independent times have deviation 0.33 at 128 examples.
    def estimate(t):
        gamma = -13.3 + 18.3 * t
        return np.mean(0.5 * 18.3 * 0.25 / (0.25 + np.exp(gamma)), -1)

    keys = jax.random.split(jax.random.key(3), 400)
    strata = np.std(estimate(np.asarray(jax.vmap(lambda k: stratified_times(k, 128)[0])(keys))))
    independent = np.std(estimate(np.random.default_rng(0).uniform(size=(400, 128))))
    assert 0.25 < independent < 0.42
    assert strata < independent / 10


@pytest.mark.parametrize("num, draws", [(0, 1), (4, 0)])
def test_no_times_are_refused(num, draws):
    with pytest.raises(ValueError, match=f"num={num} and draws={draws} must be at least 1"):
        stratified_times(jax.random.key(0), num, draws)
