"""What each measure is invariant to, whether it is a metric, and its range: a table to query.

Every entry is tested: each invariance listed holds, and each one not listed fails.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Map = Literal[
    # Of one representation, acting on columns: f → f + t, s f, f D, f P, f Q, f B.
    "translation",
    "isotropic scale",
    "column scale",
    "permutation",
    "rotation",
    "invertible linear",
    # Of a model, acting on f and g together: (f Qᵀ, g Q⁻¹ + c) and (f Bᵀ, g B⁻¹ + c).
    "rotation gauge",
    "gauge",
]

Compared = Literal["distributions", "representations", "models"]
Direction = Literal["difference", "similarity"]

AFFINE: frozenset[Map] = frozenset(
    {
        "translation",
        "isotropic scale",
        "column scale",
        "permutation",
        "rotation",
        "invertible linear",
    }
)
SIMILARITY: frozenset[Map] = frozenset(
    {"translation", "isotropic scale", "permutation", "rotation"}
)
GAUGE: frozenset[Map] = frozenset({"rotation gauge", "gauge"})


@dataclass(frozen=True)
class Properties:
    """Facts about one measure; `invariant` and `invariant2` are of its first and second side."""

    name: str
    compares: Compared
    invariant: frozenset[Map]
    invariant2: frozenset[Map]
    symmetric: bool
    metric: bool
    grows_with: Direction
    low: float
    high: float


def _same(
    name: str,
    compares: Compared,
    invariant: Collection[Map],
    high: float,
    *,
    metric: bool = False,
    low: float = 0.0,
    grows_with: Direction = "difference",
) -> Properties:
    """An entry of a symmetric measure."""
    both = frozenset(invariant)
    return Properties(name, compares, both, both, True, metric, grows_with, low, high)


def _one_sided(
    name: str,
    compares: Compared,
    invariant: Collection[Map],
    invariant2: Collection[Map],
    high: float,
    *,
    grows_with: Direction = "difference",
) -> Properties:
    """An entry of a measure that is not symmetric; no metric is."""
    sides = frozenset(invariant), frozenset(invariant2)
    return Properties(name, compares, *sides, False, False, grows_with, 0.0, high)


_TABLE = (
    _one_sided("kl", "distributions", (), (), math.inf),
    _same("js", "distributions", (), math.log(2)),
    _same("total_variation", "distributions", (), 1.0, metric=True),
    _same("logit_distance", "models", GAUGE, math.inf, metric=True),
    _same("logit_distance_sq", "models", GAUGE, math.inf),
    _same("llv_distance", "models", GAUGE, math.inf),
    _same("max_d_svd", "models", GAUGE, 1.0),
    _same("d_svd_labels", "models", GAUGE, 1.0),
    _one_sided("d_rep", "models", {"rotation gauge"}, GAUGE, math.inf),
    _same("d_rep_symmetric", "models", {"rotation gauge"}, math.inf),
    _same("mcca", "representations", AFFINE, 1.0, grows_with="similarity"),
    _same("svcca", "representations", SIMILARITY, 1.0, grows_with="similarity"),
    _one_sided(
        "pwcca",
        "representations",
        {"translation", "isotropic scale", "permutation"},
        AFFINE,
        1.0,
        grows_with="similarity",
    ),
    _one_sided(
        "linear_regression_r2",
        "representations",
        SIMILARITY,
        AFFINE,
        1.0,
        grows_with="similarity",
    ),
    _same("cka", "representations", SIMILARITY, 1.0, grows_with="similarity"),
    _same("minibatch_cka", "representations", SIMILARITY, 1.0, low=-1.0, grows_with="similarity"),
    _same("procrustes", "representations", SIMILARITY - {"isotropic scale"}, math.inf, metric=True),
    _same("angular_procrustes", "representations", SIMILARITY, math.pi / 2, metric=True),
    _same(
        "rsa",
        "representations",
        {"isotropic scale", "permutation"},
        1.0,
        low=-1.0,
        grows_with="similarity",
    ),
    _same(
        "d_svd",
        "representations",
        {"translation", "isotropic scale", "column scale", "permutation"},
        1.0,
    ),
)
PROPERTIES: dict[str, Properties] = {entry.name: entry for entry in _TABLE}


def find(
    *,
    invariant_to: Collection[Map] = (),
    metric: bool | None = None,
    symmetric: bool | None = None,
    compares: str | None = None,
) -> tuple[str, ...]:
    """Names of the measures with the properties asked for; invariances of both sides.

    `find(invariant_to={"gauge"}, metric=True)` gives `("logit_distance",)`. Options as defaults:
    debiased CKA lies in [-1, 1], normalised Procrustes is invariant to scale as well.
    Raises ValueError for an unknown invariance.
    """
    known = AFFINE | GAUGE
    if not set(invariant_to) <= known:
        raise ValueError(f"invariant_to={set(invariant_to)}; accepted are {sorted(known)}")
    return tuple(
        entry.name
        for entry in _TABLE
        if set(invariant_to) <= entry.invariant & entry.invariant2
        and metric in (None, entry.metric)
        and symmetric in (None, entry.symmetric)
        and compares in (None, entry.compares)
    )
