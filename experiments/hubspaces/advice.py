"""Is my embedding hubby? What it costs, and which reduction to use."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from experiments.hubspaces.evaluate import K_HUBNESS, hubness_of, vote
from experiments.hubspaces.methods import FEATURES, parse, search
from experiments.hubspaces.tables import markdown
from experiments.runtime.errors import UserError
from hubness import significance

TRIED = ("none", "centre", "f-norm-inductive", "csls", "local_scaling", "nicdm", "mp_gauss")
TRIED += ("f-norm-inductive+nicdm",)
# Robin Hood above chance. Sentence encoders on news: 0.15; mean word vectors: 0.4 (spec 7).
LITTLE = 0.05
SURE = 0.01  # McNemar p, divided by the number of methods tried


def advise(
    x: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, "n"] | None,
    *,
    metric: str,
    max_points: int,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Hubness, leave-one-out error and seconds of each method, and what follows from them.

    More than `max_points` rows are sampled. Searches are timed after compilation.
    """
    n = len(x)
    least = 2 * K_HUBNESS + 2
    if min(n, max_points) < least:
        raise UserError(
            f"{min(n, max_points)} embeddings are too few for neighbourhoods of {K_HUBNESS}: at "
            f"least {least} are needed"
        )
    if labels is not None and len(labels) != n:
        raise UserError(f"{len(labels):,} labels for {n:,} embeddings; one a row is needed")
    if n > max_points:
        rows = np.sort(np.random.default_rng(seed).choice(n, max_points, replace=False))
        x, labels = x[rows], None if labels is None else labels[rows]
    tried, right = [], {}
    for name in TRIED:
        say(f"{name} ...")
        row, right[name] = _try(name, x, labels, metric)
        tried.append(row)
    for row in tried:
        row["slowdown"] = row["seconds"] / tried[0]["seconds"]
        if labels is not None:
            test = significance.mcnemar(right["none"], right[row["method"]])
            row["p_value"] = test.p_value
    summary = {
        "num_rows": n,
        "num_used": len(x),
        "width": x.shape[1],
        "metric": metric,
        "duplicates": len(x) - len(np.unique(x, axis=0)),
        "methods": tried,
    }
    return summary | {"verdict": verdict(tried, summary["duplicates"])}


def _try(name, x, labels, metric) -> tuple[dict[str, Any], np.ndarray | None]:
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
    run()
    start = time.perf_counter()
    found = run()
    row = {"method": name, "seconds": time.perf_counter() - start}
    row |= hubness_of(found.index, len(x))
    if labels is None:
        return row, None
    near = labels[found.index]
    row["bad_rate"] = float(np.mean(near != labels[:, None]))
    right = vote(near, np.ones(near.shape), int(labels.max()) + 1)[-1] == labels
    return row | {"error": float(1 - right.mean())}, right


def verdict(tried: list[dict[str, Any]], duplicates: int) -> list[str]:
    """Sentences: how hubby, what it costs, what to do."""
    plain = tried[0]
    excess = plain["robin_hood"] - plain["robin_hood_null"]
    degree = "little" if excess < LITTLE else "moderate" if excess < 0.2 else "strong"
    lines = [
        f"{degree.capitalize()} hubness: Robin Hood {plain['robin_hood']:.3f}, by chance "
        f"{plain['robin_hood_null']:.3f}; skewness {plain['skewness']:.2f}, by chance "
        f"{plain['skewness_null']:.2f}. {100 * plain['antihub_rate']:.1f} % of points are nobody's "
        f"neighbour; the largest hub is among the {K_HUBNESS} nearest of {plain['largest']:,}."
    ]
    if duplicates:
        lines.append(
            f"{duplicates:,} rows are exact duplicates of others: remove them first, they are "
            "each other's neighbours under any distance."
        )
    return lines + _recommend(tried, degree)


def _recommend(tried: list[dict[str, Any]], degree: str) -> list[str]:
    plain, others = tried[0], tried[1:]
    fairest = min(tried, key=lambda row: row["robin_hood"])
    if "error" not in plain:
        if degree == "little":
            return ["Leave the space as it is. Labels (--labels=FILE) would tell what hubs cost."]
        return [
            f"Use {fairest['method']}: Robin Hood {fairest['robin_hood']:.3f}, "
            f"{fairest['slowdown']:.1f} times the search time. Without labels nobody knows whether "
            "neighbours become better, only that they become fairer."
        ]
    lines = [
        f"Leave-one-out error of {K_HUBNESS} neighbours is {100 * plain['error']:.2f} %; "
        f"{100 * plain['bad_rate']:.1f} % of neighbours have another label."
    ]
    level = SURE / len(others)
    better = [r for r in others if r["error"] < plain["error"] and r["p_value"] < level]
    if better:
        best = min(better, key=lambda row: row["error"])
        return [
            *lines,
            f"Use {best['method']}: error {100 * best['error']:.2f} % (McNemar p "
            f"{best['p_value']:.1e}), Robin Hood {best['robin_hood']:.3f}, "
            f"{best['slowdown']:.1f} times the search time.",
        ]
    harmless = [r for r in tried if r["error"] <= plain["error"] or r["p_value"] >= level]
    fairest = min(harmless, key=lambda row: row["robin_hood"])
    if degree == "little" or fairest is plain:
        return [*lines, "No reduction lowers the error measurably: leave the space as it is."]
    return [
        *lines,
        "No reduction lowers the error measurably. If hubs disturb for another reason (search, "
        f"recommendation), {fairest['method']} takes Robin Hood to {fairest['robin_hood']:.3f} at "
        f"{100 * fairest['error']:.2f} % error, {fairest['slowdown']:.1f} times the search time.",
    ]


def as_markdown(summary: dict[str, Any]) -> str:
    """The verdict and a table of what was tried."""
    labelled = "error" in summary["methods"][0]
    head = ["method", "Robin Hood", "skewness", "anti-hubs %", "largest N", "time"]
    lines = [head + (["bad neighbours %", "error %", "p"] if labelled else [])]
    for row in summary["methods"]:
        line = [
            f"`{row['method']}`",
            f"{row['robin_hood']:.3f}",
            f"{row['skewness']:.2f}",
            f"{100 * row['antihub_rate']:.1f}",
            f"{row['largest']:,}",
            f"{row['slowdown']:.1f}x",
        ]
        if labelled:
            line += [f"{100 * row[name]:.2f}" for name in ("bad_rate", "error")]
            line.append(f"{row['p_value']:.1e}")
        lines.append(line)
    used = f"{summary['num_used']:,} of {summary['num_rows']:,} rows"
    title = f"{used}, {summary['width']} dimensions, metric {summary['metric']}"
    return "\n\n".join([title, *summary["verdict"], markdown(lines)]) + "\n"


def read_labels(path: str) -> Int[np.ndarray, "n"]:
    """Labels from .npy or from the lines of a text file, numbered in sorted order.

    Raises:
      UserError: where there is no such file, or it holds no vector.
    """
    try:
        if path.endswith(".npy"):
            values = np.load(path, allow_pickle=False)
        else:
            with open(path, encoding="utf-8") as file:
                values = np.array(file.read().splitlines())
    except (OSError, ValueError) as error:
        raise UserError(f"labels {path}: {error}") from error
    if values.ndim != 1 or not len(values):
        raise UserError(f"labels {path} have shape {values.shape}; one label a row is needed")
    return np.unique(values, return_inverse=True)[1]
