"""Nearest neighbours under hubness-reduced distances, by name."""

from collections.abc import Callable

from jaxtyping import Array, ArrayLike, Float, Real

from hubness import banks, compat, local, mutual, pairwise, shared, validate
from hubness.knn import Neighbors
from hubness.mutual_full import mp_gauss_full
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
    "mp_gamma": mutual.mp_gamma,
    "mp_gauss": mutual.mp_gauss,
    "mp_gauss_full": mp_gauss_full,
    "nicdm": local.nicdm,
    "nnn": banks.nnn,
    "query_bank": banks.query_bank,
    "simhub": shared.simhub,
    "snn": shared.snn,
}
BANKED = ("dual_bank", "inverted_softmax", "nnn", "query_bank")
# Both sides must be compared with the same third points, or with one centre.
ONE_DOMAIN = ("dsg", "mp_empiric", "mp_gauss_full", "simhub", "snn")
# Scaled or fitted distances must be positive; DisSim and centring choose their own geometry.
NOT_DOT = ("dsg", "dsl", "local_scaling", "localized_centring", "mp_gamma", "nicdm")


def reduced_knn(
    x: Real[ArrayLike, "..."],
    k: int,
    method: str,
    *,
    queries: Real[ArrayLike, "..."] | None = None,
    metric: str = "euclidean",
    local_k: int = 10,
    num_candidates: int = 100,
    two_domain: bool = False,
    bank: Real[ArrayLike, "..."] | None = None,
    gallery_bank: Real[ArrayLike, "..."] | None = None,
    beta: float = 20.0,
    bank_k: int | None = None,
    weight: float = 0.75,
    gamma: float = 1.0,
    exclude_self: bool | None = None,
    compat: str | None = None,
    block_size: int | None = None,
) -> Neighbors:
    """The k nearest rows of x to each query under a hubness-reduced distance.

    `REDUCTIONS` lists the methods; the docstring of each function gives its formula and source.
    Statistics of points are taken over x without the point itself, those of queries over x; with
    `two_domain` (x and queries from two languages or modalities) those of points over the
    queries. Every point is a candidate, except that mp_empiric and mp_gamma rescore the
    `num_candidates` most promising. Ties go to the lowest index, in mp_empiric, snn and simhub
    first to the nearer point.

    Args:
        local_k: neighbourhood of local scaling, NICDM, CSLS, DSL, SNN, simhub, localized centring.
        bank: queries that measure popularity for inverted_softmax, query_bank, dual_bank, nnn;
            if None the points themselves, or with `two_domain` the queries. `gallery_bank` is the
            second bank of dual_bank.
        beta: inverse temperature of the softmaxes.
        bank_k: neighbours taken for each bank member (query_bank, 1) or point (nnn, 128).
        weight: of the mean bank similarity in nnn.
        gamma: exponent of localized centring.
        compat: "skhubness-0.30" reproduces that library's mp_empiric, mp_gauss, local_scaling,
            nicdm and dsl on a graph of num_candidates stored neighbours, self included.

    Raises:
        ValueError: an unknown name, an option that the method does not take, impossible sizes,
            or rows that `knn` refuses.
    """
    if method not in REDUCTIONS:
        raise ValueError(f"method {method!r} is not known; use one of {', '.join(REDUCTIONS)}.")
    x = validate.rows(x)
    q = None if queries is None else validate.queries(queries, x)
    request = Request(
        x=x,
        queries=q,
        k=k,
        metric=metric,
        exclude_self=validate.exclude_self(exclude_self, len(x), None if q is None else len(q)),
        two_domain=two_domain,
        local_k=local_k,
        num_candidates=num_candidates,
        block_size=block_size,
        bank=_bank(bank, "bank", x, method),
        gallery_bank=_bank(gallery_bank, "gallery_bank", x, method),
        beta=beta,
        bank_k=bank_k,
        weight=weight,
        gamma=gamma,
    )
    _check(request, method)
    return _run(request, method, compat)


def _run(request: Request, method: str, version: str | None) -> Neighbors:
    if version is None:
        return REDUCTIONS[method](request)
    if version != compat.VERSION or method not in compat.REDUCTIONS:
        raise ValueError(
            f"compat={version!r} is not available for {method}; use compat=None, or "
            f"{compat.VERSION!r} with {', '.join(compat.REDUCTIONS)}."
        )
    return compat.reduce(request, method)


def _bank(bank, name: str, x: Float[Array, "n d"], method: str) -> Float[Array, "b d"] | None:
    if bank is None:
        return None
    if method not in BANKED or (name == "gallery_bank" and method != "dual_bank"):
        takes = "dual_bank" if name == "gallery_bank" else ", ".join(BANKED)
        raise ValueError(f"{method} takes no {name}; it is for {takes}.")
    return validate.queries(bank, x, name)


def _check(r: Request, method: str) -> None:
    n = len(r.x)
    accepted = tuple(m for m in pairwise.METRICS if m != "dot" or method not in NOT_DOT)
    arrays = [a for a in (r.x, r.queries, r.bank, r.gallery_bank) if a is not None]
    unit = "cosine" if method == "localized_centring" and r.metric in accepted else r.metric
    validate.metric(unit, *arrays, accepted=accepted)
    validate.count(r.k, n - r.exclude_self)
    validate.count(r.num_candidates, 2**31 - 1, "num_candidates")
    if r.block_size is not None:
        validate.count(r.block_size, 2**31 - 1, "block_size", "queries")
    if r.two_domain and (r.queries is None or method in ONE_DOMAIN):
        raise ValueError(
            f"two_domain=True needs queries and a method other than {', '.join(ONE_DOMAIN)}, which "
            "compare both sides with the same third points or one centre; drop two_domain."
        )
    references = len(r.queries) if r.two_domain else n - 1
    validate.count(r.local_k, min(references, n - r.exclude_self), "local_k")
