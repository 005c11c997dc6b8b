import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr

import similarity as S


@pytest.fixture
def log_pair(models):
    return S.log_probs(models.f, models.g), S.log_probs(models.f2, models.g2)


def test_kl_js_and_total_variation_are_their_definitions(x64, log_pair):
    log_p, log_q = log_pair
    p, q = np.exp(log_p), np.exp(log_q)
    r = (p + q) / 2
    np.testing.assert_allclose(S.kl(log_p, log_q), rel_entr(p, q).sum(1), rtol=1e-10, atol=1e-15)
    want = (rel_entr(p, r) + rel_entr(q, r)).sum(1) / 2
    np.testing.assert_allclose(S.js(log_p, log_q), want, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(S.total_variation(log_p, log_q), np.abs(p - q).sum(1) / 2)
    np.testing.assert_array_equal(S.agreement(log_p, log_q), p.argmax(1) == q.argmax(1))


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9])
def test_small_divergences_keep_their_digits(x64, size):
    """To second order KL = ½ Σ p t², less the mean of t; the naive sum is off by ε/size²."""
    r = np.random.default_rng(0)
    p = r.dirichlet(np.ones(6))
    step = r.normal(size=6)
    log_q = jax.nn.log_softmax(np.log(p) + size * step)
    want = size**2 * (p @ step**2 - (p @ step) ** 2) / 2
    got = float(S.kl(np.log(p), log_q))
    np.testing.assert_allclose(got, want, rtol=2 * size + 1e-15 / size)
    naive = float(np.sum(p * (np.log(p) - log_q)))
    if size < 1e-8:
        assert abs(naive / want - 1) > 1  # measured 1.3e2


def test_absent_labels_have_their_limits():
    p = jnp.log(jnp.asarray([0.5, 0.5, 0.0]))
    q = jnp.log(jnp.asarray([0.25, 0.25, 0.5]))
    np.testing.assert_allclose(S.kl(p, q), np.log(2), rtol=1e-6)
    assert S.kl(q, p) == np.inf
    assert S.kl(p, p) == 0
    np.testing.assert_allclose(S.js(p, jnp.log(jnp.asarray([0.0, 0.0, 1.0]))), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(S.total_variation(p, q), 0.5, rtol=1e-6)


def test_huge_logits_do_not_overflow():
    f, g = np.float32([[1e3, -1e3]]), np.eye(2, dtype=np.float32)
    got = S.kl(S.log_probs(f, g), S.log_probs(-f, g))
    np.testing.assert_allclose(got, 2000, rtol=1e-6)


def test_single_precision_follows_double(models, log_pair):
    """Measured: 4e-7 relative on KL of 1e-3 to 1."""
    got = S.kl(*log_pair)
    with jax.enable_x64(True):
        want = S.kl(S.log_probs(models.f, models.g), S.log_probs(models.f2, models.g2))
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-8)


def test_logits_passed_as_log_probabilities_are_an_error(models):
    with pytest.raises(ValueError, match="not log-probabilities.*log_softmax"):
        S.kl(S.logits(models.f, models.g), S.log_probs(models.f, models.g))


@pytest.mark.usefixtures("unchecked")
def test_mismatched_labels_are_an_error(log_pair):
    log_p, log_q = log_pair
    with pytest.raises(ValueError, match="same inputs and labels"):
        S.kl(log_p, jax.nn.log_softmax(log_q[:, :-1]))
