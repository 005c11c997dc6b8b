"""Arrays as people have them, and functions of them beside their definitions."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import ml_dtypes
import numpy as np


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def duplicated(x):
    x = x.copy()
    x[1 : len(x) // 3] = x[0]
    return x


# A float64 array with values of order one, as each of these.
CASES: dict[str, Callable[[np.ndarray], object]] = {
    "float64": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "float32 of JAX": lambda x: jnp.asarray(x, jnp.float32),
    "float16": lambda x: x.astype(np.float16),
    "bfloat16": lambda x: x.astype(ml_dtypes.bfloat16),
    "bfloat16 of JAX": lambda x: jnp.asarray(x, jnp.bfloat16),
    "int16": lambda x: np.int16(np.round(1000 * x)),
    "int64 beyond 2³¹": lambda x: np.int64(np.round(x * 2**33)),
    "bool": lambda x: x > 0,
    "nested lists": lambda x: x.tolist(),
    "column-major": np.asfortranarray,
    "read-only": read_only,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "big-endian": lambda x: x.astype(">f8"),
    "duplicates": duplicated,
    "float64 + 1e3": lambda x: x + 1e3,
    "float64 + 1e6": lambda x: x + 1e6,
    "float64 + 1e8": lambda x: x + 1e8,
    **{f"float64 × {s:g}": (lambda x, s=s: s * x) for s in (1e-30, 1e-10, 1e10, 1e30)},
    **{
        f"float32 × {s:g}": (lambda x, s=s: np.float32(s) * x.astype(np.float32))
        for s in (1e-30, 1e30)
    },
}
# Integers of every width and layout.
WIDTHS: dict[str, Callable[[np.ndarray], object]] = {
    **{name: (lambda x, name=name: x.astype(name)) for name in ("int8", "uint8", "int32")},
    **{name: (lambda x, name=name: x.astype(name)) for name in ("int64", "uint64", ">i8")},
    "list": lambda x: x.tolist(),
    "F-order": np.asfortranarray,
    "read-only": read_only,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "of JAX": jnp.asarray,
}
HIDDEN = ("float64 + 1e6", "float64 + 1e8")
LARGE = ("float64 × 1e+10", "float64 × 1e+30", "float32 × 1e+30", "int64 beyond 2³¹")
SMALL = ("float64 × 1e-30", "float64 × 1e-10", "float32 × 1e-30")
OVERFLOW = ("float64 × 1e+30", "float32 × 1e+30")


def refused_well(refusal: ValueError) -> bool:
    """Whether a refusal is one sentence that says what is accepted or what to do."""
    text = str(refusal)
    return 40 < len(text) < 450 and any(word in text for word in ("accepted", ";", ":"))


class Tried(NamedTuple):
    """A function of some arrays, its definition, the tolerance, and the cases that it refuses.

    Both return an array or several; errors are of the size that `scale` takes from the definition.
    """

    ours: Callable[..., object]
    definition: Callable[..., object]
    base: Callable[[], tuple[np.ndarray, ...]]
    tolerance: float
    refused: frozenset[str] = frozenset()
    scale: Callable[[np.ndarray], np.ndarray] = lambda want: np.maximum(np.abs(want), 1)


def growing(tried: Tried) -> Tried:
    """With relative errors: of what grows with the representations."""
    return tried._replace(scale=np.abs)


def of_size(tried: Tried) -> Tried:
    """With errors relative to the largest entry of an array."""
    return tried._replace(scale=lambda want: np.abs(want[np.isfinite(want)]).max(initial=0))


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
