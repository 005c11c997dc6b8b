import itertools

import jax
import numpy as np
import pytest

from similarity import constructions, patterns


def rows(array):
    return set(map(tuple, np.asarray(array).tolist()))


def test_braid_takes_rows_to_their_differences():
    W = np.arange(8.0).reshape(4, 2) ** 2
    want = [W[i] - W[j] for i, j in itertools.combinations(range(4), 2)]
    np.testing.assert_array_equal(patterns.braid(4) @ W, want)
    with pytest.raises(ValueError, match="at least 2"):
        patterns.braid(1)


def test_minors_are_determinants_of_rows_up_to_one_sign_and_lengths(x64):
    W = np.random.default_rng(0).normal(size=(5, 3))
    signs = np.sign([np.linalg.det(W[list(c)]) for c in itertools.combinations(range(5), 3)])
    np.testing.assert_array_equal(patterns.chirotope(W), signs * signs[0])


def test_chirotope_ignores_row_lengths_and_invertible_maps(x64):
    r = np.random.default_rng(1)
    W, B = r.normal(size=(6, 3)), r.normal(size=(3, 3))
    same = (np.arange(6.0) + 1)[:, None] * W @ B
    np.testing.assert_array_equal(patterns.chirotope(same), patterns.chirotope(W))
    np.testing.assert_array_equal(patterns.braid_chirotope(W @ B + 7), patterns.braid_chirotope(W))


@pytest.mark.parametrize("lengths", [[1, 1e-20, 1, 1, 1e10], [1e-170] * 5])
def test_chirotope_ignores_row_lengths_however_unequal(x64, lengths):
    W = np.random.default_rng(3).normal(size=(5, 3))
    scaled = W * np.array(lengths)[:, None]
    np.testing.assert_array_equal(patterns.chirotope(scaled), patterns.chirotope(W))


def test_equal_rows_and_the_scale_do_not_matter_to_braids(x64):
    """Rows 0 and 3 differ by one rounding, which is no direction."""
    W = np.random.default_rng(4).normal(size=(4, 2))
    equal, rounded = W.copy(), W.copy()
    equal[3], rounded[3] = W[0], np.nextafter(W[0], 9)
    want = patterns.braid_chirotope(equal)
    for same in (rounded, 1e300 * equal, 1e-300 * equal):
        np.testing.assert_array_equal(patterns.braid_chirotope(same), want)


def test_zero_minors_and_lacking_rank(x64):
    W = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert patterns.chirotope(W)[0] == 0  # rows 0, 1 and 2 are dependent
    assert patterns.chirotope(W[:3]).shape == (3,)  # of rank 2: minors of 2 rows
    with pytest.raises(ValueError, match="rank 0"):
        patterns.chirotope(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="fewer rows"):
        patterns.chirotope(np.random.default_rng(0).normal(size=(60, 10)))


def test_equal_sign_patterns_and_different_rankings_of_the_paper(x64):
    """arXiv:2603.29488: 20 sign vectors each, a braid minor of 45 differs, two rankings each."""
    a, b = constructions.equal_signs_other_ranks()
    np.testing.assert_array_equal(patterns.chirotope(a), patterns.chirotope(b))
    signs = [rows(patterns.sign_patterns(jax.random.key(0), W, 50_000)) for W in (a, b)]
    assert signs[0] == signs[1] and len(signs[0]) == 20
    minors = [np.asarray(patterns.minors(patterns.braid(5) @ W)) for W in (a, b)]
    flipped = np.flatnonzero(np.sign(minors[0]) != np.sign(minors[1]))
    assert minors[0].size == 45 and flipped.size == 1
    only = [rows(patterns.rank_patterns_2d(W[:, :2]) + 1) for W in (a, b)]
    assert only[0] - only[1] == {(4, 1, 3, 2, 5), (5, 2, 3, 1, 4)}
    assert only[1] - only[0] == {(1, 4, 3, 5, 2), (2, 5, 3, 4, 1)}


