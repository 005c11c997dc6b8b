"""What follows from the figures of `sampled.advise`, in sentences and a table."""

from collections.abc import Mapping
from typing import Any

from experiments.hubness.evaluate import K_HUBNESS
from experiments.hubness.sampled import LITTLE
from experiments.hubness.tables import COLUMNS
from experiments.reporting.markdown import Column, Table

Row = Mapping[str, Any]
HIGH = 2.5  # `hubness.measures` on sentence embeddings


def verdict(found: Row) -> str:
    """How hubby the space is."""
    plain = found["methods"][0]
    if plain["skewness"] is None:
        return (
            f"{found['num_queries']:,} queries of {found['num_rows']:,} rows are too few to tell "
            "how hubby they are: hardly a row is in two of their lists; give more (--max_queries)."
        )
    degree = "Little" if plain["skewness_high"] < LITTLE else "Moderate"
    degree = "Strong" if plain["skewness_low"] > HIGH else degree
    hubs = ", ".join(
        f"{row:,} (in about {estimate:,}: {low:,} to {high:,})"
        for row, estimate, low, high in found["hubs"]
    )
    named = f"The rows in most lists, counted from 0: {hubs}." if hubs else "None is surely a hub."
    return (
        f"{degree} hubness: skewness of N_{K_HUBNESS} over all {found['num_rows']:,} rows "
        f"{plain['skewness']:.2f} (95 %: {plain['skewness_low']:.2f} to "
        f"{plain['skewness_high']:.2f}), by chance {plain['skewness_null']:.2f}. "
        f"{plain['hubs']:,} rows are surely in {2 * K_HUBNESS} lists or more. {named}"
    )


def meaning(found: Row) -> list[str]:
    """What was sampled, what cannot be known so, and what to do."""
    plain = found["methods"][0]["of_queries"]
    out = [
        f"{found['num_queries']:,} of {found['num_rows']:,} rows, drawn at random, asked among all "
        f"of them; all rows asking takes {found['exact']} a method (--max_queries). The moments of "
        "N over all rows follow from the sample, with an interval. How many rows are in no list, "
        "and the Robin Hood, Gini and Atkinson indices, do not: a row in no sampled list may be in "
        f"others. Of these {found['num_queries']:,} queries alone {plain['antihub_rate']:.1%} of "
        f"rows are in no list where chance gives {plain['antihub_rate_null']:.1%}, and Robin Hood "
        f"is {plain['robin_hood']:.3f} where chance gives {plain['robin_hood_null']:.3f}."
    ]
    out.append(_advice(found))
    return out + [f"`{left}` was left out: {why}" for left, why in found["left_out"].items()]


def _advice(found: Row) -> str:
    plain = found["methods"][0]
    if found["not_tried"]:
        names = ", ".join(f"`{name}`" for name in found["not_tried"])
        return (
            f"What reductions do was not tried: {names}. Each takes about as long as this search "
            f"took, {plain['seconds']:.0f} s, those that change vectors some times that "
            "(--reductions)."
        )
    row = next(r for r in found["methods"] if r["method"] == found["recommended"])
    if row["method"] == "none":
        if "error" in row:
            return "No method that was tried lowers the error surely: leave the space as it is."
        if (plain["skewness_low"] or 0) > LITTLE:
            return "No method that was tried lowers the skewness surely: more queries would tell."
        return "Leave the space as it is. Labels (--labels=FILE) would tell what hubs cost."
    if "error" in row:
        odds = f"McNemar p {row['p_value']:.1e}"
        return f"Use {row['method']}: error {100 * row['error']:.2f} % ({odds})."
    return (
        f"Use {row['method']}: skewness {row['skewness']:.2f}. Without labels nobody knows whether "
        "neighbours become better, only that they become fairer."
    )


def title(found: Row) -> str:
    """What was judged."""
    return (
        f"{found['num_rows']:,} rows, {found['num_queries']:,} of them queries, {found['width']} "
        f"dimensions, metric {found['metric']}"
    )


def tables(found: Row) -> list[Table]:
    """Everything that was tried."""
    header = [Column("method"), Column("skewness", format=".2f", better="lower")]
    header += [Column("95 % from", format=".2f"), Column("to", format=".2f")]
    header += [Column("sure hubs", format=",", better="lower"), Column("search s", format=".3g")]
    names = ["skewness", "skewness_low", "skewness_high", "hubs", "seconds"]
    labelled = "error" in found["methods"][0]
    if labelled:
        header += [Column("bad neighbours %", format=".2f", better="lower"), COLUMNS["error"]]
        header.append(Column("p", format=".1e", better="lower", missing=""))
    rows = []
    for row in found["methods"]:
        values = [row[name] for name in names]
        if labelled:
            p = None if row is found["methods"][0] else row["p_value"]
            values += [100 * row["bad_rate"], 100 * row["error"], p]
        rows.append([f"`{row['method']}`", *values])
    text = (
        "`none`: the space as given. Skewness: of how often each row is among the "
        f"{K_HUBNESS} nearest of all others, with its interval. Sure hubs: rows that the sample "
        f"proves to be in {2 * K_HUBNESS} lists or more; fewer where fewer can be told. Changes of "
        "the vectors were learned from the sampled rows."
    )
    return [Table(header, rows, "What was tried", text)]
