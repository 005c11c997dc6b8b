"""Measures of a student that equals its teacher up to coordinates, and of one that does not."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import similarity
from experiments.distill.measures import Models, make_measures
from experiments.distill.task import Examples, Task, probe_halves
from similarity.sets import all_label_sets


@pytest.fixture(scope="module")
def case():
    """Two teachers, and for each a student: the first's in other coordinates, the second's not."""
    rng = np.random.default_rng(0)
    label, concept = np.arange(120) % 5, np.arange(120) // 5 % 3
    g, head = rng.normal(size=(2, 5, 2)) * 2, rng.normal(size=(2, 3, 2))
    f = 2 * g[:, label] / np.linalg.norm(g, axis=2)[:, label, None] + rng.normal(size=(2, 120, 2))
    b, c = rng.normal(size=(2, 2)) + 2 * np.eye(2), rng.normal(size=2)
    moved = similarity.apply_gauge(f[0].astype(np.float32), g[0].astype(np.float32), b, c)
    students = Models(
        np.stack([moved[0], f[1] + 0.3 * rng.normal(size=(120, 2))]), np.stack([moved[1], g[1]])
    )
    examples = Examples(np.zeros((120, 1)), label, concept)
    names = tuple("abcde"), tuple("xyz")
    unseen = np.arange(120) < 30
    task = Task("toy", examples, examples, *names, teach_concept=True, unseen=unseen)
    measure = make_measures(task, np.asarray(all_label_sets(5, 2)))
    teachers = Models(f, g, head)
    return task, teachers, students, measure(students, teachers, np.arange(2))


def test_equal_up_to_coordinates_is_equal_in_every_measure(case):
    """The student was moved in single precision: zeros are zero to 1e-5."""
    *_, values = case
    for name in ("agreement", "mcca", "pairwise_agreement", "spearman_rho", "ndcg"):
        np.testing.assert_allclose(values[name][0], 1, atol=1e-3)
    for name in ("kl", "d_logit", "d_rep", "median_d_rep"):
        np.testing.assert_allclose(values[name][0], 0, atol=1e-5)


def test_another_student_by_direct_computation(case):
    task, teachers, students, values = case
    pair = [a[1].astype(np.float64) for a in (teachers.f, teachers.g, students.f, students.g)]
    with jax.enable_x64(True):
        p, q = similarity.log_probs(*pair[:2]), similarity.log_probs(*pair[2:])
        rep = similarity.d_rep(*pair)
        want = {
            "kl": np.mean(np.exp(p) * (p - q)) * 5,
            "d_logit": np.sqrt(np.square(similarity.clr(p) - similarity.clr(q)).sum(1).mean()),
            "d_rep": np.sqrt(np.mean(rep.per_set)),
            "median_d_rep": np.sqrt(np.median(rep.per_set)),
            "mcca": float(similarity.mcca(pair[0], pair[2])),
            "min_probability": np.exp(min(p.min(), q.min())),
            "agreement": np.mean(np.asarray(p.argmax(1) == q.argmax(1))),
            "accuracy": np.mean(np.asarray(q.argmax(1) == task.test.label)),
            "unseen_accuracy": np.mean(np.asarray(q.argmax(1) == task.test.label)[:30]),
        }
        want = {name: float(value) for name, value in want.items()}
    for name, value in want.items():
        # A mean of booleans comes in single precision.
        np.testing.assert_allclose(values[name][1], value, rtol=1e-7, err_msg=name)
    assert values["kl"][1] > 1e-3


def test_concept_probe_equals_scikit_learn(case):
    task, _, students, values = case
    fitted, scored = probe_halves(task)
    f, concept = students.f[1], task.test.concept
    theirs = LogisticRegression(tol=1e-8).fit(f[fitted], concept[fitted])
    want = theirs.score(f[scored], concept[scored])
    np.testing.assert_allclose(values["concept_accuracy"][1], want, atol=1e-3)


def test_every_bound_holds_and_is_reported_with_its_sides(case):
    *_, values = case
    held = {n: v for n, v in values.items() if n.endswith("_holds")}
    assert len(held) == 7 and "concept_kl_holds" in held
    assert all(v.all() for v in held.values())
    np.testing.assert_allclose(values["d_rep_below_logit_lhs"], values["d_rep"], rtol=1e-9)
    assert (values["d_rep_below_logit_rhs"] >= values["d_rep"]).all()


def test_a_student_of_fewer_dimensions_is_as_far_as_its_rank_keeps_it(case):
    """The nearest logits of rank 1 by SVD: d_logit² is the mean square of what they leave out."""
    task, teachers, *_ = case
    logits = teachers.f[0] @ (teachers.g[0] - teachers.g[0].mean(0)).T
    u, s, v = np.linalg.svd(logits, full_matrices=False)
    student = Models((u[:, :1] * s[0])[None], v[:1].T[None])
    bare = dataclasses.replace(task.test, concept=None)
    bare = dataclasses.replace(task, train=bare, test=bare, unseen=None)
    teacher = Models(teachers.f[:1], teachers.g[:1])
    measure = make_measures(bare, np.asarray(all_label_sets(5, 2)))
    values = measure(student, teacher, np.zeros(1, int))
    np.testing.assert_allclose(values["d_logit"], s[1] / np.sqrt(len(logits)), rtol=1e-9)
    held = [v.all() for name, v in values.items() if name.endswith("_holds")]
    assert len(held) == 6 and all(held)
