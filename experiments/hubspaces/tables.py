"""The results as Markdown."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
HEADER = (
    ("method", None, 0),
    ("skewness", "skewness", 2),
    ("Robin Hood", "robin_hood", 3),
    ("anti-hubs %", "antihub_rate", 1),
    ("largest N", "largest", 0),
    ("skewness among points", "self_skewness", 2),
    ("bad neighbours %", "bad_rate", 1),
    ("error %", "error", 2),
    ("error % by 1/d", "error_by_distance", 2),
    ("error cut %", "error_reduction", 1),
    ("p", "p_value", None),
)
PERCENT = ("antihub_rate", "bad_rate", "error", "error_by_distance")


def main_table(record: Record, methods: Collection[str] | None = None) -> str:
    """One row a method (all of them, or those of `methods`): means over seeds ± standard errors."""
    rows = [s for s in record["summary"] if methods is None or s["method"] in methods]
    columns = [c for c in HEADER if c[1] is None or any(r[c[1]] is not None for r in rows)]
    lines = [[title for title, _, _ in columns]]
    for row in rows:
        lines.append([_cell(row, key, digits) for _, key, digits in columns])
    return markdown(lines)


def _cell(row: Record, key: str | None, digits: int | None) -> str:
    if key is None:
        return f"`{row['method']}`"
    value = row[key]
    if value is None:
        return ""
    if digits is None:
        return f"{value:.1e}" if value < 1e-3 else f"{value:.3f}"
    scale = 100 if key in PERCENT else 1
    mean, error = scale * value["mean"], scale * value["se"]
    return f"{mean:z.{digits}f}" + (f" ± {error:.{digits}f}" if row["num_seeds"] > 1 else "")


def floor_table(record: Record) -> str:
    """What chance alone gives at this number of points and queries."""
    null = record["null"]
    lines = [["measure", "by chance"]]
    for name in ("skewness", "robin_hood", "antihub_rate"):
        lines.append([name.replace("_", " "), f"{null[name]:.4g}"])
    return markdown(lines)


def caption(record: Record) -> str:
    """What was run, on what, how often."""
    data = record["data"]
    labels = f"{data['num_classes']} classes" if data["num_classes"] else "no labels"
    return (
        f"{data['name']} ({data['num_rows']:,} rows, {labels}, sha256 {data['sha256'][:8]}) in the "
        f"space `{record['space']}` ({data['width']} dimensions, {data['duplicates']:,} duplicate "
        f"rows): {data['num_train']:,} points, {data['num_test']:,} queries, "
        f"{len(record['seeds'])} splits; metric {record['metric']}, k = 10, local k = "
        f"{record['local_k']}; error of majority votes of 2 to 19 neighbours, their number by "
        "leave-one-out on the points; mean ± standard error; p: exact McNemar test against the "
        f"plain space, the largest over splits. Commit {record['commit'] or 'unknown'}, "
        f"`{record['command']}`."
    )


def recorded(record: Record, *, best: int = 5) -> str:
    """The tables of a recorded run: every single method, and the best of the combinations.

    Best are the `best` of least error and of least Robin Hood; the published combination is shown
    wherever it stands.
    """
    single = [s["method"] for s in record["summary"] if "+" not in s["method"]]
    combined = [s for s in record["summary"] if "+" in s["method"]]
    kept = {*single, "f-norm+mp_gauss@skhubness-0.30"}
    for column in ("error", "robin_hood"):
        known = [s for s in combined if s[column]]
        known.sort(key=lambda s: s[column]["mean"])
        kept |= {s["method"] for s in known[:best]}
    hidden = len(record["summary"]) - len([s for s in record["summary"] if s["method"] in kept])
    note = f"{hidden} further combinations are in the record. " if hidden else ""
    text = [main_table(record, kept), floor_table(record), note + caption(record)]
    return "\n\n".join(text) + "\n"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose first line is the header."""
    head, *rows = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rows])
