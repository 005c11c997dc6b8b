"""Linear centred kernel alignment: biased, debiased, by minibatches, and in one pass.

Kornblith et al. 2019, https://arxiv.org/abs/1905.00414; the unbiased HSIC is that of Song et al.
2012. With a linear kernel all follows from sums over examples; matrices of n×n are formed where
they are smaller, or where few inputs so far from all others ask for them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from repgeo import inputs
from similarity import checks, hsic
from similarity.hsic import Hsics, Moments

# The least share of the sums of squares about the shifts that may be spread about the means.
_UNSEEN = 1e-3
# The most that rounding may do to a debiased value before it is formed in double precision, and
# before it is refused, by a bound that is from a fifth to ten times what it does.
_DOUBT, _LOST = 2e-6, 2e-5
# Inputs up to which n×n matrices are formed where sums over examples have lost the digits.
_FEW = 4096
_HIDDEN = (
    "some inputs lie so much farther out than all others that rounding of their squared lengths "
    "hides the debiased HSIC, or the shifts of sums lie far from the means; accepted are inputs of "
    "like length, and shifts near the means: mend those, enable JAX's x64 mode, or give "
    "cka_from_grams the Gram matrices of centred float64 rows"
)


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
            ValueError: a shift so far from the mean that the sums hold rounding in place of spread;
                debiased, inputs so far from all others that they hide their HSIC, beyond 1e-4 of
                it. Traced, the latter is NaN.
        """
        value, doubt, far = _of_sums(self, debiased)
        if inputs.surely(bool, far):
            raise ValueError(
                "the shifts given to init are so far from the means of the data that rounding "
                "hides its spread; accepted are shifts near the means: start again with the column "
                "means of the first batch"
            )
        if inputs.surely(lambda part: part > _LOST, doubt):
            raise ValueError(_HIDDEN)
        return value


def cka(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], *, debiased: bool = False
) -> Float[Array, ""]:
    """Linear CKA = HSIC(f, f')/√(HSIC(f, f) HSIC(f', f')): a similarity, symmetric, not a metric.

    In [0, 1]; debiased, which is near 0 for independent data at any n, in [-1, 1]: a negative
    value is returned as it is. The biased one tends to 1 as m/n grows. Invariant to rotation,
    isotropic scale and translation. 0 when a side does not vary.

    Raises:
        ValueError: n < 2, or n < 4 when debiased; or, debiased, inputs so far from all others that
            even float64 holds it to less than 1e-4. Traced, where float32 does not, it is NaN.

    Examples:
        >>> f = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
        >>> round(float(similarity.cka(f, 3 * f[:, ::-1] + 1)), 4)
        1.0
        >>> round(float(similarity.cka(f, f**2)), 4)
        0.9217
    """
    given = checks.same_inputs(f, f2, least=4 if debiased else 2)
    run = lambda x, y, few=0: _cka(*checks.representations(x, y), debiased, few)
    return _precisely(run, given)


def minibatch_cka(
    f: Real[ArrayLike, "batches n m"], f2: Real[ArrayLike, "batches n m2"]
) -> Float[Array, ""]:
    """Minibatch CKA: sums over batches of unbiased HSIC, then their ratio; in [-1, 1].

    Nguyen et al. 2021, https://arxiv.org/abs/2010.15327: an estimate of debiased CKA whose error
    falls with the number of batches, not a function of all examples as `CkaSums` is.
    Invariances are those of `cka`.

    Raises:
        ValueError: fewer than 4 examples a batch, or as in `cka`, where traced values are NaN too.
    """
    f, f2 = inputs.array("f", f, 3), inputs.array("f2", f2, 3)
    if f.shape[:2] != f2.shape[:2] or f.shape[1] < 4:
        raise ValueError(
            f"f has shape {f.shape} and f2 has shape {f2.shape}; accepted are (batches, n, dim) "
            "with equal batches and equal n >= 4"
        )
    return _precisely(_of_batches, (f, f2))


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


@jax.jit(static_argnames=("debiased",))
def _of_grams(K: Array, K2: Array, debiased: bool) -> Array:
    centre = hsic.u_centred if debiased else _doubly_centred
    K, K2 = inputs.alike(*(centre(inputs.scaled(kernel)[0]) for kernel in (K, K2)))
    return hsic.ratio(jnp.vdot(K, K2), jnp.vdot(K, K), jnp.vdot(K2, K2))


def _varying(x: Array) -> Array:
    """Centred rows, zero where all they vary by is rounding; the second mean removes that of x."""
    mean = x.mean(axis=0, keepdims=True)
    moved = x - mean
    moved = moved - moved.mean(axis=0, keepdims=True)
    rounding = jnp.square(4 * jnp.finfo(x.dtype).eps) * x.shape[0] * jnp.square(mean).sum()
    return jnp.where(jnp.square(moved).sum() > rounding, moved, 0)