def test_exact_plane_patterns_hold_all_sampled_ones(x64):
    W = np.random.default_rng(2).normal(size=(5, 2))
    exact = rows(patterns.rank_patterns_2d(W))
    assert rows(patterns.rank_patterns(jax.random.key(0), W, 100_000)) == exact
    assert len(exact) == 2 * 10  # two cells for each of the ten differences, in general position


def test_cosines_do_not_tell_which_labels_compete(x64):
    """arXiv:2603.29488, centred: cosine -.588 competes, .8 never; of unit length -.805 and .805."""
    W = constructions.centred_cosines()
    assert rows(patterns.top_pairs_2d(W)) == {(0, 1), (0, 4), (1, 2), (2, 3), (3, 4)}
    U = constructions.fixed_length_cosines()
    pairs = rows(patterns.top_pairs_2d(U))
    assert (0, 1) in pairs and (1, 3) not in pairs


def test_planes_only(unchecked):
    with pytest.raises(ValueError, match="use rank_patterns"):
        patterns.rank_patterns_2d(np.ones((4, 3), np.float32))


ON_THE_HOST = {
    "minors": patterns.minors,
    "chirotope": patterns.chirotope,
    "braid_chirotope": patterns.braid_chirotope,
    "rank_patterns_2d": patterns.rank_patterns_2d,
    "top_pairs_2d": patterns.top_pairs_2d,
    "sign_patterns": lambda W: patterns.sign_patterns(jax.random.key(0), W, 9),
    "rank_patterns": lambda W: patterns.rank_patterns(jax.random.key(0), W, 9),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("function", ON_THE_HOST)
def test_work_on_the_host_is_refused_under_jit(function):
    with pytest.raises(ValueError, match="works on the host .*: call it outside jit"):
        jax.jit(ON_THE_HOST[function])(np.eye(4, 2, dtype=np.float32))


def test_plane_patterns_of_equal_rows_are_their_index_order(x64):
    np.testing.assert_array_equal(patterns.rank_patterns_2d(np.ones((3, 2))), [[0, 1, 2]])
    W = np.array([[0.0, 1], [1, 0], [0, 1]])
    assert rows(patterns.rank_patterns_2d(W)) == {(0, 2, 1), (1, 0, 2)}


@pytest.mark.parametrize("scale", [1e-170, 1e-300, 1e300])
def test_plane_patterns_do_not_depend_on_the_scale(x64, scale):
    W = np.random.default_rng(2).normal(size=(5, 2))
    want = patterns.rank_patterns_2d(W)
    np.testing.assert_array_equal(patterns.rank_patterns_2d(scale * W), want)


def test_plane_patterns_of_short_rows_beside_a_long_one(x64):
    """Two of the three differences are one direction to all digits: 4 cells in place of 6."""
    W = np.array([[1e20, 1e20], [1.0, 0], [0, 1]])
    assert len(rows(patterns.rank_patterns_2d(W))) == 4


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "call, message",
    [
        (lambda W: patterns.minors(W, np.nan), "rtol is nan"),
        (lambda W: patterns.chirotope(W, -1.0), "rtol=-1.0"),
        (lambda W: patterns.sign_patterns(jax.random.key(0), W, 0), "num must be at least 1"),
        (lambda W: patterns.rank_patterns(jax.random.key(0), W, 2.5), "num must be at least 1"),
    ],
)
def test_bad_options_are_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.eye(4, 2))


def test_a_coarse_tolerance_leaves_the_minors_above_it(x64):
    W = np.random.default_rng(5).normal(size=(7, 2))
    fine = np.asarray(patterns.minors(W))
    want = np.where(np.abs(fine) > 0.5, fine, 0)
    want = want * np.sign(want[np.flatnonzero(want)[0]])
    np.testing.assert_array_equal(patterns.minors(W, 0.5), want)
