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
        ValueError: W has more than 10⁶ minors.
    """
    double = _in_double(W)
    eps = float(np.finfo(np.result_type(np.asarray(W).dtype, np.float32)).eps)
    W = double
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
    rtol = 64 * eps if rtol is None else rtol
    basis = np.where(length > rtol, basis / np.where(length > rtol, length, 1), 0)
    flat = itertools.chain.from_iterable(itertools.combinations(range(W.shape[0]), rank))
    rows = np.fromiter(flat, np.int64, count * rank).reshape(count, rank)
    values = np.linalg.det(basis[rows])
    values = np.where(np.abs(values) > rtol, values, 0)
    return jnp.asarray(values * (np.sign(values[np.flatnonzero(values)[:1]]).sum() or 1))


def chirotope(W: Real[ArrayLike, "k m"], rtol: float | None = None) -> Int[Array, " sets"]:
    """Signs of `minors`, the first non-zero one positive.

    Equal chirotopes give equal sets of sign patterns of W x: what independent sigmoids can
    predict. It is settled by the cosines of the rows.
    """
    return jnp.sign(minors(W, rtol)).astype(jnp.int32)


def braid_chirotope(W: Real[ArrayLike, "k m"], rtol: float | None = None) -> Int[Array, " sets"]:
    """`chirotope` of all pairwise differences of rows: it settles the rankings of a softmax.

    The cosines of the differences settle it; those of the rows do not.
    """
    W = _in_double(W)
    return chirotope(braid(W.shape[0]) @ W, rtol)


def sign_patterns(
    key: Key[Array, ""], W: Real[ArrayLike, "k m"], num: int
) -> Int[Array, "patterns k"]:
    """The distinct sign vectors of W x met over `num` Gaussian x: a subset of all there are."""
    inputs.known("sign_patterns", key, W)
    W = checks.resolved("W", inputs.array("W", W, 2))
    return jnp.unique(jnp.sign(_at_random_inputs(key, W, num)).astype(jnp.int32), axis=0)


def rank_patterns(
    key: Key[Array, ""], W: Real[ArrayLike, "k m"], num: int
) -> Int[Array, "patterns k"]:
    """The distinct ascending orders of labels by W x met over `num` Gaussian x."""
    inputs.known("rank_patterns", key, W)
    W = checks.translated("W", W)
    return jnp.unique(jnp.argsort(_at_random_inputs(key, W, num), axis=1), axis=0)


def rank_patterns_2d(W: Real[ArrayLike, "k 2"]) -> Int[Array, "patterns k"]:
    """Every ascending order of labels by W x over the plane, exactly: one for each cell.

    Orders change where x is orthogonal to a difference of rows; one x is taken between each two
    such directions. Equal rows keep their index order.
    """
    W = _in_double(W)
    W = W - W[:1]  # no order sees an offset, which would round
    if W.shape[1] != 2:
        raise ValueError(f"W has shape {W.shape}; accepted is (k, 2): use rank_patterns")
    d = braid(W.shape[0]) @ W
    d = d[np.linalg.norm(d, axis=1) > 0]
    normals = np.arctan2(d[:, 0], -d[:, 1])
    turns = np.unique(np.round(np.concatenate([normals, normals + np.pi]) % (2 * np.pi), 12))
    middle = 0.5 * (turns + np.append(turns[1:], turns[0] + 2 * np.pi))
    x = np.stack([np.cos(middle), np.sin(middle)])
    return jnp.asarray(np.unique(np.argsort((W @ x).T, axis=1, kind="stable"), axis=0))


def top_pairs_2d(W: Real[ArrayLike, "k 2"]) -> Int[Array, "pairs 2"]:
    """The pairs of labels, ascending, that are the two most likely for some input of the plane."""
    return jnp.unique(jnp.sort(rank_patterns_2d(W)[:, -2:], axis=1), axis=0)


def _in_double(W: ArrayLike) -> Float[np.ndarray, "k m"]:
    """The matrix as given, checked, for counts that one rounding would change."""
    inputs.known("a pattern of signs or ranks", W)
    return np.asarray(inputs.array("W", W, 2), np.float64)


def _at_random_inputs(key: Array, W: Array, num: int) -> Array:
    x = jax.random.normal(key, (num, W.shape[1]), W.dtype)
    return jnp.matmul(x, W.T, precision=HIGHEST)
