"""The pictures of a diffusion run: samples, encodings over depth, loss per t, training curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullFormatter,
    StrMethodFormatter,
)

from experiments.reporting.figures import new

DIFFERENCES = "RdBu_r"


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Images [n, h, w, c] laid out in rows of `columns`, one blank pixel between them."""
    n, h, w, c = images.shape
    rows = -(-n // columns)
    canvas = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1, c), np.nan)
    for i, image in enumerate(images):
        y, x = divmod(i, columns)
        canvas[y * (h + 1) : y * (h + 1) + h, x * (w + 1) : x * (w + 1) + w] = image
    return canvas


def samples(rows: Mapping[str, np.ndarray], levels: int) -> Figure:
    """One row of pictures a name: codes [n, h, w, c], or a scatter of points [n, 2]."""
    flat = next(iter(rows.values())).ndim == 2
    lines = max(-(-len(codes) // 16) for codes in rows.values())
    height = 3.0 if flat else 0.6 * lines + 0.5
    size = (3.6 if flat else 9, height * len(rows))
    figure, axes = new(size, len(rows), caption="**Samples** of the ancestral sampler.")
    for axis, (name, codes) in zip(axes, rows.items(), strict=True):
        axis.set_title(name, loc="left", fontsize=9)
        if flat:
            axis.scatter(*codes.T, s=1)
            axis.set(xlim=(0, levels), ylim=(0, levels), aspect="equal")
            continue
        canvas = tile(codes / (levels - 1), columns=min(16, len(codes)))
        axis.imshow(canvas.squeeze(), cmap="gray", vmin=0, vmax=1)
        axis.axis("off")
    return figure


def encodings(x: np.ndarray, encoded: np.ndarray, t: Sequence[float]) -> Figure:
    """Images x [n, h, w, c], their encodings x_t [times, n, h, w, c] and, below, x_t − x.

    All encodings share the scale of the data, all differences one symmetric scale centred at 0.
    """
    difference = encoded - x[None]
    limit = float(np.abs(difference).max()) or 1.0
    figure, axes = new(
        (1.0 * len(t) + 2, 2.1 * len(x) + 1),
        2,
        caption="**Encodings over depth**, and below them their difference from the data.",
    )
    views = (
        (encoded, "gray", (-1, 1), "x_t"),
        (difference, DIFFERENCES, (-limit, limit), "x_t − x"),
    )
    for axis, (stack, colours, (low, high), name) in zip(axes, views, strict=True):
        picture = stack.swapaxes(0, 1).reshape(-1, *x.shape[1:])
        canvas = tile(picture, columns=len(t))
        if canvas.shape[-1] == 3 and colours == "gray":
            canvas = np.clip((canvas + 1) / 2, 0, 1)
        else:
            canvas = canvas.mean(-1)
        image = axis.imshow(canvas, cmap=colours, vmin=low, vmax=high)
        width = x.shape[2] + 1
        axis.set_xticks([i * width + width / 2 - 1 for i in range(len(t))], [f"{s:.2f}" for s in t])
        axis.set_yticks([])
        axis.set(xlabel="t", title=name)
        axis.spines[:].set_visible(False)
        figure.colorbar(image, ax=axis, fraction=0.03)
    return figure


def plain_log(axis: Axes) -> None:
    """A logarithmic y axis whose labels are plain numbers, also within one decade."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    low, high = axis.get_ylim()
    if high < 5 * low:  # no two of them would fit
        axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:.5g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def loss_by_time(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Diffusion loss in bits/dim against t for each named curve, with ±2 standard errors."""
    text = "**Diffusion loss by time**, ± 2 standard errors over images."
    figure, (axis,) = new((6, 4), caption=text)
    for name, curve in curves.items():
        t, mean, error = (np.asarray(curve[k]) for k in ("t", "diffusion", "error"))
        (line,) = axis.plot(t, mean, label=name, lw=1.2)
        axis.fill_between(t, mean - 2 * error, mean + 2 * error, alpha=0.2, color=line.get_color())
    axis.set(xlabel="t", ylabel="diffusion loss (bits/dim, per unit of t)")
    plain_log(axis)
    axis.legend(fontsize=8)
    return figure


def training_curves(histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Bits/dim and its parts against the step; thin lines train, dots the test split (EMA)."""
    names = ("bits_per_dim", "diffusion", "prior", "reconstruction")
    text = "**Training.** Thin lines are the training batches, dots the test split (EMA)."
    figure, axes = new((10, 7), 2, 2, caption=text)
    for axis, part in zip(axes, names, strict=True):
        for i, (name, records) in enumerate(histories.items()):
            for split, style in (("train", {"lw": 0.8, "alpha": 0.5}), ("test", {"marker": "o"})):
                points = [(r["step"], r[part]) for r in records if r["split"] == split]
                if points:
                    label = name if split == "test" else None
                    axis.plot(*zip(*points, strict=True), color=f"C{i}", label=label, **style)
        title = "total" if part == "bits_per_dim" else part
        axis.set(xlabel="step", title=f"{title} (bits/dim)")
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        plain_log(axis)
    if axes[0].get_legend_handles_labels()[0]:  # none before the first evaluation
        axes[0].legend(fontsize=8)
    return figure
