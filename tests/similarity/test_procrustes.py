import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

import similarity as S


@pytest.fixture
def pair(models):
    return models.f + 4, models.f2 - 3


def centred(x):
    return x - x.mean(0)


def test_distance_is_that_of_scipys_rotation(x64, pair):
    f, f2 = map(centred, pair)
    Q, nuclear = orthogonal_procrustes(f2, f)
    want = np.linalg.norm(f - f2 @ Q) / 400**0.5
    np.testing.assert_allclose(S.procrustes(*pair), want, rtol=1e-12)
    norms = np.linalg.norm(f) * np.linalg.norm(f2)
    np.testing.assert_allclose(S.angular_procrustes(*pair), np.arccos(nuclear / norms), rtol=1e-10)
    unit = np.sqrt(2 - 2 * nuclear / norms)
    np.testing.assert_allclose(S.procrustes(*pair, normalise=True), unit, rtol=1e-10)


def test_near_representations_keep_their_digits_in_single_precision():
    """The difference of norms would be lost below 1e-3; measured 3e-5 relative at 1e-5."""
    r = np.random.default_rng(0)
    f = r.normal(size=(500, 4)).astype(np.float32)
    f2 = (f + 1e-5 * r.normal(size=f.shape)).astype(np.float32)
    a, b = centred(f.astype(float)), centred(f2.astype(float))
    want = np.linalg.norm(a - b @ orthogonal_procrustes(b, a)[0]) / 500**0.5
    np.testing.assert_allclose(S.procrustes(f, f2), want, rtol=2e-2)


def test_a_narrower_side_is_padded_with_zeros(x64, pair):
    f, f2 = pair
    wide = np.hstack([f2[:, :2], np.zeros((400, 1))])
    np.testing.assert_allclose(S.procrustes(f, f2[:, :2]), S.procrustes(f, wide), rtol=1e-12)


def test_triangle_inequality(x64):
    r = np.random.default_rng(0)
    for measure in (S.procrustes, S.angular_procrustes):
        for _ in range(50):
            a, b, c = r.normal(size=(3, 12, 3))
            assert measure(a, c) <= (measure(a, b) + measure(b, c)) * (1 + 1e-12)


def test_constants(x64, pair):
    f, _ = pair
    still = np.full_like(f, 0.1)
    np.testing.assert_allclose(S.angular_procrustes(f, still), np.pi / 2)
    assert S.angular_procrustes(still, still) == 0
    np.testing.assert_allclose(S.procrustes(f, still), np.sqrt((centred(f) ** 2).sum() / 400))
