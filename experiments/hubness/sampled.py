"""Is an embedding of very many rows hubby? All rows stay; a sample of them asks."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

import hubness
from experiments.hubness.evaluate import K_HUBNESS, hubness_of, vote
from experiments.hubness.methods import parse
from hubness import features, sampled, significance
from hubness.sampled.search import cost, refusal

TRIED = ("none", "centre", "f-norm-inductive", "mp_gauss", "inverted_softmax")
TRIED += ("f-norm-inductive+mp_gauss",)
NEEDS_ALL = ("csls", "local_scaling", "nicdm")  # of those tried on fewer rows
SHOWN_HUBS = 5
LITTLE = 1.0  # a skewness; real text encoders of 1,000 dimensions have 1.1 to 1.6 (spec 5)
Rows = Float[np.ndarray, "n d"]


class Moved:
    """Rows of a file under a change that was learned from some of them, taken slice by slice."""

    def __init__(self, x: Rows, change: Callable[[np.ndarray], Any]):
        self._x, self._change = x, change
        self.shape, self.dtype = x.shape, np.dtype(np.float32)

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.asarray(self._change(np.asarray(self._x[rows])))


def advise(
    x: Rows,
    labels: Int[np.ndarray, "n"] | None,
    *,
    metric: str,
    max_queries: int,
    seed: int = 0,
    reductions: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Skewness with its interval, sure hubs, error and seconds of each method, from sampled rows.

    `max_queries` of the n rows ask among all. `counts` holds how many of them list each row.
    Without `reductions` the space is judged as it is.
    """
    rows = sampled.draw(jax.random.key(seed), len(x), max_queries)
    found: dict[str, Any] = {
        "num_rows": len(x),
        "num_queries": len(rows),
        "width": x.shape[1],
        "metric": metric,
        "exact": cost(len(x), len(x), x.shape[1]),
        "methods": [],
        "counts": {},
        "left_out": {},
    }
    if labels is not None:
        found["error_of_largest_class"] = 1 - float(np.bincount(labels).max()) / len(labels)
    plain = None
    for name in TRIED if reductions else TRIED[:1]:
        say(f"{name} ...")
        try:
            row, counts, right = _try(name, x, labels, metric, rows)
        except ValueError as error:
            if name == "none":
                raise
            found["left_out"][name] = str(error)
            continue
        plain = right if plain is None else plain
        if right is not None and plain is not None:
            row["p_value"] = significance.mcnemar(plain, right).p_value
        found["methods"].append(row)
        found["counts"][name] = counts
    found["not_tried"] = [] if reductions else list(TRIED[1:])
    for name in NEEDS_ALL if reductions else ():
        method = hubness.reductions.reduction(name)
        found["left_out"][name] = refusal(method, *x.shape)
    found["hubs"] = found["methods"][0].pop("named")
    found["recommended"] = recommend(found["methods"])
    return found


def recommend(tried: list[dict[str, Any]]) -> str:
    """With labels the method that lowers the error surely and most; else the least skewed one that
    leaves the vectors alone and is surely less skewed than a space that is; else "none"."""
    plain, level = tried[0], 0.01 / max(1, len(tried) - 1)
    if "error" in plain:
        better = [r for r in tried[1:] if r["error"] < plain["error"] and r["p_value"] < level]
        return min(better, key=lambda r: r["error"])["method"] if better else "none"
    if plain["skewness"] is None or plain["skewness_low"] < LITTLE:
        return "none"
    known = [r for r in tried[1:] if r["skewness"] is not None]
    sure = [r for r in known if r["skewness_high"] < plain["skewness_low"]]
    fair = [r for r in sure if parse(r["method"]).feature == "none"]
    return min(fair, key=lambda r: r["skewness"])["method"] if fair else "none"


def _try(name, x, labels, metric, rows):
    """The row of a method, its counts, and which queries were classified rightly."""
    method, begun = parse(name), time.perf_counter()
    source = _changed(method.feature, x, rows)
    if method.reduction == "none":
        found = sampled.knn(source, K_HUBNESS, rows, metric=metric)
    else:
        found = sampled.reduced_knn(source, K_HUBNESS, method.reduction, rows, metric=metric)
    index = np.asarray(found.index)
    row: dict[str, Any] = {"method": name, "seconds": time.perf_counter() - begun}
    of_all, hubs = sampled.moments(index, len(x)), sampled.hubs(index, len(x))
    row |= {"skewness": of_all.skewness, "skewness_null": of_all.skewness_null}
    row |= {"skewness_low": of_all.low, "skewness_high": of_all.high, "hubs": len(hubs.index)}
    row = {part: None if not np.isfinite(v) else v for part, v in row.items() if part != "method"}
    row["method"] = name
    of_queries = hubness_of(index, len(x))
    row["of_queries"] = {
        n: of_queries[n] for m in ("robin_hood", "antihub_rate") for n in (m, f"{m}_null")
    }
    if name == "none":
        columns = hubs.index, hubs.estimate, hubs.low, hubs.high
        row["named"] = [tuple(map(int, one)) for one in zip(*columns, strict=True)][:SHOWN_HUBS]
    counts = np.asarray(hubness.k_occurrence(index, len(x)))
    if labels is None:
        return row, counts, None
    near = labels[index]
    right = vote(near, np.ones(near.shape), int(labels.max()) + 1)[-1] == labels[rows]
    row |= {
        "error": float(1 - right.mean()),
        "bad_rate": float(np.mean(near != labels[rows, None])),
    }
    return row, counts, right


def _changed(feature: str, x: Rows, rows: Int[np.ndarray, "m"]) -> Rows | Moved:
    """The rows under a change that the sampled ones teach."""
    if feature == "none":
        return x
    some = np.asarray(x[rows])
    if feature == "centre":
        return Moved(x, lambda block: features.unit_rows(features.centre(block, some)))
    state = features.rank_normal_fit(some)
    return Moved(x, lambda block: features.rank_normal_apply(state, block))
