"""The figures of a closeness run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.closeness.task import Task
from experiments.reporting.figures import COLOURS, new

Summary = Mapping[str, Any]


def figures(summary: Summary, task: Task, f: np.ndarray, g: np.ndarray) -> dict[str, Figure]:
    """All figures that the run has data for; f and g are those of the widest models of `task`."""
    drawn = {}
    if any(cell["pairs"] for cell in summary["cells"]):
        drawn["width"] = against_width(summary)
        drawn["bound_trained"] = bounds_trained(summary)
        drawn["sorted_distances"] = sorted_distances(summary)
        drawn["loss_gap"] = loss_gap(summary)
    drawn["representations"] = representations(summary, task, f, g)
    drawn["bound_constructed"] = bounds_constructed(summary)
    drawn["kl_to_zero"] = kl_to_zero(summary)
    if task.name == "radial":
        drawn["data"] = training_data(task)
    return drawn


def against_width(summary: Summary) -> Figure:
    """Mean and standard deviation over pairs of d_LLV and d_{f,g}, against width."""
    text = "**Distances against width**: mean and standard deviation over pairs of seeds."
    figure, axes = new((8.4, 3.4), columns=2, caption=text)
    cells = [cell for cell in summary["cells"] if cell["pairs"]]
    for i, k in enumerate(sorted({cell["labels"] for cell in cells})):
        own = [cell for cell in cells if cell["labels"] == k]
        widths = [cell["width"] for cell in own]
        for axis, name in zip(axes, ("d_llv", "d_fg"), strict=True):
            values = [np.asarray(cell["pairs"][name]) for cell in own]
            mean = np.array([v.mean() for v in values])
            sd = np.array([v.std(ddof=1) if v.size > 1 else 0.0 for v in values])
            axis.plot(widths, mean, "o-", color=COLOURS[i], label=f"{k} labels")
            axis.fill_between(widths, mean - sd, mean + sd, color=COLOURS[i], alpha=0.15, lw=0)
    for axis, title in zip(
        axes,
        ("distance of distributions, d_LLV", "dissimilarity of representations, d_{f,g}"),
        strict=True,
    ):
        axis.set_xscale("log", base=2)
        ticks = sorted({cell["width"] for cell in cells})
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.set_ylim(bottom=0)
        axis.set_xlabel("width")
        axis.set_title(title, fontsize=10)
    axes[0].legend(frameon=False)
    return figure


def _measured(summary: Summary):
    """(cell, colour of its width, place of its number of labels) of each cell that has pairs."""
    cells = [cell for cell in summary["cells"] if cell["pairs"]]
    widths = sorted({cell["width"] for cell in cells})
    labels = sorted({cell["labels"] for cell in cells})
    for cell in cells:
        colour = COLOURS[widths.index(cell["width"]) % len(COLOURS)]
        yield cell, colour, labels.index(cell["labels"])


def _bound_lines(axis, m: int, largest: float) -> None:
    """2 m d, drawn where it says something, and 2 d²."""
    x = np.linspace(0, max(largest, 1 / (2 * m)), 200)
    axis.plot(x, np.where(2 * m * x <= 1, 2 * m * x, np.nan), "k:", lw=1, label="2m·d_LLV")
    axis.plot(x, np.where(2 * x**2 <= 1, 2 * x**2, np.nan), "k--", lw=1, label="2·d_LLV²")
    axis.set_xlabel("d_LLV")
    axis.set_ylabel("d_{f,g}")


def bounds_constructed(summary: Summary) -> Figure:
    """d_{f,g} against d_LLV for perturbed models, and each side against its own term."""
    text = "**Bounds, constructed pairs**: every point is a perturbed model, below its bound."
    figure, axes = new((12, 3.6), columns=3, caption=text)
    panels = (("d_llv", "d_fg"), ("t1", "d_svd_f"), ("t2", "d_svd_g"))
    for axis, (x, y) in zip(axes, panels, strict=True):
        for i, (k, values) in enumerate(summary["perturbed"].items()):
            axis.plot(values[x], values[y], ".", ms=3, color=COLOURS[i], label=f"{k} labels")
    _bound_lines(axes[0], 2, max(max(v["d_llv"]) for v in summary["perturbed"].values()))
    for axis, x, y in ((axes[1], "t1", "max d_SVD(f)"), (axes[2], "t2", "d_SVD(g)")):
        top = axis.get_xlim()[1]
        line = np.linspace(0, min(top, 2**-0.5), 100)
        axis.plot(line, 2 * line**2, "k--", lw=1, label=f"2·{x}²")
        axis.set_xlabel(x)
        axis.set_ylabel(y)
    for axis in axes:
        axis.legend(frameon=False, fontsize=8)
    return figure


def bounds_trained(summary: Summary) -> Figure:
    """d_{f,g} against d_LLV for every kept pair of trained models."""
    cells = [cell for cell in summary["cells"] if cell["pairs"]]
    labels = sorted({cell["labels"] for cell in cells})
    text = "**Bounds, trained pairs**: every point is a pair of seeds, below both bounds."
    figure, axes = new((4.4 * len(labels), 3.6), columns=len(labels), caption=text)
    for axis, k in zip(axes, labels, strict=True):
        own = [cell for cell in cells if cell["labels"] == k]
        for i, cell in enumerate(own):
            x, y = cell["pairs"]["d_llv"], cell["pairs"]["d_fg"]
            axis.plot(x, y, ".", color=COLOURS[i % len(COLOURS)], label=f"width {cell['width']}")
        _bound_lines(axis, own[0]["dim"], max(max(cell["pairs"]["d_llv"]) for cell in own))
        axis.set_title(f"{k} labels", fontsize=10)
        axis.legend(frameon=False, fontsize=8)
    return figure


def sorted_distances(summary: Summary) -> Figure:
    """d_LLV of the pairs of each cell, ascending."""
    text = "**d_LLV of all pairs**, in rising order."
    figure, (axis,) = new((5.2, 3.6), caption=text)
    for cell, colour, order in _measured(summary):
        values = np.sort(cell["pairs"]["d_llv"])
        label = f"{cell['labels']} labels, width {cell['width']}"
        share, style = np.linspace(0, 1, values.size), ("-", "--", ":", "-.")[order % 4]
        axis.plot(share, values, style, color=colour, lw=1, label=label)
    axis.set_xlabel("share of pairs")
    axis.set_ylabel("d_LLV")
    axis.legend(frameon=False, fontsize=7)
    return figure


def loss_gap(summary: Summary) -> Figure:
    """Mean CCA of embeddings against the difference of test losses: no relation is to be seen."""
    text = "**Mean CCA against the difference of two models' test losses.**"
    figure, (axis,) = new((5.2, 3.6), caption=text)
    for cell, colour, order in _measured(summary):
        label = f"{cell['labels']} labels, width {cell['width']}"
        pairs, mark = cell["pairs"], "ox^s"[order % 4]
        axis.plot(pairs["loss_gap"], pairs["mcca_f"], mark, ms=3, color=colour, label=label)
    axis.set_xlabel("difference of test losses, nats")
    axis.set_ylabel("mean CCA of f")
    axis.legend(frameon=False, fontsize=7)
    return figure


def kl_to_zero(summary: Summary) -> Figure:
    """KL falls to 0 with the length of the unembeddings; d_LLV and d_SVD do not."""
    table = summary["kl_table"]
    text = "**KL falls to 0** with the length of the unembeddings; d_LLV and d_SVD do not."
    figure, (axis,) = new((5.2, 3.4), caption=text)
    for i, (name, label) in enumerate(
        (("kl", "KL, nats"), ("d_llv", "d_LLV"), ("d_svd_f", "max d_SVD(f)"))
    ):
        axis.semilogy(table["rho"], table[name], "o-", ms=3, color=COLOURS[i], label=label)
    axis.set_xlabel("length of unembeddings, ρ")
    axis.legend(frameon=False)
    return figure


def training_data(task: Task) -> Figure:
    """The wedges of the plane, coloured by label."""
    figure, (axis,) = new((4, 4), caption="**Training data**, coloured by label.")
    points = task.x[:4000]
    axis.scatter(points[:, 0], points[:, 1], c=task.label[:4000], s=3, cmap="tab20", linewidths=0)
    axis.set_aspect("equal")
    return figure


def representations(summary: Summary, task: Task, f: np.ndarray, g: np.ndarray) -> Figure:
    """First two coordinates of f [n, inputs, m] (points) and g [n, k, m] (lines) of three seeds."""
    cell = [c for c in summary["cells"] if c["labels"] == task.num_labels][-1]
    f, g = f[:3, :1000], g[:3]
    text = "**Representations**: embeddings (points) and unembeddings (lines) of the widest models."
    figure, axes = new((9, 3.2), columns=len(f), caption=text)
    for axis, points, lines, loss in zip(axes, f, g, cell["loss"], strict=False):
        axis.scatter(*points[:, :2].T, c=task.test_label[: len(points)], s=3, cmap="tab20")
        reach = np.linalg.norm(points, axis=1).max() / np.linalg.norm(lines, axis=1).max()
        for line in lines:
            axis.plot([0, reach * line[0]], [0, reach * line[1]], color="#999999", lw=1)
        axis.set_title(f"test loss {loss:.3g}", fontsize=9)
    return figure
