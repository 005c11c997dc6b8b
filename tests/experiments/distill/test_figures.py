"""What the figures draw is what the aggregates say, and is there to be read."""

import numpy as np
import pytest

from experiments.distill.aggregate import Course, summarise, teacher_interval
from experiments.distill.figures import bound_figure, concept_figure, epochs_figure

RNG = np.random.default_rng(0)
NAMES = ("accuracy", "concept_accuracy", "d_logit", "min_probability")
SIDES = [f"{b}_{s}" for b in ("d_rep_below_logit", "cca_below_residual") for s in ("lhs", "rhs")]


@pytest.fixture(scope="module")
def courses():
    values = lambda: {n: RNG.uniform(0.1, 0.9, (4, 3, 2)) for n in (*NAMES, *SIDES)}
    return {o: Course(np.array([10, 20, 30, 40]), values()) for o in ("kl", "l1")}


def test_lines_are_means_over_teachers_and_of_least_probabilities_the_least(courses):
    axes = {axis.get_title(): axis for axis in epochs_figure(courses).axes}
    for axis, name in ((axes["label accuracy"], "accuracy"), (axes["logit distance"], "d_logit")):
        for line, course in zip(axis.lines, courses.values(), strict=True):
            want = np.array([teacher_interval(v) for v in course.values[name]])
            np.testing.assert_allclose(line.get_ydata(), want[:, 0])
            band = axis.collections[axis.lines.index(line)].get_paths()[0].vertices
            for end in want[:, 1:].T:
                assert {*zip(course.epochs, end, strict=True)} <= {*map(tuple, band)}
    line = axes["least probability of any model"].lines[1]
    want = courses["l1"].values["min_probability"].min((1, 2))
    np.testing.assert_allclose(line.get_ydata(), want)


def test_the_figure_ends_at_the_number_of_the_table(courses):
    final = summarise(courses)["objectives"]["l1"]["final"]["concept_accuracy"]
    axes = {axis.get_title(): axis for axis in epochs_figure(courses).axes}
    end = axes["concept probe accuracy"].lines[1].get_ydata()[-1]
    assert end == pytest.approx(final["over_teachers"][0], rel=1e-5)
    # The published average, which the record keeps, is another number.
    assert end != pytest.approx(final["inverse_variance"][0], rel=1e-3)


@pytest.mark.parametrize("teachers", [[0.5], [0.4, 0.5, 0.6], [0.1, 0.9]])  # interval to 5.6
def test_bars_are_means_over_teachers_with_their_value_above_the_interval(courses, teachers):
    if len(teachers) == 1:
        keep = lambda c: Course(c.epochs, {n: v[:, :1] for n, v in c.values.items()})
        courses = {o: keep(c) for o, c in courses.items()}
    teachers = {name: teachers for name in NAMES}
    data = {"concepts": ["x", "y", "z", "w"]}
    summary = summarise(courses) | {"teachers": teachers, "data": data}
    axis = concept_figure(summary).axes[1]
    want = [0.5] + [c.values["concept_accuracy"][-1].mean() for c in courses.values()]
    heights = [bar.get_height() for bar in axis.patches]
    np.testing.assert_allclose(heights, want, rtol=1e-5)
    *values, chance = axis.texts
    assert [float(t.get_text()) for t in values] == pytest.approx(want, abs=0.005)
    for text, height in zip(values, heights, strict=True):
        assert height < text.get_position()[1] < axis.get_ylim()[1]
    assert chance.get_position()[1] == 0.25


def test_bound_shows_every_student_at_both_sides(courses):
    left = bound_figure(courses).axes[0]
    points = left.collections[1].get_offsets()
    want = [courses["l1"].values[f"d_rep_below_logit_{s}"][-1].ravel() for s in ("rhs", "lhs")]
    np.testing.assert_allclose(points, np.transpose(want))
