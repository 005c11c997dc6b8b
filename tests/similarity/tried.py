"""Two models as people have them, a measure beside its definition, and the error between."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import similarity as S
from tests.given import CASES, refused_well
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


class Tried(NamedTuple):
    """A function of two models, its definition, the tolerance, and the cases that it refuses.

    Both return an array or several; errors are of the size that `scale` takes from the definition.
    """

    ours: Callable[..., object]
    definition: Callable[..., object]
    tolerance: float
    refused: frozenset[str] = frozenset()
    base: Callable[[], tuple[np.ndarray, ...]] = base
    scale: Callable[[np.ndarray], np.ndarray] = lambda want: np.maximum(np.abs(want), 1)


def growing(tried: Tried) -> Tried:
    """With relative errors: of what grows with the representations."""
    return tried._replace(scale=np.abs)


def of_size(tried: Tried) -> Tried:
    """With errors relative to the largest entry of an array."""
    return tried._replace(scale=lambda want: np.abs(want[np.isfinite(want)]).max(initial=0))


def models(ours, definition, tolerance, refused=()) -> Tried:
    return Tried(ours, definition, tolerance, frozenset(refused))


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


def error(tried: Tried, case: str) -> float | None:
    """The error on a case; None where it is refused."""
    given = [CASES[case](x) for x in tried.base()]
    exact = [np.asarray(x, np.float64) for x in given]
    try:
        found = tried.ours(*given)
    except ValueError as refusal:
        assert refused_well(refusal)
        return None
    with np.errstate(all="ignore"):
        wanted = tried.definition(*exact)
    if not isinstance(found, tuple):
        found, wanted = (found,), (wanted,)
    pairs = zip(found, wanted, strict=True)
    return max(_apart(np.asarray(x, float), np.asarray(y, float), tried.scale) for x, y in pairs)


def _apart(got: np.ndarray, want: np.ndarray, scale: Callable[[np.ndarray], np.ndarray]) -> float:
    assert got.shape == want.shape
    with np.errstate(invalid="ignore", divide="ignore"):  # ∞ = ∞ where no label set has full rank
        apart = np.where(got == want, 0, np.abs(got - want) / scale(want))
    return float(apart.max())


def check(tried: Tried, case: str) -> None:
    """A case that is refused is refused, and any other is right to the tolerance."""
    found = error(tried, case)
    if case in tried.refused:
        assert found is None
    else:
        assert found is not None and found <= tried.tolerance


def rows(table: dict[str, Tried]) -> list[str]:
    """Of the page: each function with its error bound and what it refuses."""
    lines = []
    for name, tried in table.items():
        refused = ", ".join(case for case in CASES if case in tried.refused) or "nothing"
        lines.append(f"| `{name}` | {tried.tolerance:g} | {refused} |")
    return lines
