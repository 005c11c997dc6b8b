import jax
import numpy as np
import pytest
from scipy.linalg import subspace_angles

import similarity as S


@pytest.fixture
def pair(models):
    return models.f, models.f2[:, :2] + 3


def centred(x):
    return x - x.mean(0)


def test_correlations_are_cosines_of_scipys_subspace_angles(x64, pair):
    f, f2 = pair
    want = np.sort(np.cos(subspace_angles(centred(f), centred(f2))))[::-1]
    got = S.canonical_correlations(f, f2)
    np.testing.assert_allclose(got, want, atol=1e-12)
    np.testing.assert_allclose(S.mcca(f, f2), want.mean(), atol=1e-12)


def test_affine_maps_do_not_matter_also_in_single_precision(pair):
    """Measured 2e-7."""
    f, f2 = (x.astype(np.float32) for x in pair)
    B = np.float32([[2, 1, 0], [0, 1, 0.5], [0.3, 0, 1]])
    np.testing.assert_allclose(S.mcca(f @ B + 2, f2), S.mcca(f, f2), atol=2e-6)
    np.testing.assert_allclose(S.mcca(f, f @ B + 2), 1, atol=1e-6)


def test_null_directions_do_not_correlate(x64):
    """Rank 3 in 6 dimensions: untruncated, rounding directions correlate at up to 0.9."""
    r = np.random.default_rng(0)
    base, other = r.normal(size=(200, 3)), r.normal(size=(200, 4))
    f, f2 = base @ r.normal(size=(3, 6)), base @ r.normal(size=(3, 5)) + 0.5 * other[:, :1]
    rho = np.asarray(S.canonical_correlations(f, f2))
    full = np.asarray(S.canonical_correlations(base, f2))
    np.testing.assert_allclose(rho[:3], full, atol=1e-12)
    np.testing.assert_array_equal(rho[3:], 0)
    np.testing.assert_allclose(S.mcca(f, f2), full.mean(), atol=1e-12)  # over 3, the smaller rank


@pytest.mark.parametrize("scales", [(3000, 1, 1), (100, 1, 0.01), (1e10, 1, 1e-10)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_directions_far_smaller_than_the_first_still_correlate(scales, dtype):
    """SciPy's subspace angles of the columns unscaled, which span the same. Measured 3e-7."""
    r = np.random.default_rng(0)
    x = r.normal(size=(40, 3))
    y = x + 0.5 * r.normal(size=(40, 3))
    want = np.sort(np.cos(subspace_angles(centred(x), centred(y))))[::-1]
    scaled = (x * scales).astype(dtype)
    np.testing.assert_allclose(S.canonical_correlations(scaled, y), want, atol=2e-6)
    np.testing.assert_allclose(S.mcca(y, scaled), want.mean(), atol=2e-6)


def test_svcca_of_all_variance_keeps_small_directions():
    """SciPy's subspace angles of the columns unscaled. Measured 0."""
    r = np.random.default_rng(0)
    x = r.normal(size=(40, 3))
    y = x + 0.5 * r.normal(size=(40, 3))
    want = np.cos(subspace_angles(centred(x), centred(y))).mean()
    np.testing.assert_allclose(S.svcca(x * [3000, 1, 1], y, threshold=1.0), want, atol=1e-6)


def test_a_constant_with_rounding_is_no_direction():
    r = np.random.default_rng(0)
    f, f2 = r.normal(size=(2, 50, 2))
    ones = 1 + np.finfo(float).eps * r.integers(0, 2, size=(50, 1))
    np.testing.assert_allclose(S.mcca(np.hstack([f, ones]), f2), S.mcca(f, f2), atol=1e-6)


def test_constants_have_correlation_zero(x64, models):
    assert S.mcca(np.full((400, 3), 0.1), models.f) == 0
    f, _ = S.with_bias(models.f, models.g, np.zeros(7))
    np.testing.assert_allclose(S.mcca(f, models.f2), S.mcca(models.f, models.f2), atol=1e-12)


@pytest.mark.parametrize(("n", "m", "m2", "ones"), [(3, 2, 2, 2), (4, 2, 2, 1), (5, 2, 2, 0)])
def test_trivial_correlations_are_one_for_any_data(x64, n, m, m2, ones):
    r = np.random.default_rng(n)
    f, f2 = r.normal(size=(n, m)), r.normal(size=(n, m2))
    assert S.trivial_correlations(n, m, m2) == ones
    if n <= m + m2:
        with pytest.warns(UserWarning, match=f"{ones} canonical correlations are 1"):
            rho = S.canonical_correlations(f, f2)
    else:
        rho = S.canonical_correlations(f, f2)
    assert (np.asarray(rho) > 1 - 1e-9).sum() == ones


def svcca_by_numpy(f, f2, threshold):
    kept = []
    for x in (centred(f), centred(f2)):
        u, s, _ = np.linalg.svd(x, full_matrices=False)
        count = int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), threshold)) + 1
        kept.append(u[:, :count])
    return np.linalg.svd(kept[0].T @ kept[1], compute_uv=False)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.99])
