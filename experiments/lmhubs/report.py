"""Figures and the HTML report of a run."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import html
from experiments.lmhubs import figures, tables
from experiments.lmhubs.neighbourhoods import COMPARISONS, DISTANCES, Neighbourhood

Record = Mapping[str, Any]


def make_figures(
    result: Record,
    found: Sequence[Neighbourhood],
    hubs: Sequence[np.ndarray],
    frequencies: Mapping[str, np.ndarray],
    histograms: Sequence[Mapping[str, Any]],
) -> dict[str, Figure]:
    """The figures of the last model of a run, by name."""
    record, drawn = result["models"][-1], {}
    for comparison in ("ct", "tt"):
        for distance in DISTANCES:
            chosen = [
                i
                for i, f in enumerate(found)
                if (f.comparison, f.distance) == (comparison, distance)
            ]
            if chosen and frequencies:
                drawn[f"frequency_{comparison}_{distance}"] = figures.count_against_frequency(
                    [found[i] for i in chosen], frequencies, [hubs[i] for i in chosen]
                )
    drawn["occurrence"] = figures.occurrence_curves(found)
    drawn["distances"] = figures.distance_histograms(histograms)
    if record["mitigation"]:
        drawn["mitigation"] = figures.mitigation_bars(record["mitigation"])
    if len(result["models"]) > 1:
        drawn["checkpoints"] = figures.checkpoint_curves(result["models"])
    return drawn


def write(result: Record, drawn: Mapping[str, Figure], workdir: pathlib.Path) -> None:
    """Writes figures/*.png and *.pdf, tables.md and report.html."""
    saved = html.save_figures(drawn, workdir / "figures")
    (workdir / "tables.md").write_text(tables.recorded(result))
    (workdir / "report.html").write_text(as_html(result, saved))


def as_html(result: Record, drawn: Mapping[str, pathlib.Path]) -> str:
    """One page with everything, that needs no other file."""
    record = result["models"][-1]
    parts = [html.paragraph(tables.caption(result)), html.paragraph(READING)]
    for name, path in drawn.items():
        if name.startswith("frequency_ct_dot") or name in ("occurrence", "checkpoints"):
            parts += [html.heading(TITLES.get(name, name)), html.image(path, name)]
    for title, text in tables.of_model(record):
        parts += [html.heading(title), html.table(text)]
    for name, path in drawn.items():
        if name in ("distances", "mitigation") or name.startswith("frequency_tt"):
            parts += [html.heading(TITLES.get(name, name)), html.image(path, name)]
    for row in record["hubs"]:
        if row.get("top"):
            title = (
                f"{COMPARISONS[row['comparison']]}, {DISTANCES[row['distance']]} {row['corpus']}"
            )
            table = tables.top(record, row["comparison"], row["distance"], row["corpus"])
            parts += [html.heading(f"Largest hubs: {title}"), html.table(table)]
    parts += [html.heading("Contexts of the largest hubs"), *_examples(record)]
    if result["config"]["expected"]:
        parts += [
            html.heading("What others report"),
            html.table(tables.expected(result["config"]["expected"])),
        ]
    return html.page(f"Prediction hubs of {record['name']}", parts)


def _examples(record: Record) -> list[str]:
    parts = []
    for group in record["examples"]:
        name = f"{COMPARISONS[group['comparison']]}, {DISTANCES[group['distance']]}"
        rows = [
            [
                tables.code(repr(hub["token"])),
                f"{hub['count']:,}",
                tables.code(c["context"]),
                tables.code(repr(c["next"])),
            ]
            for hub in group["hubs"]
            for c in hub["contexts"]
        ]
        parts.append(html.paragraph(f"**{name}, {group['corpus']}**"))
        parts.append(html.table(tables.markdown(["hub", "N_k", "a context near it", "next"], rows)))
    return parts


TITLES = {
    "frequency_ct_dot": "Hubs and frequent tokens",
    "occurrence": "How often points are neighbours",
    "distances": "Distances",
    "mitigation": "Reductions",
    "checkpoints": "From checkpoint to checkpoint",
    "frequency_tt_dot": "Tokens to tokens, softmax dot: hubs and frequency",
    "frequency_tt_euclidean": "Tokens to tokens, Euclidean: hubs and frequency",
    "frequency_tt_cosine": "Tokens to tokens, cosine: hubs and frequency",
}
READING = (
    "A token is a hub when it is among the k nearest of many contexts. Under the model's own "
    "comparison (softmax dot) hubs that follow the frequency of tokens in the corpus of the "
    "contexts are predictions that the context informs; hubs unrelated to frequency are a nuisance "
    "of the geometry. The relative variance RV must not be compared across distances: that of "
    "1 − p is below 1/(V − 1) whatever the model does."
)
