"""The table of measures: each with what it compares, its invariances, whether a metric, its range.

Every entry is tested: each invariance listed holds, and each one not listed fails. A new measure
is a function and a row here; tests, calibration and `compare` read the table.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

from jaxtyping import Array, ArrayLike, Float, Real

from similarity.cca import linear_regression_r2, mcca, pwcca, svcca
from similarity.cka import cka, minibatch_cka
from similarity.distribution import agreement, js, kl, total_variation
from similarity.linear_identifiability import d_rep, d_rep_symmetric
from similarity.llv import llv_distance
from similarity.logit_distance import logit_distance, logit_distance_sq
from similarity.neighbours import cknna, mutual_knn, neighbour_jaccard
from similarity.procrustes import angular_procrustes, procrustes
from similarity.rsa import rsa
from similarity.svd import d_svd, d_svd_labels, max_d_svd

Map = Literal[
    # Of one representation, acting on columns: f → f + t, s f, D f, f D, f P, f Q, f B.
    "translation",
    "isotropic scale",
    "row scale",
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
DIRECTION: frozenset[Map] = frozenset({"isotropic scale", "row scale", "permutation", "rotation"})
GAUGE: frozenset[Map] = frozenset({"rotation gauge", "gauge"})


@dataclass(frozen=True)
class Measure:
    """One measure; `invariant` and `invariant2` are the maps of either side that leave it alone.

    `function` takes the arrays of what it `compares`: log-probabilities (one value an input),
    representations, or models (f, g, f2, g2), for some of which it also takes label or input sets
    and returns more than the value. `low` and `high` are its range; `closest` is its value for
    equal arguments.
    """

    name: str
    function: Callable[..., Any]
    compares: Compared
    invariant: frozenset[Map]
    invariant2: frozenset[Map]
    grows_with: Direction = "difference"
    symmetric: bool = True
    metric: bool = False
    low: float = 0.0
    high: float = math.inf

    @property
    def closest(self) -> float:
        return self.high if self.grows_with == "similarity" else self.low


def _of_distributions(
    name: str, function: Callable[..., Any], high: float = math.inf, **rest: Any
) -> Measure:
    nothing: frozenset[Map] = frozenset()
    return Measure(name, function, "distributions", nothing, nothing, high=high, **rest)


def _of_models(
    name: str,
    function: Callable[..., Any],
    invariant: Collection[Map] = GAUGE,
    invariant2: Collection[Map] | None = None,
    **rest: Any,
) -> Measure:
    sides = frozenset(invariant), frozenset(invariant if invariant2 is None else invariant2)
    return Measure(name, function, "models", *sides, **rest)


def _similarity(
    name: str,
    function: Callable[..., Any],
    invariant: Collection[Map],
    invariant2: Collection[Map] | None = None,
    low: float = 0.0,
) -> Measure:
    """A similarity of representations, at most 1."""
    sides = frozenset(invariant), frozenset(invariant if invariant2 is None else invariant2)
    symmetric = invariant2 is None
    return Measure(
        name, function, "representations", *sides, "similarity", symmetric, low=low, high=1.0
    )


def _difference(
    name: str, function: Callable[..., Any], invariant: Collection[Map], high: float, metric: bool
) -> Measure:
    """A symmetric difference of representations."""
    both = frozenset(invariant)
    return Measure(name, function, "representations", both, both, metric=metric, high=high)


def _cka_debiased(f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"]) -> Float[Array, ""]:
    """`cka` with the unbiased estimate: a function of a module, so that its row can be pickled."""
    return cka(f, f2, debiased=True)


_TABLE = (
    _of_distributions("kl", kl, symmetric=False),
    _of_distributions("js", js, math.log(2)),
    _of_distributions("total_variation", total_variation, 1.0, metric=True),
    _of_distributions("agreement", agreement, 1.0, grows_with="similarity"),
    _of_models("logit_distance", logit_distance, metric=True),
    _of_models("logit_distance_sq", logit_distance_sq),
    _of_models("llv_distance", llv_distance),
    _of_models("max_d_svd", max_d_svd, high=1.0),
    _of_models("d_svd_labels", d_svd_labels, high=1.0),
    _of_models("d_rep", d_rep, {"rotation gauge"}, GAUGE, symmetric=False),
    _of_models("d_rep_symmetric", d_rep_symmetric, {"rotation gauge"}),
    _similarity("mcca", mcca, AFFINE),
    _similarity("svcca", svcca, SIMILARITY),
    _similarity("pwcca", pwcca, {"translation", "isotropic scale", "permutation"}, AFFINE),
    _similarity("linear_regression_r2", linear_regression_r2, SIMILARITY, AFFINE),
    _similarity("cka", cka, SIMILARITY),
    _similarity("cka_debiased", _cka_debiased, SIMILARITY, low=-1.0),
    _similarity("minibatch_cka", minibatch_cka, SIMILARITY, low=-1.0),
    _similarity("rsa", rsa, {"isotropic scale", "row scale", "permutation"}, low=-1.0),
    _similarity("mutual_knn", mutual_knn, DIRECTION),
    _similarity("neighbour_jaccard", neighbour_jaccard, DIRECTION),
    _similarity("cknna", cknna, DIRECTION, DIRECTION, low=-math.inf),
    _difference("procrustes", procrustes, SIMILARITY - {"isotropic scale"}, math.inf, True),
    _difference("angular_procrustes", angular_procrustes, SIMILARITY, math.pi / 2, True),
    _difference(
        "d_svd",
        d_svd,
        {"translation", "isotropic scale", "column scale", "permutation"},
        1.0,
        False,
    ),
)
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _TABLE}


def find(
    *,
    invariant_to: Collection[Map] = (),
    metric: bool | None = None,
    symmetric: bool | None = None,
    compares: Compared | None = None,
) -> tuple[str, ...]:
    """Names of the measures with the properties asked for; invariances of both sides.

    `find(invariant_to={"gauge"}, metric=True)` gives `("logit_distance",)`. Options as defaults:
    normalised Procrustes is invariant to scale as well.

    Raises:
        ValueError: an unknown invariance, or an unknown thing to compare.
    """
    known = AFFINE | DIRECTION | GAUGE
    if isinstance(invariant_to, str):
        raise ValueError(f"invariant_to={invariant_to!r}; accepted is a set, {{{invariant_to!r}}}")
    if not set(invariant_to) <= known:
        raise ValueError(f"invariant_to={set(invariant_to)}; accepted are {sorted(known)}")
    if compares not in (None, *get_args(Compared)):
        raise ValueError(f"compares={compares!r}; accepted are {', '.join(get_args(Compared))}")
    return tuple(
        measure.name
        for measure in _TABLE
        if set(invariant_to) <= measure.invariant & measure.invariant2
        and metric in (None, measure.metric)
        and symmetric in (None, measure.symmetric)
        and compares in (None, measure.compares)
    )
