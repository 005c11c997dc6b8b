"""Pictures of an encoder: where it moves the data, how much, and what that costs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.diffenc.figures import DIFFERENCES
from experiments.reporting.figures import new

Measured = Mapping[str, Sequence[float]]


def heat_maps(images: np.ndarray, rates: np.ndarray, t: Sequence[float], step: float) -> Figure:
    """Images [n, h, w, c] beside (x_t − x_s)/(t − s) [times, n, h, w], t − s = `step`.

    One scale for all maps, white at 0: magnitudes can be compared between panels.
    """
    limit = float(np.abs(rates).max()) or 1.0
    num, columns = len(images), len(t) + 1
    size = 1.4 * columns + 1, 1.4 * num + 0.4
    text = (
        "**Where the encoding moves** between two times: one scale for all, white where it stays."
    )
    figure, flat = new(size, num, columns, caption=text)
    figure.set_layout_engine("compressed")
    axes = flat.reshape(num, columns)
    for row, image in zip(axes, images, strict=True):
        row[0].imshow((image + 1) / 2, cmap="gray", vmin=0, vmax=1)
    for i, time in enumerate(t):
        axes[0, i + 1].set_title(f"t = {time:g}", fontsize=9)
        for j in range(num):
            drawn = axes[j, i + 1].imshow(rates[i, j], cmap=DIFFERENCES, vmin=-limit, vmax=limit)
    axes[0, 0].set_title("x", fontsize=9)
    for axis in flat:
        axis.axis("off")
    figure.colorbar(drawn, ax=axes, fraction=0.03, label=f"(x_t − x_s)/(t − s), t − s = {step:g}")
    return figure


def moved_points(x: np.ndarray, offsets: np.ndarray, t: Sequence[float]) -> Figure:
    """Two-dimensional data x [n, 2] and its encodings x + offsets [times, n, 2], coloured alike."""
    figure, axes = new(
        (2.2 * len(t), 2.6),
        columns=len(t),
        caption="**Encodings over depth**: each point keeps its colour.",
        sharex=True,
        sharey=True,
    )
    colours = np.arctan2(x[:, 1] - x[:, 1].mean(), x[:, 0] - x[:, 0].mean())
    for axis, offset, time in zip(axes, offsets, t, strict=True):
        axis.scatter(*(x + offset).T[:2], s=1, c=colours, cmap="twilight")
        axis.set_title(f"t = {time:g}", fontsize=9)
        axis.set_aspect("equal")
    return figure


def statistics(measured: Measured) -> Figure:
    """The encoding's values against t; its distance from x, y and dy/dt."""
    t = measured["t"]
    text = "**Values of the encoding by time**: its spread, and how far it and y have moved."
    figure, (left, middle, right) = new((13, 3.6), columns=3, caption=text)
    mean, deviation = (np.asarray(measured[k]) for k in ("mean", "deviation"))
    left.plot(t, mean, label="mean of x_t")
    left.fill_between(t, mean - deviation, mean + deviation, alpha=0.2, label="± deviation")
    for name in ("min", "max"):
        left.plot(t, measured[name], lw=0.8, ls="--", label=name)
    # dy/dt apart: where σ² is small nothing holds y still, and its slope would hide the others.
    drawn = (middle, "moved", "x_t − x"), (middle, "y", "y"), (right, "dy_dt", "dy/dt")
    for axis, name, label in drawn:
        axis.plot(t, measured[name], label=label)
    for axis in (middle, right):
        axis.set(ylabel="root mean square", ylim=(0, None))
    for axis in (left, middle, right):
        axis.set_xlabel("t")
        axis.legend(fontsize=8)
    return figure


def shift_costs(measured: Measured) -> Figure:
    """½ e^−γ |dx/dλ − c σ² x̂|² against t for c = 0, 1, the model's and the best; and the best c."""
    t = measured["t"]
    text = "**What the counterterm takes back** of the encoding's slope, by time."
    figure, (left, right) = new((10, 3.6), columns=2, caption=text)
    names = {"size": "c = 0", "left": "c = 1, published", "own": "the model's c", "least": "best c"}
    for name, label in names.items():
        # Dashed, because it mostly lies on another one.
        left.plot(t, measured[name], label=label, lw=1.2, ls="--" if name == "own" else "-")
    left.set(xlabel="t", ylabel="bits/dim per unit of t")
    left.legend(fontsize=8)
    right.axhline(1.0, color="0.7", lw=0.8)
    right.plot(t, measured["best_counterterm"])
    right.set(xlabel="t", ylabel="best multiplier c of the counterterm")
    return figure


def volatility(measured: Measured) -> Figure:
    """u* and the model's u against γ beside nt's 1 + 2σ²; the loss, and what u* saves of it."""
    gamma = np.asarray(measured["gamma"])
    text = "**The best volatility by depth**, and the loss it saves."
    figure, (left, middle, right) = new((13, 3.6), columns=3, caption=text)
    left.plot(gamma, measured["optimal"], label="u*, the best for this model")
    left.plot(gamma, measured["own"], ls="--", label="the model's u")
    left.plot(gamma, 1 + 2 / (1 + np.exp(-gamma)), c="0.6", lw=1, label="1 + 2σ², of nt")
    left.axhline(1.0, color="0.8", lw=0.8)
    left.set(xlabel="γ", ylabel="volatility u")
    left.legend(fontsize=8)
    losses = {name: np.asarray(measured[f"{name}_loss"]) for name in ("published", "optimal")}
    middle.plot(gamma, losses["published"], label="u = 1, published")
    middle.plot(gamma, losses["optimal"], ls="--", label="u*")
    middle.legend(fontsize=8)
    right.plot(gamma, losses["published"] - losses["optimal"])
    for axis, label in (middle, "diffusion loss"), (right, "loss saved by u*"):
        axis.set(xlabel="γ", ylabel=f"{label}, bits/dim per unit of γ", ylim=(0, None))
    return figure
