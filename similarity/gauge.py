"""What cosines between label representations can and cannot tell.

Adding one vector to every row of W leaves all softmax probabilities as they were, but moves the
cosine of any two rows to any value. Nielsen 2026, https://arxiv.org/abs/2603.29488.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST


def translate_to_cosine(
    W: Real[ArrayLike, "k m"], i: int, j: int, cosine: float | int | Real[ArrayLike, ""]
) -> Float[Array, "k m"]:
    """W + v such that rows i and j have the given cosine, at equal softmax probabilities.

    v = -½(a + b) + h w, with a = W_i, b = W_j, d = b - a, a unit vector w ⟂ d and
    h = ½‖d‖ √((1+c)/(1-c)); for c = 1, v = -a + ½d. A bias of the classifier stays as it is.

    Raises:
        ValueError: equal rows, a cosine outside [-1, 1], or |c| < 1 in one dimension.
    """
    given = inputs.array("W", W, 2)
    k = given.shape[0]
    i, j = (inputs.count(*at, k - 1, least=0, of="labels") for at in (("i", i), ("j", j)))
    if i == j:
        raise ValueError(f"label {i} given twice; accepted are two of [0, {k}) that differ")
    if isinstance(given, np.ndarray) and given.dtype == np.float64:
        given = given - given[i]  # rows i and j may differ by what float32 loses beside the others
    W = inputs.single("W", given)
    inputs.number("cosine", cosine, -1, 1, ends=True)
    if not inputs.is_traced(cosine):
        cosine = np.asarray(cosine, W.dtype)
    moved, equal = _translated(W, i, j, cosine)
    _check_reachable(W, i, j, cosine, equal)
    return moved


@jax.jit
def _translated(W: Array, i: Array, j: Array, cosine: Array) -> tuple[Array, Array]:
    """W + v, and whether rows i and j are equal."""
    (W, power), m, cosine = inputs.scaled(W), W.shape[1], jnp.asarray(cosine, W.dtype)
    middle, d = 0.5 * (W[i] + W[j]), W[j] - W[i]
    away = _unit_normal(d) if m > 1 else jnp.zeros_like(d)
    ratio = (1 + cosine) / jnp.where(cosine < 1, 1 - cosine, 1)
    height = 0.5 * _length(d) * jnp.sqrt(ratio)
    v = jnp.where(cosine < 1, height * away - middle, 0.5 * d - W[i])
    return jnp.ldexp(W + v[None, :], power), (W[i] == W[j]).all()


def _check_reachable(W: Array, i: int, j: int, cosine: object, equal: Array) -> None:
    if W.shape[1] == 1 and inputs.surely(lambda c: abs(c) < 1, cosine):
        raise ValueError(f"cosine={cosine}: in one dimension only -1 and 1 can be reached")
    if inputs.surely(bool, equal):
        raise ValueError(f"rows {i} and {j} are equal: their cosine is 1 after any translation")


def _unit_normal(d: Float[Array, " m"]) -> Float[Array, " m"]:
    """A unit vector orthogonal to d: the axis least along d, less its share of d."""
    along = inputs.unit_rows(d[None])[0]
    axis = (jnp.arange(d.size) == jnp.argmin(jnp.abs(along))).astype(d.dtype)
    normal = axis - jnp.vdot(axis, along) * along
    return normal / jnp.linalg.norm(normal)


def cosines(W: Real[ArrayLike, "k m"]) -> Float[Array, "k k"]:
    """Cosine of every pair of rows; 0 with a row of length zero."""
    return _products(inputs.single("W", checks.unit_rows(inputs.array("W", W, 2))))


@jax.jit
def _products(unit: Array) -> Array:
    return jnp.clip(jnp.matmul(unit, unit.T, precision=HIGHEST), -1, 1)


class Audit(NamedTuple):
    """What the rows of an unembedding matrix say by cosine, and what a translation leaves of it.

    Of a pair: `cosine`, `centred_cosine` after subtracting the mean row, and `flip_distance`, the
    length of the shortest translation that makes the cosine 0, |‖a+b‖ - ‖a-b‖|/2; divided by
    `row_scale`, the root mean square length of the centred rows, it says how little is needed.
    `fixed` marks the pairs whose cosine no translation moves: equal rows, and no others.
    `distance` ‖a - b‖ and `boundary` (b_j - b_i)/‖a - b‖, the signed offset of the decision
    boundary of two labels, are the same after every translation.

    Of a label: `nearest` by cosine, `nearest_centred`, and `nearest_survives`, true only where
    the nearest row lies on the segment from the label's row to every other: then it is nearest
    after every translation.
    """

    cosine: Float[Array, "k k"]
    centred_cosine: Float[Array, "k k"]
    flip_distance: Float[Array, "k k"]
    row_scale: Float[Array, ""]
    fixed: Bool[Array, "k k"]
    distance: Float[Array, "k k"]
    boundary: Float[Array, "k k"]
    nearest: Int[Array, " k"]
    nearest_centred: Int[Array, " k"]
    nearest_survives: Bool[Array, " k"]


def audit(W: Real[ArrayLike, "k m"], b: Real[ArrayLike, " k"] | None = None) -> Audit:
    """Which cosine statements about a softmax classifier's rows survive a translation.

    A bias b changes no answer but `boundary`: translations leave it alone. O(k²) memory; pass the
    rows of the labels of interest.

    Raises:
        ValueError: fewer than 3 labels.
    """
    given = inputs.array("W", W, 2, degree=2)
    W, k = inputs.single("W", given), given.shape[0]
    b = np.zeros(k, W.dtype) if b is None else checks.translated("b", b, 1)
    if k < 3 or b.shape != (k,):
        raise ValueError(f"W has shape {W.shape} and b {b.shape}; accepted are (k, m), (k,), k > 2")
    unit, moved = checks.unit_rows(given), checks.translated("W", given)
    # The mean of unit rows goes in the precision given: cosines of rows with one large offset all
    # round to 1.
    apart = inputs.single("W", unit, centre=True)
    fixed, distance = _differences(given) if isinstance(given, np.ndarray) else _on_device(given)
    distance = inputs.single("distances of rows", distance)
    return _audit(W, moved, b, inputs.single("W", unit), apart, fixed, distance)


def _differences(W: inputs.Checked) -> tuple[Bool[ArrayLike, "k k"], inputs.Checked]:
    """Which rows are equal, and ‖a - b‖, in the precision given: centring merges small rows."""
    one, other = W[:, None, :], W[None, :, :]
    return (one == other).all(axis=-1), _length(one - other)


_on_device = jax.jit(_differences)


def _length(x: inputs.Checked) -> inputs.Checked:
    """Norms over the last axis, at any scale."""
    xp, (x, power) = inputs.module(x), inputs.scaled(x, axis=-1)
    return xp.ldexp(xp.sqrt(xp.square(x).sum(axis=-1)), power[..., 0])


@jax.jit
def _audit(
    W: Array, moved: Array, b: Array, unit: Array, apart: Array, fixed: Array, distance: Array
) -> Audit:
    """Of rows, rows up to a translation, unit rows, and these up to a translation."""
    centred = moved - moved.mean(axis=0, keepdims=True)
    unit_centred = inputs.unit_rows(centred)
    total = _length(W[:, None, :] + W[None, :, :])
    differ, nearest = distance > 0, _nearest(unit, apart)
    always = lambda i, j: _always_nearest(centred, i, j)
    return Audit(
        cosine=_products(unit),
        centred_cosine=_products(unit_centred),
        flip_distance=jnp.where(fixed, jnp.inf, 0.5 * jnp.abs(total - distance)),
        row_scale=jnp.sqrt(jnp.square(centred).sum(axis=1).mean()),
        fixed=fixed,
        distance=distance,
        boundary=jnp.where(differ, (b[None, :] - b[:, None]) / jnp.where(differ, distance, 1), 0),
        nearest=nearest,
        nearest_centred=_nearest(unit_centred, unit_centred),
        nearest_survives=jax.vmap(always)(jnp.arange(W.shape[0]), nearest),
    )


def _nearest(unit: Array, apart: Array) -> Array:
    """The row of greatest cosine to each, by 1 - cos = ½‖u - v‖² of unit rows."""
    none = ~(unit != 0).any(axis=1)  # a zero row is at 1 - cos = 1 from all
    gap = jnp.square(apart[:, None, :] - apart[None, :, :]).sum(axis=-1) + none[None, :]
    return jnp.argmin(jnp.where(jnp.eye(len(none), dtype=bool), jnp.inf, gap), axis=1)


def _always_nearest(W: Array, i: Array, j: Array) -> Array:
    """Whether W_j = W_i + s(W_l - W_i), 0 <= s <= 1, for every other l."""
    step, steps = W[j] - W[i], W - W[i][None, :]
    along = jnp.matmul(steps, step, precision=HIGHEST)
    square = jnp.square(steps).sum(axis=1)
    share = along / jnp.where(square > 0, square, 1)
    missed = jnp.linalg.norm(step[None, :] - share[:, None] * steps, axis=1)
    rounding = 16 * jnp.finfo(W.dtype).eps * jnp.linalg.norm(W, axis=1).max()
    on_segment = (missed <= rounding) & (share >= 0) & (share <= 1 + 1e-6)
    other = (jnp.arange(W.shape[0]) != i) & (jnp.arange(W.shape[0]) != j)
    return jnp.where(other, on_segment, True).all()
