"""Synthetic reference values of spec/hubness.md 7.4: n = 10,000, k = 10, seed 0, self excluded."""

import functools

import numpy as np
import pytest

from hubness import features, k_occurrence, knn, measures

N = 10_000


@functools.cache
def generated() -> dict[tuple[str, int], np.ndarray]:
    """The paper's generators in the spec's order of draws."""
    r, out = np.random.default_rng(0), {}
    for d in (3, 20, 768):
        out["normal", d] = r.standard_normal((N, d))
        r.standard_normal((N, d)), r.uniform(-2, 2, d)
    for d in (3, 20, 768):
        means = np.arange(-np.floor(d / 2), np.floor(d / 2) + 1)
        r.shuffle(means)
        columns = [r.f(10, 20, N) - 20 / 18 + means[j] for j in range(d)]
        out["f", d] = np.stack(columns, axis=1)
    return out


def f_norm(x):
    """On centred features: 384 ± 3 rounds to ties in single precision, and ranks do not change."""
    return features.f_norm(x - x.mean(0), draws=np.random.default_rng(0).standard_normal(x.shape))


CASES = [
    ("normal", 3, None, -0.156, 0.0987, 0.0004, 19),
    ("normal", 3, features.unit_rows, 0.048, 0.0892, 0.0000, 20),
    ("normal", 20, None, 2.373, 0.3867, 0.0754, 130),
    ("normal", 20, features.unit_rows, 0.263, 0.1188, 0.0000, 22),
    ("normal", 768, None, 11.359, 0.6680, 0.3873, 1039),
    ("normal", 768, features.unit_rows, 0.346, 0.1246, 0.0000, 23),
    ("f", 3, None, -0.126, 0.1055, 0.0005, 21),
    ("f", 3, f_norm, 0.018, 0.0936, 0.0000, 20),
    ("f", 20, None, 1.803, 0.3134, 0.0322, 79),
    ("f", 20, f_norm, 0.324, 0.1187, 0.0000, 25),
    ("f", 768, None, 18.688, 0.8199, 0.6432, 2373),
    ("f", 768, f_norm, 0.331, 0.1250, 0.0002, 23),
]


@pytest.mark.parametrize("law, d, change, skewness, robin_hood, antihub, largest", CASES)
def test_published_values(law, d, change, skewness, robin_hood, antihub, largest):
    """To the last digit given, in single precision."""
    x = generated()[law, d]
    x = x.astype(np.float32) if change is None else change(x)
    counts = k_occurrence(knn(x, 10).index, N)
    got = measures(counts, 10)
    np.testing.assert_allclose(float(got.skewness), skewness, atol=6e-4)
    np.testing.assert_allclose(float(got.robin_hood), robin_hood, atol=6e-5)
    np.testing.assert_allclose(float(got.antihub_rate), antihub, atol=6e-5)
    assert int(counts.max()) == largest
