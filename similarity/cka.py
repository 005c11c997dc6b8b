"""Linear centred kernel alignment: biased, debiased, by minibatches, and in one pass.

Kornblith et al. 2019, https://arxiv.org/abs/1905.00414; the unbiased HSIC is that of Song et al.
2012. With a linear kernel nothing of size n×n is needed: all follows from sums over examples.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST

# The least share of the sums of squares about the shifts that may be spread about the means.
_UNSEEN = 1e-3


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


class CkaSums(NamedTuple):
    """Sums over examples from which biased and debiased linear CKA follow, for any split.

    O((m + m')²) numbers. The shifts drop out of the answer; near the means of the data they keep
    it accurate. Unlike a mean of minibatch values, the result is that of all examples at once.
    """

    shift: Float[Array, " m"]
    shift2: Float[Array, " m2"]
    count: Float[Array, ""]
    xx: Moments
    yy: Moments
    xy: Moments

    @classmethod
    def init(cls, shift: Real[ArrayLike, " m"], shift2: Real[ArrayLike, " m2"]) -> "CkaSums":
        """Sums over no examples; take as shifts the column means of the first batch."""
        x, y = inputs.alike(
            checks.floating("shift", shift, 1), checks.floating("shift2", shift2, 1)
        )
        return _no_sums(x, y)

    def update(self, f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"]) -> "CkaSums":
        """Sums with a batch added.

        Raises:
            ValueError: dimensions differ from those of `init`, or fourth powers overflow or vanish.
        """
        x, y = checks.same_inputs(f, f2, least=1)
        if (x.shape[1], y.shape[1]) != (self.shift.size, self.shift2.size):
            raise ValueError(
                f"f {x.shape} and f2 {y.shape} given; accepted are dimensions "
                f"{self.shift.size} and {self.shift2.size}, as in init"
            )
        x, y = (_shifted(z, at) for z, at in ((x, self.shift), (y, self.shift2)))
        return _updated(self, x, y)

    def merge(self, other: "CkaSums") -> "CkaSums":
        """Sums over the examples of both, which must have been started with the same shifts."""
        if inputs.surely(_shifts_differ, self.shift, self.shift2, other.shift, other.shift2):
            raise ValueError("the sums were started with different shifts; start both with one")
        return _added(self, other.count, other[3:])

    def cka(self, *, debiased: bool = False) -> Float[Array, ""]:
        """The linear CKA of all examples seen; see the function of that name.

        Raises:
            ValueError: a shift so far from the mean that the sums hold rounding in place of spread.
        """
        value, far = _of_sums(self, debiased)
        if inputs.surely(bool, far):
            raise ValueError(
                "the shifts given to init are so far from the means of the data that rounding "
                "hides its spread; accepted are shifts near the means: start again with the column "
                "means of the first batch"
            )
        return value


def cka(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], *, debiased: bool = False
) -> Float[Array, ""]:
    """Linear CKA = HSIC(f, f')/√(HSIC(f, f) HSIC(f', f')): a similarity, symmetric, not a metric.

    In [0, 1]; debiased, which is near 0 for independent data at any n, in [-1, 1]: a negative
    value is returned as it is. The biased one tends to 1 as m/n grows. Invariant to rotation,
    isotropic scale and translation. 0 when a side does not vary.

    Raises:
        ValueError: n < 2, or n < 4 when debiased.

    Examples:
        >>> f = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
        >>> round(float(similarity.cka(f, 3 * f[:, ::-1] + 1)), 4)
        1.0
        >>> round(float(similarity.cka(f, f**2)), 4)
        0.9217
    """
    f, f2 = checks.representations(f, f2, least=4 if debiased else 2)
    return _cka(f, f2, debiased)


def minibatch_cka(
    f: Real[ArrayLike, "batches n m"], f2: Real[ArrayLike, "batches n m2"]
) -> Float[Array, ""]:
    """Minibatch CKA: sums over batches of unbiased HSIC, then their ratio; in [-1, 1].

    Nguyen et al. 2021, https://arxiv.org/abs/2010.15327: an estimate of debiased CKA whose error
    falls with the number of batches, not a function of all examples as `CkaSums` is.
    Invariances are those of `cka`.

    Raises:
        ValueError: fewer than 4 examples a batch.
    """
    f, f2 = inputs.array("f", f, 3), inputs.array("f2", f2, 3)
    if f.shape[:2] != f2.shape[:2] or f.shape[1] < 4:
        raise ValueError(
            f"f has shape {f.shape} and f2 has shape {f2.shape}; accepted are (batches, n, dim) "
            "with equal batches and equal n >= 4"
        )
    sides = []
    for x in (f, f2):
        flat, _ = inputs.scaled(x.reshape(-1, x.shape[2]))
        flat = inputs.single("representation", flat, centre=True, scale=True)
        sides.append(flat.reshape(x.shape))
    return _minibatch(*inputs.alike(*sides))


def cka_from_grams(
    K: Real[ArrayLike, "n n"], K2: Real[ArrayLike, "n n"], *, debiased: bool = False
) -> Float[Array, ""]:
    """CKA of two kernel matrices, such as those of Gaussian kernels. Ranges as in `cka`."""
    K, K2 = inputs.array("K", K, 2), inputs.array("K2", K2, 2)
    least = 4 if debiased else 2
    if not K.shape == K2.shape == (K.shape[0],) * 2 or K.shape[0] < least:
        raise ValueError(
            f"K has shape {K.shape} and K2 has shape {K2.shape}; accepted are two n×n kernel "
            f"matrices of the same n >= {least} examples"
        )
    # A constant added to all entries drops out: it is taken away in the precision given.
    sides = (inputs.single("kernel", kernel - kernel.mean(), scale=True) for kernel in (K, K2))
    return _of_grams(*sides, debiased)


@jax.jit
def _all_moments(x: Array, y: Array) -> tuple[Moments, Moments, Moments]:
    return _moments(x, x), _moments(y, y), _moments(x, y)


def _moments(x: Float[Array, "n m"], y: Float[Array, "n m2"]) -> Moments:
    x_sq, y_sq = jnp.square(x).sum(axis=1), jnp.square(y).sum(axis=1)

    def product(a: Array, b: Array) -> Array:
        return jnp.matmul(a, b, precision=HIGHEST)

    return Moments(
        *(x.sum(axis=0), y.sum(axis=0), product(x.T, y), x_sq.sum(), y_sq.sum()),
        *(product(y_sq, x), product(x_sq, y), jnp.vdot(x_sq, y_sq)),
    )


def _biased_hsic(s: Moments, n: Array) -> Array:
    """‖X_cᵀ Y_c‖², up to the factor (n - 1)⁻² that drops out of the ratio."""
    return jnp.square(s.xy - s.x[:, None] * s.y[None, :] / n).sum()


def _unbiased_hsic(s: Moments, n: Array) -> Array:
    """HSIC₁ of Song et al., up to the factor 1/(n(n-3)), from K̃ = XXᵀ and L̃ = YYᵀ off-diagonal."""
    trace = jnp.square(s.xy).sum() - s.energies
    totals = (jnp.vdot(s.x, s.x) - s.x_energy) * (jnp.vdot(s.y, s.y) - s.y_energy)
    through = jnp.matmul(s.x, jnp.matmul(s.xy, s.y, precision=HIGHEST), precision=HIGHEST)
    between = through - jnp.vdot(s.x, s.x_by_y) - jnp.vdot(s.y, s.y_by_x) + s.energies
    return trace + totals / ((n - 1) * (n - 2)) - 2 * between / (n - 2)


def _ratio(xy: Array, xx: Array, yy: Array) -> Array:
    scale = jnp.sqrt(xx) * jnp.sqrt(yy)
    return jnp.where(scale > 0, jnp.clip(xy / jnp.where(scale > 0, scale, 1), -1, 1), 0)


@jax.jit(static_argnames=("debiased",))
def _of_grams(K: Array, K2: Array, debiased: bool) -> Array:
    centre = _doubly_centred_off_diagonal if debiased else _doubly_centred
    K, K2 = inputs.alike(*(centre(inputs.scaled(kernel)[0]) for kernel in (K, K2)))
    return _ratio(jnp.vdot(K, K2), jnp.vdot(K, K), jnp.vdot(K2, K2))


def _varying(x: Array) -> Array:
    """Centred rows, zero where all they vary by is rounding; the second mean removes that of x."""
    mean = x.mean(axis=0, keepdims=True)
    moved = x - mean
    moved = moved - moved.mean(axis=0, keepdims=True)
    rounding = jnp.square(4 * jnp.finfo(x.dtype).eps) * x.shape[0] * jnp.square(mean).sum()
    return jnp.where(jnp.square(moved).sum() > rounding, moved, 0)


def _of_batch(f: Array, f2: Array, debiased: bool) -> tuple[Array, Array, Array]:
    xx, yy, xy = _all_moments(_varying(f), _varying(f2))
    hsic = _unbiased_hsic if debiased else _biased_hsic
    n = jnp.asarray(f.shape[0], f.dtype)
    return hsic(xy, n), hsic(xx, n), hsic(yy, n)


@jax.jit(static_argnames=("debiased",))
def _cka(f: Array, f2: Array, debiased: bool) -> Array:
    return _ratio(*_of_batch(inputs.scaled(f)[0], inputs.scaled(f2)[0], debiased))


@jax.jit
def _minibatch(f: Array, f2: Array) -> Array:
    parts = jax.lax.map(lambda pair: _of_batch(*pair, debiased=True), (f, f2))
    return _ratio(*(part.sum() for part in parts))


def _doubly_centred(K: Array) -> Array:
    rows, columns = K.mean(axis=0, keepdims=True), K.mean(axis=1, keepdims=True)
    return K - rows - columns + K.mean()


def _doubly_centred_off_diagonal(K: Array) -> Array:
    """U-centring: inner products of the results are n(n-3) times the unbiased HSIC."""
    n = K.shape[0]
    off = K * (1 - jnp.eye(n, dtype=K.dtype))
    row = off.sum(axis=1, keepdims=True) / (n - 2)
    moved = off - row - row.T + off.sum() / ((n - 1) * (n - 2))
    return moved * (1 - jnp.eye(n, dtype=K.dtype))


def _shifted(x: inputs.Checked, shift: Array) -> Array:
    """x less its shift, in the precision of x; its fourth powers must fit."""
    at = np.asarray(shift) if isinstance(x, np.ndarray) and not inputs.is_traced(shift) else shift
    moved = inputs.array("f less its shift", x - at[None, :], degree=4)
    moved = inputs.single("moved", moved)
    return moved.astype(shift.dtype)


@jax.jit
def _no_sums(x: Array, y: Array) -> CkaSums:
    nothing = _all_moments(jnp.zeros((1, x.size), x.dtype), jnp.zeros((1, y.size), y.dtype))
    return CkaSums(x, y, jnp.zeros((), x.dtype), *nothing)


@jax.jit
def _added(sums: CkaSums, count: Array, moments: tuple[Moments, ...]) -> CkaSums:
    added = jax.tree.map(jnp.add, (sums.count, *sums[3:]), (count, *moments))
    return CkaSums(sums.shift, sums.shift2, *added)


@jax.jit
def _updated(sums: CkaSums, x: Array, y: Array) -> CkaSums:
    return _added(sums, jnp.asarray(x.shape[0], sums.count.dtype), _all_moments(x, y))


@jax.jit(static_argnames=("debiased",))
def _of_sums(sums: CkaSums, debiased: bool) -> tuple[Array, Array]:
    """The CKA, and whether the shifts are far from the means."""
    hsic = _unbiased_hsic if debiased else _biased_hsic
    xy, xx, yy = (hsic(pair, sums.count) for pair in (sums.xy, sums.xx, sums.yy))
    return _ratio(xy, xx, yy), _far_from_mean(sums)


def _far_from_mean(sums: CkaSums) -> Array:
    """Whether the sums of a side are all but those of its mean."""

    def far(s: Moments) -> Array:
        spread = s.x_energy - jnp.vdot(s.x, s.x) / jnp.maximum(sums.count, 1)
        return spread < _UNSEEN * s.x_energy

    return far(sums.xx) | far(sums.yy)


@jax.jit
def _shifts_differ(x: Array, y: Array, x2: Array, y2: Array) -> Array:
    return (x != x2).any() | (y != y2).any()
