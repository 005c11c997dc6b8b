"""How well predicted distributions fit labels: accuracy, F1, likelihood, calibration."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int


def accuracy(predictions: Int[ArrayLike, " n"], labels: Int[ArrayLike, " n"]) -> Float[Array, ""]:
    """Share of predictions equal to their label, in [0, 1].

    Raises:
        ValueError: no examples, or different numbers of predictions and labels.
    """
    _check_pairs("accuracy", predictions, labels)
    return (jnp.asarray(predictions) == jnp.asarray(labels)).mean()


def macro_f1(
    predictions: Int[ArrayLike, " n"], labels: Int[ArrayLike, " n"], num_classes: int
) -> Float[Array, ""]:
    """Mean F1 = 2 TP / (predicted + actual) over the classes that occur, in [0, 1].

    A class that is neither predicted nor present does not count, as in scikit-learn.

    Raises:
        ValueError: no examples, different lengths, or a class outside 0..num_classes-1.
    """
    _check_pairs("macro_f1", predictions, labels)
    check_range("macro_f1", predictions, num_classes)
    check_range("macro_f1", labels, num_classes)
    predictions, labels = jnp.asarray(predictions), jnp.asarray(labels)
    count = lambda classes: jnp.zeros(num_classes).at[classes].add(1)
    hits = jnp.zeros(num_classes).at[labels].add(predictions == labels)
    total = count(predictions) + count(labels)
    return (2 * hits / jnp.maximum(total, 1)).sum() / (total > 0).sum()


def nll(log_probs: Float[ArrayLike, " k"], label: Int[ArrayLike, ""]) -> Float[Array, ""]:
    """-log p(label) of one example, in nats, in [0, inf]. No smoothing: a lost label is inf."""
    return -jnp.asarray(log_probs)[label]


def brier(probs: Float[ArrayLike, " k"], label: Int[ArrayLike, ""]) -> Float[Array, ""]:
    """Mean over classes of (p(y) - [y = label])^2 of one example, in [0, 2 / k].

    The one-vs-rest form averaged over classes; k times it is the multi-class Brier score.
    """
    probs = jnp.asarray(probs)
    return jnp.square(probs - jax.nn.one_hot(label, len(probs), dtype=probs.dtype)).mean()


def ece(
    confidences: Float[ArrayLike, " n"], outcomes: ArrayLike, *, num_bins: int = 15
) -> Float[Array, ""]:
    """Expected calibration error: sum_b (n_b / n) |mean outcome - mean confidence|, in [0, 1].

    Bins are equal intervals (lo, hi] of [0, 1]; a confidence of exactly 0 falls into the first.
    With confidences max_y p(y) and outcomes "prediction is right" this is the usual top-label
    error; see `classwise_ece` for the published one-vs-rest mean.

    Raises:
        ValueError: no examples, different lengths, or num_bins < 1.
    """
    _check_pairs("ece", confidences, outcomes)
    if num_bins < 1:
        raise ValueError(f"ece: num_bins must be at least 1, got {num_bins}.")
    confidences = jnp.asarray(confidences)
    bins = jnp.clip(jnp.ceil(confidences * num_bins).astype(int) - 1, 0, num_bins - 1)
    gap = jnp.zeros(num_bins).at[bins].add(jnp.asarray(outcomes) - confidences)
    return jnp.abs(gap).sum() / len(confidences)


def classwise_ece(
    probs: Float[ArrayLike, "n k"], labels: Int[ArrayLike, " n"], *, num_bins: int = 15
) -> Float[Array, ""]:
    """Mean over classes y of the `ece` of p(y) against [label = y], in [0, 1]."""
    probs = jnp.asarray(probs)
    one_hot = jax.nn.one_hot(jnp.asarray(labels), probs.shape[1], dtype=probs.dtype)
    return jax.vmap(lambda p, y: ece(p, y, num_bins=num_bins), 1)(probs, one_hot).mean()


def check_range(name: str, classes: Int[ArrayLike, " n"], num_classes: int) -> None:
    """Raises ValueError for a class outside 0..num_classes-1; no check while tracing."""
    if isinstance(classes, jax.core.Tracer):
        return
    low, high = int(np.min(classes)), int(np.max(classes))
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"{name}: classes must lie in 0..{num_classes - 1}; got {low}..{high}. Renumber them "
            "or raise num_classes."
        )


def check_labels(name: str, labels: Int[ArrayLike, " n"], num_classes: int) -> None:
    """`check_range`, and raises ValueError for a class without an example."""
    check_range(name, labels, num_classes)
    counts = np.bincount(np.asarray(labels), minlength=num_classes)
    if not counts.all():
        empty = ", ".join(map(str, np.flatnonzero(counts == 0)[:10]))
        raise ValueError(
            f"{name}: no example of class {empty} among {len(counts)} classes; use a split that "
            "holds every class, or renumber the classes."
        )


def _check_pairs(name: str, first, second) -> None:
    shapes = jnp.shape(first), jnp.shape(second)
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or not shapes[0][0]:
        raise ValueError(
            f"{name} takes two vectors over the same n >= 1 examples, got shapes {shapes[0]} and "
            f"{shapes[1]}."
        )
