"""How well the predictions of n examples fit their labels: accuracy, F1, calibration.

Each takes all examples at once: a class, or a bin of confidence, is summed over them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real

from distill.scores import probabilities
from repgeo import inputs
from similarity.checks import whole

# Any class that int32 holds, where the number of classes does not matter.
_CLASSES = 2**31


def accuracy(predictions: Int[ArrayLike, " n"], labels: Int[ArrayLike, " n"]) -> Float[Array, ""]:
    """Share of predictions equal to their label, in [0, 1].

    Raises:
        ValueError: no examples, different numbers of predictions and labels, or negative classes,
            such as the -100 of ignored labels.

    Examples:
        >>> float(distill.accuracy(np.array([0, 1, 1, 2]), np.array([0, 1, 1, 0])))
        0.75
    """
    predictions, labels = _classes("accuracy", predictions, labels, _CLASSES)
    return _accuracy(predictions, labels)


@jax.jit
def _accuracy(predictions: Array, labels: Array) -> Array:
    return (predictions == labels).mean()


def macro_f1(
    predictions: Int[ArrayLike, " n"], labels: Int[ArrayLike, " n"], num_classes: int
) -> Float[Array, ""]:
    """Mean F1 = 2 TP / (predicted + actual) over the classes that occur, in [0, 1].

    A class that is neither predicted nor present does not count, as in scikit-learn.

    Raises:
        ValueError: no examples, different lengths, num_classes is no positive integer, or a class
            is outside 0..num_classes-1.
    """
    num_classes = whole("num_classes", num_classes, 1)
    return _macro_f1(*_classes("macro_f1", predictions, labels, num_classes), num_classes)


@jax.jit(static_argnames=("num_classes",))
def _macro_f1(predictions: Array, labels: Array, num_classes: int) -> Array:
    count = lambda classes: jnp.zeros(num_classes).at[classes].add(1)
    hits = jnp.zeros(num_classes).at[labels].add(predictions == labels)
    total = count(predictions) + count(labels)
    return (2 * hits / jnp.maximum(total, 1)).sum() / (total > 0).sum()


def ece(
    confidences: Real[ArrayLike, " n"],
    outcomes: Real[ArrayLike, " n"] | Bool[ArrayLike, " n"],
    *,
    num_bins: int = 15,
) -> Float[Array, ""]:
    """Expected calibration error: Σ_b (n_b / n) |mean outcome - mean confidence|, in [0, 1].

    Bins are equal intervals (lo, hi] of [0, 1]; a confidence of exactly 0 falls into the first.
    With confidences max_y p(y) and outcomes "prediction is right" this is the usual top-label
    error; see `classwise_ece` for the published one-vs-rest mean.

    Raises:
        ValueError: no examples, different lengths, a confidence or outcome outside [0, 1], or
            num_bins is no integer or below 1.

    Examples:
        >>> sure, right = np.array([0.9, 0.9, 0.6]), np.array([True, False, True])
        >>> round(float(distill.ece(sure, right)), 3)
        0.4
    """
    _check_lengths("ece", confidences, outcomes)
    num_bins = whole("num_bins", num_bins, 1)
    exact = inputs.array("confidences", confidences, 1)
    confidences = probabilities("confidences", exact, 1)
    outcomes = probabilities("outcomes", outcomes, 1, "1 for right and 0 for wrong")
    return _ece(confidences, outcomes, _bins(exact, num_bins), num_bins)


def classwise_ece(
    probs: Real[ArrayLike, "n k"], labels: Int[ArrayLike, " n"], *, num_bins: int = 15
) -> Float[Array, ""]:
    """Mean over classes y of the `ece` of p(y) against [label = y], in [0, 1].

    Raises:
        ValueError: probs is not (n, k) for n labels in 0..k-1, or holds values outside [0, 1].
    """
    num_bins = whole("num_bins", num_bins, 1)
    exact = inputs.array("probs", probs, 2)
    probs = probabilities("probs", exact, 2)
    labels = inputs.labels("labels", labels, probs.shape[1])
    if labels.shape[0] != probs.shape[0]:
        raise ValueError(
            f"classwise_ece takes probs (n, k) and n labels, got shapes {probs.shape} and "
            f"{labels.shape}."
        )
    return _classwise_ece(probs, labels, _bins(exact, num_bins), num_bins)


@jax.jit(static_argnames=("num_bins",))
def _classwise_ece(probs: Array, labels: Array, bins: Array, num_bins: int) -> Array:
    one_hot = jax.nn.one_hot(labels, probs.shape[1], dtype=probs.dtype)
    return jax.vmap(lambda p, y, b: _ece(p, y, b, num_bins), 1)(probs, one_hot, bins).mean()


def check_every_class(name: str, labels: Int[Array, " n"], num_classes: int) -> None:
    """ValueError for a class without an example; no check while tracing."""
    if inputs.is_traced(labels):
        return
    counts = np.bincount(np.asarray(labels), minlength=num_classes)
    if not counts.all():
        empty = ", ".join(map(str, np.flatnonzero(counts == 0)[:10]))
        raise ValueError(
            f"{name}: no example of class {empty} among {len(counts)} classes; use a split that "
            "holds every class, or renumber the classes."
        )


@jax.jit(static_argnames=("num_bins",))
def _ece(
    confidences: Float[Array, " n"],
    outcomes: Float[Array, " n"],
    bins: Int[ArrayLike, " n"],
    num_bins: int,
) -> Float[Array, ""]:
    gap = jnp.zeros(num_bins, confidences.dtype).at[bins].add(outcomes - confidences)
    return jnp.abs(gap).sum() / confidences.shape[0]


def _bins(confidences: inputs.Checked, num_bins: int) -> Int[ArrayLike, "..."]:
    """The number of the bin (lo, hi] of each, by edges in the precision given."""
    if not isinstance(confidences, np.ndarray):
        return _bins_on_device(confidences, num_bins)
    return _place(confidences, num_bins)


def _place(confidences: inputs.Checked, num_bins: int) -> Int[ArrayLike, "..."]:
    xp = inputs.module(confidences)
    edges = xp.arange(1, num_bins, dtype=confidences.dtype) / num_bins
    return xp.searchsorted(edges, confidences).astype(np.int32)


_bins_on_device = jax.jit(_place, static_argnames=("num_bins",))


def _classes(
    name: str, predictions: ArrayLike, labels: ArrayLike, num_classes: int
) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    _check_lengths(name, predictions, labels)
    predictions = inputs.labels(f"{name}: predictions", predictions, num_classes)
    return predictions, inputs.labels(f"{name}: labels", labels, num_classes)


def _check_lengths(name: str, first: ArrayLike, second: ArrayLike) -> None:
    shapes = [inputs.read(f"{name}: vector", x).shape for x in (first, second)]
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or not shapes[0][0]:
        raise ValueError(
            f"{name} takes two vectors over the same n >= 1 examples, got shapes {shapes[0]} and "
            f"{shapes[1]}."
        )
