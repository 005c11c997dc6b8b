"""The article's figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.prediction_hubs.neighbourhoods import COMPARISONS, DISTANCES, Neighbourhood
from experiments.reporting.figures import new


def figures(
    record: Mapping[str, Any],
    found: Sequence[Neighbourhood],
    hubs: Sequence[np.ndarray],
    frequencies: Mapping[str, np.ndarray],
    histograms: Sequence[Mapping[str, Any]],
) -> dict[str, Figure]:
    """The figures of the last model of a run, by name."""
    drawn: dict[str, Figure] = {"occurrence": occurrence_curves(found)}
    if len(record["models"]) > 1:
        drawn["checkpoints"] = checkpoint_curves(record["models"])
    for comparison in ("ct", "tt"):
        for distance in DISTANCES:
            key = comparison, distance
            own = [i for i, f in enumerate(found) if (f.comparison, f.distance) == key]
            if own and frequencies:
                drawn[f"frequency_{comparison}_{distance}"] = count_against_frequency(
                    [found[i] for i in own], frequencies, [hubs[i] for i in own]
                )
    drawn["distances"] = distance_histograms(histograms)
    drawn["concentration"] = concentration(record["models"][-1]["distances"])
    if mitigated := record["models"][-1]["mitigation"]:
        drawn["mitigation"] = mitigation_bars(mitigated)
    return drawn


def count_against_frequency(
    found: Sequence[Neighbourhood],
    frequencies: Mapping[str, np.ndarray],
    hubs: Sequence[np.ndarray],
) -> Figure:
    """N_k of every token against its frequency, one row a neighbourhood, one column a corpus."""
    shape = (len(found), len(frequencies))
    size = (3.1 * shape[1] + 0.6, 2.7 * shape[0] + 0.4)
    what = f"{COMPARISONS[found[0].comparison]}, {DISTANCES[found[0].distance]}"
    text = f"**Hubs and frequent tokens**: {what}. One dot a token."
    figure, flat = new(size, *shape, caption=text, sharex=True, sharey="row")
    axes = flat.reshape(shape)
    for row, one, is_hub in zip(axes, found, hubs, strict=True):
        for axis, (name, frequency) in zip(row, frequencies.items(), strict=True):
            seen = one.counts > 0
            # Tokens that the corpus lacks stand at a tenth of the smallest frequency.
            share = np.where(frequency > 0, frequency, 0.1) / frequency.sum()
            for members, colour, label in (
                (seen & ~is_hub, "0.65", "other"),
                (is_hub, "C3", "hub"),
            ):
                axis.scatter(share[members], one.counts[members], s=5, c=colour, label=label, lw=0)
            axis.set(
                xscale="log", yscale="log", title=f"{one.corpus or 'tokens'}: frequency in {name}"
            )
            axis.title.set_fontsize(9)
        row[0].set_ylabel("N_k")
    for axis in axes[-1]:
        axis.set_xlabel("share of the corpus (leftmost: absent)")
    axes[0][0].legend(fontsize=8, markerscale=2, loc="lower right")
    return figure


def occurrence_curves(found: Sequence[Neighbourhood]) -> Figure:
    """N_k of the points in falling order, one panel a comparison."""
    names = [n for n in COMPARISONS if any(f.comparison == n for f in found)]
    text = "**How often points are neighbours**: N_k of all points in falling order."
    figure, axes = new((4.2 * len(names), 3.4), columns=len(names), caption=text)
    styles = dict(zip(DISTANCES, ("-", "--", ":"), strict=True))
    corpora = list(dict.fromkeys(f.corpus for f in found))
    for axis, name in zip(axes, names, strict=True):
        for one in (f for f in found if f.comparison == name):
            ordered = np.sort(one.counts)[::-1]
            rank = np.arange(1, len(ordered) + 1)
            positive = ordered > 0
            label = f"{DISTANCES[one.distance]} {one.corpus}".strip()
            colour = f"C{corpora.index(one.corpus)}"
            axis.plot(
                rank[positive],
                ordered[positive],
                styles[one.distance],
                c=colour,
                lw=1.2,
                label=label,
            )
        axis.set(xscale="log", yscale="log", xlabel="rank of the point", ylabel="N_k")
        axis.set_title(COMPARISONS[name])
        axis.legend(fontsize=6)
    return figure


def distance_histograms(histograms: Sequence[Mapping[str, Any]]) -> Figure:
    """Numbers of pairs by distance, on a logarithmic axis; one panel a comparison and distance."""
    keys = list(dict.fromkeys((h["comparison"], h["distance"]) for h in histograms))
    lines = -(-len(keys) // 3)
    text = "**Distances**: numbers of pairs by distance."
    figure, axes = new((12, 3.0 * lines), lines, 3, caption=text)
    for axis in axes[len(keys) :]:
        axis.remove()
    for axis, key in zip(axes, keys, strict=False):
        for one in histograms:
            if (one["comparison"], one["distance"]) == key:
                axis.stairs(one["counts"], one["edges"], label=one["corpus"] or "tokens")
        axis.set(yscale="log", title=f"{COMPARISONS[key[0]]}, {key[1]}", xlabel="distance")
        axis.title.set_fontsize(9)
        axis.legend(fontsize=7)
    return figure


def concentration(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Relative variance of one query's distances and of all pooled, one line a comparison."""
    names = list(dict.fromkeys((row["comparison"], row["distance"]) for row in rows))
    corpora = list(dict.fromkeys(row["corpus"] for row in rows))
    text = (
        "**Do distances concentrate?** Relative variance of the distances from one query (dots: "
        "mean over queries; lines: 5 to 95 % of them) and of all pairs pooled (crosses)."
    )
    figure, (axis,) = new((7.5, 0.35 * len(names) + 1.2), caption=text)
    for place, corpus in enumerate(corpora):
        own = [row for row in rows if row["corpus"] == corpus]
        height = [names.index((row["comparison"], row["distance"])) for row in own]
        height = np.array(height) + 0.2 * (place - (len(corpora) - 1) / 2)
        within = {key: [row["within_query"][key] for row in own] for key in ("mean", "low", "high")}
        colour, label = f"C{place}", corpus or "tokens"
        axis.hlines(height, within["low"], within["high"], color=colour, lw=1.2)
        axis.plot(within["mean"], height, "o", ms=4, c=colour, label=label)
        axis.plot([row["relative_variance"] for row in own], height, "x", ms=5, c=colour)
    axis.set_yticks(range(len(names)), [f"{COMPARISONS[c]}, {d}" for c, d in names], fontsize=8)
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="Var[d] / E[d]²")
    axis.legend(fontsize=7)
    return figure


