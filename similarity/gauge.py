"""What cosines between label representations can and cannot tell.

Adding one vector to every row of W leaves all softmax probabilities as they were, but moves the
cosine of any two rows to any value. Nielsen 2026, https://arxiv.org/abs/2603.29488.
"""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from similarity import checks


def translate_to_cosine(
    W: Float[ArrayLike, "k m"], i: int, j: int, cosine: float | Float[ArrayLike, ""]
) -> Float[Array, "k m"]:
    """W + v such that rows i and j have the given cosine, at equal softmax probabilities.

    v = -½(a + b) + h w, with a = W_i, b = W_j, d = b - a, a unit vector w ⟂ d and
    h = ½‖d‖ √((1+c)/(1-c)); for c = 1, v = -a + ½d. A bias of the classifier stays as it is.
    Raises ValueError for equal rows, a cosine outside [-1, 1], or |c| < 1 in one dimension.
    """
    W = checks.floating("W", W, 2)
    k, m = W.shape
    if not (0 <= i < k and 0 <= j < k) or i == j:
        raise ValueError(f"labels {i} and {j} given; accepted are two of [0, {k}) that differ")
    cosine = jnp.asarray(cosine, W.dtype)
    if not checks.is_traced(W, cosine):
        _check_reachable(W, i, j, float(cosine))
    middle, d = 0.5 * (W[i] + W[j]), W[j] - W[i]
    away = _unit_normal(d) if m > 1 else jnp.zeros_like(d)
    ratio = (1 + cosine) / jnp.where(cosine < 1, 1 - cosine, 1)
    height = 0.5 * jnp.linalg.norm(d) * jnp.sqrt(ratio)
    v = jnp.where(cosine < 1, height * away - middle, 0.5 * d - W[i])
    return W + v[None, :]


def _check_reachable(W: Array, i: int, j: int, cosine: float) -> None:
    if not -1 <= cosine <= 1:
        raise ValueError(f"cosine={cosine}; accepted is a value in [-1, 1]")
    if W.shape[1] == 1 and abs(cosine) < 1:
        raise ValueError(f"cosine={cosine}: in one dimension only -1 and 1 can be reached")
    if bool((W[i] == W[j]).all()):
        raise ValueError(f"rows {i} and {j} are equal: their cosine is 1 after any translation")


def _unit_normal(d: Float[Array, " m"]) -> Float[Array, " m"]:
    """A unit vector orthogonal to d: the axis least along d, less its share of d."""
    along = d / jnp.linalg.norm(d)
    axis = (jnp.arange(d.size) == jnp.argmin(jnp.abs(along))).astype(d.dtype)
    normal = axis - jnp.vdot(axis, along) * along
    return normal / jnp.linalg.norm(normal)
