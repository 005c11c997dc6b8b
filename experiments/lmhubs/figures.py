"""The article's figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.lmhubs.neighbourhoods import COMPARISONS, DISTANCES, Neighbourhood


def count_against_frequency(
    found: Sequence[Neighbourhood],
    frequencies: Mapping[str, np.ndarray],
    hubs: Sequence[np.ndarray],
) -> Figure:
    """N_k of every token against its frequency, one row a neighbourhood, one column a corpus."""
    shape = (len(found), len(frequencies))
    size = (3.1 * shape[1] + 0.6, 2.7 * shape[0] + 0.4)
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, sharex=True, sharey="row")
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
    figure.tight_layout()
    return figure


def occurrence_curves(found: Sequence[Neighbourhood]) -> Figure:
    """N_k of the points in falling order, one panel a comparison."""
    names = [n for n in COMPARISONS if any(f.comparison == n for f in found)]
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.4), squeeze=False)
    styles = dict(zip(DISTANCES, ("-", "--", ":"), strict=True))
    corpora = list(dict.fromkeys(f.corpus for f in found))
    for axis, name in zip(axes[0], names, strict=True):
        for one in (f for f in found if f.comparison == name):
            ordered = np.sort(one.counts)[::-1]
            rank = np.arange(1, len(ordered) + 1)
            kept = ordered > 0
            label = f"{DISTANCES[one.distance]} {one.corpus}".strip()
            colour = f"C{corpora.index(one.corpus)}"
            axis.plot(
                rank[kept], ordered[kept], styles[one.distance], c=colour, lw=1.2, label=label
            )
        axis.set(xscale="log", yscale="log", xlabel="rank of the point", ylabel="N_k")
        axis.set_title(COMPARISONS[name])
        axis.legend(fontsize=6)
    figure.tight_layout()
    return figure


def distance_histograms(histograms: Sequence[Mapping[str, Any]]) -> Figure:
    """Numbers of pairs by distance, on a logarithmic axis; one panel a comparison and distance."""
    keys = list(dict.fromkeys((h["comparison"], h["distance"]) for h in histograms))
    figure, axes = plt.subplots(
        -(-len(keys) // 3), 3, figsize=(12, 3.0 * -(-len(keys) // 3)), squeeze=False
    )
    for axis in axes.flat[len(keys) :]:
        axis.remove()
    for axis, key in zip(axes.flat, keys, strict=False):
        for one in histograms:
            if (one["comparison"], one["distance"]) == key:
                axis.stairs(one["counts"], one["edges"], label=one["corpus"] or "tokens")
        axis.set(yscale="log", title=f"{COMPARISONS[key[0]]}, {key[1]}", xlabel="distance")
        axis.title.set_fontsize(9)
        axis.legend(fontsize=7)
    figure.tight_layout()
    return figure


def mitigation_bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Skewness before and after each reduction of cosine distances."""
    rows = [row for row in rows if row["distance"] == "cosine"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    names = list(dict.fromkeys(row["comparison"] for row in rows))
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
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
    figure.tight_layout()
    return figure


def checkpoint_curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Same-corpus ρ over hubs, and skewness, from checkpoint to checkpoint."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
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
    figure.tight_layout()
    return figure
