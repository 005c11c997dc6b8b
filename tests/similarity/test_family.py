import jax
import numpy as np
import pytest
from scipy.special import log_softmax

import similarity as S


def test_log_probs_are_scipys_log_softmax_of_the_products(models, x64):
    want = log_softmax(models.f @ models.g.T, axis=1)
    np.testing.assert_allclose(S.log_probs(models.f, models.g), want, atol=1e-14)
    u = np.asarray(S.logits(models.f, models.g))
    np.testing.assert_allclose(u - np.asarray(S.log_partition(models.f, models.g))[:, None], want)


def test_probabilities_do_not_change_under_a_gauge_but_do_under_a_translation_of_f(models, x64):
    r = np.random.default_rng(1)
    B, c = r.normal(size=(3, 3)) + 2 * np.eye(3), r.normal(size=3)
    want = np.exp(S.log_probs(models.f, models.g))
    got = np.exp(S.log_probs(*S.apply_gauge(models.f, models.g, B, c)))
    assert np.abs(got - want).max() < 3e-15 * 20  # measured 2e-15
    moved = np.exp(S.log_probs(models.f + c, models.g))
    assert np.abs(moved - want).max() > 0.1  # measured 0.66


def test_alignment_of_equivalent_models_is_the_gauge_whatever_the_label_set(models, x64):
    r = np.random.default_rng(1)
    B = r.normal(size=(3, 3)) + 2 * np.eye(3)
    f2, g2 = S.apply_gauge(models.f, models.g, B, np.zeros(3))
    for label_set in ([0, 1, 2, 3], [6, 2, 4, 1], [3, 5, 0, 6]):
        A = np.asarray(S.alignment(models.g, g2, np.array(label_set)))
        np.testing.assert_allclose(A, np.linalg.inv(B), atol=1e-12)  # measured 2e-14
        np.testing.assert_allclose(f2 @ A.T, models.f, atol=1e-12)


def test_the_input_side_gives_the_inverse_transpose_alignment(models, x64):
    f2, g2 = S.apply_gauge(models.f, models.g, np.diag([1.0, 2.0, 4.0]), np.zeros(3))
    A = S.alignment(models.g, g2, np.array([0, 1, 2, 3]))
    N = S.alignment(models.f, f2, np.array([10, 11, 12, 13]))
    np.testing.assert_allclose(N, np.linalg.inv(A).T, atol=1e-12)  # measured 4e-15


def test_clr_is_the_logits_of_centred_unembeddings(models, x64):
    want = models.f @ (models.g - models.g.mean(0)).T
    np.testing.assert_allclose(S.clr(S.log_probs(models.f, models.g)), want, atol=1e-13)
    np.testing.assert_allclose(S.centre(models.g).sum(0), 0, atol=1e-14)


def test_a_bias_is_one_more_coordinate(models, x64):
    b = np.linspace(-1, 1, 7)
    got = S.log_probs(*S.with_bias(models.f, models.g, b))
    np.testing.assert_allclose(got, log_softmax(models.f @ models.g.T + b, axis=1), atol=1e-14)


def test_functions_are_the_same_inside_jit_and_vmap(models, x64):
    stack = np.stack([models.f, models.f2]), np.stack([models.g, models.g2])
    got = jax.jit(jax.vmap(S.log_probs))(*stack)
    np.testing.assert_allclose(got[1], S.log_probs(models.f2, models.g2), atol=1e-14)


@pytest.mark.usefixtures("unchecked")
class TestErrors:
    def test_mismatched_dimensions(self, models):
        with pytest.raises(ValueError, match=r"\(400, 3\).*\(7, 2\).*representation dimension"):
            S.logits(models.f, models.g[:, :2])

    def test_not_finite(self, models):
        bad = models.f.copy()
        bad[3, 1] = np.nan
        with pytest.raises(ValueError, match="f of shape .* NaN or infinite"):
            S.logits(bad, models.g)

    def test_a_vector_where_a_matrix_is_due(self, models):
        with pytest.raises(ValueError, match=r"f has shape \(3,\).* 2 dimensions"):
            S.logits(models.f[0], models.g)

    def test_complex_and_empty(self, models):
        with pytest.raises(ValueError, match="real"):
            S.logits(models.f + 1j, models.g)
        with pytest.raises(ValueError, match="no entries"):
            S.logits(models.f[:0], models.g)

    def test_singular_gauge_and_wrong_gauge_shape(self, models):
        with pytest.raises(ValueError, match="singular"):
            S.apply_gauge(models.f, models.g, np.ones((3, 3)), np.zeros(3))
        with pytest.raises(ValueError, match=r"\(3, 3\) and \(3,\)"):
            S.apply_gauge(models.f, models.g, np.eye(2), np.zeros(3))

    def test_label_set_that_does_not_span(self, models):
        g = models.g.copy()
        g[2] = 2 * g[1] - g[0]
        with pytest.raises(ValueError, match="do not span"):
            S.alignment(g, models.g2, np.array([0, 1, 2, 3]))

    def test_one_bias_for_each_label(self, models):
        with pytest.raises(ValueError, match="one bias for each label"):
            S.with_bias(models.f, models.g, np.zeros(6))

    def test_offsets_that_float32_cannot_hold(self, models):
        """Logits of g + 10⁸ would be right to 10⁻⁷ of 10⁸, and their differences to nothing."""
        f, g = models.f, models.g
        for call in (
            lambda: S.logits(f, g + 1e8),
            lambda: S.apply_gauge(f, g + 1e8, np.eye(3), np.zeros(3)),
            lambda: S.with_bias(f, g, np.arange(7) + 1e10),
        ):
            with pytest.raises(ValueError, match="offset hides their spread"):
                call()
        np.testing.assert_allclose(S.log_probs(f, g + 1e8), S.log_probs(f, g), atol=1e-5)
