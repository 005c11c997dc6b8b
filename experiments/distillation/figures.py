"""The figures of a distillation run, as PNG files."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.distillation.aggregate import (
    Course,
    Interval,
    inverse_variance_mean,
    teacher_interval,
)

COLOURS = {"kl": "#c44e52", "l1": "#4c72b0", "l2": "#55a868"}
TITLES = {
    "accuracy": "label accuracy",
    "agreement": "agreement with teacher",
    "kl": "KL(teacher‖student), nats",
    "d_logit": "logit distance",
    "median_d_rep": "median d_rep over label sets",
    "mcca": "mean CCA of embeddings",
    "min_probability": "least probability of any model",
    "concept_accuracy": "concept probe accuracy",
}
LOGARITHMIC = ("kl", "d_logit", "median_d_rep", "min_probability")


def write_figures(
    courses: Mapping[str, Course], summary: Mapping[str, Any], folder: pathlib.Path
) -> None:
    """Measures against epochs, the d_rep bound, and (with a concept) the concept bars."""
    folder.mkdir(parents=True, exist_ok=True)
    epochs_figure(courses).savefig(folder / "epochs.png", dpi=110)
    bound_figure(courses).savefig(folder / "bound.png", dpi=110)
    if "concept_accuracy" in summary["teachers"]:
        concept_figure(summary).savefig(folder / "concept.png", dpi=110)


def _new_figure(size: tuple[float, float], rows: int = 1, columns: int = 1):
    # Not pyplot: no window system, and no global state.
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def epochs_figure(courses: Mapping[str, Course]):
    """Published measures against epochs; a least probability is that of all models."""
    names = [n for n in TITLES if n in next(iter(courses.values())).values]
    figure, axes = _new_figure((12, 5.6), 2, 4)
    for axis, name in zip(axes, names, strict=False):
        for objective, course in courses.items():
            colour, values = _colour(objective), course.values[name]
            if name == "min_probability":
                mean = low = high = values.min((1, 2))
            else:
                mean, low, high = np.array([inverse_variance_mean(v) for v in values]).T
            axis.plot(course.epochs, mean, color=colour, label=objective.upper())
            axis.fill_between(course.epochs, low, high, color=colour, alpha=0.25, lw=0)
        axis.set_title(TITLES[name], fontsize=10)
        axis.set_xlabel("epoch", fontsize=9)
        if name in LOGARITHMIC:
            _logarithmic(axis)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    axes[0].legend(frameon=False, fontsize=9)
    figure.suptitle("Inverse-variance mean over teachers ± 2σ", fontsize=10)
    return figure


def _logarithmic(axis) -> None:
    """A logarithmic y axis: 1, 2 and 5 of each decade over few of them, plain decades over many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_yscale("log")
    low, high = axis.get_ylim()
    if low > 0 and high / low < 1e3:
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def bound_figure(courses: Mapping[str, Course]):
    """Both sides of two bounds at the last epoch, a point a student; all lie below the line."""
    figure, (left, right) = _new_figure((9, 4), 1, 2)
    for axis, name, x_label, y_label in (
        (left, "d_rep_below_logit", "√(2m/(k−1)) · d_logit / σ_min", "d_rep"),
        (right, "cca_below_residual", "residual of regressing ũ on f′", "Σ (1−ρ²) λ"),
    ):
        for objective, course in courses.items():
            x, y = (course.values[f"{name}_{side}"][-1].ravel() for side in ("rhs", "lhs"))
            axis.scatter(x, y, s=14, color=_colour(objective), label=objective.upper(), alpha=0.8)
        axis.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
        ends = [min(*axis.get_xlim(), *axis.get_ylim()), max(*axis.get_xlim(), *axis.get_ylim())]
        axis.plot(ends, ends, color="0.4", lw=1, label="bound")
    left.legend(frameon=False, fontsize=9)
    return figure


def concept_figure(summary: Mapping[str, Any]):
    """Label and concept-probe accuracy of each objective at its end, beside the teachers' own.

    Bars are means with 95 % intervals over teachers; a recorded summary is enough to draw them.
    """
    figure, axes = _new_figure((7.2, 3.4), 1, 2)
    for axis, name, title in (
        (axes[0], "accuracy", "label accuracy"),
        (axes[1], "concept_accuracy", "concept accuracy of a linear probe"),
    ):
        own = np.array(summary["teachers"][name])[:, None]
        intervals = {"teacher": teacher_interval(own)}
        for objective, values in summary["objectives"].items():
            intervals[objective.upper()] = Interval(*values["final"][name]["over_teachers"])
        for x, (label, interval) in enumerate(intervals.items()):
            _bar(axis, x, interval, _colour(label.lower()))
        axis.set_xticks(range(len(intervals)), list(intervals))
        axis.set(ylim=(0, 1.12), yticks=np.linspace(0, 1, 6))
        axis.set_title(title, fontsize=10)
    chance = 1 / len(summary["data"]["concepts"])
    axes[1].axhline(chance, color="0.2", ls="--", lw=1)
    end = axes[1].get_xlim()[1]
    axes[1].text(end, chance, " chance", va="center", fontsize=8, color="0.3")
    return figure


def _bar(axis, x: int, interval: Interval, colour: str) -> None:
    """A bar with its interval, where there is one, and its height in figures above both."""
    mean, low, high = interval
    top = mean
    axis.bar(x, mean, color=colour, width=0.7)
    if low is not None and high is not None and np.isfinite([low, high]).all():
        axis.errorbar(x, mean, [[mean - low], [high - mean]], color="0.2", capsize=3, lw=1)
        top = max(top, high)
    axis.text(x, top + 0.015, f"{mean:.2f}", ha="center", va="bottom", fontsize=9)


def _colour(name: str) -> str:
    return COLOURS.get(name, "#888888")
