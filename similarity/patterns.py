"""Which labels can be predicted, and in which order: sign and rank patterns of W x over all x.

For independent sigmoids the patterns of signs of W x matter, for a softmax those of the pairwise
differences of rows. Both are settled by a chirotope: the signs of all maximal minors.
https://arxiv.org/abs/2603.29488, sections 4 and 5.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST

_MINORS = 1_000_000


def braid(k: int) -> Float[np.ndarray, "pairs k"]:
    """The matrix that takes k rows to their k(k-1)/2 differences, row i less row j for i < j."""
    if k < 2:
        raise ValueError(f"{k} labels given; differences need at least 2")
    first, second = np.triu_indices(k, 1)
    rows = np.zeros((first.size, k))
    rows[np.arange(first.size), first] = 1
    rows[np.arange(first.size), second] = -1
    return rows


def minors(W: Real[ArrayLike, "k m"], rtol: float | None = None) -> Float[Array, " sets"]:
    """All r×r minors of an orthonormal basis of the column space of W, whose rank is r.

    One for each r rows in lexicographic order, after scaling rows to unit length; those below
    rtol (64 ε of the dtype given) are exactly 0, and the first of the others is positive. Equal
    for W and W B with B invertible, up to the scaling.

    Raises:
        ValueError: W has more than 10⁶ minors, or rtol is outside [0, 1].
    """
    return _minors(_in_double(W), _epsilon(W), rtol)


def chirotope(W: Real[ArrayLike, "k m"], rtol: float | None = None) -> Int[Array, " sets"]:
    """Signs of `minors` of the rows at unit length, the first non-zero one positive.

    Equal chirotopes give equal sets of sign patterns of W x: what independent sigmoids can
    predict. It is settled by the cosines of the rows, so their lengths, however unequal, do not
    matter.
    """
    signs = _minors(inputs.unit_rows(_in_double(W)), _epsilon(W), rtol)
    return jnp.sign(signs).astype(jnp.int32)


def braid_chirotope(W: Real[ArrayLike, "k m"], rtol: float | None = None) -> Int[Array, " sets"]:
    """`chirotope` of all pairwise differences of rows: it settles the rankings of a softmax.

    The cosines of the differences settle it; those of the rows do not.
    """
    W, _ = inputs.scaled(_in_double(W))
    pairs, largest = braid(W.shape[0]), np.abs(W).max(axis=1)
    d = pairs @ W
    # At unit length, what is rounding of the two rows would count as a direction.
    rounding = 8 * np.finfo(d.dtype).eps * np.max(np.abs(pairs) * largest, axis=1)
    d = np.where((np.abs(d).max(axis=1) > rounding)[:, None], d, 0)
    return chirotope(d, rtol)


def sign_patterns(
    key: Key[Array, ""], W: Real[ArrayLike, "k m"], num: int
) -> Int[Array, "patterns k"]:
    """The distinct sign vectors of W x met over `num` Gaussian x: a subset of all there are."""
    inputs.known("sign_patterns", key, W)
    W, num = checks.resolved("W", inputs.array("W", W, 2)), checks.whole("num", num, 1)
    return jnp.unique(jnp.sign(_at_random_inputs(key, W, num)).astype(jnp.int32), axis=0)


def rank_patterns(
    key: Key[Array, ""], W: Real[ArrayLike, "k m"], num: int
) -> Int[Array, "patterns k"]:
    """The distinct ascending orders of labels by W x met over `num` Gaussian x."""
    inputs.known("rank_patterns", key, W)
    W, num = checks.translated("W", W), checks.whole("num", num, 1)
    return jnp.unique(jnp.argsort(_at_random_inputs(key, W, num), axis=1), axis=0)


def rank_patterns_2d(W: Real[ArrayLike, "k 2"]) -> Int[Array, "patterns k"]:
    """Every ascending order of labels by W x over the plane, exactly: one for each cell.

    Orders change where x is orthogonal to a difference of rows; one x is taken between each two
    such directions. Equal rows keep their index order.
    """
    W, _ = inputs.scaled(_in_double(W))
    if W.shape[1] != 2:
        raise ValueError(f"W has shape {W.shape}; accepted is (k, 2): use rank_patterns")
    pairs = braid(W.shape[0])
    d = pairs @ W
    some = d[d.any(axis=1)]
    normals = np.arctan2(some[:, 0], -some[:, 1])
    turns = np.unique(np.round(np.concatenate([normals, normals + np.pi]) % (2 * np.pi), 12))
    if not turns.size:  # all rows are equal
        return jnp.arange(W.shape[0])[None]
    middle = 0.5 * (turns + np.append(turns[1:], turns[0] + 2 * np.pi))
    # By the signs of differences: beside an offset, the values themselves would round.
    above = (d @ np.stack([np.cos(middle), np.sin(middle)]) > 0).T
    place = np.where(above, 1, 0) @ (pairs > 0) + np.where(above, 0, 1) @ (pairs < 0)
    return jnp.asarray(np.unique(np.argsort(place, axis=1), axis=0))


def top_pairs_2d(W: Real[ArrayLike, "k 2"]) -> Int[Array, "pairs 2"]:
    """The pairs of labels, ascending, that are the two most likely for some input of the plane."""
    return jnp.unique(jnp.sort(rank_patterns_2d(W)[:, -2:], axis=1), axis=0)


def _minors(W: np.ndarray, eps: float, rtol: float | None) -> Float[Array, " sets"]:
    if rtol is not None:
        inputs.number("rtol", rtol, 0, 1, ends=True)
    u, s, _ = np.linalg.svd(W, full_matrices=False)
    rank = int((s > s[0] * max(W.shape) * eps).sum()) if s[0] > 0 else 0
    count = math.comb(W.shape[0], rank)
    if rank == 0 or count > _MINORS:
        raise ValueError(
            f"W of shape {W.shape} and rank {rank} has {count} minors; accepted are "
            f"rank 1 or more and at most {_MINORS}: pass fewer rows"
        )
    basis = u[:, :rank]
    length = np.linalg.norm(basis, axis=1, keepdims=True)
    some = length > 64 * eps
    basis = np.where(some, basis / np.where(some, length, 1), 0)
    flat = itertools.chain.from_iterable(itertools.combinations(range(W.shape[0]), rank))
    rows = np.fromiter(flat, np.int64, count * rank).reshape(count, rank)
    values = np.linalg.det(basis[rows])
    values = np.where(np.abs(values) > (64 * eps if rtol is None else rtol), values, 0)
    return jnp.asarray(values * (np.sign(values[np.flatnonzero(values)[:1]]).sum() or 1))


def _epsilon(W: ArrayLike) -> float:
    """The rounding of the dtype given, at least that of float32 for integers of few digits."""
    return float(np.finfo(np.result_type(np.asarray(W).dtype, np.float32)).eps)


def _in_double(W: ArrayLike) -> Float[np.ndarray, "k m"]:
    """The matrix as given, checked, for counts that one rounding would change."""
    inputs.known("a pattern of signs or ranks", W)
    return np.asarray(inputs.array("W", W, 2), np.float64)


def _at_random_inputs(key: Array, W: Array, num: int) -> Array:
    x = jax.random.normal(key, (num, W.shape[1]), W.dtype)
    return jnp.matmul(x, W.T, precision=HIGHEST)
