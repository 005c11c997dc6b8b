"""The figure of a sentence encoder's training."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.reporting.figures import new


def figures(history: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """The loss of training batches and ρ on the development set, by step."""
    text = "**Training**: loss of the batches, and Spearman's ρ on the development set."
    figure, axes = new((9, 3.2), columns=2, caption=text)
    for axis, split, name, label in (
        (axes[0], "train", "loss", "loss"),
        (axes[1], "test", "spearman", "development ρ"),
    ):
        points = [(row["step"], row[name]) for row in history if row["split"] == split]
        if points:
            axis.plot(*zip(*points, strict=True), "o-", ms=3)
        axis.set(xlabel="step", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return {"training": figure}