def _of_batch(f: Array, f2: Array, debiased: bool, few: int) -> Hsics:
    """The HSICs of a batch, debiased by n×n matrices for n up to `few` or to the dimensions."""
    x, y = _varying(f), _varying(f2)
    if debiased and f.shape[0] <= max(few, f.shape[1], f2.shape[1]):
        return hsic.unbiased_of_rows(x, y)
    return _of_moments(hsic.all_moments(x, y), jnp.asarray(f.shape[0], f.dtype), debiased)


def _of_moments(sums: tuple[Moments, Moments, Moments], n: Array, debiased: bool) -> Hsics:
    xx, yy, xy = (hsic.unbiased(s, n) if debiased else hsic.biased(s, n) for s in sums)
    return Hsics(xy, xx, yy)


def _held(found: Hsics) -> tuple[Array, Array]:
    """The CKA, NaN where its digits are lost, and how much of it may be rounding."""
    doubt = found.doubt()
    return jnp.where(doubt > _LOST, jnp.nan, found.cka()), doubt


@jax.jit(static_argnames=("debiased", "few"))
def _cka(f: Array, f2: Array, debiased: bool, few: int = 0) -> tuple[Array, Array]:
    return _held(_of_batch(inputs.scaled(f)[0], inputs.scaled(f2)[0], debiased, few))


def _of_batches(f: inputs.Checked, f2: inputs.Checked, few: int = 0) -> tuple[Array, Array]:
    sides = []
    for x in (f, f2):
        flat, _ = inputs.scaled(x.reshape(-1, x.shape[2]))
        flat = inputs.single("representation", flat, centre=True, scale=True)
        sides.append(flat.reshape(x.shape))
    return _minibatch(*inputs.alike(*sides), few)


@jax.jit(static_argnames=("few",))
def _minibatch(f: Array, f2: Array, few: int = 0) -> tuple[Array, Array]:
    parts = jax.lax.map(lambda pair: _of_batch(*pair, debiased=True, few=few), (f, f2))
    return _held(jax.tree.map(lambda part: part.sum(), parts))


def _precisely(
    run: Callable[..., tuple[Array, Array]], given: tuple[inputs.Checked, inputs.Checked]
) -> Array:
    """run(*given), in double precision where it is in doubt."""
    value, doubt = run(*given)
    if inputs.is_traced(value, doubt) or float(doubt) <= _DOUBT:
        return value
    with jax.enable_x64(True):
        double, doubt = run(*(np.asarray(z, np.float64) for z in given), few=_FEW)
        if not float(doubt) <= _LOST:
            raise ValueError(_HIDDEN)
        return jnp.asarray(np.asarray(double), value.dtype)


def _doubly_centred(K: Array) -> Array:
    rows, columns = K.mean(axis=0, keepdims=True), K.mean(axis=1, keepdims=True)
    return K - rows - columns + K.mean()


def _shifted(x: inputs.Checked, shift: Array) -> Array:
    """x less its shift, in the precision of x; its fourth powers must fit."""
    at = np.asarray(shift) if isinstance(x, np.ndarray) and not inputs.is_traced(shift) else shift
    moved = inputs.array("f less its shift", x - at[None, :], degree=4)
    moved = inputs.single("moved", moved)
    return moved.astype(shift.dtype)


@jax.jit
def _no_sums(x: Array, y: Array) -> CkaSums:
    nothing = hsic.all_moments(jnp.zeros((1, x.size), x.dtype), jnp.zeros((1, y.size), y.dtype))
    return CkaSums(x, y, jnp.zeros((), x.dtype), *nothing)


@jax.jit
def _added(sums: CkaSums, count: Array, moments: tuple[Moments, ...]) -> CkaSums:
    added = jax.tree.map(jnp.add, (sums.count, *sums[3:]), (count, *moments))
    return CkaSums(sums.shift, sums.shift2, *added)


@jax.jit
def _updated(sums: CkaSums, x: Array, y: Array) -> CkaSums:
    return _added(sums, jnp.asarray(x.shape[0], sums.count.dtype), hsic.all_moments(x, y))


@jax.jit(static_argnames=("debiased",))
def _of_sums(sums: CkaSums, debiased: bool) -> tuple[Array, Array, Array]:
    """The CKA, how much of it may be rounding, and whether the shifts are far from the means."""
    value, doubt = _held(_of_moments((sums.xx, sums.yy, sums.xy), sums.count, debiased))
    return value, doubt, _far_from_mean(sums)


def _far_from_mean(sums: CkaSums) -> Array:
    """Whether the sums of a side are all but those of its mean."""

    def far(s: Moments) -> Array:
        spread = s.x_energy - jnp.vdot(s.x, s.x) / jnp.maximum(sums.count, 1)
        return spread < _UNSEEN * s.x_energy

    return far(sums.xx) | far(sums.yy)


@jax.jit
def _shifts_differ(x: Array, y: Array, x2: Array, y2: Array) -> Array:
    return (x != x2).any() | (y != y2).any()
