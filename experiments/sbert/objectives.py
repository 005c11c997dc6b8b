"""Training objectives of Sentence-BERT on scored pairs: three losses, five normalisations.

Nielsen & Hansen, "Hubness Reduction Improves Sentence-BERT Semantic Spaces", arXiv 2311.18364,
with the orthogonal target geometry: pairs of score 0 are to stand at a right angle.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Vector = Float[Array, "d"]
Scalar = Float[Array, ""]


def identity(x: Vector) -> Vector:
    """x."""
    return x


def z_score(x: Vector) -> Vector:
    """(x - mean(x)) / (std(x) + 1e-6) over the features of one embedding; its length is ≈ √d."""
    centred = x - x.mean()
    # The root of a variance of zero has no derivative: a constant vector maps to zero instead.
    variance = jnp.square(centred).mean()
    std = jnp.where(variance > 0, jnp.sqrt(jnp.where(variance > 0, variance, 1.0)), 0.0)
    return centred / (std + 1e-6)


def unit(x: Vector) -> Vector:
    """x / ‖x‖₂; zero for the zero vector."""
    return x / jnp.maximum(_length(x), 1e-12)


def centre(x: Vector) -> Vector:
    """x minus the mean over its own features."""
    return x - x.mean()


def centred_unit(x: Vector) -> Vector:
    """`centre`, then `unit`."""
    return unit(centre(x))


def cosine_similarity(u: Vector, v: Vector) -> Scalar:
    """⟨u, v⟩ / (‖u‖₂‖v‖₂), in [-1, 1]."""
    return jnp.dot(unit(u), unit(v))


def euclidean_distance(u: Vector, v: Vector) -> Scalar:
    """‖u - v‖₂, with gradient zero where u = v."""
    return _length(u - v)


def cos_loss(u: Vector, v: Vector, score: Scalar) -> Scalar:
    """(cos(u, v) - s/5)² for a score s in [0, 5]."""
    return jnp.square(cosine_similarity(u, v) - score / 5)


def cos_dist_loss(u: Vector, v: Vector, score: Scalar) -> Scalar:
    """((1 - cos(u, v)) - (1 - s/5))², which is `cos_loss` written in distances."""
    return jnp.square((1 - cosine_similarity(u, v)) - (1 - score / 5))


def euclidean_loss(u: Vector, v: Vector, score: Scalar) -> Scalar:
    """(‖u - v‖₂ - √(1 - (s - 2.5)/2.5))²: the target falls from √2 at score 0 to 0 at 5."""
    target = jnp.sqrt(jnp.maximum(1 - (score - 2.5) / 2.5, 0.0))
    return jnp.square(euclidean_distance(u, v) - target)


def _length(x: Vector) -> Scalar:
    squared = jnp.sum(jnp.square(x))
    return jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)


NORMALISATIONS: dict[str, Callable[[Vector], Vector]] = {
    "none": identity,
    "z": z_score,
    "n": unit,
    "c": centre,
    "c+n": centred_unit,
}
LOSSES: dict[str, Callable[[Vector, Vector, Scalar], Scalar]] = {
    "cos": cos_loss,
    "cos_dist": cos_dist_loss,
    "euclidean": euclidean_loss,
}
# What predicts the score of a pair: larger is more similar.
SIMILARITIES: dict[str, Callable[[Vector, Vector], Scalar]] = {
    "cos": cosine_similarity,
    "cos_dist": cosine_similarity,
    "euclidean": lambda u, v: -euclidean_distance(u, v),
}


def pair_losses(
    u: Float[Array, "b d"],
    v: Float[Array, "b d"],
    score: Float[Array, "b"],
    *,
    loss: str,
    normalisation: str,
) -> Float[Array, "b"]:
    """The loss of each pair of pooled embeddings, after the normalisation of both.

    Raises:
      KeyError: for names outside `LOSSES` and `NORMALISATIONS`.
    """
    normalise, measure = NORMALISATIONS[normalisation], LOSSES[loss]
    return jax.vmap(lambda a, b, s: measure(normalise(a), normalise(b), s))(u, v, score)


def pair_similarities(
    u: Float[Array, "b d"], v: Float[Array, "b d"], *, loss: str, normalisation: str
) -> Float[Array, "b"]:
    """Similarity of each pair as the loss sees it; Spearman's ρ with the scores judges a model."""
    normalise, similarity = NORMALISATIONS[normalisation], SIMILARITIES[loss]
    return jax.vmap(lambda a, b: similarity(normalise(a), normalise(b)))(u, v)
