"""The paper's figures: N_k, reductions of error and hubness, neighbour graphs, paired splits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from experiments.hubness.evaluate import Outcome
from experiments.hubness.methods import parse
from experiments.hubness.summary import best, value_of
from experiments.hubness.tables import PUBLISHED
from experiments.reporting.figures import new
from hubness import tokens

Row = Mapping[str, Any]
TITLES = {"error": "error", "skewness": "skewness", "robin_hood": "Robin Hood"}
FLOOR = -100.0  # per cent; what is worse stands at the edge
KINDS = ("vectors changed", "distances changed", "both")


def figures(
    record: Row, outcomes: Mapping[str, Outcome], labels: np.ndarray | None
) -> dict[str, Figure]:
    """The figures by name; `outcomes` and `labels` are those of the first split's points."""
    rows, names = record["rows"], detailed(record)
    drawn = {"occurrence": occurrence({n: outcomes[n].counts for n in names}, "First split.")}
    if len(record["summary"]) > 1:
        drawn["reductions"] = reductions(rows)
    drawn["graphs"] = neighbour_graphs({n: outcomes[n].index for n in names}, labels)
    if len(record["summary"]) > 1:
        drawn["paired"] = paired(rows, names[1:])
    if labels is not None and len(record["summary"]) > 3:
        drawn["correlation"] = hubness_against_error(rows)
    return drawn


def detailed(record: Row) -> list[str]:
    """The methods of the detailed figures: plain, least error, least Robin Hood, the paper's."""
    found = [s["method"] for s in record["summary"]]
    wanted = ["none", *(best(record["summary"], name) for name in ("error", "robin_hood"))]
    wanted += [PUBLISHED, "f-norm+mp_gauss", "f-norm"]
    return [name for name in dict.fromkeys(wanted) if name in found][:4]


def label(name: str) -> str:
    """A method as figures call it."""
    return "plain space" if name == "none" else name


def occurrence(counts: Mapping[str, np.ndarray], note: str = "") -> Figure:
    """The share of points with each count N_10, and what chance gives."""
    text = (
        "**How often points are neighbours**: the share of points that stand in 0, 1, 2, … lists "
        "of ten neighbours. The more of a curve lies right of the dotted one, the more hubs; left "
        "of it, the more points are found by no query."
    )
    figure, (axis,) = new((7, 4.4), caption=f"{text} {note}".strip())
    for name, values in counts.items():
        heights = np.bincount(values) / len(values)
        seen = np.flatnonzero(heights)
        axis.plot(seen + 1, heights[seen], ".-", ms=4, lw=0.8, label=label(name))
    mean = next(iter(counts.values())).mean()
    grid = np.arange(int(4 * mean) + 8)
    axis.plot(grid + 1, stats.poisson.pmf(grid, mean), "k:", lw=1, label="by chance")
    axis.set(
        xscale="log", yscale="log", xlabel="1 + N₁₀ (lists of 10 neighbours that hold a point)"
    )
    axis.set(ylabel="share of points", ylim=(0.3 / len(next(iter(counts.values()))), None))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside upper center", ncols=min(3, len(counts) + 1), fontsize=8)
    return figure


def reductions(rows: Sequence[Row]) -> Figure:
    """Per cent by which error, skewness and Robin Hood fall, one dot a split.

    Rises beyond 100 % are arrows at the edge: an error of 4 % for 1 % would squash the rest.
    """
    base = {row["seed"]: row for row in rows if row["method"] == "none"}
    names = [n for n in dict.fromkeys(row["method"] for row in rows) if n != "none"]
    columns = [c for c in ("error", "skewness", "robin_hood") if value_of(rows[0], c) is not None]
    size = (3.4 * len(columns) + 1.6, 0.24 * len(names) + 1)
    text = (
        "**What each method takes away**: one dot a split, right of the line where the figure "
        "falls, that is, improves; red where it grows on average; arrows where it more than "
        "doubles."
    )
    figure, axes = new(size, columns=len(columns), caption=text, sharey=True)
    for axis, column in zip(axes, columns, strict=True):
        for place, name in enumerate(names):
            cut = _cuts([row for row in rows if row["method"] == name], base, column)
            jitter = place + np.linspace(-0.18, 0.18, len(cut) + 2)[1:-1]
            style = dict(ms=4, alpha=0.8, color="C0" if np.mean(cut) > 0 else "C3", ls="")
            inside = cut >= FLOOR
            axis.plot(cut[inside], jitter[inside], marker="o", **style)
            axis.plot(np.full(sum(~inside), FLOOR), jitter[~inside], marker="<", **style)
        axis.axvline(0, color="0.4", lw=0.8)
        axis.grid(axis="y", color="0.92", lw=0.6)
        axis.set_axisbelow(True)
        axis.set(xlabel=f"{TITLES[column]} falls by %", yticks=range(len(names)))
        axis.set_yticklabels(names, fontsize=7)
        axis.set_ylim(len(names) - 0.4, -0.6)
    return figure


