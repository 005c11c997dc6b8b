"""A synthetic space with hubs, for runs of seconds."""

import numpy as np

from experiments.data.texts.digests import array_digest
from experiments.data.texts.sources import Texts

SPACE = "synthetic"


def blobs(*, seed: int, n: int = 400, d: int = 32) -> tuple[np.ndarray, Texts]:
    """Four overlapping Gaussian classes in `d` dimensions, with rows of uneven length."""
    r = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int32) % 4
    centres = 0.6 * r.standard_normal((4, d))
    x = centres[labels] + r.standard_normal((n, d)) * r.uniform(0.7, 1.3, (n, 1))
    x = x.astype(np.float32)
    names = ("a", "b", "c", "d")
    return x, Texts("synthetic blobs", ("",) * n, labels, names, array_digest(x))
