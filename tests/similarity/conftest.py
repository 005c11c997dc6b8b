"""Pairs of models that the tests of `similarity` share, so that they share compiled programs."""

from typing import NamedTuple

import numpy as np
import pytest


class Models(NamedTuple):
    f: np.ndarray
    g: np.ndarray
    f2: np.ndarray
    g2: np.ndarray

    def cast(self, dtype) -> "Models":
        return Models(*(x.astype(dtype) for x in self))


def random_models(seed=0, n=400, k=7, m=3, noise=0.3) -> Models:
    r = np.random.default_rng(seed)
    f, g = r.normal(size=(n, m)), r.normal(size=(k, m))
    return Models(f, g, f + noise * r.normal(size=(n, m)), g + noise * r.normal(size=(k, m)))


def random_gauge(seed, f, g):
    r, m = np.random.default_rng(seed), f.shape[1]
    B, c = r.normal(size=(m, m)) + 2 * np.eye(m), r.normal(size=m)
    return f @ B.T, g @ np.linalg.inv(B) + c


@pytest.fixture
def models() -> Models:
    """Two near models in double precision: 400 inputs, 7 labels, 3 dimensions."""
    return random_models()


@pytest.fixture(scope="session")
def make_models():
    return random_models


@pytest.fixture(scope="session")
def gauge_of():
    """gauge_of(seed, f, g): an equivalent model under a random (B, B⁻ᵀ, c)."""
    return random_gauge