def mitigation_bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Skewness before and after each reduction of cosine distances."""
    rows = [row for row in rows if row["distance"] == "cosine"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    names = list(dict.fromkeys(row["comparison"] for row in rows))
    text = "**Reductions**: skewness before and after, of cosine distances."
    figure, (axis,) = new((6.5, 3.2), caption=text)
    width = 0.8 / len(methods)
    for i, method in enumerate(methods):
        values = [
            r["skewness"]
            for n in names
            for r in rows
            if (r["comparison"], r["method"]) == (n, method)
        ]
        axis.bar(np.arange(len(names)) + i * width, values, width, label=method)
    axis.set_xticks(np.arange(len(names)) + 0.4 - width / 2, [COMPARISONS[n] for n in names])
    axis.set(yscale="symlog", ylabel="skewness of N_k")
    options = dict(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axis.legend(fontsize=8, ncols=len(methods), **options)
    return figure


def checkpoint_curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Same-corpus ρ over hubs, and skewness, from checkpoint to checkpoint."""
    figure, axes = new((9, 3.4), columns=2, caption="**From checkpoint to checkpoint.**")
    corpora = [sample["name"] for sample in records[0]["samples"]]
    for corpus in corpora:
        rows = [
            next(
                row
                for row in record["hubs"]
                if (row["comparison"], row["distance"], row["corpus"]) == ("ct", "dot", corpus)
            )
            for record in records
        ]
        rho = [row["spearman"].get(corpus, {}).get("rho") for row in rows]
        axes[0].plot([np.nan if r is None else r for r in rho], "o-", label=corpus)
        axes[1].plot([row["skewness"] for row in rows], "o-", label=corpus)
    axes[0].set_ylabel("Spearman over hubs, own corpus")
    axes[1].set_ylabel("skewness of N_k")
    for axis in axes:
        axis.set_xticks(range(len(records)), [record["name"] for record in records], rotation=30)
        axis.legend(fontsize=8)
    return figure
