"""Feature-space reductions; oracles: NumPy, scikit-learn's formulas, rank invariance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hubness import features

KEY = jax.random.key(0)


def paper_f_norm(x, draws):
    out = np.empty(x.shape)
    for j in range(x.shape[1]):
        out[np.argsort(x[:, j], kind="stable"), j] = np.sort(draws[:, j])
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def test_f_norm_follows_the_paper(x):
    draws = np.random.default_rng(0).standard_normal(x.shape)
    got = features.f_norm(x, draws=draws)
    np.testing.assert_allclose(np.asarray(got), paper_f_norm(x, draws), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(np.asarray(got), axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("transform", [features.f_norm, features.f_uniform])
def test_monotone_maps_of_features_change_nothing(x, transform):
    """x ↦ 4x and x ↦ x − 1 keep every order (exactly in float32, for these values)."""
    a, b = transform(x, KEY), transform(4 * x, KEY)
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("transform", [features.f_norm, features.f_uniform])
def test_equal_values_do_not_tell_the_order_of_the_rows(x, transform):
    """Constant features: |ρ| with the row number is below 4/√239; in the order of rows it is 1."""
    found = np.asarray(transform(np.zeros_like(x), KEY))
    rho = [stats.spearmanr(np.arange(240), column).statistic for column in found.T]
    assert np.abs(rho).max() < 0.26
    between = np.abs(stats.spearmanr(found).statistic[np.triu_indices(12, 1)])
    assert between.max() < 0.26


def test_columns_are_permutations_of_the_draws(x):
    draws = np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    raw = np.asarray(
        features._by_rank(jnp.asarray(x), jnp.asarray(draws), jnp.zeros(x.shape, jnp.uint32))
    )
    np.testing.assert_array_equal(np.sort(raw, axis=0), np.sort(draws, axis=0))
    np.testing.assert_array_equal(np.argsort(raw, axis=0), np.argsort(x, axis=0, kind="stable"))


def test_duplicates_become_different_vectors_only_in_the_transductive_form(x):
    twice = np.concatenate([x, x])
    random = np.asarray(features.f_norm(twice, KEY))
    assert (random[:240] != random[240:]).any(axis=1).all()
    state = features.rank_normal_fit(twice)
    same = np.asarray(features.rank_normal_apply(state, twice))
    np.testing.assert_array_equal(same[:240], same[240:])


def test_inductive_scores_are_normal_quantiles_of_average_ranks(x):
    rounded = np.round(x)  # many equal values
    z = stats.norm.ppf((stats.rankdata(rounded, axis=0) - 0.5) / 240)
    got = np.asarray(features.rank_normal_apply(features.rank_normal_fit(rounded), rounded))
    np.testing.assert_allclose(got, z / np.linalg.norm(z, axis=1, keepdims=True), atol=2e-6)


def test_new_points_are_interpolated_and_clamped(x):
    state = features.rank_normal_fit(x)
    z = np.asarray(state.scores)
    between = (np.sort(x, axis=0)[100] + np.sort(x, axis=0)[101]) / 2
    new = np.stack([between, np.full(12, 1e6), np.full(12, -1e6)]).astype(np.float32)
    want = np.stack([(z[100] + z[101]) / 2, z[-1], z[0]])
    got = np.asarray(features.rank_normal_apply(state, new))
    np.testing.assert_allclose(got, want / np.linalg.norm(want, axis=1, keepdims=True), atol=1e-4)
    alone = np.asarray(features.rank_normal_apply(state, new[:1]))
    np.testing.assert_array_equal(alone[0], got[0])


def test_constant_features_become_zero(x):
    flat = x.copy()
    flat[:, 3] = 7
    assert (
        np.asarray(features.rank_normal_apply(features.rank_normal_fit(flat), flat))[:, 3] == 0
    ).all()


def test_row_statistics(x):
    z = np.asarray(features.zscore_rows(x))
    np.testing.assert_allclose(z.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.sqrt(12), rtol=1e-4)
    np.testing.assert_allclose(np.asarray(features.centre_rows(x)).mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(features.unit_rows(x), axis=1), 1, rtol=1e-6)


def test_centres_come_from_the_reference(x, q):
    np.testing.assert_allclose(np.asarray(features.centre(x)).mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(features.centre(q, x)), q - x.mean(0), atol=1e-6)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    weight = np.maximum((unit @ unit.T).sum(1), 0) ** 2
    want = q - weight @ x / weight.sum()
    np.testing.assert_allclose(np.asarray(features.centre_weighted(q, x, 2.0)), want, atol=1e-5)


def test_centres_of_a_high_power_are_the_most_popular_point(x):
    """γ = 300 overflows powers of sums of similarities."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    sums = (unit @ unit.T).sum(1)
    weight = np.where(sums > 0, sums / sums.max(), 0.0) ** 300
    want = x - weight @ x / weight.sum()
    got = features.centre_weighted(x, gamma=300.0)
    np.testing.assert_allclose(np.asarray(got), want, atol=1e-4)


def test_whitening_gives_the_identity_covariance_and_is_symmetric(x):
    """ZCA: covariance I, and the map is the symmetric root, so Cov(x, white) is symmetric."""
    white = np.asarray(features.whiten(x))
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(12), atol=2e-5)
    cross = (x - x.mean(0)).T @ white / len(x)
    np.testing.assert_allclose(cross, cross.T, atol=1e-4)


def test_whitening_drops_directions_without_variance(x):
    flat = np.concatenate([x, x[:, :1] + x[:, 1:2]], axis=1)
    white = np.asarray(features.whiten(flat))
    assert np.abs(white).max() < 10
    np.testing.assert_allclose(np.trace(np.cov(white.T, bias=True)), 12, rtol=1e-3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: features.f_norm(x), "pass either key"),
        (lambda x: features.f_norm(x, KEY, draws=x), "pass either key"),
        (lambda x: features.f_norm(x, draws=x[:5]), "expected the shape of x"),
        (lambda x: features.centre_weighted(x, gamma=np.nan), "gamma is nan"),
        (lambda x: features.centre_weighted(x, gamma=-1.0), "gamma=-1.0; accepted"),
        (lambda x: features.zscore_rows(x, eps=-1.0), "eps=-1.0; accepted"),
        (lambda x: features.zscore_rows(x, eps=np.nan), "eps is nan"),
        (lambda x: features.centre(x, x[:, :3]), "reference of shape .* differ in width"),
        (
            lambda x: features.rank_normal_apply(features.rank_normal_fit(x), x[:, :3]),
            "differ in width",
        ),
    ],
)
def test_bad_input_is_one_clear_error(x, call, message):
    with pytest.raises(ValueError, match=message):
        call(x)
