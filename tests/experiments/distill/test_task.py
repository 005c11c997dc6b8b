"""Splits and tasks: counts, no leak between splits, known pictures, refusals before training."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.distill.config import Attributes, Spiral, Sub
from experiments.distill.task import (
    Examples,
    Task,
    check_task,
    probe_halves,
    stratified_split,
)
from experiments.distill.tasks import ATTRIBUTES, make_task
from experiments.runtime import settings
from experiments.runtime.errors import UserError

DIGITS = Attributes()


def task_of(label, concept, names=("a", "b", "c"), concepts=("x", "y")):
    label, concept = np.asarray(label), np.asarray(concept)
    examples = Examples(np.zeros((len(label), 2), np.float32), label, concept)
    return Task("toy", examples, examples, names, concepts)


def test_split_shares_hold_in_every_stratum_and_every_example_falls_once():
    strata = np.repeat([0, 1, 2], [100, 40, 8])
    parts = stratified_split(strata, (0.5, 0.25, 0.25), seed=42)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(148))
    counts = [np.bincount(strata[p], minlength=3).tolist() for p in parts]
    assert counts == [[50, 20, 4], [25, 10, 2], [25, 10, 2]]
    again = stratified_split(strata, (0.5, 0.25, 0.25), seed=42)
    for a, b in zip(parts, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("split", "low", "high"), [("interpolation", 4, 7), ("extrapolation", 3, 7)]
)
def test_spiral_hides_radii_from_students_only(split, low, high):
    data = Spiral(per_arm=40, split=split)
    task, whole = make_task(data), make_task(replace(data, split="standard"))
    assert (len(whole.train), len(whole.test), whole.distilled) == (560, 280, None)
    np.testing.assert_array_equal(task.train.x, whole.train.x)
    seen = np.zeros(560, bool)
    seen[task.distilled] = True
    radius = np.linalg.norm(task.train.x, axis=1)
    inside = (radius > low) & (radius < high)
    np.testing.assert_array_equal(seen, ~inside if split == "interpolation" else inside)
    assert 0 < task.unseen.sum() < 280
    with pytest.raises(UserError, match="Did you mean 'interpolation'"):
        settings.read(Spiral, {"split": "interpolatoin"})


def test_every_arm_is_its_own_concept_and_has_one_label():
    task = make_task(Spiral(seed=3, per_arm=40))
    for arm in range(28):
        labels = np.unique(task.train.label[task.train.concept == arm])
        assert len(labels) == 1
    check_task(task)


def test_attributes_on_a_known_picture():
    picture = np.zeros((1, 4, 4, 1), np.uint8)
    picture[0, 1, 2] = 5
    drawn = {name: make(picture, 9)[0, :, :, 0] for name, make in ATTRIBUTES.items()}
    frame = np.pad(np.zeros((2, 2)), 1, constant_values=8)
    frame[1, 2] = 5
    bold = np.zeros((4, 4))
    bold[0:3, 1:4] = 5
    np.testing.assert_array_equal(drawn["plain"], picture[0, :, :, 0])
    np.testing.assert_array_equal(drawn["rotated"], np.rot90(drawn["plain"]))
    np.testing.assert_array_equal(drawn["inverted"], 8 - drawn["plain"].astype(int))
    np.testing.assert_array_equal(drawn["framed"], frame)
    np.testing.assert_array_equal(drawn["bold"], bold)


def test_all_forms_of_a_digit_fall_into_one_split():
    task = make_task(DIGITS)
    plain = [
        {image.tobytes() for image in part.x[part.concept == 0]} for part in (task.train, task.test)
    ]
    inverted = {(16 - image).tobytes() for image in task.train.x[task.train.concept == 2]}
    assert inverted == plain[0] and not plain[0] & plain[1]
    np.testing.assert_array_equal(np.bincount(task.test.concept), np.full(5, len(task.test) // 5))
    assert task.scale == 1 / 16 and task.train.x.max() == 16
    check_task(task)


def test_attributes_of_a_set_that_is_not_bundled_have_a_smoke_form():
    task = make_task(replace(DIGITS, source="fashion_mnist", smoke=True))
    assert task.train.x.shape[1:] == (14, 14, 1) and task.scale == 1 / 255
    check_task(task)


def test_probe_halves_share_each_concept():
    task = make_task(DIGITS)
    halves = [np.bincount(task.test.concept[half]) for half in probe_halves(task)]
    assert np.abs(halves[0] - halves[1]).max() <= 1 and halves[0].sum() + halves[1].sum() == len(
        task.test
    )


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (task_of([0, 0, 1, 1], [0, 1, 0, 1]), "no example of label c in the training split"),
        (task_of([0, 1, 2, 2], [0, 0, 1, 1], concepts=("x", "y", "z")), "no example of concept z"),
        (task_of([0, 1, 2, 2], [0, 0, 0, 1]), "no example of concept y in the half"),
        (task_of([0, 1, 2, 3], [0, 1, 0, 1]), "a label of the training split is 3"),
        (task_of([0, 1, 2, 2], [0, 2, 2, 0]), "a concept of the half .* is 2; there are 2"),
    ],
)
def test_an_empty_or_unknown_class_is_refused(task, message):
    with pytest.raises(UserError, match=message):
        check_task(task)


@pytest.mark.parametrize("damage", ["absent", "key", "shape"])
def test_sub_embeddings_that_do_not_fit_are_one_clear_error(tmp_path, damage):
    path = tmp_path / "sub.npz"
    arrays = {"features": np.zeros((6, 4)), "label": np.arange(6), "attribute": np.arange(6)}
    if damage == "key":
        arrays.pop("attribute")
    if damage == "shape":
        arrays["label"] = np.arange(5)
    if damage != "absent":
        np.savez(path, **arrays)
    with pytest.raises(UserError, match="features .n, d., label .n,. and attribute"):
        make_task(Sub(path=str(path)))
