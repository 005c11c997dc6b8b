"""Scores against scikit-learn, and binned calibration against a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

import distill


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(6, 0.5), 300).astype(np.float32)
    labels = rng.integers(0, 5, 300)  # class 5 never occurs
    return probs, labels


def loop_ece(confidences, outcomes, num_bins):
    total, edges = 0.0, np.linspace(0, 1, num_bins + 1, dtype=np.float32)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (confidences > low) & (confidences <= high)
        if low == 0:
            inside |= confidences == 0
        if inside.any():
            gap = outcomes[inside].mean() - confidences[inside].mean()
            total += inside.mean() * abs(gap)
    return total


@pytest.mark.parametrize("predicted_classes", [6, 5])
def test_accuracy_and_macro_f1(predictions, predicted_classes):
    probs, labels = predictions
    predicted = probs[:, :predicted_classes].argmax(1)
    want = metrics.accuracy_score(labels, predicted)
    np.testing.assert_allclose(distill.accuracy(predicted, labels), want, rtol=1e-6)
    want = metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    np.testing.assert_allclose(distill.macro_f1(predicted, labels, 6), want, rtol=1e-6)


def test_nll_and_brier(predictions):
    probs, labels = predictions
    exact = probs.astype(np.float64) / probs.sum(1, keepdims=True, dtype=np.float64)
    want = metrics.log_loss(labels, exact, labels=range(6))
    np.testing.assert_allclose(jax.vmap(distill.nll)(np.log(probs), labels).mean(), want, rtol=1e-5)
    want = metrics.brier_score_loss(labels, exact, labels=range(6), scale_by_half=False)
    got = jax.vmap(distill.brier)(probs, labels).mean()
    np.testing.assert_allclose(6 * got, want, rtol=1e-5)
    assert distill.nll(np.array([0.0, -np.inf], np.float32), np.int32(1)) == np.inf


@pytest.mark.parametrize("num_bins", [1, 4, 15])
def test_calibration_errors(predictions, num_bins):
    probs, labels = predictions
    top, right = probs.max(1), (probs.argmax(1) == labels).astype(np.float32)
    got = distill.ece(top, right, num_bins=num_bins)
    np.testing.assert_allclose(got, loop_ece(top, right, num_bins), atol=1e-6)
    want = np.mean([loop_ece(probs[:, y], labels == y, num_bins) for y in range(6)])
    got = distill.classwise_ece(probs, labels, num_bins=num_bins)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_calibration_at_bin_edges():
    """Bins are (lo, hi]; 0 joins the first. Four bins, one example in each of the first two."""
    edges = np.array([0.0, 0.25, 0.5], np.float32)
    got = distill.ece(edges, np.array([1.0, 0.0, 0.0], np.float32), num_bins=4)
    np.testing.assert_allclose(got, (abs(1.0 - 0.25) + 0.5) / 3, rtol=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_counts_are_integers(predictions):
    probs, labels = predictions
    with pytest.raises(ValueError, match=r"and an integer, got num_classes=3\.0"):
        distill.macro_f1(labels, labels, 3.0)
    with pytest.raises(ValueError, match=r"and an integer, got num_bins=2\.5"):
        distill.ece(probs[:, 0], labels == 0, num_bins=2.5)
    with pytest.raises(ValueError, match=r"and an integer, got num_bins='3'"):
        distill.classwise_ece(probs, labels, num_bins="3")


def test_bad_input_is_one_clear_error(predictions):
    probs, labels = predictions
    unchecked = lambda fn: getattr(fn, "__wrapped__", fn)
    with pytest.raises(ValueError, match="two vectors"):
        unchecked(distill.accuracy)(labels, labels[:-1])
    with pytest.raises(ValueError, match="two vectors"):
        distill.accuracy(labels[:0], labels[:0])
    with pytest.raises(ValueError, match=r"classes must lie in 0\.\.3; got 0\.\.4"):
        distill.macro_f1(labels, labels, 4)
    with pytest.raises(ValueError, match=r"outcomes holds values outside \[0, 1\]; pass 1 for"):
        distill.ece(np.array([0.1, 0.9]), np.array([0, 7]))
    with pytest.raises(ValueError, match="num_bins must be at least 1"):
        distill.ece(probs[:, 0], labels, num_bins=0)


@pytest.mark.usefixtures("unchecked")
def test_bins_are_those_of_the_digits_given():
    """By hand: both in (.3, .4], gap |½ - .325|; float32 takes .3 + 1e-9 for .3."""
    given = np.array([0.3 + 1e-9, 0.35])
    np.testing.assert_allclose(distill.ece(given, [1, 0], num_bins=10), 0.175, rtol=1e-6)
    both = distill.classwise_ece(np.stack([given, 1 - given], axis=1), [0, 1], num_bins=10)
    np.testing.assert_allclose(both, 0.175, rtol=1e-6)
    np.testing.assert_allclose(distill.ece(jnp.array([0.25, 0.5]), [1, 0], num_bins=1), 0.125)


@pytest.mark.usefixtures("unchecked")
def test_counts_too_large_and_ragged_rows_are_errors():
    with pytest.raises(ValueError, match="accepted are 1 to 2147483647"):
        distill.ece([0.5], [1], num_bins=2**31)
    with pytest.raises(ValueError, match="accepted are 1 to 2147483647"):
        distill.macro_f1([0], [0], num_classes=2**40)
    with pytest.raises(ValueError, match="rows have equal length"):
        distill.accuracy([[0], [1, 2]], [0, 1])
