"""What the tests of diffenc share."""

from collections.abc import Callable

import jax
import pytest


@pytest.fixture(scope="session")
def perturbed() -> Callable:
    """perturbed(params, scale=0.3): every leaf moved, as zero-initialised layers hide errors."""

    def move(params, scale=0.3):
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.key(7), len(leaves))
        moved = [
            p + scale * jax.random.normal(k, p.shape, p.dtype)
            for p, k in zip(leaves, keys, strict=True)
        ]
        return jax.tree.unflatten(tree, moved)

    return move
