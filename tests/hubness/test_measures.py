"""Measures against SciPy, O(n²) formulas and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hubness import k_occurrence, knn, measures
from hubness.measures import truncnorm_skewness

SKEWED = np.random.default_rng(0).poisson(np.random.default_rng(1).gamma(0.5, 20, 300))


def by_definition(n, k):
    n = n.astype(np.float64)
    total, mean, hubs = n.sum(), n.mean(), n >= 2 * n.mean()
    return dict(
        skewness=stats.skew(n),
        robin_hood=np.abs(n - mean).sum() / (2 * total),
        gini=np.abs(n[:, None] - n).sum() / (2 * len(n) * total),
        atkinson=1 - np.sqrt(n).mean() ** 2 / mean,
        truncnorm_skewness=stats.truncnorm(-mean / n.std(ddof=1), 1e9).moment(3),
        antihub_rate=(n == 0).mean(),
        hub_rate=hubs.mean(),
        hub_occurrence=n[hubs].sum() / total,
        groupie_ratio=n.max() / (total / k),
    )


def test_every_measure_follows_its_definition(x64):
    got = measures(SKEWED, 10)._asdict()
    for name, want in by_definition(SKEWED, 10).items():
        np.testing.assert_allclose(float(got[name]), want, rtol=1e-12, err_msg=name)


def test_float32_is_close_to_double():
    """Largest relative difference seen: 6e-7 (truncnorm)."""
    got = measures(SKEWED, 10)._asdict()
    for name, want in by_definition(SKEWED, 10).items():
        np.testing.assert_allclose(float(got[name]), want, rtol=2e-6, err_msg=name)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 500), min_size=40, max_size=40), st.randoms())
def test_bounds_order_scale_and_permutation(counts, random):
    n = np.array(counts)
    a = measures(n, 10)
    shuffled = list(n)
    random.shuffle(shuffled)
    assert all(bool(u == v) for u, v in zip(a, measures(np.array(shuffled), 10), strict=True))
    assert 0 <= a.robin_hood <= a.gini + 1e-6 <= 1
    assert 0 - 1e-6 <= a.atkinson <= 1
    scaled = measures(7 * n, 70)
    for name in ("skewness", "robin_hood", "gini", "atkinson", "hub_rate"):
        np.testing.assert_allclose(
            float(getattr(scaled, name)), float(getattr(a, name)), rtol=2e-5, atol=2e-6
        )


def test_equal_counts_have_no_hubness():
    for value in (0, 1, 10, 3_333_333):
        m = measures(np.full(300, value), 10, num_queries=300)
        np.testing.assert_allclose([float(v) for v in m[:4]], 0, atol=1e-12)
        assert np.isfinite([float(v) for v in m]).all()


def test_one_hub_takes_all():
    n = np.zeros(50, int)
    n[7] = 500
    m = measures(n, 10)
    np.testing.assert_allclose([float(m.robin_hood), float(m.gini), float(m.antihub_rate)], 0.98)
    np.testing.assert_allclose(float(m.skewness), 48 / 7, rtol=1e-6)  # (n − 2)/√(n − 1)
    np.testing.assert_allclose([float(m.hub_occurrence), float(m.groupie_ratio)], [1, 10])


def test_truncnorm_value_is_the_closed_form():
    """Mean 10 and sd 5 (divisor n − 1) give a = −2: (a² + 2)φ(a)/(1 − Φ(a)) = 0.33149..."""
    n = jnp.array([10 - 5 * 0.75**0.5, 10 + 5 * 0.75**0.5] * 2)
    want = 6 * stats.norm.pdf(-2) / stats.norm.sf(-2)
    np.testing.assert_allclose(float(truncnorm_skewness(n)), want, rtol=1e-5)


def test_null_values_depend_on_the_mean_count():
    """Floors of the paper's test-direction scores: AG News, 7,600 queries on 120,000 points."""
    m = measures(np.arange(120_000) % 2, 10, num_queries=7_600)
    got = [float(m.skewness_null), float(m.robin_hood_null), float(m.antihub_rate_null)]
    np.testing.assert_allclose(got, [1.2566, 0.5308, 0.5308], atol=1e-4)


def test_null_values_are_those_of_random_neighbours():
    """Uniform neighbours: means of 20 simulations are within 4 of their standard errors."""
    r, n, k = np.random.default_rng(0), 2_000, 10
    runs = [measures(np.bincount(r.integers(0, n, n * k), minlength=n), k) for _ in range(20)]
    for name in ("skewness", "robin_hood"):
        values = np.array([float(getattr(m, name)) for m in runs])
        null = float(getattr(runs[0], f"{name}_null"))
        assert abs(values.mean() - null) < 4 * values.std() / np.sqrt(20)


def test_gaussian_points_on_the_sphere_reach_the_floor():
    """Spec 7.4 gives 0.346 and 0.1246 at d = 768, n = 10,000 (here 0.33 ± 0.1 and 0.126 ± 0.01)."""
    x = np.random.default_rng(0).normal(size=(2_000, 768)).astype(np.float32)
    m = measures(k_occurrence(knn(x, 10, metric="cosine").index, 2_000), 10)
    assert abs(float(m.skewness) - 0.33) < 0.15
    assert abs(float(m.robin_hood) - 0.126) < 0.01


def test_inside_jit_and_vmap():
    many = jnp.stack([jnp.asarray(SKEWED), jnp.asarray(SKEWED[::-1])])
    out = jax.jit(jax.vmap(lambda n: measures(n, 10).gini))(many)
    np.testing.assert_allclose(np.asarray(out), float(measures(SKEWED, 10).gini), rtol=1e-6)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "counts, k, message",
    [
        (np.ones((3, 2)), 10, "counts has shape .* accepted is a vector"),
        (np.array([1.0, np.nan]), 10, "NaN or infinite"),
        (np.array([1, -1]), 10, "negative"),
        (np.ones(3), 0, "at least 1"),
        (np.ones(3), np.nan, "k=nan is no integer"),
        (np.ones(3), 2.5, "k=2.5 is no integer"),
    ],
)
def test_bad_counts_are_one_clear_error(counts, k, message):
    with pytest.raises(ValueError, match=message):
        measures(counts, k)


@pytest.mark.parametrize("k", [50, 100])
@pytest.mark.parametrize("tenths", [11, 12, 22, 24])  # products that float64 or float32 rounds up
def test_a_hub_of_exactly_its_size_counts(k, tenths):
    least = tenths * k // 10
    others = 14 * k - (least + least - 1)
    counts = np.array([least, least - 1, *(others // 12 + (np.arange(12) < others % 12))])
    assert counts.mean() == k
    assert float(measures(counts, k, hub_size=tenths / 10).hub_rate) == pytest.approx(1 / 14)


@pytest.mark.parametrize("hub_size", [np.nan, np.inf, -1.0, 0.0])
def test_a_hub_is_of_finite_size(hub_size):
    with pytest.raises(
        ValueError, match="hub_size=.*0 < hub_size < inf|hub_size is .*accepted is a finite number"
    ):
        measures(np.ones(3), 1, hub_size=hub_size)