def neighbour_graphs(
    indices: Mapping[str, np.ndarray], labels: np.ndarray | None, most: int = 800
) -> Figure:
    """Who is whose neighbour, points in the order of their classes: hubs are vertical lines."""
    n = len(next(iter(indices.values())))
    order = np.arange(n) if labels is None else np.argsort(labels, kind="stable")
    rows = order[np.linspace(0, n - 1, min(n, most)).astype(int)]
    place = np.empty(n, int)
    place[order] = np.arange(n)
    width = 4 * len(indices) + 0.4
    text = (
        "**Neighbour graphs: hubs are vertical lines.** A dot where the point of the row has the "
        "point of the column among its ten nearest; points in the order of their classes, which "
        f"lines part where there are labels. Points of the first split, at most {most} rows."
    )
    figure, axes = new((width, 4.3), columns=len(indices), caption=text)
    for axis, (name, index) in zip(axes, indices.items(), strict=True):
        near = place[index[rows, :10]]
        axis.plot(near.ravel(), np.repeat(place[rows], near.shape[1]), ",k", alpha=0.5)
        axis.set(title=label(name), xlim=(0, n), ylim=(n, 0), xlabel="neighbour", aspect="equal")
        axis.title.set_fontsize(9)
        for edge in [] if labels is None else np.flatnonzero(np.diff(labels[order])) + 1:
            axis.axvline(edge, color="C3", lw=0.4)
            axis.axhline(edge, color="C3", lw=0.4)
    axes[0].set_ylabel("point")
    return figure


def paired(rows: Sequence[Row], names: Sequence[str]) -> Figure:
    """Each split before and after some methods, joined by a line; error in per cent."""
    columns = [c for c in ("error", "skewness", "robin_hood") if value_of(rows[0], c) is not None]
    shape = len(columns), len(names)
    size = (2 * shape[1] + 0.8, 2.3 * shape[0])
    text = "**Split by split**: one line a split; a method that always helps has lines that fall."
    figure, flat = new(size, *shape, caption=text, sharey="row")
    axes = flat.reshape(shape)
    base = {row["seed"]: row for row in rows if row["method"] == "none"}
    for line, column in zip(axes, columns, strict=True):
        for axis, name in zip(line, names, strict=True):
            for row in (r for r in rows if r["method"] == name):
                pair = np.array([value_of(base[row["seed"]], column), value_of(row, column)])
                pair *= 100 if column == "error" else 1
                axis.plot([0, 1], pair, "o-", lw=1, ms=4)
            axis.set(xticks=[0, 1], xlim=(-0.3, 1.3))
            axis.set_xticklabels(["plain", "reduced"], fontsize=8)
        line[0].set_ylabel(TITLES[column] + (" %" if column == "error" else ""))
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name.replace("+", "\n+ "), fontsize=8)
    return figure


def hubness_against_error(rows: Sequence[Row]) -> Figure:
    """Does less hubness mean less error? Each dot is a method on a split."""
    base = {row["seed"]: row for row in rows if row["method"] == "none"}
    text = "**Less hubness, less error?** One dot a method and split."
    figure, axes = new((8.4, 3.8), columns=2, caption=text, sharey=True)
    for axis, column in zip(axes, ("skewness", "robin_hood"), strict=True):
        changed = [r for r in rows if r["method"] != "none"]
        x, y = (_cuts(changed, base, c) for c in (column, "error"))
        kinds = np.array([_kind(r["method"]) for r in changed])
        for place, kind in enumerate(KINDS):
            own = kinds == place
            axis.plot(x[own], y[own], "osD"[place], ms=3, alpha=0.6, label=kind)
        rho, r = float(tokens.spearman(x, y)), float(np.corrcoef(x, y)[0, 1])
        axis.set(title=f"Spearman {rho:.2f}, Pearson {r:.2f}")
        axis.set_xlabel(f"{TITLES[column]} falls by %")
        axis.axhline(0, color="0.6", lw=0.8)
        axis.axvline(0, color="0.6", lw=0.8)
    axes[0].set_ylabel("error falls by %")
    axes[0].legend(fontsize=8)
    return figure


def _cuts(rows: Sequence[Row], base: Mapping[int, Row], column: str) -> np.ndarray:
    """Per cent by which a column falls from the plain space of the same split."""
    pairs = np.array([[value_of(base[r["seed"]], column), value_of(r, column)] for r in rows])
    return 100 * (pairs[:, 0] - pairs[:, 1]) / pairs[:, 0]


def _kind(name: str) -> int:
    """The place in `KINDS` of a method."""
    method = parse(name)
    return 0 if method.reduction == "none" else 1 if method.feature == "none" else 2
