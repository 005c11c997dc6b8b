"""Figures, tables and the HTML page of a run."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import html
from experiments.hubspaces import figures, summary, tables, verdict
from experiments.hubspaces.evaluate import Outcome

Record = Mapping[str, Any]
READING = (
    "`none` is the plain space; `a+b` first changes the vectors by `a`, then the distances by `b`; "
    "`@skhubness-0.30` is a reduction as scikit-hubness computes it. Columns are of queries among "
    "the points, except “skewness among points”. Robin Hood: share of neighbour slots to move for "
    "equality. Anti-hubs: points in no list. Largest N: lists with the largest hub. Bad "
    "neighbours: of another label. Error cut: per cent of the plain space's error on the same "
    "split, negative where it grows."
)
CAUTION = (
    "Hubness is read against what chance gives at the same numbers of points and queries. Skewness "
    "follows single hubs and moves between splits; the Robin Hood index is steadier. Votes are not "
    "weighted by 1/d except where shown: mutual proximity spans twelve orders of magnitude among "
    "neighbours and would become a one-nearest-neighbour rule. A transform marked `f-norm` is the "
    "paper's: random, over points and queries together; `f-norm-inductive` learns from the points "
    "alone and is deterministic."
)
TITLES = {
    "occurrence": "How often points are neighbours",
    "reductions": "What each method takes away",
    "graphs": "Neighbour graphs: hubs are vertical lines",
    "paired": "Split by split",
    "correlation": "Less hubness, less error?",
}
CAPTIONS = {
    "occurrence": "Share of points that stand in 0, 1, 2, ... lists of ten neighbours. The more of "
    "a curve lies right of the dotted one, the more hubs; left of it, the more points are found by "
    "no query. First split.",
    "reductions": "One dot a split, right of the line where the figure falls, that is, improves; "
    "red where it grows on average; arrows where it more than doubles.",
    "graphs": "A dot where the point of the row has the point of the column among its ten nearest; "
    "points in the order of their classes, which lines part where there are labels. Points of the "
    "first split, at most 800 rows.",
    "paired": "One line a split; a method that always helps has lines that all fall.",
    "correlation": "One dot a method and split.",
}


def shown(record: Record) -> list[str]:
    """The methods of the detailed figures: plain, least error, least Robin Hood, the paper's."""
    found = [s["method"] for s in record["summary"]]
    wanted = ["none", summary.best(record["summary"], "error")]
    wanted += [summary.best(record["summary"], "robin_hood")]
    wanted += ["f-norm+mp_gauss@skhubness-0.30", "f-norm+mp_gauss", "f-norm"]
    return [name for name in dict.fromkeys(wanted) if name in found][:4]


def draw(
    record: Record, outcomes: Mapping[str, Outcome], labels: np.ndarray | None
) -> dict[str, Figure]:
    """The figures by name; `outcomes` and `labels` are those of the first split's points."""
    rows, names = record["rows"], shown(record)
    drawn = {
        "occurrence": figures.occurrence({n: outcomes[n].counts for n in names}),
        "graphs": figures.neighbour_graphs({n: outcomes[n].index for n in names}, labels),
    }
    if len(record["summary"]) > 1:
        drawn["reductions"] = figures.reductions(rows)
        drawn["paired"] = figures.paired(rows, names[1:])
    if labels is not None and len(record["summary"]) > 3:
        drawn["correlation"] = figures.hubness_against_error(rows)
    return drawn


def write(record: Record, drawn: Mapping[str, Figure], workdir: pathlib.Path) -> None:
    """Writes figures/*.png and *.pdf, tables.md and report.html."""
    saved = html.save_figures(drawn, workdir / "figures")
    text = [tables.main_table(record), tables.floor_table(record), tables.caption(record)]
    (workdir / "tables.md").write_text("\n\n".join(text) + "\n")
    (workdir / "report.html").write_text(page(record, saved))


def page(record: Record, drawn: Mapping[str, pathlib.Path]) -> str:
    """One page with everything, that needs no other file."""
    parts = [html.paragraph(tables.caption(record)), *map(html.paragraph, said(record))]
    parts += [html.heading("By chance"), html.table(tables.floor_table(record))]
    parts += [html.heading("Methods"), html.table(tables.main_table(record))]
    parts += [html.paragraph(READING), html.paragraph(CAUTION)]
    for name in (n for n in TITLES if n in drawn):
        parts += [html.heading(TITLES[name]), html.image(drawn[name], TITLES[name])]
        parts.append(html.paragraph(CAPTIONS[name]))
    return html.page(f"Hubness of {record['space']}: {record['data']['name']}", parts)


def advice_page(source: str, found: Mapping[str, Any], drawn: Mapping[str, pathlib.Path]) -> str:
    """The answer of `advice.advise` on one page that needs no other file."""
    parts = [verdict.title(found), *verdict.paragraphs(found)]
    parts = [*map(html.paragraph, parts), html.heading("What was tried")]
    parts += [html.table(verdict.table(found)), html.paragraph(verdict.legend(found))]
    for name, path in drawn.items():
        parts += [html.heading(TITLES[name]), html.image(path, TITLES[name])]
        # Here the points are their own queries.
        parts.append(html.paragraph(CAPTIONS[name].removesuffix(" First split.")))
    return html.page(f"Hubness of {source}", parts)


def said(record: Record) -> Sequence[str]:
    """What the run says, in sentences."""
    rows = {s["method"]: s for s in record["summary"]}
    plain, null = rows["none"], record["null"]
    out = [
        f"The plain space: skewness {plain['skewness']['mean']:.2f} (by chance "
        f"{null['skewness']:.2f}), Robin Hood {plain['robin_hood']['mean']:.3f} (by chance "
        f"{null['robin_hood']:.3f}), {100 * plain['antihub_rate']['mean']:.1f} % of points are "
        f"nobody's neighbour."
    ]
    fairest = summary.best(record["summary"], "robin_hood")
    out.append(
        f"Least unequal: **{fairest}** with Robin Hood {rows[fairest]['robin_hood']['mean']:.3f}, "
        f"skewness {rows[fairest]['skewness']['mean']:.2f}."
    )
    right = summary.best(record["summary"], "error")
    if right and plain["error"]:
        p = rows[right]["p_value"]
        if right == "none":
            out.append(f"No method has less error than the plain space's {_error(plain)}.")
            return out
        odds = f"exact McNemar test: p ≤ {p:.2g} on each split"
        if p > 0.05:
            odds = f"which may be chance: p of the exact McNemar test reaches {p:.2g} on a split"
        out.append(
            f"Least error: **{right}** with {_error(rows[right])} against {_error(plain)} "
            f"({odds}). The best of many methods on the same queries looks better than it is."
        )
    return out


def _error(row: Mapping[str, Any]) -> str:
    return f"{100 * row['error']['mean']:.2f} %"
