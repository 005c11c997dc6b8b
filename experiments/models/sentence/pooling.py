"""Poolings of sentence-transformers: the vectors of a text's tokens in, one vector out."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Hidden = Float[Array, "b l d"]
Mask = Int[Array, "b l"]
Pooled = Float[Array, "b d"]


def mean_pool(hidden: Hidden, mask: Mask) -> Pooled:
    """Mean of the token vectors where `mask` is 1; zero for a text without tokens.

    Sentence-BERT, arXiv 1908.10084, section 3.
    """
    return _weighted(hidden, mask.astype(hidden.dtype))


def _weighted(hidden: Hidden, weight: Float[Array, "b l"]) -> Pooled:
    total = jnp.maximum(weight.sum(1), 1)
    return (hidden * weight[:, :, None]).sum(1) / total[:, None]


def _sqrt_mean(hidden: Hidden, mask: Mask) -> Pooled:
    """The sum of the token vectors over the root of their number."""
    return mean_pool(hidden, mask) * jnp.sqrt(mask.sum(1).astype(hidden.dtype))[:, None]


def _later_count_more(hidden: Hidden, mask: Mask) -> Pooled:
    """Mean in which token i, counted from 1, has weight i. SGPT, arXiv 2202.08904, eq. 2."""
    return _weighted(hidden, (mask * jnp.arange(1, mask.shape[1] + 1)[None]).astype(hidden.dtype))


def _largest(hidden: Hidden, mask: Mask) -> Pooled:
    largest = jnp.where(mask[:, :, None] > 0, hidden, -jnp.inf).max(1)
    return jnp.where(mask.any(1)[:, None], largest, 0)


def _first(hidden: Hidden, mask: Mask) -> Pooled:
    return hidden[:, 0]


def _last(hidden: Hidden, mask: Mask) -> Pooled:
    last = jnp.maximum(mask.sum(1) - 1, 0)
    return jnp.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]


# In the order in which sentence-transformers joins several.
POOLINGS: dict[str, Callable[[Hidden, Mask], Pooled]] = {
    "cls": _first,
    "max": _largest,
    "mean": mean_pool,
    "mean_sqrt_len_tokens": _sqrt_mean,
    "weightedmean": _later_count_more,
    "lasttoken": _last,
}


def pool(hidden: Hidden, mask: Mask, names: Sequence[str] = ("mean",)) -> Float[Array, "b p"]:
    """The poolings of `names` beside each other; padding, where `mask` is 0, comes last."""
    return jnp.concatenate([POOLINGS[name](hidden, mask) for name in names], axis=1)
