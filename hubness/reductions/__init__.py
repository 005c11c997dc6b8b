"""Nearest neighbours under hubness-reduced distances: of vectors, and of stored neighbours."""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax.sharding import Mesh

from hubness.reductions import graph as stored_lists
from hubness.reductions.base import Reduction, Search
from hubness.reductions.graph import Graph
from hubness.reductions.local import CSLS, DSG, DSL, NICDM, LocalizedCentring, LocalScaling
from hubness.reductions.mutual_proximity import (
    MPEmpiric,
    MPGamma,
    MPGauss,
    MPGaussFull,
    MutualProximity,
)
from hubness.reductions.query_banks import NNN, DualBank, InvertedSoftmax, QueryBank
from hubness.reductions.shared_neighbours import SNN, SimHub
from hubness.search import checked
from hubness.search.checked import Given
from hubness.search.knn import Neighbors
from repgeo import inputs

__all__ = [
    "CSLS",
    "DSG",
    "DSL",
    "NICDM",
    "NNN",
    "REDUCTIONS",
    "SNN",
    "DualBank",
    "InvertedSoftmax",
    "LocalScaling",
    "LocalizedCentring",
    "MPEmpiric",
    "MPGamma",
    "MPGauss",
    "MPGaussFull",
    "MutualProximity",
    "QueryBank",
    "Reduction",
    "SimHub",
    "reduce_graph",
    "reduced_knn",
    "reduction",
]

REDUCTIONS: dict[str, type[Reduction]] = {
    "csls": CSLS,
    "dsg": DSG,
    "dsl": DSL,
    "dual_bank": DualBank,
    "inverted_softmax": InvertedSoftmax,
    "local_scaling": LocalScaling,
    "localized_centring": LocalizedCentring,
    "mp_empiric": MPEmpiric,
    "mp_gamma": MPGamma,
    "mp_gauss": MPGauss,
    "mp_gauss_full": MPGaussFull,
    "nicdm": NICDM,
    "nnn": NNN,
    "query_bank": QueryBank,
    "simhub": SimHub,
    "snn": SNN,
}


def reduction(method: str | Reduction, **fields: Any) -> Reduction:
    """The reduction of a short name with these fields, or the object itself.

    Raises:
        ValueError: an unknown name, or a field that the method does not have.
    """
    if isinstance(method, str):
        if method not in REDUCTIONS:
            raise ValueError(f"method {method!r} is not known; use one of {', '.join(REDUCTIONS)}.")
        taken = [field.name for field in dataclasses.fields(REDUCTIONS[method])]
        other = [name for name in fields if name not in taken]
        if other:
            takes = f"it takes {', '.join(taken)}" if taken else "it takes no options"
            raise ValueError(f"{method} takes no {', '.join(other)}; {takes}.")
        return REDUCTIONS[method](**fields)
    if isinstance(method, type) or not hasattr(method, "nearest"):
        raise ValueError(
            f"method {method!r} is no reduction; pass a short name such as 'csls', or an object "
            "such as CSLS(local_k=10)."
        )
    if fields:
        raise ValueError(
            f"{', '.join(fields)} given beside an object, which holds its own options; write "
            f"{type(method).__name__}({', '.join(f'{name}=…' for name in fields)})."
        )
    return method


