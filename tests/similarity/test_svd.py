import itertools

import jax
import numpy as np
import pytest

import similarity as S


def by_definition(z, w):
    """1 - nuclear norm of the correlation matrix over √(s s'), by NumPy."""
    s, s2 = z.shape[1], w.shape[1]
    R = np.corrcoef(z.T, w.T)[:s, s:]
    return 1 - np.linalg.norm(R, "nuc") / np.sqrt(s * s2)


@pytest.mark.parametrize("widths", [(3, 3), (2, 4), (4, 1)])
def test_it_is_the_definition(x64, widths):
    r = np.random.default_rng(0)
    z = r.normal(size=(50, widths[0])) + 5
    w = z @ r.normal(size=widths) + r.normal(size=(50, widths[1]))
    np.testing.assert_allclose(S.d_svd(z, w), by_definition(z, w), atol=1e-14)
    np.testing.assert_allclose(S.d_svd(w, z), S.d_svd(z, w), atol=1e-14)


def test_small_values_keep_their_digits_in_single_precision():
    """1 - ‖R‖_*/m formed as a difference of ones would be lost below 1e-7; measured 2e-6."""
    r = np.random.default_rng(0)
    z = r.normal(size=(500, 3)).astype(np.float32)
    w = (z + 1e-5 * r.normal(size=z.shape)).astype(np.float32)
    want = by_definition(z.astype(np.longdouble).astype(float), w.astype(float))
    assert 1e-11 < want < 1e-10
    np.testing.assert_allclose(S.d_svd(z, w), want, rtol=1e-2)
    assert S.d_svd(z, z) < 1e-13


def test_columns_without_variation_correlate_with_nothing(x64):
    z = np.random.default_rng(0).normal(size=(30, 3))
    w = z.copy()
    w[:, 1] = 7.3
    R = np.corrcoef(z.T)
    R[:, 1] = 0
    np.testing.assert_allclose(S.d_svd(z, w), 1 - np.linalg.norm(R, "nuc") / 3, atol=1e-14)
    assert S.d_svd(z * 0 + 1, z) == 1


def test_maximum_over_label_sets_is_that_of_a_loop(x64, models):
    f, g, f2, g2 = models
    others = [y for y in range(7) if y not in (4, 2)]
    want = max(
        by_definition(f @ (g[list(c)] - g[4]).T, f2 @ (g2[list(c)] - g2[4]).T)
        for c in itertools.combinations(others, 3)
    )
    got = S.max_d_svd(*models, 4, 2)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    sampled = S.max_d_svd(*models, 4, 2, key=jax.random.key(0), num_sets=3)
    assert sampled <= got
    given = np.array([[4, *c] for c in itertools.combinations(others, 3)])
    np.testing.assert_allclose(S.max_d_svd(*models, 4, 2, label_sets=given), want, rtol=1e-12)


def test_labels_side_is_the_definition(x64, models):
    f, g, f2, g2 = models
    rows = np.array([9, 1, 30, 70])
    want = by_definition(g @ (f[rows[1:]] - f[rows[0]]).T, g2 @ (f2[rows[1:]] - f2[rows[0]]).T)
    np.testing.assert_allclose(S.d_svd_labels(*models, rows), want, rtol=1e-12)


def test_gauge_does_not_matter_though_rotation_of_f_alone_does(x64, models, gauge_of):
    f, g, f2, g2 = models
    rows = np.array([9, 1, 30, 70])
    for moved in ((*gauge_of(1, f, g), f2, g2), (f, g, *gauge_of(2, f2, g2))):
        np.testing.assert_allclose(
            S.max_d_svd(*moved, 1, 2), S.max_d_svd(*models, 1, 2), rtol=1e-10
        )
        np.testing.assert_allclose(
            S.d_svd_labels(*moved, rows), S.d_svd_labels(*models, rows), rtol=1e-9
        )
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    stretched = f * [1, 3, 9]
    assert S.d_svd(stretched @ Q, stretched) > 0.05


def test_one_label_set_when_k_is_m_plus_2_and_an_error_below(x64, models):
    f, g, f2, g2 = models
    got = S.max_d_svd(f, g[:5], f2, g2[:5], 0, 4)
    want = by_definition(f @ (g[1:4] - g[0]).T, f2 @ (g2[1:4] - g2[0]).T)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    with pytest.raises(ValueError, match="at least 5"):
        S.max_d_svd(f, g[:4], f2, g2[:4], 0, 3)
    with pytest.raises(ValueError, match="both key and num_sets"):
        S.max_d_svd(*models, 0, 3, num_sets=4)


@pytest.mark.usefixtures("unchecked")
def test_errors(models):
    with pytest.raises(ValueError, match="same input"):
        S.d_svd(models.f, models.f[:5])
    with pytest.raises(ValueError, match="at least 2 inputs; got 1"):
        S.d_svd(models.f[:1], models.f[:1])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_models_are_equal_where_two_labels_nearly_meet(models, dtype):
    """Labels 0 and 2 lie 1e-9 apart, and so do inputs 0 and 1. Measured 1e-13."""
    f, g = (np.array(x, dtype) for x in models[:2])
    g[2] = (g[0] - g[0]) + 1e-9 * g[2]
    g[0], f[0], f[1] = 0, 0, 1e-9 * f[1]
    assert S.max_d_svd(f, g, f, g, 0, 1) < 1e-6
    assert S.d_svd_labels(f, g, f, g, [0, 1, 5, 9]) < 1e-6


@pytest.mark.usefixtures("unchecked")
def test_labels_that_do_not_exist_are_refused(models):
    for pivot, out, message in (
        (99, 1, "pivot: labels must lie in 0..6; got 99"),
        (0, -1, "leave_out: labels must lie"),
        (1.7, 0, "pivot has dtype"),
        (3, 3, "both 3; accepted are two that differ"),
    ):
        with pytest.raises(ValueError, match=message):
            S.max_d_svd(*models, pivot, out)
    wrong = (
        (np.array([2**32, 1, 2]), "outside"),
        (np.ma.masked_array([0, 1, 2], [0, 1, 0]), "masked"),
        ([[0, 1, 2]], "accepted is one set"),
    )
    for given, message in wrong:
        with pytest.raises(ValueError, match=message):
            S.d_svd_labels(*models, given)
        with pytest.raises(ValueError, match=message):
            S.alignment(models.g[:, :2], models.g[:, :2], given)
    assert S.d_svd_labels(*models, [0, 1, 2, 3]) == S.d_svd_labels(*models, np.arange(4))
