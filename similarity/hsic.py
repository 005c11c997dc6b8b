"""HSIC with linear kernels, biased and unbiased, with a bound on what rounding did to it.

The unbiased HSIC is that of Song et al. 2012, of kernel matrices without their diagonals. From
sums over examples the diagonals have to be subtracted, of which one input far longer than all
others leaves few digits; from n×n matrices they are never added.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from similarity.family import HIGHEST


class Moments(NamedTuple):
    """Sums over examples of products of x and y, to degree four."""

    x: Float[Array, " m"]
    y: Float[Array, " m2"]
    xy: Float[Array, "m m2"]
    x_energy: Float[Array, ""]  # Σ ‖x‖²
    y_energy: Float[Array, ""]
    x_by_y: Float[Array, " m"]  # Σ x ‖y‖²
    y_by_x: Float[Array, " m2"]
    energies: Float[Array, ""]  # Σ ‖x‖² ‖y‖²


class Hsic(NamedTuple):
    """A value and the error that rounding may have left in it, both up to one factor."""

    value: Float[Array, ""]
    error: Float[Array, ""]


class Hsics(NamedTuple):
    """HSIC of two sides, and of each with itself; sums of batches are those of the parts."""

    xy: Hsic
    xx: Hsic
    yy: Hsic

    def cka(self) -> Float[Array, ""]:
        """HSIC(x, y)/√(HSIC(x, x) HSIC(y, y)), in [-1, 1]; 0 when a side does not vary."""
        return ratio(self.xy.value, self.xx.value, self.yy.value)

    def doubt(self) -> Float[Array, ""]:
        """The largest error of the three relative to their scale; infinite where no digit is left.

        About what the error of the CKA may be; 0 for sides that do not vary at all.
        """
        xx, yy = (jnp.maximum(side.value, 0) for side in (self.xx, self.yy))
        scales = jnp.stack([jnp.sqrt(xx) * jnp.sqrt(yy), xx, yy])
        errors = jnp.stack([part.error for part in self])
        still = (self.xx.error == 0) | (self.yy.error == 0)
        share = jnp.where(scales > 0, errors / jnp.where(scales > 0, scales, 1), jnp.inf)
        return jnp.where(errors > 0, share, 0).max() * ~still


def ratio(xy: Array, xx: Array, yy: Array) -> Float[Array, ""]:
    """xy/√(xx yy) clipped to [-1, 1]; 0 where a square is not positive."""
    scale = jnp.sqrt(xx) * jnp.sqrt(yy)
    return jnp.where(scale > 0, jnp.clip(xy / jnp.where(scale > 0, scale, 1), -1, 1), 0)


@jax.jit
def all_moments(
    x: Float[Array, "n m"], y: Float[Array, "n m2"]
) -> tuple[Moments, Moments, Moments]:
    """The sums of x with itself, of y with itself, and of both."""
    return _moments(x, x), _moments(y, y), _moments(x, y)


def _moments(x: Float[Array, "n m"], y: Float[Array, "n m2"]) -> Moments:
    x_sq, y_sq = jnp.square(x).sum(axis=1), jnp.square(y).sum(axis=1)
    return Moments(
        *(x.sum(axis=0), y.sum(axis=0), _product(x.T, y), x_sq.sum(), y_sq.sum()),
        *(_product(y_sq, x), _product(x_sq, y), jnp.vdot(x_sq, y_sq)),
    )


def biased(s: Moments, n: Array) -> Hsic:
    """‖X_cᵀ Y_c‖², up to the factor (n - 1)⁻² that drops out of the ratio; no error is stated."""
    value = jnp.square(s.xy - s.x[:, None] * s.y[None, :] / n).sum()
    return Hsic(value, jnp.zeros_like(value))


def unbiased(s: Moments, n: Array) -> Hsic:
    """HSIC₁ of Song et al., up to the factor 1/(n(n-3)), from K̃ = XXᵀ and L̃ = YYᵀ off-diagonal."""
    trace = jnp.square(s.xy).sum()
    x_total, y_total = jnp.vdot(s.x, s.x), jnp.vdot(s.y, s.y)
    totals = (x_total - s.x_energy) * (y_total - s.y_energy)
    through = _product(s.x, _product(s.xy, s.y))
    x_by_y, y_by_x = jnp.vdot(s.x, s.x_by_y), jnp.vdot(s.y, s.y_by_x)
    between = through - x_by_y - y_by_x + s.energies
    value = trace - s.energies + totals / ((n - 1) * (n - 2)) - 2 * between / (n - 2)
    added = trace + s.energies + (x_total + s.x_energy) * (y_total + s.y_energy) / jnp.square(n - 2)
    crossed = jnp.abs(through) + jnp.abs(x_by_y) + jnp.abs(y_by_x) + s.energies
    error = jnp.finfo(trace.dtype).eps * (added + 2 * crossed / (n - 2))
    return Hsic(value, jax.lax.stop_gradient(error))


def unbiased_of_rows(x: Float[Array, "n m"], y: Float[Array, "n m2"]) -> Hsics:
    """`unbiased` of centred rows and of each side with itself, by kernel matrices of n×n.

    An entry of these is right to ε ‖x_i‖ ‖x_j‖, whatever the lengths of others.
    """
    K, L = (u_centred(_product(z, z.T)) for z in (x, y))
    q, r = (jnp.square(z).sum(axis=1) for z in (x, y))

    def error(matrix: Array, lengths: Array) -> Array:
        spread = jnp.vdot(lengths, _product(jnp.square(matrix), lengths))
        return jnp.finfo(x.dtype).eps * jnp.sqrt(spread)

    held = [jax.lax.stop_gradient(z) for z in (K, L, q, r)]
    xx, yy = 2 * error(held[0], held[2]), 2 * error(held[1], held[3])
    xy = error(held[0], held[3]) + error(held[1], held[2])
    return Hsics(Hsic(jnp.vdot(K, L), xy), Hsic(jnp.vdot(K, K), xx), Hsic(jnp.vdot(L, L), yy))


def u_centred(K: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """K without its diagonal: inner products of results are n(n-3) times the unbiased HSIC."""
    n = K.shape[0]
    on = jnp.eye(n, dtype=bool)
    off = jnp.where(on, 0, K)
    row = off.sum(axis=1, keepdims=True) / (n - 2)
    moved = off - row - row.T + off.sum() / ((n - 1) * (n - 2))
    return jnp.where(on, 0, moved)


def _product(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=HIGHEST)
