"""Agreement of nearest neighbours: who is near whom, whatever the distances.

Neighbours are by cosine, as in Huh et al. 2024, https://arxiv.org/abs/2405.07987. Searches take a
block of inputs at a time and keep k indices of each: nothing of size n×n is held. Candidates by
products, which cancel among rows that are near each other, are ranked again by differences; where
single precision leaves the lists of more than `DOUBT` of the inputs open, all is done in double.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST

# Scores held at once, 64 MB in single precision, and entries of index comparisons.
_TILE = 1 << 24
SPARE = 24  # candidates beyond k
DOUBT = 1e-3


def mutual_knn(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], k: int = 10
) -> Float[Array, ""]:
    """Mean share |N(i) ∩ N'(i)|/k of the k nearest inputs that f and f' have in common, in [0, 1].

    A similarity; symmetric; not a metric. Invariant to rotation, permutation and isotropic scale,
    and to a scale of each row. Unrelated representations give about k/(n-1). An input is not its
    own neighbour; of ties at the k-th place the lowest index counts. Where both sides have many
    ties (few distinct values, equal rows), it counts on both: unrelated ones then agree more, and
    the value depends on the order of the inputs. `calibrated` takes that level out.

    Raises:
        ValueError: k is not an integer in [1, n - 1], or a row is zero, which has no direction.

    Examples:
        >>> f = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
        >>> float(similarity.mutual_knn(f, 2 * f, 2))
        1.0
        >>> round(float(similarity.mutual_knn(f, f[::-1], 2)), 3)
        0.8
    """
    return _measured(_mutual_knn, f, f2, k)


def neighbour_jaccard(
    f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], k: int = 10
) -> Float[Array, ""]:
    """Mean Jaccard index |N(i) ∩ N'(i)|/|N(i) ∪ N'(i)| of the k nearest inputs, in [0, 1].

    Neighbours, invariances and refusals are those of `mutual_knn`, of which it is a monotone
    function for each input.
    """
    return _measured(_jaccard, f, f2, k)


def cknna(f: Real[ArrayLike, "n m"], f2: Real[ArrayLike, "n m2"], k: int = 10) -> Float[Array, ""]:
    """CKNNA: debiased CKA of the cosines of f and f' at the pairs that are neighbours in both.

    Huh et al. 2024, appendix A. HSIC₁ of K∘α and L∘α, α(i, j) = 1 where j is among the k nearest
    of i on both sides, over the root of the same of K alone and of L alone; as in the authors'
    code the trace pairs K(i, j) with L(j, i). Near [0, 1] for positive cosines, 1 for equal
    representations; it may be negative. 0 where a side's own HSIC is not positive. Not quite
    symmetric: α is not, and one term of HSIC₁ multiplies column sums of K by row sums of L.
    Neighbours and invariances are those of `mutual_knn`. O(n k) memory.

    Raises:
        ValueError: n < 4, k is not an integer in [2, n - 1], or a row is zero.
    """
    return _measured(_cknna, f, f2, k, inputs_least=4, k_least=2)


def nearest(x: Float[Array, "n m"], k: int) -> tuple[Int[Array, "n k"], Float[Array, ""]]:
    """Indices of the k other rows at the least distance, ascending, ties by index; and of which
    share of the rows the precision of x leaves open which they are."""
    n, m = x.shape
    c = min(n - 1, k + SPARE)
    rows = max(1, min(n, _TILE // max(n, c * m)))
    x, _ = inputs.scaled(x - x.mean(axis=0, keepdims=True))
    squares = jnp.square(x).sum(axis=1)
    largest, eps = squares.max(), jnp.finfo(x.dtype).eps

    def block(start: Int[Array, ""]) -> tuple[Int[Array, "rows k"], Bool[Array, " rows"]]:
        i = jnp.minimum(start + jnp.arange(rows), n - 1)
        scores = jnp.matmul(x[i], x.T, precision=HIGHEST) - 0.5 * squares[None, :]
        scores = scores.at[jnp.arange(rows), i].set(-jnp.inf)
        scores, near = jax.lax.top_k(scores, c)
        exact = jnp.square(x[near] - x[i][:, None]).sum(axis=2)
        exact, near = jax.lax.sort((exact, near), num_keys=2)
        kth = exact[:, k - 1]
        # Rows not looked at are no nearer than the last candidate, up to the error of products.
        beyond = squares[i] - 2 * scores[:, -1] - 16 * eps * largest
        # Rows are rounded by eps of their length, differences of squares by that times distance.
        next_one = exact[:, min(k, c - 1)]
        error = 4 * eps * jnp.sqrt(largest * next_one)
        open_end = (next_one > kth) & (next_one - kth < error) & (k < c)
        return near[:, :k], open_end | ((beyond < kth) & (c < n - 1))

    starts = rows * jnp.arange(-(-n // rows))
    near, doubtful = jax.lax.map(block, starts)
    return near.reshape(-1, k)[:n], doubtful.reshape(-1)[:n].mean(dtype=x.dtype)


def _measured(
    measure: Callable[..., tuple[Array, Array]],
    f: object,
    f2: object,
    k: int,
    inputs_least: int = 2,
    k_least: int = 1,
) -> Array:
    """measure(unit rows up to a translation, unit rows, k), in double precision where needed."""
    given = checks.same_inputs(f, f2, inputs_least)
    k = inputs.count("k", k, given[0].shape[0] - 1, least=k_least, of="other inputs")

    def found(sides: tuple[inputs.Checked, ...]) -> tuple[Array, Array]:
        x, y = _unit_rows_of(sides)
        apart = (inputs.single("unit rows", z, centre=True) for z in (x, y))
        return measure(*inputs.alike(*apart, *inputs.working(x=x, y=y)), k)

    value, doubt = found(given)
    if inputs.is_traced(doubt) or value.dtype == np.float64 or float(doubt) <= DOUBT:
        return value
    with jax.enable_x64(True):
        double = found(tuple(np.asarray(z, np.float64) for z in given))[0]
    return jnp.asarray(np.float32(double))


def _unit_rows_of(given: tuple[inputs.Checked, ...]) -> tuple[inputs.Checked, ...]:
    """Unit rows in the precision given: of these, distances are a monotone function of cosines."""
    sides = []
    for name, x in zip(("first", "second"), given, strict=True):
        unit = checks.unit_rows(x)
        on_host = isinstance(unit, np.ndarray)
        if inputs.surely(_any_zero_row if on_host else _any_zero_row_on_device, unit):
            raise ValueError(
                f"the {name} representation holds rows of zeros, which have no cosine with any "
                "other; drop those inputs from both"
            )
        sides.append(unit)
    return tuple(sides)


def _any_zero_row(x: inputs.Checked) -> object:
    return ~x.any(axis=1).all()


_any_zero_row_on_device = jax.jit(_any_zero_row)


def _member(rows: Int[Array, "n k"], lists: Int[Array, "n k2"]) -> Bool[Array, "n k"]:
    """Whether each entry of a row is in the list of that row."""
    together = max(1, min(rows.shape[0], _TILE // (rows.shape[1] * lists.shape[1])))
    one = lambda pair: (pair[0][:, None] == pair[1][None, :]).any(axis=1)
    return jax.lax.map(one, (rows, lists), batch_size=together)


def _common(x: Array, y: Array, k: int) -> tuple[Float[Array, " n"], Array]:
    """How many of its k nearest rows each has in common on both sides, and the doubt."""
    (near_x, doubt_x), (near_y, doubt_y) = nearest(x, k), nearest(y, k)
    common = _member(near_x, near_y).sum(axis=1).astype(x.dtype)
    return common, jnp.maximum(doubt_x, doubt_y)


@jax.jit(static_argnames=("k",))
def _mutual_knn(apart: Array, apart2: Array, x: Array, y: Array, k: int) -> tuple[Array, Array]:
    common, doubt = _common(apart, apart2, k)
    return (common / k).mean(), doubt


@jax.jit(static_argnames=("k",))
def _jaccard(apart: Array, apart2: Array, x: Array, y: Array, k: int) -> tuple[Array, Array]:
    common, doubt = _common(apart, apart2, k)
    return (common / (2 * k - common)).mean(), doubt


@jax.jit(static_argnames=("k",))
def _cknna(apart: Array, apart2: Array, x: Array, y: Array, k: int) -> tuple[Array, Array]:
    (near_x, doubt_x), (near_y, doubt_y) = nearest(apart, k), nearest(apart2, k)
    shared = _member(near_x, near_y)
    cosine_x, cosine_y = _cosines(x, near_x), _cosines(y, near_x)
    every = jnp.ones_like(shared)
    xy = _masked_hsic(near_x, shared, cosine_x, cosine_y)
    xx = _masked_hsic(near_x, every, cosine_x, cosine_x)
    own_y = _cosines(y, near_y)
    yy = _masked_hsic(near_y, every, own_y, own_y)
    positive = (xx > 0) & (yy > 0)
    scale = jnp.sqrt(jnp.where(positive, xx, 1)) * jnp.sqrt(jnp.where(positive, yy, 1))
    return jnp.where(positive, xy / scale, 0), jnp.maximum(doubt_x, doubt_y)


def _cosines(x: Array, near: Int[Array, "n k"]) -> Float[Array, "n k"]:
    """Inner products of every row with its neighbours."""
    together = max(1, min(x.shape[0], _TILE // (near.shape[1] * x.shape[1])))
    one = lambda pair: jnp.matmul(x[pair[1]], pair[0], precision=HIGHEST)
    return jax.lax.map(one, (x, near), batch_size=together)


def _masked_hsic(
    near: Int[Array, "n k"],
    mask: Bool[Array, "n k"],
    K: Float[Array, "n k"],
    L: Float[Array, "n k"],
) -> Float[Array, ""]:
    """HSIC₁ of Song et al. up to 1/(n(n-3)), of kernels that are zero off the masked neighbours."""
    n = near.shape[0]
    K, L = jnp.where(mask, K, 0), jnp.where(mask, L, 0)
    # j is listed with i; the trace counts the pair where i is listed with j as well.
    listed = jnp.where(mask, near, -1)
    back = _listed_back(listed)
    trace = jnp.where(back, K * L, 0).sum()
    columns = jnp.zeros(n, K.dtype).at[near.reshape(-1)].add(K.reshape(-1))
    between = jnp.vdot(columns, L.sum(axis=1))
    pairs = float((n - 1) * (n - 2))  # beyond int32 for n > 46,342
    return trace + K.sum() * L.sum() / pairs - 2 * between / (n - 2)


def _listed_back(listed: Int[Array, "n k"]) -> Bool[Array, "n k"]:
    """Whether row i is in the list of each j in its own list; -1 stands for no entry."""
    n, k = listed.shape
    together = max(1, min(n, _TILE // (k * k)))
    one = lambda pair: (listed[pair[1]] == pair[0]).any(axis=1) & (pair[1] >= 0)
    return jax.lax.map(one, (jnp.arange(n), listed), batch_size=together)