def test_svcca_is_cca_of_the_leading_directions(x64, threshold):
    r = np.random.default_rng(1)
    f = r.normal(size=(100, 6)) * 3.0 ** -np.arange(6)
    f2 = f @ r.normal(size=(6, 4)) + 0.1 * r.normal(size=(100, 4))
    want = svcca_by_numpy(f, f2, threshold).mean()
    np.testing.assert_allclose(S.svcca(f, f2, threshold=threshold), want, atol=1e-12)


def test_svcca_of_everything_is_mcca_and_a_bad_threshold_is_an_error(x64, pair):
    np.testing.assert_allclose(S.svcca(*pair, threshold=1.0), S.mcca(*pair), atol=1e-12)
    with pytest.raises(ValueError, match="threshold=0.0"):
        S.svcca(*pair, threshold=0.0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "call, message",
    [
        (lambda f, f2: S.mcca(f, f2, rtol=np.nan), "rtol is nan"),
        (lambda f, f2: S.mcca(f, f2, rtol=2.0), "rtol=2.0; accepted"),
        (lambda f, f2: S.canonical_correlations(f, f2, rtol=-1.0), "rtol=-1.0; accepted"),
        (lambda f, f2: S.svcca(f, f2, threshold="a"), "threshold has dtype <U1"),
        (lambda f, f2: S.svcca(f, f2, threshold=np.nan), "threshold is nan"),
    ],
)
def test_bad_options_are_one_clear_error(pair, call, message):
    with pytest.raises(ValueError, match=message):
        call(*pair)


def test_the_largest_direction_is_never_below_the_tolerance(x64, pair):
    np.testing.assert_allclose(S.mcca(pair[0], pair[0], rtol=1.0), 1, atol=1e-12)


def pwcca_by_numpy(f, f2):
    f, f2 = centred(f), centred(f2)
    q = np.linalg.qr(f)[0]
    left, rho, _ = np.linalg.svd(q.T @ np.linalg.qr(f2)[0], full_matrices=False)
    weights = np.abs((q @ left).T @ f).sum(1)
    return weights @ rho / weights.sum()


def test_pwcca_weighs_by_projections_of_the_first_side(x64, pair):
    np.testing.assert_allclose(S.pwcca(*pair), pwcca_by_numpy(*pair), atol=1e-12)
    assert abs(S.pwcca(*pair) - S.pwcca(*pair[::-1])) > 1e-5


def test_regression_r2_is_that_of_least_squares(x64, pair):
    f, f2 = pair
    design = np.hstack([f2, np.ones((400, 1))])
    residual = f - design @ np.linalg.lstsq(design, f, rcond=None)[0]
    want = 1 - (residual**2).sum() / (centred(f) ** 2).sum()
    np.testing.assert_allclose(S.linear_regression_r2(f, f2), want, atol=1e-12)
    assert S.linear_regression_r2(np.ones_like(f), f2) == 0


@pytest.mark.parametrize("scales", [(1e4, 1, 1e-4), (1e8, 1, 1e-8)])
@pytest.mark.parametrize("measure", [S.linear_regression_r2, S.pwcca])
def test_scales_of_the_columns_of_the_second_side_do_not_matter(measure, scales):
    """Against the columns unscaled, as the docstrings promise. Measured 3e-7."""
    r = np.random.default_rng(0)
    x = r.normal(size=(40, 3))
    y = x + 0.5 * r.normal(size=(40, 3))
    np.testing.assert_allclose(measure(y, x * scales), measure(y, x), atol=2e-6)


def test_pwcca_sees_small_directions_of_the_first_side():
    """float64 NumPy, all three directions. Measured 1e-7."""
    r = np.random.default_rng(0)
    x = r.normal(size=(40, 3))
    y = x + 0.5 * r.normal(size=(40, 3))
    x = x * [1e5, 1, 1e-5]
    np.testing.assert_allclose(S.pwcca(x, y), pwcca_by_numpy(x, y), atol=2e-6)


def test_mean_agrees_with_scikit_learn(x64, pair):
    """NIPALS converges to 1e-6 on the mean; single correlations only to 1e-3."""
    cross_decomposition = pytest.importorskip("sklearn.cross_decomposition")
    scores = cross_decomposition.CCA(2, max_iter=1000).fit(*pair).transform(*pair)
    rho = [np.corrcoef(scores[0][:, i], scores[1][:, i])[0, 1] for i in range(2)]
    np.testing.assert_allclose(S.mcca(*pair), np.mean(rho), atol=3e-6)


@pytest.mark.usefixtures("unchecked")
def test_a_traced_threshold_is_taken(pair):
    f, f2 = (x.astype(np.float32) for x in pair)
    run = lambda share: S.svcca(f, f2, threshold=share)
    np.testing.assert_allclose(jax.jit(run)(0.7), run(0.7), rtol=1e-6)
