"""What the tests of diffenc share."""

from collections.abc import Callable

import jax
import numpy as np
import pytest


@pytest.fixture(scope="session")
def perturbed() -> Callable:
    """perturbed(params, scale=0.3): every leaf moved, as zero-initialised layers hide errors."""

    def move(params, scale=0.3):
        r = np.random.default_rng(7)  # on the host: on the device each shape would be a program
        return jax.tree.map(
            lambda p: jax.numpy.asarray(p + (scale * r.normal(size=p.shape)).astype(p.dtype)),
            jax.device_get(params),
        )

    return move
