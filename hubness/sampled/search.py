"""Neighbours of sampled rows among all rows, which may lie in a file that memory does not hold."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from hubness.reductions import REDUCTIONS, Reduction, reduction
from hubness.search import checked, pairwise, streamed
from hubness.search.checked import Given
from hubness.search.knn import Neighbors
from hubness.search.source import Points, survey
from repgeo import inputs


def draw(key: Key[Array, ""], n: int, m: int) -> Int[np.ndarray, " m"]:
    """m of the numbers 0..n−1 without replacement, ascending; all of them where m ≥ n.

    Raises:
        ValueError: n or m is no integer of at least 1, or n not below 2³¹.
    """
    n, m = (inputs.count(*number, 2**31 - 1) for number in (("n", n), ("m", m)))
    inputs.known("draw", key)
    if m >= n:
        return np.arange(n)
    return np.sort(np.asarray(jax.random.choice(key, n, (m,), replace=False)))


def knn(
    points: Given,
    k: int,
    rows: Given = None,
    *,
    queries: Given = None,
    metric: str = "euclidean",
    block_size: int | None = None,
    part_rows: int | None = None,
) -> Neighbors:
    """The k nearest of all points to some of their rows, or to other queries: `hubness.knn`'s.

    `points` is anything with a shape, a dtype and slices of rows, such as `np.load(file,
    mmap_mode="r")`. It is read in parts of `part_rows` rows (default: 64 MiB in float32), one while
    the one before is searched: once to check it, once to search it, and the rows of candidates
    once more. Memory: two parts, m·d for the queries and m·k for their lists.

    `rows` are the numbers of the points that ask, each left out of its own list; `queries` are
    other vectors, and nothing is left out.

    Raises:
        ValueError: neither or both of rows and queries, or what `hubness.knn` refuses; rows that
            float32 does not hold.
    """
    if (rows is None) == (queries is None):
        raise ValueError(
            "give either rows, the numbers of the points that ask, or queries, other vectors"
        )
    inputs.known("sampled.knn", points, rows, queries)
    checked.metric(metric)
    checked.block_size(block_size)
    surveyed = survey(points, metric, part_rows)
    if queries is not None:
        q = _queries(queries, surveyed, metric)
        own = np.full(len(q), streamed.NOBODY, np.int32)
        k = inputs.count("k", k, len(surveyed))
    else:
        q, own = _asked(surveyed, rows)
        k = inputs.count("k", k, len(surveyed) - 1)
    ranked = streamed.nearest(surveyed, q, k, metric, own, block_size)
    return Neighbors(pairwise.distance(ranked.cost, metric), ranked.index)


def reduced_knn(
    points: Given,
    k: int,
    method: str | Reduction,
    rows: Given,
    *,
    metric: str = "euclidean",
    block_size: int | None = None,
    part_rows: int | None = None,
    **fields: Any,
) -> Neighbors:
    """The k nearest of all points to some of their rows under a hubness-reduced distance.

    Statistics of every point are taken over the m rows that ask instead of all n: mp_gauss, whose
    means are then off by σ/√m, and the methods with a bank, for which the sample is the bank.

    Raises:
        ValueError: a method that needs the neighbourhood of every point, with what that costs; and
            what `knn` refuses.
    """
    method = reduction(method, **fields)
    form = method.by_sample()
    inputs.known("sampled.reduced_knn", points, rows)
    checked.metric(metric, accepted=method.metrics)
    checked.block_size(block_size)
    if form is None:
        raise ValueError(refusal(method, *np.shape(points)))
    surveyed = survey(points, metric, part_rows)
    q, own = _asked(surveyed, rows)
    k = inputs.count("k", k, len(surveyed) - 1)
    if len(q) < 2:
        raise ValueError("one row asks; statistics of points need at least 2, better thousands")
    ranked = streamed.nearest_by_key(surveyed, q, k, metric, own, form, block_size)
    return Neighbors(ranked.cost, ranked.index)


def refusal(method: Reduction, n: int, d: int) -> str:
    """Why a reduction has no sampled form, what it costs in full, and what to use instead."""
    names = [name for name, cls in REDUCTIONS.items() if cls().by_sample() is not None]
    return (
        f"{type(method).__name__} needs the neighbourhood of every point, or a bank of its own, "
        f"which a sample of queries does not give: all {n:,} points against all are "
        f"{2.0 * n * n * d:.1e} FLOPs, {cost(n, n, d)}. Use {', '.join(names)} here, or "
        "hubness.reduced_knn on all rows"
    )


def cost(m: int, n: int, d: int) -> str:
    """The time of m·n inner products at the 100 GFLOP/s of a CPU of two cores, in words."""
    seconds = 2.0 * m * n * d / 1e11
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {name} at 100 GFLOP/s"
    return f"about {max(seconds, 1):.0f} seconds at 100 GFLOP/s"


def _queries(queries: Given, points: Points, metric: str) -> Array:
    q = np.asarray(checked.rows(queries, "queries"))
    if q.shape[1] != points.source.shape[1]:
        raise ValueError(
            f"queries of shape {q.shape} and points of shape {points.source.shape} differ in "
            "width; both must be rows of the same space."
        )
    if checked.needs_double(q):
        raise ValueError(
            "the queries hold digits or magnitudes that float32 does not; a search in parts is one "
            "in float32: pass them as float32"
        )
    checked.metric(metric, q)
    return jnp.asarray(q, jnp.float32)


def _asked(points: Points, rows: Given) -> tuple[Array, Int[np.ndarray, " m"]]:
    """The points that ask, and their numbers."""
    n, index = len(points), np.asarray(inputs.read("rows", rows))
    if index.ndim != 1 or index.dtype.kind not in "iu" or len(index) == 0:
        raise ValueError(
            f"rows is {index.dtype} of shape {index.shape}; accepted is a vector of the numbers of "
            "rows, for example draw(key, n, m)"
        )
    if index.min() < 0 or index.max() >= n or len(np.unique(index)) < len(index):
        raise ValueError(
            f"rows are {len(index):,} numbers from {index.min()} to {index.max()}; accepted are "
            f"different numbers from 0 to {n - 1}, as draw(key, n, m) gives them"
        )
    return jnp.asarray(points.take(index)), index.astype(np.int32)
