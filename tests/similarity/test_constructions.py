import jax
import numpy as np
import pytest

import similarity as S
from similarity import constructions, gauge, patterns

# Paper A, table 1: mean KL at each length ρ of the unembeddings.
TABLE = {1: 0.78758, 2: 1.05704, 3: 0.88675, 5: 0.38194, 8: 0.06870, 12: 0.00546, 18: 1.04e-4}


def mean_kl(f, g, f2, g2):
    return float(S.kl(S.log_probs(f, g), S.log_probs(f2, g2)).mean())


@pytest.fixture(scope="module")
def key():
    return jax.random.key(0)


def test_kl_vanishes_while_representations_stay_apart(key):
    """Table 1 of A, from other draws: KL within 2%, the rest to three digits."""
    for rho, want in TABLE.items():
        pair = constructions.permuted_directions(key, float(rho))
        np.testing.assert_allclose(mean_kl(*pair), want, rtol=0.025)
    np.testing.assert_allclose(S.logit_distance(*pair) / 18, 5.312, rtol=2e-3)
    llv = S.llv_distance(*pair, key=key, num_sets=300)
    np.testing.assert_allclose(llv.d, 1.3173, atol=2e-3)
    assert S.mcca(pair.f, pair.f2) < 0.005
    assert S.max_d_svd(*pair, llv.pivot, llv.leave_out) > 0.999
    assert S.d_svd_labels(*pair, llv.input_set) > 0.999


def test_permuted_directions_have_correlation_zero_in_closed_form(x64):
    angle = 2 * np.pi * np.arange(7) / 7
    moved = angle[list(constructions.UNCORRELATED)]
    for sign in (-1, 1):
        assert abs(np.exp(1j * (angle + sign * moved)).sum()) < 1e-14
    a, b = (np.stack([np.cos(t), np.sin(t)], 1) for t in (angle, moved))
    assert S.mcca(a, b) < 1e-14


def test_perturbed_models_drift_apart_in_proportion(key):
    near, far = (constructions.perturbed(key, 6, step) for step in (10, 20))
    assert near.f.shape == (3000, 2) and (near.g == far.g).all()
    np.testing.assert_allclose(S.logit_distance(*far) / S.logit_distance(*near), 2, rtol=1e-4)
    noise = np.asarray(near.f2 - near.f)
    np.testing.assert_allclose(noise.std(), 10 * 0.004, rtol=0.03)
    assert np.linalg.norm(near.f, axis=1).min() >= 5 - 1e-5


def test_full_correlation_without_a_common_prediction(key):
    """Published from other draws: 36.1 and 38.3, 89.9, 7.13."""
    pair = constructions.rotated_apart(key)
    f, g, f2, g2 = pair
    np.testing.assert_allclose((S.mcca(f, f2), S.mcca(g, g2)), 1, atol=1e-5)
    assert not S.agreement(S.log_probs(f, g), S.log_probs(f2, g2)).any()
    np.testing.assert_allclose(mean_kl(*pair), 36.1, rtol=0.06)
    np.testing.assert_allclose(mean_kl(f2, g2, f, g), 38.3, rtol=0.06)
    np.testing.assert_allclose(S.logit_distance(*pair), 89.9, rtol=0.01)
    np.testing.assert_allclose(S.d_rep(*pair).d_sq ** 0.5, 7.13, rtol=0.01)


def test_small_kl_without_a_linear_relation_of_unembeddings(key):
    """Published from other draws: .00455, .67377, 25.93, 3.189, one half."""
    pair = constructions.swapped_neighbours(key)
    f, g, f2, g2 = pair
    assert (f == f2).all()
    np.testing.assert_allclose(mean_kl(*pair), 0.00455, rtol=0.06)
    np.testing.assert_allclose(S.mcca(g, g2), 0.67377, atol=1e-4)
    np.testing.assert_allclose(S.logit_distance(*pair), 25.93, rtol=0.02)
    np.testing.assert_allclose(S.d_rep(*pair).d_sq ** 0.5, 3.189, rtol=0.02)
    agree = S.agreement(S.log_probs(f, g), S.log_probs(f2, g2))
    np.testing.assert_allclose(agree.mean(), 0.5, atol=0.02)


