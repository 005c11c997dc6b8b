"""How well ONE predicted distribution fits its label; vmap for a batch, then take the mean."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Real

from repgeo import inputs


def probabilities(
    name: str, value: object, ndim: int, wanted: str = "probabilities, not logits"
) -> Float[Array, "..."]:
    """`value` as numbers in [0, 1], which are looked at where they are known."""
    probs = inputs.single(name, inputs.array(name, value, ndim))
    if inputs.surely(_any_outside, probs):
        raise ValueError(f"{name} holds values outside [0, 1]; pass {wanted}.")
    return probs


@jax.jit
def _any_outside(probs: Array) -> Array:
    return ((probs < 0) | (probs > 1)).any()


def nll(log_probs: Real[ArrayLike, " k"], label: Int[ArrayLike, ""]) -> Float[Array, ""]:
    """-log p(label) of one example, in nats, in [0, ∞] where the log-probabilities are ≤ 0.

    No smoothing: a lost label is ∞. That exp(log_probs) sums to one is not checked.

    Raises:
        ValueError: log_probs is not a vector, or the label, where known, is outside 0..k-1.
    """
    log_probs = inputs.single("log_probs", inputs.array("log_probs", log_probs, 1, logarithms=True))
    return _nll(log_probs, inputs.labels("label", label, log_probs.shape[0], ndim=0))


@jax.jit
def _nll(log_probs: Array, label: Array) -> Array:
    return -log_probs[label]


def brier(probs: Real[ArrayLike, " k"], label: Int[ArrayLike, ""]) -> Float[Array, ""]:
    """Mean over classes of (p(y) - [y = label])² of one example, in [0, 2 / k].

    The one-vs-rest form averaged over classes; k times it is the multi-class Brier score.
    That probs sum to one is not checked; where they do not, it is no proper score.

    Raises:
        ValueError: probs is not a vector of values in [0, 1], or the label, where known, is outside
            0..k-1.
    """
    probs = probabilities("probs", probs, 1)
    at = inputs.labels("label", label, probs.shape[0], ndim=0)
    return _brier(probs, at)


@jax.jit
def _brier(probs: Array, label: Array) -> Array:
    return jnp.square(probs - jax.nn.one_hot(label, probs.shape[0], dtype=probs.dtype)).mean()
