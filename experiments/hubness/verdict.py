"""What follows from the figures of `advice.advise`, in sentences and a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.hubness import sampled_verdict
from experiments.hubness.evaluate import K_HUBNESS
from experiments.hubness.methods import parse
from experiments.hubness.tables import COLUMNS
from experiments.reporting.markdown import Cell, Column, Table, block

Row = Mapping[str, Any]
# Robin Hood above chance. Sentence encoders on news: 0.15; mean word vectors: 0.4 (spec 7).
LITTLE = 0.05
STRONG = 0.2
SURE = 0.01  # McNemar p, divided by the number of methods tried
IMPORT = "from repgeo import hubness"
SPACES = {
    "centre": "hubness.features.unit_rows(hubness.features.centre(x))",
    "f-norm-inductive": (
        "hubness.features.rank_normal_apply(hubness.features.rank_normal_fit(x), x)"
    ),
}


def meaning(found: Row) -> list[str]:
    """What hubness costs, and what to do about it."""
    if is_sampled(found):
        return sampled_verdict.meaning(found)
    tried, name = found["methods"], found["recommended"]
    out = []
    if found["duplicates"]:
        out.append(
            f"{found['duplicates']:,} of the rows used are exact duplicates of others: remove them "
            "first, they are each other's neighbours under any distance."
        )
    if "error" in tried[0]:
        out.append(_cost(found))
    out.append(_advice(found))
    if name != "none":
        call = code(name, found["metric"])
        out.append(f"In code, x being your rows: `{IMPORT}`, then `{call}`.")
    out += [f"`{left}` was left out: {why}" for left, why in found["left_out"].items()]
    return out


def recommend(tried: Sequence[Row]) -> str:
    """The method to use; "none" where the space is best left as it is.

    With labels: the least error among those that lower it surely; else, where hubness is more than
    little, the fairest that does no sure harm. Without: the fairest of those that leave the
    vectors alone, because nobody sees what a change of the vectors loses.
    """
    plain = tried[0]
    better = _better(tried)
    if better:
        return min(better, key=lambda row: row["error"])["method"]
    if _excess(plain) < LITTLE:
        return "none"
    if "error" in plain:
        level = _level(tried)
        fair = [r for r in tried if r["error"] <= plain["error"] or r["p_value"] >= level]
    else:
        fair = [r for r in tried if parse(r["method"]).feature == "none"]
    return min(fair, key=lambda row: row["robin_hood"])["method"]


def _better(tried: Sequence[Row]) -> list[Row]:
    """The methods that lower the error surely."""
    plain, level = tried[0], _level(tried)
    if "error" not in plain:
        return []
    return [r for r in tried[1:] if r["error"] < plain["error"] and r["p_value"] < level]


def _level(tried: Sequence[Row]) -> float:
    """The p below which a difference counts as sure."""
    return SURE / max(1, len(tried) - 1)


def _excess(row: Row) -> float:
    return row["robin_hood"] - row["robin_hood_null"]


def is_sampled(found: Row) -> bool:
    """Whether these are figures of `sampled.advise`, which `sampled_verdict` puts into words."""
    return "num_queries" in found


def degree(found: Row) -> str:
    """How hubby the space is, by two measures beside their values by chance."""
    plain, excess = found["methods"][0], _excess(found["methods"][0])
    word = "Little" if excess < LITTLE else "Moderate" if excess < STRONG else "Strong"
    return (
        f"{word} hubness: Robin Hood {plain['robin_hood']:.3f}, by chance "
        f"{plain['robin_hood_null']:.3f}; skewness {plain['skewness']:.2f}, by chance "
        f"{plain['skewness_null']:.2f}"
    )


def verdict(found: Row) -> str:
    """How hubby the space is, and which rows are hubs."""
    if is_sampled(found):
        return sampled_verdict.verdict(found)
    plain = found["methods"][0]
    hubs = ", ".join(f"{row:,} (in {count:,})" for row, count in found["hubs"])
    return (
        f"{degree(found)}. {100 * plain['antihub_rate']:.1f} % of rows are among the "
        f"{K_HUBNESS} nearest of no other; the largest hub is in {plain['largest']:,} of "
        f"{found['num_rows']:,} lists. Rows in most lists, counted from 0: {hubs}."
    )


def _cost(found: Row) -> str:
    plain = found["methods"][0]
    return (
        f"Leave-one-out error of {K_HUBNESS} neighbours is {100 * plain['error']:.2f} % (always "
        f"the largest class: {100 * found['error_of_largest_class']:.1f} %); "
        f"{100 * plain['bad_rate']:.1f} % of neighbours have another label. Hubs, the "
        f"{100 * plain['hub_rate']:.1f} % of rows in {2 * K_HUBNESS} lists or more, hold "
        f"{100 * plain['hub_occurrence']:.1f} % of all places and "
        f"{100 * plain['bad_by_hubs']:.1f} % of the wrong ones."
    )


def _advice(found: Row) -> str:
    tried = found["methods"]
    row = next(r for r in tried if r["method"] == found["recommended"])
    gain = f"Robin Hood {row['robin_hood']:.3f}, {row['slowdown']:.1f} times the search time"
    name, labelled = row["method"], "error" in row
    if labelled and name in [r["method"] for r in _better(tried)]:
        odds = f"McNemar p {row['p_value']:.1e}"
        return f"Use {name}: error {100 * row['error']:.2f} % ({odds}), {gain}."
    if labelled:
        lead = "No reduction lowers the error measurably"
        if name == "none":
            return f"{lead}: leave the space as it is."
        return (
            f"{lead}. If hubs disturb for another reason (search, recommendation), use {name}: "
            f"{gain}, at {100 * row['error']:.2f} % error."
        )
    if name == "none":
        return "Leave the space as it is. Labels (--labels=FILE) would tell what hubs cost."
    fairest = min(tried, key=lambda r: r["robin_hood"])
    more = (
        ""
        if fairest["method"] == name
        else f" {fairest['method']} goes to {fairest['robin_hood']:.3f}, but changes the vectors "
        "themselves, which can lose what matters: try it with labels."
    )
    return (
        f"Use {name}: {gain}.{more} Without labels nobody knows whether neighbours become better, "
        "only that they become fairer."
    )


def code(name: str, metric: str) -> str:
    """The call that searches as the method does."""
    method = parse(name)
    rows = SPACES.get(method.feature, "x")
    if method.reduction == "none":
        return f'hubness.knn({rows}, {K_HUBNESS}, metric="{metric}")'
    return f'hubness.reduced_knn({rows}, {K_HUBNESS}, "{method.reduction}", metric="{metric}")'


def title(found: Row) -> str:
    """What was judged."""
    if is_sampled(found):
        return sampled_verdict.title(found)
    rows, width = f"{found['num_rows']:,} rows", f"{found['width']} dimensions"
    return f"{rows}, {width}, metric {found['metric']}"


def tables(found: Row) -> list[Table]:
    """Everything that was tried."""
    if is_sampled(found):
        return sampled_verdict.tables(found)
    header = [COLUMNS[n] for n in ("robin_hood", "skewness", "antihub_rate")]
    header += [Column("largest N", format=","), Column("search s", format=".3g", better="lower")]
    header.append(Column("slower", "×", format=".1f", better="lower"))
    names = ["robin_hood", "skewness", "antihub_rate", "largest", "seconds", "slowdown"]
    if "error" in found["methods"][0]:
        header += [Column("bad neighbours %", format=".2f", better="lower"), COLUMNS["error"]]
        header.append(Column("p", format=".1e", better="lower", missing=""))
        names += ["bad_rate", "error", "p_value"]
    rows: list[list[Cell]] = []
    for row in found["methods"]:
        values = [_percent(name) * row[name] for name in names]
        if row is found["methods"][0] and "error" in row:
            values[-1] = None  # the plain space is not tested against itself
        rows.append([f"`{row['method']}`", *values])
    return [Table([Column("method"), *header], rows, "What was tried", _legend(found))]


def _percent(name: str) -> int:
    return 100 if name in ("antihub_rate", "bad_rate", "error") else 1


def _legend(found: Row) -> str:
    """What the columns are."""
    plain = found["methods"][0]
    text = (
        "`none`: the space as given. Robin Hood: share of places in neighbour lists that would "
        "have to change hands for all rows to be listed equally often "
        f"({plain['robin_hood_null']:.3f} by chance). Anti-hubs: rows in no list. Largest N: lists "
        "with the largest hub."
    )
    if "error" in plain:
        text += (
            f" Bad neighbours: of another label. Error: majority of {K_HUBNESS} neighbours, each "
            "row left out of its own. p: exact McNemar test against `none`; below "
            f"{_level(found['methods']):.1e} counts as sure, because several methods were tried."
        )
    return text


def as_markdown(found: Row) -> str:
    """Everything above, one after the other."""
    return "\n\n".join([title(found), verdict(found), *meaning(found), block(tables(found))])
