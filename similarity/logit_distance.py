"""The logit distance: root mean square distance of centred logits, without an n×k array.

With u = f gᵀ and ũ = f g̃ᵀ, the centred logits of two models differ by
    ũ - ũ' = (f - f') g̃ᵀ + f' (g̃ - g̃')ᵀ = F Gᵀ,  F = [f - f', f'],  G = [g̃, g̃ - g̃'],
and ‖F Gᵀ‖ = ‖F Rᵀ‖ for the triangular factor R of G. Taking differences first makes equal models
exactly 0 and near ones accurate; the triangular factor keeps models that agree up to a change of
gauge accurate too, where squaring (a Gram form) would leave rounding of the size of ε‖ũ‖².

The error of d, relative to d, is about ε (1 + s/d), with ε the unit roundoff and s = ‖f'‖‖g̃-g̃'‖ +
‖f-f'‖‖g̃‖ (root mean squares): s ≈ d for models near in coordinates, s ≈ ‖ũ‖ across gauges.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST

# Entries of the largest temporary array: 64 MB in single precision.
_TILE = 1 << 24


def logit_distance(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Float[Array, ""]:
    """d_logit = (E_x ‖ũ(x) - ũ'(x)‖²)^½ over centred logits, in [0, ∞), in nats.

    A metric on models up to gauge: 0 iff p = p' on every input, symmetric, triangle inequality.
    Invariant to the gauge group of either model; to nothing else.
    Nielsen et al. 2026, https://arxiv.org/abs/2602.15438. Exactly 0 for equal arrays.

    Raises:
        ValueError: the models differ in inputs or labels, or hold non-finite entries.

    Examples:
        >>> f = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [3.0, 1.0], [2.0, 5.0]])
        >>> g = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
        >>> round(float(similarity.logit_distance(f, g, 2 * f, g / 2 + 7)), 3)
        0.0
        >>> round(float(similarity.logit_distance(f, g, f, 2 * g)), 3)
        4.94
    """
    return _logit_distance(*checks.pair(f, g, f2, g2))


def logit_distance_sq(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Float[Array, ""]:
    """d_logit² = E_x ‖ũ(x) - ũ'(x)‖²; see `logit_distance`. Not a metric: no triangle inequality.

    Costs 8 (n + k) m² operations for n, k > 2m, and never holds an n×k array.
    """
    return mean_squared_distance(*checks.pair(f, g, f2, g2))


def squared_logit_distances(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
) -> Float[Array, " n"]:
    """‖ũ(x) - ũ'(x)‖² for each input; `logit_distance_sq` is the mean."""
    return _row_squares(*checks.pair(f, g, f2, g2))


def logit_distance_from_logits(
    u: Real[ArrayLike, "n k"], u2: Real[ArrayLike, "n k"]
) -> Float[Array, ""]:
    """d_logit from logits or log-probabilities, which may carry any shift of a row.

    The Aitchison distance of the distributions, root mean square over inputs. Entries must be
    finite: a label of probability zero is infinitely far, so mask it out of both.
    """
    return _of_difference(checks.difference(u, u2))


def pairwise_logit_distance(
    fs: Real[ArrayLike, "models n m"], gs: Real[ArrayLike, "models k m"]
) -> Float[Array, "models models"]:
    """The symmetric matrix of d_logit over a stack of models, with an exactly zero diagonal.

    Each pair is computed once. Pad models of smaller dimension with zeros to stack them.
    """
    fs = inputs.array("fs", fs, 3, degree=4)
    gs = inputs.array("gs", gs, 3, degree=4)
    if fs.shape[0] != gs.shape[0] or fs.shape[2] != gs.shape[2]:
        raise ValueError(
            f"fs has shape {fs.shape} and gs has shape {gs.shape}; accepted are (models, inputs, "
            "dim) and (models, labels, dim)"
        )
    # Each model's unembeddings up to a translation, in the precision given.
    gs = inputs.single("gs", gs - gs.mean(axis=1, keepdims=True))
    flat = checks.resolved("fs", fs.reshape(-1, fs.shape[2]))
    return _pairwise(*inputs.alike(flat, gs))


