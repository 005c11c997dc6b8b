"""From the outcomes of every method and seed to the table's figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

Row = Mapping[str, Any]
# name in the table -> where it stands in an outcome's row
COLUMNS = {
    "skewness": ("query", "skewness"),
    "robin_hood": ("query", "robin_hood"),
    "antihub_rate": ("query", "antihub_rate"),
    "largest": ("query", "largest"),
    "self_skewness": ("self", "skewness"),
    "self_robin_hood": ("self", "robin_hood"),
    "bad_rate": ("bad_rate",),
    "error": ("uniform", "error"),
    "votes": ("uniform", "k"),
    "error_by_distance": ("distance", "error"),
}


def value_of(row: Row, name: str) -> float | None:
    """One column of an outcome's row; None where the method has none."""
    value: Any = row
    for part in COLUMNS[name]:
        value = value.get(part) if value is not None else None
    return value


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Mean and standard error over seeds of each column, one row a method in order of appearance.

    `error_reduction` and `robin_hood_reduction` are per cent of the plain space's error and Robin
    Hood index on the same split; McNemar p-values are the largest over seeds.
    """
    out = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        summary: dict[str, Any] = {"method": name, "num_seeds": len(own)}
        for column in COLUMNS:
            summary[column] = spread([value_of(row, column) for row in own])
        for column in ("error", "skewness", "robin_hood"):
            summary[f"{column}_reduction"] = spread(cuts(rows, name, column))
        tests = [row["mcnemar"]["p_value"] for row in own if row.get("mcnemar")]
        summary["p_value"] = max(tests) if tests and name != "none" else None
        out.append(summary)
    return out


def cuts(
    rows: Sequence[Row], method: str, column: str, *, above_chance: bool = False
) -> list[float | None]:
    """Per cent by which a method cuts a column of the plain space of the same split, one a split.

    `above_chance`: of what the plain space has above chance; None where it has nothing to cut.
    """
    base = {row["seed"]: row for row in rows if row["method"] == "none"}
    found: list[float | None] = []
    for row in (row for row in rows if row["method"] == method):
        before, after = value_of(base[row["seed"]], column), value_of(row, column)
        if before is None or after is None:
            continue
        floor = row["query"][f"{column}_null"] if above_chance else 0
        found.append(100 * (before - after) / (before - floor) if before > floor else None)
    return found


def interval(values: Sequence[float | None]) -> tuple[float, float | None, float | None] | None:
    """Mean over splits and Student's 95 % interval; without values None, of one without ends."""
    known = np.array([v for v in values if v is not None])
    if not len(known):
        return None
    if len(known) < 2:
        return float(known[0]), None, None
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / len(known) ** 0.5
    return float(known.mean()), float(known.mean() - half), float(known.mean() + half)


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Mean and standard error (0 for one value); None without values."""
    known = [v for v in values if v is not None]
    if not known:
        return None
    error = np.std(known, ddof=1) / np.sqrt(len(known)) if len(known) > 1 else 0.0
    return {"mean": float(np.mean(known)), "se": float(error)}


def best(summaries: Sequence[Row], column: str) -> str | None:
    """The method with the least mean in a column; None where no method has it."""
    known = [s for s in summaries if s[column]]
    return min(known, key=lambda s: s[column]["mean"])["method"] if known else None
