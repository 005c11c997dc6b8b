"""Divergences between the two models' predictive distributions, per example, in nats."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Real

from similarity import checks

# Below this |log q - log p| the divergence is summed as a series: its closed form cancels.
_SERIES_BELOW = 0.25
_SERIES_TERMS = 14


def kl(log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]) -> Float[Array, "*n"]:
    """KL(p‖q) = Σ_y p (log p - log q), in nats, in [0, ∞]; 0 iff p = q; not symmetric.

    Summed as Σ p (expm1(t) - t), t = log q - log p, whose terms are all non-negative: a
    difference of probabilities of relative size δ is resolved to ε/δ, not ε/δ². A label with
    p = 0 contributes q; one with q = 0 < p makes it infinite.

    Examples:
        >>> p, q = np.log([0.5, 0.5]), np.log([0.25, 0.75])
        >>> round(float(similarity.kl(p, q)), 4)
        0.1438
    """
    return kl_sums(*_pair(log_p, log_q))


def js(log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]) -> Float[Array, "*n"]:
    """Jensen-Shannon divergence ½KL(p‖r) + ½KL(q‖r), r = ½(p + q), in nats, in [0, log 2].

    Its square root is a metric on distributions.
    """
    return _js(*_pair(log_p, log_q))


def total_variation(
    log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]
) -> Float[Array, "*n"]:
    """Total variation ½ Σ_y |p - q|, in [0, 1]; a metric on distributions."""
    return _total_variation(*_pair(log_p, log_q))


def agreement(log_p: Real[ArrayLike, "*n k"], log_q: Real[ArrayLike, "*n k"]) -> Bool[Array, "*n"]:
    """Whether both models predict the same label; of tied labels the lowest index counts."""
    return _agreement(*_pair(log_p, log_q))


def _pair(log_p: ArrayLike, log_q: ArrayLike) -> tuple[Array, Array]:
    log_p = checks.log_probabilities("log_p", log_p)
    log_q = checks.log_probabilities("log_q", log_q)
    if log_p.shape != log_q.shape:
        raise ValueError(
            f"log_p has shape {log_p.shape} and log_q has shape {log_q.shape}; both must be "
            "(..., labels) over the same inputs and labels"
        )
    return log_p, log_q


@jax.jit
def kl_sums(log_p: Float[Array, "*n k"], log_q: Float[Array, "*n k"]) -> Float[Array, "*n"]:
    """`kl` of checked log-probabilities."""
    return jnp.sum(kl_terms(log_p, log_q), axis=-1)


@jax.jit
def _js(log_p: Array, log_q: Array) -> Array:
    log_r = jnp.logaddexp(log_p, log_q) - jnp.log(2.0).astype(log_p.dtype)
    return 0.5 * jnp.sum(kl_terms(log_p, log_r) + kl_terms(log_q, log_r), axis=-1)


@jax.jit
def _total_variation(log_p: Array, log_q: Array) -> Array:
    return 0.5 * jnp.sum(jnp.abs(jnp.exp(log_p) - jnp.exp(log_q)), axis=-1)


@jax.jit
def _agreement(log_p: Array, log_q: Array) -> Array:
    return jnp.argmax(log_p, axis=-1) == jnp.argmax(log_q, axis=-1)


def kl_terms(log_p: Array, log_q: Array) -> Array:
    p, q = jnp.exp(log_p), jnp.exp(log_q)
    no_p, no_q = log_p == -jnp.inf, log_q == -jnp.inf
    t = jnp.where(no_p | no_q, 0.0, log_q - log_p)
    small = jnp.abs(t) < _SERIES_BELOW
    far = jnp.where(small, 0.0, q - p - p * t)
    term = jnp.where(small, p * _expm1_less_t(jnp.where(small, t, 0.0)), far)
    return jnp.where(no_p, q, jnp.where(no_q, jnp.inf, term))


def _expm1_less_t(t: Array) -> Array:
    """expm1(t) - t = t²/2 + t³/6 + …, by Horner's rule."""
    total = jnp.ones_like(t)
    for order in range(_SERIES_TERMS, 2, -1):
        total = 1.0 + t * total / order
    return 0.5 * t * t * total
