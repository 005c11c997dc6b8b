"""Pictures of a run. Oracle: what a reader sees on the axes."""

import numpy as np
import pytest

from experiments.diffenc import figures
from experiments.reporting.figures import new


@pytest.mark.parametrize(
    "values, shown",
    [((7.6, 9.1), ["8", "8.4", "8.8"]), ((0.002, 0.5), ["0.002", "0.005", "0.01", "0.5"])],
)
def test_logarithmic_axes_have_plain_numbers(values, shown):
    figure, (axis,) = new((4, 3), caption="")
    axis.plot(values)
    figures.plain_log(axis)
    figure.canvas.draw()
    low, high = axis.get_ylim()
    ticks = zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
    labels = [text.get_text() for y, text in ticks if low <= y <= high]
    assert set(shown) <= set(labels) and 2 <= len(labels) <= 12
    assert not any("10^" in label for label in labels)


def test_curves_without_an_evaluation_are_drawn():
    parts = ("bits_per_dim", "diffusion", "prior", "reconstruction")
    records = [{"step": s, "split": "train"} | dict.fromkeys(parts, 1.0 / s) for s in (1, 2)]
    figure = figures.training_curves({"diffenc": records})
    figure.canvas.draw()
    assert all(len(axis.lines) == 1 for axis in figure.axes)
    steps = np.concatenate([axis.get_xticks() for axis in figure.axes])
    assert (steps == np.round(steps)).all()
