"""Counts of neighbours; oracle: bincount and loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hubness import bad_k_occurrence, drop_self, k_occurrence, knn

INDEX = np.random.default_rng(0).integers(0, 30, (40, 5))


def test_counts_are_exact_integers():
    counts = k_occurrence(INDEX, 30)
    np.testing.assert_array_equal(np.asarray(counts), np.bincount(INDEX.ravel(), minlength=30))
    assert counts.dtype == np.int32 and int(counts.sum()) == 200


def test_weights_count_queries_or_slots():
    w = np.random.default_rng(1).integers(0, 4, 40)
    want = np.bincount(INDEX.ravel(), np.repeat(w, 5), minlength=30)
    np.testing.assert_array_equal(np.asarray(k_occurrence(INDEX, 30, w)), want)
    np.testing.assert_array_equal(
        np.asarray(k_occurrence(INDEX, 30, np.tile(w[:, None], (1, 5)))), want
    )


@pytest.mark.parametrize("weight", [np.uint8(200), jnp.int8(100), jnp.int32(2**30)])
def test_sums_of_weights_do_not_wrap(weight):
    """30 queries that all have the point 0."""
    weights = jnp.full(30, weight) if isinstance(weight, jax.Array) else np.full(30, weight)
    counts = k_occurrence(np.zeros((30, 1), int), 2, weights)
    np.testing.assert_array_equal(np.asarray(counts, float), [30.0 * int(weight), 0])
    if int(weight) < 2**30:
        within = jax.jit(lambda w: k_occurrence(np.zeros((30, 1), int), 2, w))(weights)
        np.testing.assert_array_equal(within, counts)


def test_counts_of_queries_add_up_and_stay_below_their_number(x, q):
    counts = np.asarray(k_occurrence(knn(x, 10, queries=q).index, len(x)))
    assert counts.sum() == 10 * len(q) and counts.max() <= len(q)
    assert counts.mean() == pytest.approx(10 * len(q) / len(x))


def test_lists_that_hold_the_point_itself_become_lists_of_others(x):
    """The lists of scikit-learn and faiss; the first of three copies stands first in all three."""
    copies = np.concatenate([x[:80]] * 3)
    with_self = knn(copies, 11, queries=copies).index
    assert (np.asarray(with_self)[80:, 0] < 80).all()
    np.testing.assert_array_equal(np.asarray(drop_self(with_self)), knn(copies, 10).index)


def test_a_list_without_the_point_loses_its_last():
    """Twelve copies, lists of three: those of the last nine do not hold the point."""
    index = np.tile([0, 1, 2], (12, 1))
    want = [[1, 2], [0, 2], *[[0, 1]] * 10]
    np.testing.assert_array_equal(np.asarray(drop_self(index)), want)


def test_permuting_points_permutes_the_counts(x):
    perm = np.random.default_rng(0).permutation(len(x))
    counts = np.asarray(k_occurrence(knn(x, 10).index, len(x)))
    permuted = np.asarray(k_occurrence(knn(x[perm], 10).index, len(x)))
    np.testing.assert_array_equal(permuted, counts[perm])
    assert counts.max() <= len(x) - 1


def test_rotation_and_translation_leave_the_counts(x):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]
    moved = (x.astype(np.float64) @ turn + 5).astype(np.float32)
    counts = [np.asarray(k_occurrence(knn(a, 10).index, len(x))) for a in (x, moved)]
    np.testing.assert_array_equal(*counts)


def test_bad_occurrence_counts_other_labels():
    labels, asked = np.arange(30) % 3, np.arange(40) % 4
    want = np.zeros(30, int)
    for query, row in enumerate(INDEX):
        for point in row:
            want[point] += asked[query] != labels[point]
    np.testing.assert_array_equal(np.asarray(bad_k_occurrence(INDEX, labels, asked)), want)
    names = np.array(["a", "b", "c", "d"])
    as_text = bad_k_occurrence(INDEX, names[labels], names[asked])
    np.testing.assert_array_equal(np.asarray(as_text), want)


def test_random_labels_give_the_chance_rate(x):
    """ΣBN/(mk) ≈ 1 − 1/C: mean of 20 draws within 4 standard errors of 0.75."""
    index, r = knn(x, 10).index, np.random.default_rng(0)
    rates = [float(bad_k_occurrence(index, r.integers(0, 4, 240)).sum()) / 2400 for _ in range(20)]
    assert abs(np.mean(rates) - 0.75) < 4 * np.std(rates) / np.sqrt(20)


def test_inside_jit():
    counts = jax.jit(lambda i: k_occurrence(i, 30))(INDEX)
    np.testing.assert_array_equal(np.asarray(counts), np.bincount(INDEX.ravel(), minlength=30))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: k_occurrence(INDEX, 20), "run from 0 to 29 but there are n=20"),
        (lambda: k_occurrence(INDEX - 1, 30), "run from -1"),
        (lambda: k_occurrence(INDEX, 30.0), r"n=30\.0 is no integer"),
        (lambda: k_occurrence(INDEX[0], 30), "one row a query"),
        (lambda: drop_self(INDEX[:20]), "there are n=20 points"),
        (lambda: drop_self(INDEX[:, :1]), "ask for k \\+ 1 neighbours"),
        (lambda: k_occurrence(INDEX, 30, np.ones(7)), "weights have shape"),
        (
            lambda: k_occurrence(INDEX, 30, np.ma.masked_less(np.arange(40), 3)),
            "weights is a masked",
        ),
        (lambda: k_occurrence(INDEX, 30, ["a"] * 40), "weights has dtype <U1"),
        (
            lambda: bad_k_occurrence(INDEX[:30], np.ma.masked_less(np.arange(30), 3)),
            "labels is a masked",
        ),
        (lambda: bad_k_occurrence([[1], [0, 1]], [0, 1]), "rows have equal length"),
        (lambda: bad_k_occurrence(INDEX, np.ones(30)), "one label a point and one a query"),
    ],
)
def test_bad_indices_are_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
