"""The figures of a comparison: matrices as pictures, and how a pair spreads over inputs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

import similarity as S
from experiments.compare.entries import Entry
from experiments.compare.measures import LEVEL, model
from experiments.reporting.figures import new
from experiments.reporting.record import Record

# Entries up to which a matrix has its numbers on it, and letters up to which a label is whole.
_NUMBERED, _LONGEST = 12, 24


def figures(record: Record, entries: Sequence[Entry]) -> dict[str, Figure]:
    """The spread of two entries; of more, each matrix as a heat map and as points of the plane."""
    if len(entries) == 2:
        return {"spread": spread(*entries)}
    names, drawn = list(record["entries"]), {}
    for name, rows in record["matrices"].items():
        values = np.array(rows, float)  # float("nan"), where JSON has a string
        p_values = record.get("chance", {}).get(name, {}).get("p_value")
        drawn[f"{name}_matrix"] = heat_map(name, names, values, p_values)
        drawn[f"{name}_plane"] = plane(name, names, values)
    return drawn


def spread(a: Entry, b: Entry) -> Figure:
    """The canonical correlations, and of models how the logit distance spreads over inputs."""
    models = a.g is not None and b.g is not None
    text = "**Canonical correlations** in falling order"
    text += ", and the distance of centred logits of every input." if models else "."
    figure, axes = new((9, 3), columns=2 if models else 1, caption=text)
    correlations = np.asarray(S.canonical_correlations(a.f, b.f))
    axes[0].plot(np.arange(1, correlations.size + 1), correlations, "o-", ms=3)
    axes[0].set_ylim(0, 1.02)
    axes[0].set_xlabel("canonical correlation of f, in order")
    if models:
        per_input = np.asarray(S.squared_logit_distances(*model(a), *model(b)))
        axes[1].hist(np.sqrt(per_input), bins=50, color="#4c72b0")
        axes[1].set_xlabel("‖ũ(x) - ũ'(x)‖, over inputs")
    return figure


def heat_map(
    name: str,
    names: Sequence[str],
    values: np.ndarray,
    p_values: Sequence[Sequence[float | None]] | None = None,
) -> Figure:
    """A matrix of a measure as colours over its range, with its numbers where they fit.

    A cross marks what is no closer than chance.
    """
    side = max(3.2, 0.55 * len(names))
    caption = f"**{name}** of every pair."
    if p_values is not None:
        caption += " A cross: no closer than chance, which one of twenty random pairings reaches."
    figure, (axis,) = new((side + 1.8, side + 0.9), caption=caption)
    low, high = _range(name, values)
    image = axis.imshow(values, cmap="viridis", vmin=low, vmax=high)
    labels = [_short(label) for label in names]
    axis.set_xticks(range(len(names)), labels, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), labels, fontsize=8)
    for (i, j), value in np.ndenumerate(values):
        p_value = p_values[i][j] if p_values is not None else None
        lines = [f"{value:.2g}"] if len(names) <= _NUMBERED else []
        lines += ["×"] if p_value is not None and p_value > LEVEL else []
        # White on the dark half of the map, black on the bright one.
        colour = "black" if value > 0.5 * (low + high) else "white"
        axis.text(j, i, "\n".join(lines), ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(image, ax=axis, label=name, shrink=0.8)
    return figure


def _range(name: str, values: np.ndarray) -> tuple[float, float]:
    """From 0, or the least value below, to the most a similarity can be, or is."""
    known, finite = S.MEASURES.get(name), values[np.isfinite(values)]
    low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
    if known and known.grows_with == "similarity":
        return low, known.high
    return low, high if high > low else low + 1


def _short(label: str) -> str:
    """A long label without its middle."""
    return label if len(label) <= _LONGEST else f"{label[:11]}…{label[-12:]}"


def plane(name: str, names: Sequence[str], values: np.ndarray) -> Figure:
    """Classical scaling of the symmetrised matrix to the plane; similarities as 1 - value."""
    known = S.MEASURES.get(name)
    distance = 1 - values if known and known.grows_with == "similarity" else values
    distance = np.nan_to_num(0.5 * (distance + distance.T))
    squares = np.square(distance)
    centred = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    eigenvalues, vectors = np.linalg.eigh(-0.5 * centred)
    points = vectors[:, -2:] * np.sqrt(np.maximum(eigenvalues[-2:], 0))
    text = f"**{name} as a map**: entries lie as far apart as a plane allows."
    figure, (axis,) = new((4.5, 4), caption=text)
    axis.plot(points[:, 1], points[:, 0], "o")
    for label, (y, x) in zip(names, points, strict=True):
        axis.annotate(label, (x, y), fontsize=8, xytext=(4, 4), textcoords="offset points")
    return figure
