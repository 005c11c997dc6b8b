"""Representational similarity analysis: correlation of two matrices of pairwise dissimilarity."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from similarity import checks
from similarity.family import HIGHEST

Dissimilarity = Literal["correlation", "cosine", "euclidean"]
Comparison = Literal["spearman", "pearson", "cosine"]


def rsa(
    f: Float[ArrayLike, "n m"],
    f2: Float[ArrayLike, "n m2"],
    *,
    dissimilarity: Dissimilarity = "correlation",
    comparison: Comparison = "spearman",
) -> Float[Array, ""]:
    """Agreement of the dissimilarities of all pairs of inputs in f and in f', in [-1, 1].

    Kriegeskorte et al. 2008. A similarity; symmetric; not a metric. Invariant to permutation and
    isotropic scale; with "cosine" to rotation too, with "euclidean" to rotation and translation.
    Spearman ranks share ties. 0 when one side's dissimilarities are all equal. n² memory.
    Raises ValueError for n < 3 or an unknown option.
    """
    f, f2 = checks.representations(f, f2, least=3)
    if dissimilarity not in ("correlation", "cosine", "euclidean"):
        raise ValueError(
            f"dissimilarity={dissimilarity!r}; accepted are 'correlation', 'cosine', 'euclidean'"
        )
    if comparison not in ("spearman", "pearson", "cosine"):
        raise ValueError(f"comparison={comparison!r}; accepted are 'spearman', 'pearson', 'cosine'")
    return _rsa(f, f2, dissimilarity, comparison)


def dissimilarities(x: Float[Array, "n m"], kind: Dissimilarity) -> Float[Array, " pairs"]:
    """Dissimilarity of every pair i < j: 1 - correlation, 1 - cosine, or Euclidean distance.

    A row without variation, or of length zero, has correlation or cosine 0 with every other.
    """
    first, second = jnp.triu_indices(x.shape[0], 1)
    if kind == "euclidean":
        x = x - x.mean(axis=0, keepdims=True)
        square = jnp.square(x).sum(axis=1)
        gram = jnp.matmul(x, x.T, precision=HIGHEST)[first, second]
        return jnp.sqrt(jnp.maximum(square[first] + square[second] - 2 * gram, 0))
    if kind == "correlation":
        x = x - x.mean(axis=1, keepdims=True)
    length = jnp.linalg.norm(x, axis=1, keepdims=True)
    x = x / jnp.where(length > 0, length, 1)
    return 1 - jnp.matmul(x, x.T, precision=HIGHEST)[first, second]


def average_ranks(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """Ranks from 1, ties sharing the mean of theirs."""
    ordered = jnp.sort(values)
    below = jnp.searchsorted(ordered, values, side="left")
    upto = jnp.searchsorted(ordered, values, side="right")
    return (0.5 * (below + upto + 1)).astype(values.dtype)


@jax.jit(static_argnames=("dissimilarity", "comparison"))
def _rsa(f: Array, f2: Array, dissimilarity: Dissimilarity, comparison: Comparison) -> Array:
    a, b = dissimilarities(f, dissimilarity), dissimilarities(f2, dissimilarity)
    if comparison == "spearman":
        a, b = average_ranks(a), average_ranks(b)
    if comparison != "cosine":
        a, b = a - a.mean(), b - b.mean()
    scale = jnp.linalg.norm(a) * jnp.linalg.norm(b)
    return jnp.where(scale > 0, jnp.vdot(a, b) / jnp.where(scale > 0, scale, 1), 0)
