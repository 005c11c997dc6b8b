import itertools

import jax
import numpy as np
import pytest

import similarity as S


def by_loops(f, g, f2, g2):
    """E‖f - A f'‖² for each pivot and set, A from NumPy's inverse of each L."""
    k, m = g.shape
    values, smallest = [], []
    for pivot in range(k):
        for chosen in itertools.combinations([y for y in range(k) if y != pivot], m):
            L = (g[list(chosen)] - g[pivot]).T
            L2 = (g2[list(chosen)] - g2[pivot]).T
            A = np.linalg.inv(L).T @ L2.T
            values.append(((f - f2 @ A.T) ** 2).sum(1).mean())
            smallest.append(np.linalg.svd(L, compute_uv=False)[-1])
    return np.array(values), np.array(smallest)


def test_every_set_is_that_of_the_loop(x64, models):
    values, smallest = by_loops(*models)
    got = S.d_rep(*models)
    np.testing.assert_allclose(np.sort(got.per_set), np.sort(values), rtol=1e-10)
    np.testing.assert_allclose(np.sort(got.sigma_min), np.sort(smallest), rtol=1e-10)
    np.testing.assert_allclose(got.d_sq, values.mean(), rtol=1e-10)
    assert got.exhaustive and got.kept.all()


def test_sampled_and_given_sets_are_estimates(x64, models):
    exact = S.d_rep(*models)
    sampled = S.d_rep(*models, key=jax.random.key(0), num_sets=300)
    assert not sampled.exhaustive
    error = np.std(exact.per_set) / 300**0.5
    assert abs(sampled.d_sq - exact.d_sq) < 4 * error
    given = S.d_rep(*models, label_sets=np.array([[0, 1, 2, 3], [5, 2, 1, 6]]))
    assert given.per_set.shape == (2,) and not given.exhaustive
    pick = lambda row: np.isclose(exact.per_set, row).any()
    assert all(map(pick, given.per_set))


def test_invariance_to_the_second_gauge_and_to_rotation_of_the_first(x64, models, gauge_of):
    f, g, f2, g2 = models
    want = S.d_rep(*models).d_sq
    np.testing.assert_allclose(S.d_rep(f, g, *gauge_of(1, f2, g2)).d_sq, want, rtol=1e-8)
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    np.testing.assert_allclose(S.d_rep(f @ Q.T, g @ Q.T + 1, f2, g2).d_sq, want, rtol=1e-8)
    np.testing.assert_allclose(S.d_rep(2 * f, g / 2, f2, g2).d_sq, 4 * want, rtol=1e-8)


def test_equivalent_models_are_at_zero(x64, models, gauge_of):
    f, g, *_ = models
    assert S.d_rep(f, g, *gauge_of(1, f, g)).d_sq < 1e-24  # measured 7e-28
    assert S.d_rep(f, g, f, g).d_sq == 0


def test_the_symmetric_variant_is_the_mean_of_both_directions(x64, models):
    f, g, f2, g2 = models
    got = S.d_rep_symmetric(*models)
    there, back = S.d_rep(*models).d_sq, S.d_rep(f2, g2, f, g).d_sq
    np.testing.assert_allclose(got.d_sq, (there + back) / 2, rtol=1e-12)
    assert abs(there / back - 1) > 0.01
    np.testing.assert_allclose(S.d_rep_symmetric(f2, g2, f, g).d_sq, got.d_sq, rtol=1e-12)


def test_singular_sets_are_infinite_and_can_be_left_out(x64, models):
    f, g, f2, g2 = models
    g = g.copy()
    g[1] = g[0]
    got = S.d_rep(f, g, f2, g2)
    assert got.d_sq == np.inf and np.isinf(got.per_set).any()
    kept = S.d_rep(f, g, f2, g2, min_ratio=1e-6)
    np.testing.assert_array_equal(kept.kept, np.isfinite(got.per_set))
    finite = got.per_set[np.isfinite(got.per_set)]
    np.testing.assert_allclose(kept.d_sq, finite.mean(), rtol=1e-12)


def test_singular_values_are_extra(x64, models):
    without = S.d_rep(*models, singular_values=False)
    np.testing.assert_array_equal(without.per_set, S.d_rep(*models).per_set)
    assert np.isnan(without.sigma_min).all() and without.kept.all()
    with pytest.raises(ValueError, match="singular_values=True"):
        S.d_rep(*models, min_ratio=0.1, singular_values=False)


def test_one_set_for_each_pivot_when_k_is_m_plus_1(x64, models):
    f, g, f2, g2 = models
    got = S.d_rep(f, g[:4], f2, g2[:4])
    np.testing.assert_allclose(got.per_set, by_loops(f, g[:4], f2, g2[:4])[0], rtol=1e-10)


def test_unequal_dimensions(x64, make_models):
    a, b = make_models(0), make_models(1, m=2)
    want = by_loops(a.f, a.g, b.f, b.g)[0].mean()
    np.testing.assert_allclose(S.d_rep(a.f, a.g, b.f, b.g).d_sq, want, rtol=1e-10)


def test_single_precision_follows_double(models):
    """Measured 5e-6 relative over sets of condition up to 60."""
    got = S.d_rep(*models.cast(np.float32)).d_sq
    np.testing.assert_allclose(got, by_loops(*models)[0].mean(), rtol=1e-4)


def test_memory_does_not_grow_with_the_sets(models):
    """Temporaries beyond the two numbers and the flag kept for each set; m = 3."""

    def temporaries(num):
        sets = jax.ShapeDtypeStruct((num, 4), np.int32)
        run = lambda sets, *arrays: S.d_rep(*arrays, label_sets=sets).d_sq
        compiled = jax.jit(run).lower(sets, *models.cast(np.float32)).compile()
        return compiled.memory_analysis().temp_size_in_bytes - 9 * num

    assert temporaries(51_200) - temporaries(5_120) < 0.01 * 51_200


class TestErrors:
    def test_too_few_labels(self, models):
        f, g, f2, g2 = models
        with pytest.raises(ValueError, match="at least 4"):
            S.d_rep(f, g[:3], f2, g2[:3])

    def test_too_many_sets(self):
        f, g = np.ones((60, 40), np.float32), np.ones((90, 40), np.float32)
        with pytest.raises(ValueError, match="key and num_sets"):
            S.d_rep(f, g, f, g)

    def test_no_set_kept(self, models):
        with pytest.raises(ValueError, match="min_ratio=2"):
            S.d_rep(*models.cast(np.float32), min_ratio=2.0)

    def test_wrong_width_of_sets(self, models, unchecked):
        with pytest.raises(ValueError, match=r"\(S, 4\)"):
            S.d_rep(*models, label_sets=np.array([[0, 1, 2]]))
