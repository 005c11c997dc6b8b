"""Representational similarity analysis: correlation of two matrices of pairwise dissimilarity."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST
from similarity.ranks import average_ranks, correlation

Dissimilarity = Literal["correlation", "cosine", "euclidean"]
Comparison = Literal["spearman", "pearson", "cosine"]

# All pairs of 14,000 inputs: some 4 GB with their ranks.
PAIR_LIMIT = 100_000_000
# Entries of the rows that are gathered at once for sampled pairs.
_TILE = 1 << 24
# Dissimilarities whose median stands for that of all.
_SAMPLE = 4096
# The share of a squared distance that rounding may be, some four times, in single precision.
_HIDDEN = 6e-5


def rsa(
    f: Real[ArrayLike, "n m"],
    f2: Real[ArrayLike, "n m2"],
    *,
    dissimilarity: Dissimilarity = "correlation",
    comparison: Comparison = "spearman",
    key: Key[Array, ""] | None = None,
    num_pairs: int | None = None,
) -> Float[Array, ""]:
    """Agreement of the dissimilarities of pairs of inputs in f and in f', in [-1, 1].

    Kriegeskorte et al. 2008. A similarity; symmetric; not a metric. Invariant to permutation and
    isotropic scale; with "cosine" to rotation too, with "euclidean" to rotation and translation.
    Spearman ranks share ties, to 16 ε of the dissimilarity itself or of the median if that is
    larger. 0 when one side's are all equal.

    Over all n(n-1)/2 pairs, whose memory grows with n²; or over `num_pairs` drawn with `key`,
    with replacement, in memory that does not grow with n: an estimate whose standard error is
    about (1 - rsa²)/√num_pairs.

    Euclidean distances beside rows far out are taken in double precision, but not traced.

    Raises:
        ValueError: n < 3, an unknown option, more than 10⁸ pairs and no key, or only one of key
            and num_pairs.
    """
    if dissimilarity not in ("correlation", "cosine", "euclidean"):
        raise ValueError(
            f"dissimilarity={dissimilarity!r}; accepted are 'correlation', 'cosine', 'euclidean'"
        )
    if comparison not in ("spearman", "pearson", "cosine"):
        raise ValueError(f"comparison={comparison!r}; accepted are 'spearman', 'pearson', 'cosine'")
    given = checks.same_inputs(f, f2, least=3)
    x, y = (_side(z, dissimilarity) for z in given)
    n = x.rows.shape[0]
    if (key is None) != (num_pairs is None):
        raise ValueError("give both key and num_pairs to sample pairs of inputs, or neither")
    if key is None or num_pairs is None:
        if n * (n - 1) // 2 > PAIR_LIMIT:
            raise ValueError(
                f"{n} inputs have {n * (n - 1) // 2} pairs, more than {PAIR_LIMIT}; give key and "
                "num_pairs to sample them"
            )
        return _of_all(x, y, given, dissimilarity, comparison)
    num_pairs = inputs.count("num_pairs", num_pairs, PAIR_LIMIT, least=3, of="pairs")
    return _sampled_rsa(x, y, sample_pairs(key, n, num_pairs), dissimilarity, comparison)


def sample_pairs(key: Key[Array, ""], n: int, num: int) -> Int[Array, "2 num"]:
    """`num` independent uniform ordered pairs of different indices below n."""
    k_first, k_step = jax.random.split(key)
    first = jax.random.randint(k_first, (num,), 0, n)
    second = (first + jax.random.randint(k_step, (num,), 1, n)) % n
    return jnp.stack([first, second])


class Side(NamedTuple):
    """Rows whose squared distances are the dissimilarities, up to a scale, and rows without any.

    For 1 - cosine these are unit rows: 1 - u·v = ½‖u - v‖², which unlike the product resolves
    directions that hardly differ. A row without direction is zero and `still`.
    """

    rows: Float[Array, "n m"]
    still: Bool[Array, " n"]


def _side(x: inputs.Checked, kind: Dissimilarity) -> Side:
    """What is on the host in double precision loses its offset and scale there."""
    if kind == "euclidean":
        x = _about_most(x) if isinstance(x, np.ndarray) else x
        rows = inputs.single("representation", x, scale=True)
        return Side(rows, jnp.zeros(x.shape[0], bool))
    rows = _directions(x, kind) if isinstance(x, np.ndarray) else _directions_jit(x, kind)
    still = jnp.asarray(~rows.any(axis=1))
    return Side(inputs.single("representation", rows, centre=True), still)


def _directions(x: inputs.C, kind: Dissimilarity) -> inputs.C:
    """Rows of length 1, less their mean for "correlation"; one without variation is zero."""
    x, _ = inputs.scaled(x)
    xp = inputs.module(x)
    if kind == "correlation":
        moved = x - x.mean(axis=1, keepdims=True)
        rounding = 4 * jnp.finfo(x.dtype).eps * xp.abs(x).max(axis=1, keepdims=True)
        x = xp.where(xp.abs(moved).max(axis=1, keepdims=True) > rounding, moved, 0)
    return inputs.unit_rows(x)


_directions_jit = jax.jit(_directions, static_argnames=("kind",))


def _about_most(x: inputs.C) -> inputs.C:
    """Rows, up to a scale, less the mean of the half nearest to the mean of all.

    One row far out moves the mean, and all other rows about it: their products would round.
    """
    x, _ = inputs.scaled(x)
    xp = inputs.module(x)
    mean = x.mean(axis=0, keepdims=True)
    length = xp.square(x - mean).sum(axis=1, keepdims=True)
    near = length <= xp.median(length)
    return x - (mean + xp.where(near, x - mean, 0).sum(axis=0, keepdims=True) / near.sum())


def dissimilarities(side: Side, kind: Dissimilarity) -> Float[Array, " pairs"]:
    """Dissimilarity of every pair i < j: 1 - correlation, 1 - cosine, or Euclidean distance.

    A row without variation, or of length zero, has correlation or cosine 0 with every other.
    """
    first, second = jnp.triu_indices(side.rows.shape[0], 1)
    x = side.rows
    if kind == "euclidean":
        x = inputs.scaled(_about_most(x))[0]
    else:
        x = x - x.mean(axis=0, keepdims=True)
    square = jnp.square(x).sum(axis=1)
    gram = jnp.matmul(x, x.T, precision=HIGHEST)[first, second]
    distance = jnp.maximum(square[first] + square[second] - 2 * gram, 0)
    return _of_squares(distance, side.still[first], side.still[second], kind)


def dissimilarities_of_pairs(
    side: Side, pairs: Int[Array, "2 num"], kind: Dissimilarity
) -> Float[Array, " num"]:
    """`dissimilarities` of chosen pairs, a tile of rows at a time."""
    x = inputs.scaled(side.rows)[0] if kind == "euclidean" else side.rows
    together = max(1, min(pairs.shape[1], _TILE // x.shape[1]))
    one = lambda pair: jnp.square(x[pair[0]] - x[pair[1]]).sum()
    squares = jax.lax.map(one, pairs.T, batch_size=together)
    return _of_squares(squares, side.still[pairs[0]], side.still[pairs[1]], kind)


def _of_squares(squares: Array, still: Array, still2: Array, kind: Dissimilarity) -> Array:
    if kind == "euclidean":  # whose slope at 0, of equal rows, is taken as 0
        return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
    return 0.5 * (squares + still + still2)


def _of_all(
    x: Side,
    y: Side,
    given: tuple[inputs.Checked, inputs.Checked],
    dissimilarity: Dissimilarity,
    comparison: Comparison,
) -> Array:
    """Of all pairs; where rounding may reorder distances, from differences in double precision."""
    value, is_hidden = _rsa(x, y, dissimilarity, comparison)
    if inputs.is_traced(value, is_hidden) or not bool(is_hidden):
        return value
    with jax.enable_x64(True):
        x, y = (_side(np.asarray(z, np.float64), dissimilarity) for z in given)
        pairs = jnp.stack(jnp.triu_indices(x.rows.shape[0], 1))
        double = _sampled_rsa(x, y, pairs, dissimilarity, comparison)
        return jnp.asarray(np.asarray(double), value.dtype)


@jax.jit(static_argnames=("dissimilarity", "comparison"))
def _rsa(
    x: Side, y: Side, dissimilarity: Dissimilarity, comparison: Comparison
) -> tuple[Array, Bool[Array, ""]]:
    """The agreement, and whether rounding may have reordered the dissimilarities."""
    a, b = (dissimilarities(side, dissimilarity) for side in (x, y))
    is_ranked = dissimilarity == "euclidean" and comparison == "spearman"
    is_hidden = _is_hidden(x, a) | _is_hidden(y, b) if is_ranked else jnp.zeros((), bool)
    return _compared(a, b, comparison), is_hidden


def _is_hidden(side: Side, distance: Float[Array, " pairs"]) -> Bool[Array, ""]:
    """Whether one in twenty distances is small beside what rounding of the longest row leaves."""
    longest = jnp.square(inputs.scaled(_about_most(side.rows))[0]).sum(axis=1).max()
    near = jnp.quantile(distance[:: max(1, distance.size // _SAMPLE)], 0.05)
    return jnp.finfo(distance.dtype).eps * longest > _HIDDEN * jnp.square(near)


@jax.jit(static_argnames=("dissimilarity", "comparison"))
def _sampled_rsa(
    x: Side, y: Side, pairs: Array, dissimilarity: Dissimilarity, comparison: Comparison
) -> Array:
    a, b = (dissimilarities_of_pairs(side, pairs, dissimilarity) for side in (x, y))
    return _compared(a, b, comparison)


def _without_rounding(x: Array) -> Array:
    """x >= 0 to 16 ε of its own power of two or the median's, so that rounding breaks no tie."""
    x = jax.lax.stop_gradient(x)
    typical = jnp.median(x[:: max(1, x.size // _SAMPLE)])
    quantum = 16 * jnp.finfo(x.dtype).eps
    _, power = jnp.frexp(jnp.maximum(x, typical))
    return jnp.ldexp(jnp.round(jnp.ldexp(x, -power) / quantum), power)


def _compared(a: Array, b: Array, comparison: Comparison) -> Array:
    a, b = inputs.alike(inputs.scaled(a)[0], inputs.scaled(b)[0])
    if comparison == "cosine":
        value = jnp.vdot(a, b) / (jnp.linalg.norm(a) * jnp.linalg.norm(b))
    elif comparison == "spearman":
        value = correlation(*(average_ranks(_without_rounding(x)) for x in (a, b)))
    else:
        value = correlation(a, b)
    return jnp.where(jnp.isnan(value), 0, value)
