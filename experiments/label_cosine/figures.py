"""The figures of label cosines: decision regions with label vectors, and an audit."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from experiments.reporting.figures import new
from similarity import constructions, gauge


def figures(audited: np.ndarray | None) -> dict[str, Figure]:
    """The paper's figures, and the audit's where a matrix was given."""
    even, short = constructions.row_lengths()
    base = np.array([(1.0, 0.3), (0.2, 1.0), (-0.9, -0.2), (0.1, -1.0)])
    moved = {
        f"cosine {c:g}": np.asarray(gauge.translate_to_cosine(base, 0, 1, c)) for c in (-1, 0, 0.95)
    }
    cosines = {
        "centred": constructions.centred_cosines(),
        "unit length": constructions.fixed_length_cosines(),
    }
    lengths = {"equal lengths": even / 5, "label 2 shortened": short / 5}
    drawn = {} if audited is None else {"audit": audit(audited)}
    return drawn | {
        "translations": regions({"as given": base} | moved, "**Equal regions**, other cosines."),
        "competing": regions(cosines, "**Who competes** is not who has a large cosine."),
        "lengths": regions(lengths, "**Equal cosines**, and a label that never wins."),
        "ranks": configurations(),
    }


def regions(matrices: Mapping[str, np.ndarray], caption: str) -> Figure:
    """Which label is most likely at each point of the plane, with the rows as arrows."""
    figure, axes = _panels(len(matrices), caption)
    for axis, (title, W) in zip(axes, matrices.items(), strict=True):
        reach = max(1.6, 1.25 * np.abs(W).max())
        grid = np.stack(np.meshgrid(*[np.linspace(-reach, reach, 300)] * 2), -1)
        best = (grid @ W.T).argmax(-1)
        extent = (-reach, reach, -reach, reach)
        axis.imshow(
            best,
            origin="lower",
            extent=extent,
            cmap="Pastel1",
            vmin=0,
            vmax=8,
            interpolation="none",
        )
        for y, row in enumerate(W):
            axis.annotate("", row, (0, 0), arrowprops={"arrowstyle": "->", "lw": 1.2})
            axis.annotate(str(y), row * 1.08, fontsize=9)
        axis.set_title(title, fontsize=10)
    return figure


def configurations() -> Figure:
    """Two point configurations of equal sign patterns with their connecting lines."""
    figure, axes = _panels(2, "**Equal sign patterns**, other rankings.")
    for axis, W in zip(axes, constructions.equal_signs_other_ranks(), strict=True):
        points = W[:, :2]
        for i in range(len(points)):
            for j in range(i):
                axis.axline(points[i], points[j], color="#cccccc", lw=0.7, zorder=0)
            axis.annotate(str(i + 1), points[i], xytext=(4, 4), textcoords="offset points")
        axis.plot(*points.T, "o", color="#c44e52")
        axis.set_xlim(-1.5, 1.5)
        axis.set_ylim(-1.5, 1.5)
    return figure


def audit(W: np.ndarray) -> Figure:
    """Cosines of all pairs, as stored and centred, and the translation that undoes each sign."""
    found = gauge.audit(W)
    pairs = np.triu_indices(len(W), 1)
    raw, centred = (np.asarray(x)[pairs] for x in (found.cosine, found.centred_cosine))
    needed = np.asarray(found.flip_distance)[pairs] / float(found.row_scale)
    text = "**Your matrix**: cosines of all pairs, and the translation that makes each one 0."
    figure, axes = new((6.4, 3.2), columns=2, caption=text)
    bins = np.linspace(-1, 1, 80)
    axes[0].hist(raw, bins, alpha=0.6, label="as stored")
    axes[0].hist(centred, bins, alpha=0.6, label="centred")
    axes[0].set_xlabel("cosine of two labels")
    axes[0].legend(frameon=False)
    axes[1].hist(needed[np.isfinite(needed)], 80, color="#8172b3")
    axes[1].set_xlabel("translation that makes it 0, in row scales")
    return figure


def _panels(columns: int, caption: str) -> tuple[Figure, np.ndarray]:
    figure, axes = new((3.2 * columns, 3.2), columns=columns, caption=caption)
    for axis in axes:
        axis.set_aspect("equal")
    return figure, axes
