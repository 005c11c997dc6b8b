"""The figures of a distillation run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.distill.aggregate import Course, Interval, teacher_interval
from experiments.reporting.figures import new

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


def figures(summary: Mapping[str, Any], courses: Mapping[str, Course]) -> dict[str, Figure]:
    """With a concept its bars, measures against epochs, and two bounds."""
    drawn = (
        {"concept": concept_figure(summary)} if "concept_accuracy" in summary["teachers"] else {}
    )
    return drawn | {"epochs": epochs_figure(courses), "bound": bound_figure(courses)}


def epochs_figure(courses: Mapping[str, Course]) -> Figure:
    """Published measures against epochs, averaged as in the table: all teachers weigh the same.

    A least probability is that of all models.
    """
    names = [n for n in TITLES if n in next(iter(courses.values())).values]
    text = "**Measures against epochs**: means over teachers with their 95 % intervals."
    figure, axes = new((12, 5.6), 2, 4, caption=text)
    for axis, name in zip(axes, names, strict=False):
        for objective, course in courses.items():
            colour, values = _colour(objective), course.values[name]
            if name == "min_probability":
                mean = low = high = values.min((1, 2))
            else:
                mean, low, high = np.array([teacher_interval(v) for v in values]).T
            axis.plot(course.epochs, mean, color=colour, label=objective.upper())
            axis.fill_between(course.epochs, low, high, color=colour, alpha=0.25, lw=0)
        axis.set_title(TITLES[name], fontsize=10)
        axis.set_xlabel("epoch", fontsize=9)
        if name in LOGARITHMIC:
            _logarithmic(axis)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    axes[0].legend(frameon=False, fontsize=9)
    return figure


def _logarithmic(axis: Axes) -> None:
    """A logarithmic y axis: 1, 2 and 5 of each decade over few of them, plain decades over many."""
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    if low > 0 and high / low < 1e3:
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def bound_figure(courses: Mapping[str, Course]) -> Figure:
    """Both sides of two bounds at the last epoch, a point a student; all lie below the line."""
    text = "**Both sides of two bounds**, a point a student, all of them below the line."
    figure, (left, right) = new((9, 4), columns=2, caption=text)
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


def concept_figure(summary: Mapping[str, Any]) -> Figure:
    """Label and concept-probe accuracy of each objective at its end, beside the teachers' own.

    Bars are means with 95 % intervals over teachers; a recorded summary is enough to draw them.
    """
    text = "**What students keep**: means with 95 % intervals over teachers, at each one's end."
    figure, axes = new((7.2, 3.4), columns=2, caption=text)
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


def _bar(axis: Axes, x: int, interval: Interval, colour: str) -> None:
    """A bar with its interval, where there is one, and its height in figures above both.

    An interval of few teachers can leave [0, 1], where no accuracy is: it is drawn as far as that.
    """
    mean, low, high = interval
    top = mean
    axis.bar(x, mean, color=colour, width=0.7)
    if low is not None and high is not None and np.isfinite([low, high]).all():
        low, high = np.clip([low, high], 0, 1)
        axis.errorbar(x, mean, [[mean - low], [high - mean]], color="0.2", capsize=3, lw=1)
        top = max(top, high)
    axis.text(x, top + 0.015, f"{mean:.2f}", ha="center", va="bottom", fontsize=9)


def _colour(name: str) -> str:
    return COLOURS.get(name, "#888888")
