"""Sources that need no download: digits, the swirl, and random images for smoke runs."""

import numpy as np

from experiments.data.source import Source, from_arrays


def digits() -> Source:
    """scikit-learn's 1,797 handwritten digits, 8×8, 17 grey levels; a fifth of each class is test.

    The split is fixed: within each class, a permutation drawn from `default_rng(0)`.
    """
    from sklearn.datasets import load_digits

    rows, target = load_digits(return_X_y=True)
    codes, label = rows.astype(np.uint8).reshape(-1, 8, 8, 1), target.astype(np.int32)
    rng = np.random.default_rng(0)
    is_test = np.zeros(len(label), bool)
    for c in range(10):
        members = rng.permutation(np.flatnonzero(label == c))
        is_test[members[: round(len(members) / 5)]] = True
    train, test = ((codes[part], label[part]) for part in (~is_test, is_test))
    return from_arrays("digits", 17, train, test)


def swirl_points(num: int, seed: int) -> np.ndarray:
    """Points of the VDM swirl as 8-bit codes [num, 2], with noise drawn for each point.

    θ = 3π√u, r = 2θ + π, x = 4(r(cos θ, sin θ) + n/4 + 30) truncated, u uniform, n normal.
    """
    rng = np.random.default_rng(seed)
    theta = 3 * np.pi * np.sqrt(rng.uniform(size=num))
    radius = 2 * theta + np.pi
    points = radius[:, None] * np.stack([np.cos(theta), np.sin(theta)], -1)
    return np.clip(4 * (points + 0.25 * rng.normal(size=(num, 2)) + 30), 0, 255).astype(np.uint8)


def swirl() -> Source:
    """4,096 training points of the swirl, and as many fresh ones to test on."""
    label = np.zeros(4096, np.int32)
    return from_arrays("swirl", 256, (swirl_points(4096, 0), label), (swirl_points(4096, 1), label))


def random_images(name: str, shape: tuple[int, ...], levels: int, num_classes: int) -> Source:
    """Random pixels in the form of a data set, for smoke runs where the data are absent."""
    rng = np.random.default_rng(0)

    def split(num: int) -> tuple[np.ndarray, np.ndarray]:
        codes = rng.integers(0, levels, (num, *shape)).astype(np.uint8)
        return codes, np.arange(num, dtype=np.int32) % num_classes

    return from_arrays(f"random-{name}", levels, split(64), split(24))
