"""Probes against scikit-learn's LogisticRegression and against the optimality condition."""

import functools

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import distill

fit = jax.jit(distill.fit_linear_probe, static_argnames="num_classes")


def digits(num_classes=10):
    images, labels = load_digits(return_X_y=True)
    return (images[:600, ::4] / 16).astype(np.float32), labels[:600] % num_classes


def mean_objective(x, y, weights, bias, penalty):
    logits = x @ weights.T + bias
    top = logits.max(1, keepdims=True)
    log_z = top[:, 0] + np.log(np.exp(logits - top).sum(1))
    return (log_z - logits[np.arange(len(y)), y]).mean() + penalty / 2 * (weights**2).sum()


@pytest.mark.parametrize("num_classes", [10, 2])
@pytest.mark.parametrize("c", [0.1, 1.0, 100.0])
def test_probabilities_and_accuracy_equal_scikit_learn(num_classes, c):
    x, y = digits(num_classes)
    theirs = LogisticRegression(C=c, tol=1e-8, max_iter=10_000).fit(x.astype(np.float64), y)
    ours = fit(x, y, num_classes=num_classes, inverse_penalty=c)
    assert ours.converged and ours.gradient_norm <= 1e-5
    probs = jax.nn.softmax(ours.logits(x))
    # Measured 7e-4 at C = 100, where a gradient of 1e-5 allows the weights most room.
    np.testing.assert_allclose(probs, theirs.predict_proba(x), atol=3e-3)
    assert abs((np.asarray(probs).argmax(1) == y).mean() - theirs.score(x, y)) <= 1e-3


def test_features_of_very_different_scales(x64):
    """Scales 1e-3 to 1e3 and a large mean; in float64 the objective's gradient is zero to 1e-9."""
    x, y = digits()
    x = x.astype(np.float64) * np.logspace(-3, 3, x.shape[1]) + 1e3
    ours = fit(x, y, num_classes=10, tolerance=1e-9)
    assert ours.converged and ours.num_iterations <= 40
    w, b = np.asarray(ours.weights), np.asarray(ours.bias)
    best = mean_objective(x, y, w, b, 1 / len(x))
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-4):
        other = w + size * rng.normal(size=w.shape) / np.maximum(x.std(0), 1e-3)
        assert mean_objective(x, y, other, b, 1 / len(x)) > best


def test_probes_vmap_over_seeds():
    x, y = digits()
    xs = np.stack([x, x[:, ::-1] * 2])
    batch = jax.vmap(functools.partial(distill.fit_linear_probe, num_classes=10), (0, None))(xs, y)
    for i in range(2):
        one = fit(xs[i], y, num_classes=10)
        probs = jax.nn.softmax(batch.weights[i] @ xs[i].T + batch.bias[i][:, None], axis=0).T
        np.testing.assert_allclose(probs, jax.nn.softmax(one.logits(xs[i])), atol=2e-3)


def test_separable_and_dependent_features_have_a_finite_answer():
    y = np.repeat(np.arange(4), 10)
    x = np.eye(4, dtype=np.float32)[y]
    x = np.concatenate([x, x, np.ones((40, 1), np.float32)], axis=1)
    probe = fit(x, y, num_classes=4)
    assert probe.converged
    np.testing.assert_allclose(probe.weights[:, :4], probe.weights[:, 4:8], atol=1e-4)
    np.testing.assert_allclose(probe.weights[:, 8], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x, y[:-1]), "shape"),
        (lambda x, y: (x, np.where(y == 3, 2, y)), "no example of class 3"),
        (lambda x, y: (x, y + 1), r"classes must lie in 0\.\.9"),
        (lambda x, y: (np.where(x > 0.9, np.nan, x), y), "NaN"),
    ],
)
def test_bad_input_is_one_clear_error(change, message):
    unchecked = getattr(distill.fit_linear_probe, "__wrapped__", distill.fit_linear_probe)
    with pytest.raises(ValueError, match=message):
        unchecked(*change(*digits()), 10)
    with pytest.raises(ValueError, match="0 < inverse_penalty"):
        distill.fit_linear_probe(*digits(), 10, inverse_penalty=0.0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "options, message",
    [
        ({"tolerance": np.nan}, "tolerance is nan"),
        ({"tolerance": -1.0}, "0 ≤ tolerance"),
        ({"max_iterations": 0}, "max_iterations must be at least 1"),
        ({"inverse_penalty": "a"}, "inverse_penalty has dtype"),
        ({"inverse_penalty": [1.0, 2.0]}, "inverse_penalty has shape"),
    ],
)
def test_options_without_meaning_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        distill.fit_linear_probe([[0.0], [1.0]], [0, 1], 2, **options)


def test_features_of_another_width_are_an_error(unchecked):
    probe = distill.LinearProbe(*np.zeros((2, 2, 3)), *np.zeros((2, 3)), 0.0, 1, True)
    with pytest.raises(ValueError, match=r"\(2, 4\); accepted is \(n, 3\)"):
        probe.logits(np.zeros((2, 4)))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["num_classes", "max_iterations"])
def test_counts_are_integers(name):
    with pytest.raises(ValueError, match=rf"{name} must be .* an integer, got {name}=10\.0"):
        distill.fit_linear_probe(*digits(), **{"num_classes": 10, name: 10.0})
