"""Nearest neighbours under hubness-reduced distances."""

from collections.abc import Callable

from jaxtyping import ArrayLike, Real

from hubness import banks, local, mutual, shared, validate
from hubness.knn import Neighbors
from hubness.request import Request

REDUCTIONS: dict[str, Callable[[Request], Neighbors]] = {
    "csls": local.csls,
    "dsg": local.dsg,
    "dsl": local.dsl,
    "dual_bank": banks.dual_bank,
    "inverted_softmax": banks.inverted_softmax,
    "local_scaling": local.local_scaling,
    "localized_centring": local.localized_centring,
    "mp_empiric": mutual.mp_empiric,
    "mp_gauss": mutual.mp_gauss,
    "nicdm": local.nicdm,
    "nnn": banks.nnn,
    "query_bank": banks.query_bank,
    "simhub": shared.simhub,
    "snn": shared.snn,
}


def reduced_knn(
    x: Real[ArrayLike, "..."],
    k: int,
    method: str,
    *,
    queries: Real[ArrayLike, "..."] | None = None,
    metric: str = "euclidean",
    local_k: int = 10,
) -> Neighbors:
    x = validate.rows(x)
    q = None if queries is None else validate.queries(queries, x)
    excluded = validate.exclude_self(None, len(x), None if q is None else len(q))
    r = Request(
        x, q, k, metric, excluded, False, local_k, 100, None, None, None, 20.0, 1, 0.75, 1.0
    )
    return REDUCTIONS[method](r)
