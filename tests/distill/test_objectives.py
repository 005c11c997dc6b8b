"""Objectives against closed forms in float64 NumPy, and against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import distill

LOSSES = [distill.kl_loss, distill.l1_logit_loss, distill.l2_logit_loss]
ids = lambda fn: fn.__name__
pairs = st.integers(2, 12).flatmap(
    lambda k: hnp.arrays(np.float64, (2, k), elements=st.floats(-30, 30).map(lambda x: round(x, 9)))
)


def softmax(u):
    e = np.exp(u - u.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_l2_is_centred_l2_plus_the_mean_shift_and_norms_are_ordered(pair):
    s, t = pair
    k = len(s)
    with jax.enable_x64(True):
        raw, centred = distill.l2_logit_loss(s, t), distill.l2_logit_loss(s, t, centre=True)
        np.testing.assert_allclose(raw, centred + k * (s - t).mean() ** 2, rtol=1e-12, atol=1e-12)
        l1, l2 = float(k * distill.l1_logit_loss(s, t)), float(jnp.sqrt(raw))
        assert l2 <= l1 * (1 + 1e-12) and l1 <= np.sqrt(k) * l2 * (1 + 1e-12)


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_kl_lies_between_its_logit_bounds(pair):
    """4 KL <= centred L2 <= 2 KL / tau, tau the least probability of either (spec 4.2)."""
    s, t = pair
    with jax.enable_x64(True):
        kl, d2 = distill.kl_loss(s, t), distill.l2_logit_loss(s, t, centre=True)
        tau = np.minimum(softmax(s), softmax(t)).min()
        assert 4 * kl <= d2 * (1 + 1e-9) + 1e-15
        assert d2 * tau <= 2 * kl * (1 + 1e-9) + 1e-15


@pytest.mark.parametrize("loss", LOSSES, ids=ids)
def test_equal_logits_give_zero_loss_and_zero_gradient(loss):
    u = np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32) * 20
    value, gradient = jax.vmap(jax.value_and_grad(loss))(u, u)
    np.testing.assert_array_equal(value, 0)
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("loss", [distill.l1_logit_loss, distill.l2_logit_loss], ids=ids)
def test_centred_losses_do_not_see_a_shift_and_raw_ones_do(loss):
    s, t = np.random.default_rng(1).normal(size=(2, 9)).astype(np.float32)
    np.testing.assert_allclose(loss(s + 3, t, centre=True), loss(s, t, centre=True), rtol=1e-5)
    assert abs(loss(s + 3, t) - loss(s, t)) > 1


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_temperature_against_numpy(temperature):
    s, t = np.random.default_rng(2).normal(size=(2, 9))
    p, q = softmax(t / temperature), softmax(s / temperature)
    want = temperature**2 * (p * np.log(p / q)).sum()
    np.testing.assert_allclose(
        distill.kl_loss(s.astype(np.float32), t.astype(np.float32), temperature=temperature),
        want,
        rtol=1e-5,
    )


def test_kl_of_nearly_equal_models_keeps_its_digits_in_single_precision():
    """Second order in the difference: KL = var_p(delta) / 2; sum p (log p - log q) gives 1e-8."""
    u = np.random.default_rng(3).normal(size=9).astype(np.float32)
    delta = 2.0**-12 * np.arange(9, dtype=np.float32)
    p = softmax(u.astype(np.float64))
    second = (u + delta).astype(np.float64) - u
    variance = (p * second**2).sum() - (p * second).sum() ** 2
    np.testing.assert_allclose(distill.kl_loss(u + delta, u), variance / 2, rtol=2e-3)


def test_labels_of_probability_zero():
    u = np.array([0.0, 1.0, 2.0], np.float32)
    masked = np.array([0.0, 1.0, -np.inf], np.float32)
    p, q = softmax(masked.astype(np.float64))[:2], softmax(u.astype(np.float64))[:2]
    value, gradient = jax.value_and_grad(distill.kl_loss)(u, masked)
    np.testing.assert_allclose(value, (p * np.log(p / q)).sum(), rtol=1e-6)
    np.testing.assert_allclose(gradient, softmax(u) - softmax(masked), atol=1e-6)
    assert distill.kl_loss(masked, u) == np.inf
    value, gradient = jax.value_and_grad(distill.kl_loss)(masked, masked)
    np.testing.assert_array_equal(np.append(gradient, value), 0)


def test_kl_of_logits_hundreds_apart_is_finite_in_single_precision():
    """p underflows where q does not: p * exp(log q - log p) would be 0 * inf."""
    s, t = np.array([0.0, 300.0, -5.0], np.float32), np.array([400.0, 0.0, 10.0], np.float32)
    value, gradient = jax.value_and_grad(distill.kl_loss)(s, t)
    np.testing.assert_allclose(value, 300, rtol=1e-6)
    np.testing.assert_allclose(gradient, [-1, 1, 0], atol=1e-6)


def test_label_loss_mixes_with_cross_entropy():
    s, t = np.random.default_rng(4).normal(size=(2, 9)).astype(np.float32)
    nll = -np.log(softmax(s.astype(np.float64))[3])
    distance = float(distill.l2_logit_loss(s, t))
    for weight in (0.0, 0.3, 1.0):
        loss = distill.with_label_loss(distill.l2_logit_loss, weight)
        want = (1 - weight) * distance + weight * nll
        np.testing.assert_allclose(loss(s, t, jnp.asarray(3)), want, rtol=1e-6)
    with pytest.raises(ValueError, match="weight must be in"):
        distill.with_label_loss(distill.kl_loss, 1.5)


@pytest.mark.parametrize("loss", LOSSES, ids=ids)
@pytest.mark.parametrize("shapes", [((3, 9), (3, 9)), ((9,), (8,)), ((0,), (0,)), ((), ())])
def test_anything_but_two_vectors_is_one_clear_error(loss, shapes):
    # Under the shape checks of tests the annotation may speak first: its error is another type.
    unchecked = getattr(loss, "__wrapped__", loss)
    with pytest.raises(ValueError, match="one example.*vmap"):
        unchecked(*(np.zeros(s, np.float32) for s in shapes))


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e25, 1e-30])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be positive, from 1e-06 to 1000, got"):
        u = np.zeros(3, np.float32)
        distill.kl_loss(u, u + 1, temperature=temperature)


@pytest.mark.parametrize(("temperature", "message"), [(np.inf, "infinite"), ("2", "real numbers")])
def test_temperature_must_be_a_finite_number(unchecked, temperature, message):
    u = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=f"kl_loss: temperature .*{message}"):
        distill.kl_loss(u, u + 1, temperature=temperature)


@pytest.mark.usefixtures("unchecked")
def test_traced_temperatures_and_weights_are_taken():
    s, t = jnp.array([[0.3, -1.0, 2.0], [1.0, 0.5, -0.2]])
    tempered = lambda T: distill.kl_loss(s, t, temperature=T)
    np.testing.assert_allclose(jax.jit(tempered)(2.0), tempered(2.0), rtol=1e-6)
    weighed = lambda w: distill.with_label_loss(distill.l2_logit_loss, w)(s, t, 1)
    for weight in (0.0, 0.4):
        np.testing.assert_allclose(jax.jit(weighed)(weight), weighed(weight), rtol=1e-6)


def test_lists_may_hold_a_lost_label(unchecked):
    assert distill.kl_loss([0.0, -np.inf], [1.0, -np.inf]) == 0
    with pytest.raises(ValueError, match="rows have equal length"):
        distill.kl_loss([[0.0], [1.0, 2.0]], [0.0, 1.0])
