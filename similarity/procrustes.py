"""Distances between representations after the best rotation of one onto the other."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from repgeo import inputs
from similarity import checks
from similarity.moments import centred, centred_rows, condensed, residual_after_rotation


def procrustes(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], *, normalise: bool = False
) -> Float[Array, ""]:
    """min_Q (E_x‖f(x) - Q f'(x)‖²)^½ of centred f and f', over orthogonal Q; in [0, ∞).

    A metric on representations up to rotation and translation, of which it is invariant to both;
    times √n it is the Frobenius form (‖f‖² + ‖f'‖² - 2‖fᵀf'‖_*)^½. `normalise` divides each side by
    its root mean square first: then in [0, √2], and invariant to isotropic scale as well. A side
    that does not vary stays 0. The narrower side is padded with zeros.
    Williams et al. 2021, https://arxiv.org/abs/2110.14739.

    Examples:
        >>> f = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
        >>> round(float(similarity.procrustes(f, f[:, ::-1] + 4)), 3)
        0.0
        >>> round(float(similarity.procrustes(f, 2 * f, normalise=True)), 3)
        0.0
    """
    f, f2 = checks.representations(f, f2, scale=normalise)
    return _procrustes(f, f2, normalise)


def angular_procrustes(f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"]) -> Float[Array, ""]:
    """arccos(‖fᵀf'‖_*/(‖f‖‖f'‖)) of centred f and f', in radians, in [0, π/2].

    A metric. Invariant to rotation, isotropic scale and translation. A side that does not vary
    is at π/2 from any other, and at 0 from one that does not either.
    """
    f, f2 = checks.representations(f, f2)
    return _angular(f, f2)


@jax.jit(static_argnames=("normalise",))
def _procrustes(f: Array, f2: Array, normalise: bool) -> Array:
    if normalise:
        x, y = centred_rows(f, f2)
        return jnp.sqrt(residual_after_rotation(_unit(x), _unit(y)))
    # One power of two for both sides, so that no square overflows or vanishes.
    _, power = inputs.scaled(jnp.stack([jnp.abs(f).max(), jnp.abs(f2).max()]))
    x, y = condensed(centred(jnp.ldexp(f, -power)), centred(jnp.ldexp(f2, -power)))
    return jnp.ldexp(jnp.sqrt(residual_after_rotation(x, y) / f.shape[0]), power)


def _unit(x: Array) -> Array:
    length = jnp.linalg.norm(x)
    return x / jnp.where(length > 0, length, 1)


@jax.jit
def _angular(f: Array, f2: Array) -> Array:
    x, y = (_unit(z) for z in centred_rows(f, f2))
    # The chord keeps small angles accurate; arccos would lose half their digits.
    angle = 2 * jnp.arcsin(jnp.clip(0.5 * jnp.sqrt(residual_after_rotation(x, y)), 0, 1))
    varies, varies2 = jnp.any(x != 0), jnp.any(y != 0)
    return jnp.where(varies & varies2, angle, jnp.where(varies | varies2, jnp.pi / 2, 0.0))
