"""Centred columns, and the few rows that stand for many in measures of second moments."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from repgeo import inputs
from similarity.family import HIGHEST
from similarity.stats import triangular


def centred(x: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Columns less their means; one that varies by no more than its rounding is exactly zero."""
    moved = x - x.mean(axis=0, keepdims=True)
    moved = moved - moved.mean(axis=0, keepdims=True)
    rounding = 4 * jnp.finfo(x.dtype).eps * jnp.linalg.norm(x, axis=0, keepdims=True)
    return jnp.where(jnp.linalg.norm(moved, axis=0, keepdims=True) > rounding, moved, 0)


def condensed(
    x: Float[Array, "n m"], y: Float[Array, "n m2"]
) -> tuple[Float[Array, "r m"], Float[Array, "r m2"]]:
    """At most m + m' rows with the inner products of the columns of x and y: one QR of both."""
    if x.shape[0] <= x.shape[1] + y.shape[1]:
        return x, y
    both = triangular(jnp.concatenate([x, y], axis=1))
    return both[:, : x.shape[1]], both[:, x.shape[1] :]


def centred_rows(
    x: Float[Array, "n m"],
    y: Float[Array, "n m2"],
    *,
    columns: tuple[bool, bool] = (False, False),
) -> tuple[Float[Array, "r m"], Float[Array, "r m2"]]:
    """`condensed` of the centred columns, each side up to a power of two.

    All that a measure of covariances without scale looks at; no square overflows or vanishes. With
    `columns` each column of that side has a power of its own, so that the rounding of a large one
    does not drown a small one.
    """
    axes = [0 if own else None for own in columns]
    x, y = (centred(inputs.scaled(z, axis)[0]) for z, axis in zip((x, y), axes, strict=True))
    # Again, because centring leaves small what lay on an offset.
    x, y = (inputs.scaled(z, axis)[0] for z, axis in zip(condensed(x, y), axes, strict=True))
    return x, y


def residual_after_rotation(x: Float[Array, "n m"], y: Float[Array, "n m2"]) -> Float[Array, ""]:
    """min_Q ‖x - yQ‖² over orthogonal Q, equal to ‖x‖² + ‖y‖² - 2‖yᵀx‖_*.

    Formed from the difference, so that a residual of ε‖x‖ is seen in precision ε. The narrower
    side is padded with zeros.
    """
    m = max(x.shape[1], y.shape[1])
    x, y = (jnp.pad(z, ((0, 0), (0, m - z.shape[1]))) for z in (x, y))
    u, _, vt = jnp.linalg.svd(jnp.matmul(y.T, x, precision=HIGHEST), full_matrices=False)
    turned = jnp.matmul(y, jnp.matmul(u, vt, precision=HIGHEST), precision=HIGHEST)
    return jnp.square(x - turned).sum()


def rank_tolerance(x: Float[Array, "n m"], y: Float[Array, "n m2"]) -> float:
    """ε (m + m'): singular values below this share of the largest are rounding of `condensed`."""
    return float(jnp.finfo(x.dtype).eps) * (x.shape[1] + y.shape[1])


def left_basis(
    x: Float[Array, "n m"], rtol: Float[Array, ""] | float
) -> tuple[Float[Array, "n q"], Float[Array, " q"]]:
    """Left singular vectors and values of x, zero where a value is below rtol of the first."""
    u, s, _ = jnp.linalg.svd(x, full_matrices=False)
    s = jnp.where(s >= rtol * s[0], s, 0)
    return jnp.where((s > 0)[None, :], u, 0), s
