import jax.numpy as jnp
import numpy as np
import pytest

import similarity as S
from similarity import gauge


@pytest.mark.parametrize("cosine", [-1.0, -0.9, 0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("m", [2, 3, 7])
def test_any_cosine_is_reached_at_equal_probabilities(x64, make_models, cosine, m):
    """Measured 4e-16 on the cosine, 2e-14 on probabilities."""
    f, W, *_ = make_models(0, 50, 6, m)
    moved = np.asarray(gauge.translate_to_cosine(W, 1, 4, cosine))
    np.testing.assert_allclose(moved - W, np.broadcast_to(moved[0] - W[0], W.shape), atol=1e-12)
    np.testing.assert_allclose(gauge.cosines(moved)[1, 4], cosine, atol=1e-12)
    np.testing.assert_allclose(np.exp(S.log_probs(f, moved)), np.exp(S.log_probs(f, W)), atol=1e-12)


def test_unreachable_cosines_are_errors():
    W = np.float32([[1, 2], [1, 2], [0, 1]])
    with pytest.raises(ValueError, match="rows 0 and 1 are equal"):
        gauge.translate_to_cosine(W, 0, 1, 0.5)
    with pytest.raises(ValueError, match="-1 ≤ cosine ≤ 1"):
        gauge.translate_to_cosine(W, 0, 2, 1.5)
    with pytest.raises(ValueError, match="two of"):
        gauge.translate_to_cosine(W, 2, 2, 0.5)
    with pytest.raises(ValueError, match="j=3 is impossible with 2 labels"):
        gauge.translate_to_cosine(W, 2, 3, 0.5)
    with pytest.raises(ValueError, match="one dimension"):
        gauge.translate_to_cosine(W[:, :1], 0, 2, 0.5)
    np.testing.assert_allclose(
        gauge.cosines(gauge.translate_to_cosine(W[:, :1], 0, 2, -1.0))[0, 2], -1
    )


def test_collinear_translations_give_minus_one_or_one(x64):
    """v = -a + t d: cosine -1 for -1 < t < 0 and +1 otherwise, the closed form of the paper."""
    a, b = np.random.default_rng(0).normal(size=(2, 3))
    for t in (-2.0, -0.5, -0.1, 0.5, 3.0):
        W = np.stack([a, b]) - a + t * (b - a)
        np.testing.assert_allclose(gauge.cosines(W)[0, 1], np.sign(t * (1 + t)), atol=1e-12)


@pytest.mark.parametrize("read", [np.float32, np.float64, jnp.float32])
def test_small_rows_beside_large_ones_differ(read):
    """By hand: 1e-10 is lost beside 1 in float32, but not from 0."""
    W = read([[0, 0], [1e-10, 0], [0, 1e-10], [1, 1]])
    audit = gauge.audit(W)
    np.testing.assert_array_equal(audit.fixed, np.eye(4, dtype=bool))
    np.testing.assert_allclose(audit.distance[0, :3], [0, 1e-10, 1e-10], rtol=1e-6)
    np.testing.assert_allclose(audit.flip_distance[0, 1:], 0, atol=1e-16)
    np.testing.assert_allclose(
        gauge.cosines(gauge.translate_to_cosine(W * 1e-15, 1, 2, 0.5))[1, 2], 0.5, atol=1e-6
    )


class TestAudit:
    @pytest.fixture
    def W(self):
        return np.random.default_rng(0).normal(size=(9, 4)) + 1

    def test_the_flip_distance_is_the_shortest_translation_to_cosine_zero(self, x64, W):
        """Reached along ±(a + b), and by nothing shorter among 20,000 random directions."""
        audit = gauge.audit(W)
        a, b, length = W[2], W[5], float(audit.flip_distance[2, 5])
        along = (a + b) / np.linalg.norm(a + b)
        reached = [abs((a + s * length * along) @ (b + s * length * along)) for s in (-1, 1)]
        assert min(reached) < 1e-12
        v = np.random.default_rng(1).normal(size=(20_000, 4))
        v *= 0.999 * length / np.linalg.norm(v, axis=1, keepdims=True)
        products = ((a + v) * (b + v)).sum(1)
        assert (np.sign(products) == np.sign(a @ b)).all()

    def test_invariants_of_translation(self, x64, W):
        b = np.linspace(0, 1, 9)
        before, after = gauge.audit(W, b), gauge.audit(W + np.array([3, -1, 2, 5]), b)
        for name in ("centred_cosine", "distance", "boundary", "fixed", "row_scale"):
            np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-12)
        assert np.abs(after.cosine - before.cosine).max() > 0.5
        want = (b[3] - b[1]) / np.linalg.norm(W[1] - W[3])
        np.testing.assert_allclose(before.boundary[1, 3], want)

    def test_only_a_row_on_the_segment_to_all_others_stays_nearest(self, x64):
        """Rows 1, 2, 3 lie at 1, 2, 5 times d from row 0: row 1 is always nearest to it."""
        start, d = np.array([1.0, 2.0, -1.0]), np.array([0.5, -1.0, 2.0])
        W = start + np.array([0.0, 1, 2, 5])[:, None] * d
        audit = gauge.audit(W)
        assert audit.nearest_survives[0] and audit.nearest[0] == 1
        shifts = np.random.default_rng(0).normal(size=(200, 3)) * 5
        nearest = [int(gauge.audit(W + v).nearest[0]) for v in shifts[:20]]
        assert set(nearest) == {1}
        # Off the ray by a little, some translation makes another row nearest: v = -W_0 + εu.
        W[2] += [0.01, 0.0, 0.0]
        bent = gauge.audit(W)
        assert not bent.nearest_survives[0]
        unit = lambda x: x / np.linalg.norm(x)
        u = unit(W[2] - W[0]) - unit(W[1] - W[0])
        assert gauge.audit(W - W[0] + 1e-6 * u).nearest[0] == 2

    def test_equal_rows_are_fixed_and_bad_shapes_are_errors(self, x64, W):
        W[3] = W[7]
        audit = gauge.audit(W)
        assert audit.fixed[3, 7] and audit.fixed.sum() == 9 + 2
        assert audit.flip_distance[3, 7] == np.inf
        with pytest.raises(ValueError, match="k > 2"):
            gauge.audit(W[:2])
