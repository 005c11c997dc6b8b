"""Two models as people have them, and functions of them beside their definitions."""

import numpy as np

import similarity as S
from tests.given import Tried
from tests.similarity import definitions as D

N, K, M = 60, 7, 3
LABEL_SETS = np.array([[0, 1, 2, 3], [6, 5, 4, 3], [2, 0, 4, 6]])
INPUT_SET = np.array([5, 17, 30, 44])
INPUT_SETS = np.arange(12).reshape(3, 4)


def base() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two related models with values of order one, exact in bfloat16 but for the last digits."""
    r = np.random.default_rng(0)
    f, g = r.normal(size=(N, M)), r.normal(size=(K, M))
    return f, g, f @ r.normal(size=(M, M)) + 0.3 * r.normal(size=f.shape), r.normal(size=g.shape)


def models(ours, definition, tolerance, refused=()) -> Tried:
    return Tried(ours, definition, base, tolerance, frozenset(refused))


def represented(ours, definition, tolerance, refused=()) -> Tried:
    return models(
        lambda f, g, f2, g2: ours(f, f2),
        lambda f, g, f2, g2: definition(f, f2),
        tolerance,
        refused,
    )


def distributed(ours, definition, tolerance, refused=()) -> Tried:
    return models(
        lambda f, g, f2, g2: ours(S.log_probs(f, g), S.log_probs(f2, g2)),
        lambda f, g, f2, g2: definition(D.log_probs(f, g), D.log_probs(f2, g2)),
        tolerance,
        refused,
    )