def reduced_knn(
    x: Given,
    k: int,
    method: str | Reduction,
    *,
    queries: Given = None,
    metric: str = "euclidean",
    two_domain: bool = False,
    exclude_self: bool | None = None,
    block_size: int | None = None,
    mesh: Mesh | None = None,
    ring: bool = False,
    **fields: Any,
) -> Neighbors:
    """The k nearest rows of x to each query under a hubness-reduced distance.

    `method` is a reduction such as `CSLS(local_k=10)`, whose class gives its formula and source,
    or its short name in `REDUCTIONS` with its `fields` as keywords: "csls", local_k=10.
    Statistics of points are taken over x without the point itself, those of queries over x; with
    `two_domain` (x and queries from two languages or modalities) those of points over the
    queries. Every point is a candidate, except that mp_empiric and mp_gamma rescore the
    `num_candidates` most promising. Ties go to the lowest index, in mp_empiric, snn and simhub
    first to the nearer point. `mesh` shares the queries out over the devices of a mesh, and the
    points where their statistics are taken; mp_gauss_full, which is for few points, stays on one.
    With `ring` the points are shared out too, as in `knn`.

    Raises:
        ValueError: an unknown name, an option that the method does not take, impossible sizes,
            or rows that `knn` refuses.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(100, 50))
        >>> most = lambda found: int(hubness.k_occurrence(found.index, 100).max())
        >>> most(hubness.knn(x, 5)), most(hubness.reduced_knn(x, 5, hubness.CSLS(local_k=5)))
        (36, 19)
    """
    method = reduction(method, **fields)
    x = checked.rows(x)
    q = None if queries is None else checked.queries(queries, x)
    given = {name: getattr(method, name) for name in method.banks}
    banks = {n: checked.queries(b, x, n) for n, b in given.items() if b is not None}
    if len(x) < 2 and not 0 < len(method.banks) == len(banks):
        raise ValueError(
            "x holds 1 row, and a reduction compares each with the others: pass at least 2 rows, "
            "or use knn"
        )
    checked.metric(metric, x, q, *banks.values(), accepted=method.metrics)
    excluded = checked.exclude_self(exclude_self, len(x), None if q is None else len(q))
    k = inputs.count("k", k, len(x) - excluded)
    checked.block_size(block_size)
    if two_domain and (q is None or not method.two_domain):
        one_domain = [name for name, cls in REDUCTIONS.items() if not cls.two_domain]
        raise ValueError(
            f"two_domain=True needs queries and a method other than {', '.join(one_domain)}, which "
            "compare both sides with the same third points or one centre; drop two_domain."
        )

    if ring and (mesh is None or not method.ring):
        fit = [name for name, cls in REDUCTIONS.items() if cls.ring]
        raise ValueError(
            f"ring=True needs a mesh and one of {', '.join(fit)}; others take points as a whole: "
            "leave it out, and the mesh shares out the queries alone."
        )

    def run(x, q, *banks_):
        asked = Search(x, q, k, metric, excluded, two_domain, block_size, mesh, ring)
        with_banks = dataclasses.replace(method, **dict(zip(banks, banks_, strict=True)))
        return with_banks.nearest(asked)

    return checked.precisely(run, x, q, *banks.values(), metric=metric)


def reduce_graph(
    neighbors: Given,
    method: str | Reduction,
    k: int | None = None,
    *,
    metric: str = "euclidean",
    **fields: Any,
) -> Neighbors:
    """The k nearest stored neighbours of each point under a hubness-reduced distance.

    `neighbors` are lists of n points among themselves that any library made: a pair of matrices
    (distance, index) [n, c] in either order, or a sparse graph [n, n]; row i is the list of point
    i. -1 marks a missing neighbour; the point itself may be listed or not; of duplicates the
    nearest counts. `metric` is that of the distances as `knn` gives them: squared ones of faiss
    are sqeuclidean, and inner products are passed as −q·x (dot) or 1 − cos (cosine). `k` defaults
    to the length of the shortest list. Where every list holds all other points, values are those
    of `reduced_knn`; statistics of the `local_k` nearest are so wherever these are stored.

    Raises:
        ValueError: lists that are not such, fewer stored neighbours than k or the method needs,
            or a method that needs all points or the vectors themselves.

    Examples:
        >>> x = np.random.default_rng(0).normal(size=(100, 50))
        >>> index, distance = hubness.knn(x, 20)  # or from another library
        >>> found = hubness.reduce_graph((index, distance), "nicdm", 5)
        >>> found.index.shape, int(hubness.k_occurrence(found.index, 100).max())
        ((100, 5), 19)
    """
    method = reduction(method, **fields)
    checked.metric(metric, accepted=method.metrics)
    given = [name for name in method.banks if getattr(method, name) is not None]
    if given:
        raise ValueError(f"{given[0]} needs vectors to compare with, which stored neighbours lack.")
    inputs.known("reduce_graph", neighbors)
    lists = stored_lists.read(neighbors, metric)
    checked.squarable(lists.distance, of="distances")
    k = int(lists.stored.min()) if k is None else inputs.count("k", k, len(lists.index) - 1)
    stored_lists.check_stored(lists.stored, "k", max(k, 1))

    def run(distance):
        graph = Graph(distance, jnp.asarray(lists.index), lists.stored, k, metric)
        return method.on_graph(graph)

    return checked.precisely(run, lists.distance)
