"""Is my embedding hubby? What it costs, and which reduction to use."""

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

import hubness
from experiments.hubness import sampled, verdict
from experiments.hubness.evaluate import K_HUBNESS, hubness_of, vote
from experiments.hubness.methods import FEATURES, parse, search
from experiments.runtime.errors import UserError
from hubness import significance

TRIED = ("none", "centre", "f-norm-inductive", "csls", "local_scaling", "nicdm", "mp_gauss")
TRIED += ("f-norm-inductive+nicdm",)
SHOWN_HUBS = 5
TIMED = 1.5  # seconds of searches that a time is the least of: others may use the machine


def advise(
    x: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, "n"] | None,
    *,
    metric: str,
    max_queries: int,
    seed: int = 0,
    reductions: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Hubness, leave-one-out error and seconds of each method, and what follows from them.

    Of more than `max_queries` rows, so many ask among all, and without `reductions` the space is
    judged as it is: `sampled.advise`. Searches are timed after compilation. `counts` holds N_10 of
    the rows under each method.
    """
    check(x, labels, metric, max_queries)
    if len(x) > max_queries:
        ask = functools.partial(sampled.advise, metric=metric, max_queries=max_queries)
        return ask(x, labels, seed=seed, reductions=reductions, say=say)
    duplicates = len(x) - len(np.unique(x, axis=0))
    if len(x) - duplicates < least():
        raise UserError(
            f"only {len(x) - duplicates} of {len(x):,} rows differ; at least {least()} different "
            "embeddings are needed"
        )
    found: dict[str, Any] = {
        "num_rows": len(x),
        "width": x.shape[1],
        "metric": metric,
        "duplicates": duplicates,
    }
    if labels is not None:
        found["error_of_largest_class"] = 1 - float(np.bincount(labels).max()) / len(labels)
    say(f"neighbours of {len(x):,} rows in {x.shape[1]:,} dimensions ...")
    row, plain, right = _try(TRIED[0], x, labels, metric)
    top = np.argsort(-plain, kind="stable")[:SHOWN_HUBS]
    found["hubs"] = [(int(i), int(plain[i])) for i in top]
    itself = {"slowdown": 1.0} | ({} if labels is None else {"p_value": 1.0})
    found |= {"methods": [row | itself], "counts": {TRIED[0]: plain}}
    # The answer that most people wait for comes before what reductions would do.
    say(f"{verdict.degree(found)}; now what reductions do.")
    found |= _others(x, labels, metric, found, right, say)
    found["recommended"] = verdict.recommend(found["methods"])
    return found


def least() -> int:
    """The fewest rows of which neighbourhoods say anything."""
    return 2 * K_HUBNESS + 2


def check(x: np.ndarray, labels: np.ndarray | None, metric: str, max_queries: int) -> None:
    """UserError for rows or labels of which nothing can be said."""
    n = len(x)
    if n < least():
        raise UserError(
            f"{n} embeddings are too few for neighbourhoods of {K_HUBNESS}: at least {least()} are "
            "needed"
        )
    if max_queries < least():
        raise UserError(f"--max_queries={max_queries}; accepted is an integer ≥ {least()}")
    zero = np.flatnonzero(~x.any(axis=1))
    if metric == "cosine" and len(zero):
        raise UserError(
            f"{len(zero):,} rows are zero, the first is row {zero[0]:,}: they have no direction, "
            "so no cosine; remove them or give --metric=euclidean"
        )
    if labels is None:
        return
    if len(labels) != n:
        raise UserError(
            f"{len(labels):,} labels for {n:,} embeddings; one label a row, in the same order, is "
            "needed"
        )
    sizes = np.bincount(labels)
    if len(sizes) == 1:
        raise UserError("all labels are the same; give two classes or more, or leave out --labels")
    if 2 * np.sum(sizes == 1) > n:
        raise UserError(
            f"{np.sum(sizes == 1):,} of {n:,} rows are the only one of their label; labels are "
            "classes with several rows each, not numbers of rows or measurements"
        )


def _others(
    x: np.ndarray,
    labels: np.ndarray | None,
    metric: str,
    found: dict[str, Any],
    plain: np.ndarray | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """The row of each method after the first, its counts, and why some were left out.

    `plain` says whether each row's neighbours vote for its label in the space as given.
    """
    methods, counts, left_out = [*found["methods"]], dict(found["counts"]), {}
    for name in TRIED[1:]:
        say(f"{name} ...")
        try:
            row, counts[name], right = _try(name, x, labels, metric)
        except ValueError as error:
            # A row at the centre has no cosine once the space is centred.
            left_out[name] = str(error)
            continue
        row["slowdown"] = row["seconds"] / methods[0]["seconds"]
        if plain is not None and right is not None:
            row["p_value"] = significance.mcnemar(plain, right).p_value
        methods.append(row)
    return {"methods": methods, "counts": counts, "left_out": left_out}


def _try(
    name: str, x: np.ndarray, labels: np.ndarray | None, metric: str
) -> tuple[dict[str, Any], Int[np.ndarray, "n"], Bool[np.ndarray, "n"] | None]:
    method = parse(name)
    everything = np.arange(len(x))
    run = lambda: search(
        method,
        FEATURES[method.feature](x, everything, 0),
        None,
        K_HUBNESS,
        metric=metric,
        local_k=K_HUBNESS,
    )
    seconds, found = _timed(run)
    row = {"method": name, "seconds": seconds} | hubness_of(found.index, len(x))
    counts = np.asarray(hubness.k_occurrence(found.index, len(x)))
    if labels is None:
        return row, counts, None
    near = labels[found.index]
    wrong = near != labels[:, None]
    hubs = (counts >= 2 * K_HUBNESS)[found.index]
    row["bad_rate"] = float(np.mean(wrong))
    row["bad_by_hubs"] = float(np.mean(hubs[wrong])) if wrong.any() else 0.0
    right = vote(near, np.ones(near.shape), int(labels.max()) + 1)[-1] == labels
    return row | {"error": float(1 - right.mean())}, counts, right


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """The least seconds of some runs after the first, and what a run gave."""
    run()
    spent: list[float] = []
    while True:
        start = time.perf_counter()
        found = run()
        spent.append(time.perf_counter() - start)
        if sum(spent) > TIMED or len(spent) == 5:
            return min(spent), found
