"""Oracles: scikit-learn's classifier with the same k, SciPy's binomial test, a known hub, sums."""

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier

from experiments.hubness import synthetic
from experiments.hubness.evaluate import (
    Outcome,
    Split,
    compare,
    evaluate,
    half_split,
    hubness_of,
    vote,
    ways_to_vote,
)
from experiments.hubness.methods import parse

X, TEXTS = synthetic.blobs(seed=0, n=240, d=8)
LABELS = TEXTS.labels
SPLIT = half_split(len(X), LABELS, 0)
POINTS, QUERIES = X[SPLIT.train], X[SPLIT.test]
TRAIN, TEST = LABELS[SPLIT.train], LABELS[SPLIT.test]


@pytest.fixture(scope="module")
def plain():
    return evaluate(parse("none"), X, LABELS, SPLIT, metric="euclidean", local_k=10)


def test_halves_are_disjoint_and_have_equal_class_shares():
    rows = np.concatenate([SPLIT.train, SPLIT.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(X)))
    np.testing.assert_array_equal(np.bincount(TRAIN), np.bincount(TEST))
    assert (half_split(len(X), LABELS, 1).train != SPLIT.train).any()
    np.testing.assert_array_equal(half_split(len(X), LABELS, 0).train, SPLIT.train)
    unlabelled = half_split(7, None, 0)
    assert len(unlabelled.train) == 3 and len(unlabelled.test) == 4


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_error_is_scikit_learns_with_the_same_votes(plain, weights):
    chosen = plain.row[weights]["k"]
    theirs = KNeighborsClassifier(chosen, weights=weights, algorithm="brute").fit(POINTS, TRAIN)
    assert plain.row[weights]["error"] == np.mean(theirs.predict(QUERIES) != TEST)


def test_votes_are_chosen_by_leave_one_out(plain):
    d = np.linalg.norm(POINTS[:, None].astype(float) - POINTS[None], axis=2)
    np.fill_diagonal(d, np.inf)
    near = TRAIN[np.argsort(d, axis=1)]
    errors = {}
    for k in range(2, 20):
        ballots = np.stack([(near[:, :k] == c).sum(1) for c in range(4)], axis=1)
        errors[k] = np.mean(ballots.argmax(1) != TRAIN)
    assert plain.row["uniform"]["k"] == min(errors, key=lambda k: (errors[k], k))


def test_counts_add_up_and_bad_neighbours_are_those_of_another_class(plain):
    assert plain.counts.sum() == 10 * len(QUERIES)
    d = np.linalg.norm(QUERIES[:, None].astype(float) - POINTS[None], axis=2)
    near = np.argsort(d, axis=1)[:, :10]
    np.testing.assert_array_equal(plain.counts, np.bincount(near.ravel(), minlength=len(POINTS)))
    assert plain.row["bad_rate"] == pytest.approx(np.mean(TRAIN[near] != TEST[:, None]))
    assert plain.row["query"]["skewness"] == pytest.approx(stats.skew(plain.counts), rel=1e-5)
    assert plain.row["query"]["largest"] == plain.counts.max()


def test_equal_votes_go_to_the_lowest_class():
    winners = vote(np.array([[2, 0, 1, 1]]), np.ones((1, 4)), 3)
    np.testing.assert_array_equal(winners[:, 0], [2, 0, 0, 1])


def test_comparison_is_the_exact_binomial_test():
    r = np.random.default_rng(0)
    right = [r.random(200) < share for share in (0.7, 0.85)]
    a, b = (Outcome({}, None, None, x) for x in right)
    only_a, only_b = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    expected = stats.binomtest(only_a, only_a + only_b).pvalue
    found = compare(a, b)
    assert (found["b"], found["c"]) == (only_a, only_b)
    assert found["p_value"] == pytest.approx(expected, rel=1e-12)
    assert compare(a, a)["p_value"] == 1
    assert compare(a, Outcome({}, None, None, None)) is None


def test_a_point_in_the_middle_of_a_sphere_is_everyones_neighbour():
    """Directions at right angles are √2 apart, and 1 from the centre."""
    x = np.eye(121, dtype=np.float32)
    x[120] = 0
    everything = np.arange(121)
    found = evaluate(
        parse("none"), x, None, Split(0, everything, everything), metric="euclidean", local_k=10
    )
    assert found.row["self"]["largest"] == 120
    assert (found.index[:120, 0] == 120).all()
    assert found.right is None and "uniform" not in found.row


def test_hubness_counts_ten_neighbours_whatever_was_searched():
    index = np.tile(np.arange(19), (30, 1))
    found = hubness_of(index, 30)
    assert found["largest"] == 30
    assert found["robin_hood"] == pytest.approx(1 - 10 / 30, rel=1e-6)


@pytest.mark.parametrize(
    "name, weighed",
    [("none", True), ("nicdm", True), ("mp_gauss", False), ("mp_gauss@skhubness-0.30", True)],
)
def test_only_plain_and_published_distances_weigh_votes(name, weighed):
    assert ("distance" in dict(ways_to_vote(parse(name)))) == weighed
