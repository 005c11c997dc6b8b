import jax
import numpy as np
import pytest

import similarity as S
from similarity.uncertainty import bootstrap, permutation_null


def mean_gap(a, b):
    return (a - b).mean()


def test_bootstrap_of_a_mean_is_that_of_the_normal_theory():
    r = np.random.default_rng(0)
    a, b = r.normal(size=(400, 1)).astype(np.float32), np.zeros((400, 1), np.float32)
    got = bootstrap(mean_gap, jax.random.key(0), a, b, num=2000)
    error = a.std(ddof=1) / 20
    np.testing.assert_allclose(got.standard_error, error, rtol=0.06)
    np.testing.assert_allclose(
        (got.low, got.high), a.mean() + error * np.array([-1.96, 1.96]), atol=0.1 * error
    )
    np.testing.assert_allclose(got.value, a.mean(), rtol=1e-5)
    assert got.draws.shape == (2000,)


def test_rows_are_resampled_together(models):
    """Of equal sides every draw has m_CCA 1, and d_logit 0."""
    f, g, *_ = models.cast(np.float32)
    got = bootstrap(S.mcca, jax.random.key(0), f, f, num=20)
    np.testing.assert_allclose(got.draws, 1, atol=1e-5)
    distance = lambda a, b: S.logit_distance(a, g, b, g)
    assert bootstrap(distance, jax.random.key(0), f, f, num=20).high == 0


def test_coverage_of_the_interval():
    """95% intervals of a mean, n = 60, 300 data sets: within 4 s.e. of .94, the small-n value."""
    data = np.random.default_rng(0).exponential(size=(300, 60, 1)).astype(np.float32)
    run = lambda x, k: bootstrap(mean_gap, k, x, 0 * x, num=300)[1:3]
    low, high = jax.jit(jax.vmap(run))(data, jax.random.split(jax.random.key(1), 300))
    assert abs(((low < 1) & (high > 1)).mean() - 0.94) < 4 * (0.95 * 0.05 / 300) ** 0.5


def test_null_of_independent_data_gives_uniform_p_values():
    """Exact by exchangeability: 200 data sets, Kolmogorov distance below its 99.9% point."""
    f, f2 = np.random.default_rng(0).normal(size=(2, 200, 20, 2)).astype(np.float32)
    run = lambda a, b, k: permutation_null(S.mcca, k, a, b, num=99).p_value
    p = np.sort(jax.jit(jax.vmap(run))(f, f2, jax.random.split(jax.random.key(0), 200)))
    assert np.abs(p - np.arange(1, 201) / 200).max() < 1.95 / 200**0.5 + 0.01


def test_null_of_related_data_and_of_a_distance(models):
    f, _, f2, _ = models.cast(np.float32)
    close = permutation_null(S.mcca, jax.random.key(0), f, f2, num=99)
    assert np.isclose(close.p_value, 0.01) and close.excess > 0.8 and close.z > 10
    apart = permutation_null(S.procrustes, jax.random.key(0), f, f2, num=99, larger_is_closer=False)
    assert np.isclose(apart.p_value, 0.01) and apart.excess < 0


def test_wide_data_are_warned_of_and_calibrated():
    """n = 12, m = m' = 8: unrelated, m_CCA ≈ .9, and the null says so."""
    f, f2 = np.random.default_rng(0).normal(size=(2, 12, 8)).astype(np.float32)
    with pytest.warns(UserWarning, match="12 inputs"):
        got = permutation_null(S.mcca, jax.random.key(0), f, f2, num=99)
    assert got.value > 0.7 and got.p_value > 0.05 and abs(got.excess) < 0.1


@pytest.mark.usefixtures("unchecked")
def test_errors(models):
    with pytest.raises(ValueError, match="same inputs"):
        bootstrap(S.mcca, jax.random.key(0), models.f, models.f2[:5])
    with pytest.raises(ValueError, match="level=1.5"):
        bootstrap(S.mcca, jax.random.key(0), models.f, models.f2, level=1.5)
    with pytest.raises(ValueError, match="num=1"):
        permutation_null(S.mcca, jax.random.key(0), models.f, models.f2, num=1)
