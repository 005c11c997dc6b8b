"""The figures of a distillation run, as PNG files."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.distillation.aggregate import Course, inverse_variance_mean, teacher_interval

COLOURS = {"kl": "#c44e52", "l1": "#4c72b0", "l2": "#55a868"}
TITLES = {
    "accuracy": "label accuracy",
    "agreement": "agreement with teacher",
    "kl": "KL(teacher‖student), nats",
    "d_logit": "logit distance",
    "median_d_rep": "median d_rep over label sets",
    "mcca": "mean CCA of embeddings",
    "min_probability": "least probability",
    "concept_accuracy": "concept probe accuracy",
}
LOGARITHMIC = ("kl", "d_logit", "median_d_rep", "min_probability")


def write_figures(
    courses: Mapping[str, Course], teachers: Mapping[str, Any], chance: float, folder: pathlib.Path
) -> list[pathlib.Path]:
    """Measures against epochs, the d_rep bound, and (with a concept) the concept bars."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"epochs.png": _epochs(courses), "bound.png": _bound(courses)}
    if "concept_accuracy" in teachers:
        figures["concept.png"] = _concept(courses, teachers, chance)
    paths = []
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=110)
        paths.append(folder / name)
    return paths


def _new_figure(size: tuple[float, float], rows: int = 1, columns: int = 1):
    # Not pyplot: no window system, and no global state.
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _epochs(courses: Mapping[str, Course]):
    names = [n for n in TITLES if n in next(iter(courses.values())).values]
    figure, axes = _new_figure((12, 5.6), 2, 4)
    for axis, name in zip(axes, names, strict=False):
        for objective, course in courses.items():
            points = [inverse_variance_mean(v) for v in course.values[name]]
            mean, low, high = np.array(points).T
            axis.plot(course.epochs, mean, color=_colour(objective), label=objective.upper())
            axis.fill_between(course.epochs, low, high, color=_colour(objective), alpha=0.25, lw=0)
        axis.set_title(TITLES[name], fontsize=10)
        axis.set_xlabel("epoch", fontsize=9)
        if name in LOGARITHMIC:
            axis.set_yscale("log")
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    axes[0].legend(frameon=False, fontsize=9)
    figure.suptitle("Inverse-variance mean over teachers ± 2σ", fontsize=10)
    return figure


def _bound(courses: Mapping[str, Course]):
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


def _concept(courses: Mapping[str, Course], teachers: Mapping[str, Any], chance: float):
    """Label accuracy and concept-probe accuracy of each objective, beside the teachers' own."""
    figure, axes = _new_figure((7.2, 3.2), 1, 2)
    for axis, name, title in (
        (axes[0], "accuracy", "label accuracy"),
        (axes[1], "concept_accuracy", "concept accuracy of a linear probe"),
    ):
        intervals = {"teacher": teacher_interval(np.array(teachers[name])[:, None])}
        for objective, course in courses.items():
            intervals[objective.upper()] = teacher_interval(course.values[name][-1])
        for x, (label, (mean, low, high)) in enumerate(intervals.items()):
            axis.bar(x, mean, color=_colour(label.lower()), width=0.7)
            axis.errorbar(x, mean, [[mean - low], [high - mean]], color="0.2", capsize=3, lw=1)
            axis.text(x, 0.02, f"{mean:.2f}", ha="center", color="white", fontsize=9)
        axis.set_xticks(range(len(intervals)), list(intervals))
        axis.set(title=title, ylim=(0, 1.02))
        axis.title.set_fontsize(10)
    axes[1].axhline(chance, color="0.4", ls="--", lw=1)
    axes[1].text(len(courses) + 0.4, chance + 0.01, "chance", ha="right", fontsize=8, color="0.3")
    return figure


def _colour(name: str) -> str:
    return COLOURS.get(name, "#888888")