def padded(f: Array, g: Array, f2: Array, g2: Array) -> tuple[Array, Array, Array, Array]:
    """Both models in the larger dimension: zero coordinates leave the logits unchanged."""
    m = max(f.shape[1], f2.shape[1])
    f, g, f2, g2 = (jnp.pad(x, ((0, 0), (0, m - x.shape[1]))) for x in (f, g, f2, g2))
    return f, g, f2, g2


def centred_differences(
    g: Float[Array, "k m"], g2: Float[Array, "k m"]
) -> tuple[Float[Array, "k m"], Float[Array, "k m"]]:
    """g̃ and g̃ - g̃'. The difference comes first: centring rounds, and would leave ε‖g‖ in it."""
    difference = g - g2
    return g - g.mean(axis=0, keepdims=True), difference - difference.mean(axis=0, keepdims=True)


def apply_factor(
    f: Float[Array, "n m"],
    f2: Float[Array, "n m"],
    R: Float[Array, "r 2*m"],
    tile: int = _TILE,
) -> Float[Array, " n"]:
    """Row sums of squares of [f - f', f'] Rᵀ, in blocks of inputs that hold `tile` products."""
    n = f.shape[0]
    rows = max(1, min(n, tile // max(R.shape)))
    blocks = -(-n // rows)
    pad = ((0, blocks * rows - n), (0, 0))

    def block(pair: tuple[Array, Array]) -> Array:
        a, b = pair
        product = jnp.matmul(jnp.concatenate([a - b, b], axis=1), R.T, precision=HIGHEST)
        return jnp.square(product).sum(axis=1)

    if blocks == 1:
        return block((f, f2))
    shape = (blocks, rows, f.shape[1])
    stacked = jnp.pad(f, pad).reshape(shape), jnp.pad(f2, pad).reshape(shape)
    return jax.lax.map(block, stacked).reshape(-1)[:n]


@jax.jit
def _row_squares(f: Array, g: Array, f2: Array, g2: Array) -> Array:
    f, g, f2, g2 = padded(f, g, f2, g2)
    G = jnp.concatenate(centred_differences(g, g2), axis=1)
    # With few inputs or labels a factorisation would cost more than the product it saves.
    if min(f.shape[0], G.shape[0]) > G.shape[1]:
        G = jnp.linalg.qr(G, mode="r")
    return apply_factor(f, f2, G)


@jax.jit
def mean_squared_distance(
    f: Float[Array, "n m"],
    g: Float[Array, "k m"],
    f2: Float[Array, "n m2"],
    g2: Float[Array, "k m2"],
) -> Float[Array, ""]:
    """`logit_distance_sq` of checked models."""
    return _row_squares(f, g, f2, g2).mean()


@jax.jit
def _logit_distance(f: Array, g: Array, f2: Array, g2: Array) -> Array:
    return jnp.sqrt(mean_squared_distance(f, g, f2, g2))


@jax.jit
def _of_difference(difference: Array) -> Array:
    difference, power = inputs.scaled(difference)
    centred = difference - difference.mean(axis=-1, keepdims=True)
    return jnp.ldexp(jnp.sqrt(jnp.square(centred).sum(axis=-1).mean()), power)


@jax.jit
def _pairwise(flat: Array, gs: Array) -> Array:
    count, fs = gs.shape[0], flat.reshape(gs.shape[0], -1, flat.shape[1])
    rows, columns = jnp.triu_indices(count, 1)

    def one(index: tuple[Array, Array]) -> Array:
        i, j = index
        return jnp.sqrt(_row_squares(fs[i], gs[i], fs[j], gs[j]).mean())

    upper = jnp.zeros((count, count), fs.dtype)
    if count > 1:
        together = max(1, min(rows.size, _TILE // (8 * max(fs[0].size, gs[0].size))))
        distances = jax.lax.map(one, (rows, columns), batch_size=together)
        upper = upper.at[rows, columns].set(distances)
    return upper + upper.T
