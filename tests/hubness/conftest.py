"""Points and queries that the tests of `hubness` share, so that they share compiled programs."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """240 points off the origin, so that cosine has hubs too."""
    return (np.random.default_rng(1).normal(size=(240, 12)) + 0.5).astype(np.float32)


@pytest.fixture(scope="session")
def q() -> np.ndarray:
    return (np.random.default_rng(2).normal(size=(50, 12)) + 0.5).astype(np.float32)