def test_three_models_of_equal_likelihood(key):
    models = constructions.equal_likelihoods(key)
    labels = np.repeat(np.arange(4), 1000)
    for f, g in zip(models.fs, models.gs, strict=True):
        assert -np.take_along_axis(np.asarray(S.log_probs(f, g)), labels[:, None], 1).mean() < 1e-6
    first, *others = models.fs
    for other, want in zip(others, (0.480, 0.433), strict=True):
        np.testing.assert_allclose(S.mcca(first, other), want, atol=0.04)
    with pytest.warns(UserWarning, match="canonical correlations are 1"):
        np.testing.assert_allclose(S.mcca(models.gs[0], models.gs[1]), 0.948, atol=1e-3)


def test_radial_labels_are_wedges_through_the_origin(key):
    """Against the published formula, arccos of the upper half plane."""
    for k in (4, 6, 10, 18):
        x, y = (np.asarray(a) for a in constructions.radial(key, 5000, k))
        upper = np.where(x[:, 1:] < 0, -x, x).astype(np.float64)
        theta = np.arccos(upper[:, 0] / np.linalg.norm(upper, axis=1))
        np.testing.assert_array_equal(y, np.floor(theta * k / np.pi).clip(0, k - 1))
        np.testing.assert_array_equal(constructions.radial_labels(-x, k), y)
        np.testing.assert_allclose(np.bincount(y) / 5000, 1 / k, atol=5 * (1 / k / 5000) ** 0.5)
    np.testing.assert_allclose(x.std(), 3, rtol=0.03)


def test_spiral_arms(key):
    """28 arms, four of each label; undoing the twist leaves each point in its arm's sector."""
    x, y = (np.asarray(a) for a in constructions.spiral(key, 100))
    assert x.shape == (2800, 2)
    np.testing.assert_array_equal(np.bincount(y), [400] * 7)
    labels = y.reshape(28, 100)
    assert (labels == labels[:, :1]).all() and (labels[::7, 0] == 0).all()
    assert all(set(group) == set(range(7)) for group in labels[:, 0].reshape(4, 7))
    radius = np.linalg.norm(x, axis=1).reshape(28, 100)
    np.testing.assert_allclose(
        radius, np.broadcast_to(np.linspace(1, 10, 100), (28, 100)), rtol=1e-5
    )
    angle = np.arctan2(x[:, 1], x[:, 0]).reshape(28, 100) - np.pi * radius / 70
    off = (angle - 2 * np.pi * np.arange(28)[:, None] / 28 + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(off).max() <= 0.75 * np.pi / 28 + 1e-4


def test_keys_make_draws_reproducible(key):
    a, b = constructions.permuted_directions(key, 2.0), constructions.permuted_directions(key, 2.0)
    assert (a.f == b.f).all()
    other = constructions.permuted_directions(jax.random.key(1), 2.0)
    assert (a.f != other.f).any()


def test_cosine_counterexamples(x64):
    W = constructions.centred_cosines()
    cosine = np.asarray(gauge.cosines(W))
    np.testing.assert_allclose(W.sum(0), 0, atol=1e-15)
    got = cosine[0, 1], cosine[1, 2], cosine[2, 4]
    np.testing.assert_allclose(got, (0.3243, -0.5882, 0.8), atol=1e-3)
    U = constructions.fixed_length_cosines()
    np.testing.assert_allclose(np.linalg.norm(U, axis=1), 1)
    np.testing.assert_allclose(U.sum(0), 0, atol=1e-15)
    cosine = np.asarray(gauge.cosines(U))
    np.testing.assert_allclose((cosine[0, 1], cosine[1, 3]), (-0.805, 0.805), atol=1e-12)


def test_row_lengths_change_rankings_at_equal_cosines(x64):
    even, short = constructions.row_lengths()
    np.testing.assert_allclose(gauge.cosines(even), gauge.cosines(short), atol=1e-15)
    ever = [set(np.asarray(patterns.rank_patterns_2d(W))[:, -1]) for W in (even, short)]
    assert 2 in ever[0] and 2 not in ever[1]


@pytest.mark.usefixtures("unchecked")
def test_numbers_of_labels_that_cannot_be_are_errors(key):
    for k in (0, 2.5):
        with pytest.raises(ValueError, match=f"k={k} .*accepted"):
            constructions.radial_labels([[1.0, 2.0]], k)
    with pytest.raises(ValueError, match="no nu for k=7 labels; give nu"):
        constructions.perturbed(key, 7, 1)
