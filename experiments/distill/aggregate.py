"""From one value a student to what is reported: means over teachers, intervals, the claims."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from experiments.distill.measures import BOUNDS, DIRECTIONS
from experiments.runtime.metrics import read_metrics

# Label accuracies this close count as matched: one point.
MATCHED_WITHIN = 0.01
# What the claim says of students trained on logits, beside those trained on KL.
CLAIMS = ("mcca", "median_d_rep", "concept_accuracy")


class Interval(NamedTuple):
    """A mean with the ends of its interval."""

    mean: float
    low: float
    high: float


class Course(NamedTuple):
    """One objective's measures: epochs [e], and for each name values [e, teachers, students]."""

    epochs: np.ndarray
    values: dict[str, np.ndarray]

    def at(self, epoch: int) -> dict[str, np.ndarray]:
        index = int(np.flatnonzero(self.epochs == epoch)[-1])
        return {name: v[index] for name, v in self.values.items()}


def read_course(path: pathlib.Path, num_teachers: int) -> Course:
    """The measures of a stage's per_model.jsonl, students grouped by teacher."""
    records = read_metrics(path)
    names = [name for name in records[-1] if name not in ("step", "split")]
    values = {
        name: np.array([r[name] for r in records], float).reshape(len(records), num_teachers, -1)
        for name in names
    }
    return Course(np.array([r["step"] for r in records]), values)


def inverse_variance_mean(values: np.ndarray) -> Interval:
    """The published aggregate of values [teachers, students]: mean ± 2σ, σ² = 1 / Σ_t (n / σ_t²).

    Teachers are weighted by n / σ_t², the inverse variance of their students' mean. It knows
    nothing of the spread between teachers, and a teacher whose few students happen to agree
    counts for almost everything: `teacher_interval` beside it has neither flaw. Teachers without
    any spread are given the least positive one, or all the same weight. One student a teacher:
    the plain mean, with no interval.
    """
    values = np.asarray(values, float)
    means = values.mean(1)
    if values.shape[1] < 2 or not np.isfinite(values).all():
        return Interval(float(means.mean()), np.nan, np.nan)
    variance = values.var(1, ddof=1) / values.shape[1]
    if not (variance > 0).any():
        return Interval(*[float(means.mean())] * 3)
    weight = 1 / np.where(variance > 0, variance, variance[variance > 0].min())
    mean, sd = float((weight * means).sum() / weight.sum()), float(weight.sum() ** -0.5)
    return Interval(mean, mean - 2 * sd, mean + 2 * sd)


def teacher_interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """Student's t interval of the mean over teachers, each teacher's students averaged first."""
    means = np.asarray(values, float).mean(1)
    mean = float(means.mean())
    if len(means) < 2:
        return Interval(mean, np.nan, np.nan)
    half = stats.t.ppf(0.5 + level / 2, len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5
    return Interval(mean, mean - float(half), mean + float(half))


def summarise(courses: Mapping[str, Course]) -> dict[str, Any]:
    """Every objective's last measures with both intervals, bounds over the whole run, claims."""
    summary: dict[str, Any] = {}
    for objective, course in courses.items():
        last = course.at(int(course.epochs[-1]))
        summary[objective] = {
            "epochs": course.epochs.tolist(),
            "final": {
                name: {
                    "inverse_variance": _rounded(inverse_variance_mean(last[name])),
                    "over_teachers": _rounded(teacher_interval(last[name])),
                    "per_teacher": _rounded(_of_teacher(name, last[name])),
                }
                for name in DIRECTIONS
                if name in last
            },
            "bounds": {
                name: {
                    "held": int(course.values[f"{name}_holds"].sum()),
                    "of": int(course.values[f"{name}_holds"].size),
                    "least_slack": float(f"{course.values[f'{name}_slack'].min():.4g}"),
                }
                for name in BOUNDS
                if f"{name}_holds" in course.values
            },
        }
    claims = {
        objective: compare(courses["kl"], course)
        for objective, course in courses.items()
        if "kl" in courses and objective != "kl"
    }
    return {"objectives": summary, "claims": claims}


def compare(kl: Course, logit: Course) -> dict[str, Any]:
    """Logit students less KL students, teacher by teacher, at matched label accuracy.

    Differences are those at the last of `matched_epochs`; `of_teachers` are each teacher's own
    differences in accuracy, which a mean within one point could hide. A claim `holds` if the whole
    95 % interval over teachers lies on its side of zero. The choice of an epoch cannot make a
    claim: `holds_at` says at how many of the matched epochs, and of how many, it does.
    """
    pairs = matched_epochs(kl, logit)
    if not pairs:
        return {"matched": False}
    differences = [_differences(kl.at(first), logit.at(second)) for first, second in pairs]
    intervals = [{n: teacher_interval(v) for n, v in d.items()} for d in differences]
    report: dict[str, Any] = {"matched": True, "epochs": list(pairs[-1])}
    for name, interval in intervals[-1].items():
        report[name] = {"difference": _rounded(interval)}
        if name == "accuracy":
            report[name]["of_teachers"] = _rounded(differences[-1][name].mean(1))
        else:
            held = [_holds(name, at[name]) for at in intervals]
            report[name] |= {"holds": held[-1], "holds_at": [sum(held), len(held)]}
    return report


def _differences(kl: dict[str, np.ndarray], logit: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: logit[name] - kl[name] for name in ("accuracy", *CLAIMS) if name in kl}


def _holds(name: str, difference: Interval) -> bool:
    return bool(difference.low > 0 if DIRECTIONS[name] == "higher" else difference.high < 0)


def matched_epochs(first: Course, second: Course) -> list[tuple[int, int]]:
    """Pairs of epochs at which mean label accuracies are within one point, in order of training.

    The less accurate objective is read at its end only, so that it is never caught unfinished;
    the more accurate one wherever it is within one point of that. Accuracy alone decides, and if
    both ends are within a point, they are the last pair.
    """
    accuracy = [c.values["accuracy"].mean((1, 2)) for c in (first, second)]
    better = int(accuracy[1][-1] > accuracy[0][-1])
    close = np.abs(accuracy[better] - accuracy[1 - better][-1]) <= MATCHED_WITHIN
    ends = [int(first.epochs[-1]), int(second.epochs[-1])]
    epochs = (first, second)[better].epochs[close]
    return [(int(e), ends[1]) if better == 0 else (ends[0], int(e)) for e in epochs]


def _of_teacher(name: str, values: np.ndarray) -> np.ndarray:
    """One value a teacher: the mean over its students, of a least probability the least."""
    return values.min(1) if name == "min_probability" else values.mean(1)


def _rounded(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]
