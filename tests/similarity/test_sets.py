import itertools
import math

import jax
import numpy as np
import pytest

from similarity import sets


def as_sets(rows):
    """Each row as its pivot and the set of the others."""
    return [(int(row[0]), frozenset(map(int, row[1:]))) for row in np.asarray(rows)]


@pytest.mark.parametrize(("k", "m"), [(7, 3), (4, 3), (3, 1)])
def test_all_label_sets_are_every_pivot_with_every_combination(k, m):
    got = as_sets(sets.all_label_sets(k, m))
    want = {
        (j, frozenset(c))
        for j in range(k)
        for c in itertools.combinations([y for y in range(k) if y != j], m)
    }
    assert set(got) == want and len(got) == k * math.comb(k - 1, m)


def test_sets_of_a_pivot_leave_the_label_out_also_when_traced():
    want = {(5, frozenset(c)) for c in itertools.combinations([0, 1, 3, 4, 6], 3)}
    assert set(as_sets(sets.label_sets_of(7, 3, 5, 2))) == want
    traced = jax.jit(lambda p, l: sets.label_sets_of(7, 3, p, l))(5, 2)
    assert set(as_sets(traced)) == want


def test_sampled_sets_are_uniform_over_pivots_and_sets():
    """12,000 draws over 5·C(4,2) = 30 sets: chi-square 29 dof, 99.9% point 58.3; measured 26."""
    got = as_sets(sets.sample_label_sets(jax.random.key(0), 5, 2, 12_000))
    counts = np.array([got.count(s) for s in set(got)])
    assert len(counts) == 30
    assert ((counts - 400) ** 2 / 400).sum() < 58.3
    pivots_left = as_sets(sets.label_sets_of(6, 2, 1, 4, key=jax.random.key(1), num=500))
    assert set(pivots_left) == {(1, frozenset(c)) for c in itertools.combinations([0, 2, 3, 5], 2)}


def test_subsets_are_distinct_and_uniform_without_memory_for_all_elements():
    got = np.asarray(sets.sample_subsets(jax.random.key(0), 1_000_000_000, 8, 200))
    assert all(len(set(row)) == 8 for row in got) and got.min() >= 0 and got.max() < 1e9
    every = np.asarray(sets.sample_subsets(jax.random.key(0), 4, 4, 10))
    assert (np.sort(every, axis=1) == np.arange(4)).all()


def test_too_few_elements_and_too_many_sets_are_errors():
    with pytest.raises(ValueError, match="at least 4"):
        sets.all_label_sets(3, 3)
    with pytest.raises(ValueError, match="at least 5"):
        sets.label_sets_of(4, 3, 0, 1)
    with pytest.raises(ValueError, match="more than 100000; give key and num_sets"):
        sets.all_label_sets(100, 50)
    with pytest.raises(ValueError, match="both key and num_sets"):
        sets.chosen_label_sets(7, 3, None, jax.random.key(0), None)
