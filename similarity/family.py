"""The model family p(y|x) ∝ exp(f(x)·g(y)) and the group of maps that leave it unchanged."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real

from repgeo import inputs
from similarity import checks

HIGHEST = jax.lax.Precision.HIGHEST


def logits(f: Real[ArrayLike, "n m"], g: Real[ArrayLike, "k m"]) -> Float[Array, "n k"]:
    """Logits u(x, y) = f(x)·g(y).

    Raises:
        ValueError: dimensions differ, an entry is not finite, or logits overflow.
    """
    u, overflowed = _products(*checks.model(f, g))
    _refuse_overflow(overflowed)
    return u


def log_probs(f: Real[ArrayLike, "n m"], g: Real[ArrayLike, "k m"]) -> Float[Array, "n k"]:
    """Log-probabilities log p(y|x) = f(x)·g(y) - log Σ_y' exp(f(x)·g(y')), in nats.

    Formed from centred unembeddings, so that a translation of g leaves no rounding.
    """
    log_p, overflowed = _log_probs(*checks.model(f, g, centre=True))
    _refuse_overflow(overflowed)
    return log_p


def log_partition(f: Real[ArrayLike, "n m"], g: Real[ArrayLike, "k m"]) -> Float[Array, " n"]:
    """Log of the normaliser, log Z(x) = log Σ_y exp(f(x)·g(y)), in nats."""
    log_z, overflowed = _log_partition(*checks.model(f, g))
    _refuse_overflow(overflowed)
    return log_z


def centre(g: Real[ArrayLike, "k m"]) -> Float[Array, "k m"]:
    """Unembeddings with mean zero over the labels, g̃(y) = g(y) - ḡ.

    Of all translations of g, which leave p unchanged, the one that makes logits sum to zero.
    """
    return _centred(checks.translated("g", g))


def clr(log_p: Real[ArrayLike, "*n k"]) -> Float[Array, "*n k"]:
    """Centred log-ratios ũ = log p - mean_y log p, equal to f g̃ᵀ. Entries must be finite."""
    log_p = inputs.array("log_p", log_p)
    centred = _row_centred if isinstance(log_p, np.ndarray) else _row_centred_on_device
    return inputs.single("log_p", centred(log_p))


def with_bias(
    f: Real[ArrayLike, "n m"], g: Real[ArrayLike, "k m"], b: Real[ArrayLike, " k"]
) -> tuple[Float[Array, "n m+1"], Float[Array, "k m+1"]]:
    """The model with logits f(x)·g(y) + b(y) as a member of the family: ([f, 1], [g, b]).

    Every function here then holds in m + 1 dimensions, of which the last is constant: measures
    of f alone treat it as a coordinate of zero variance.
    """
    f, g = checks.model(f, g)
    b = checks.resolved("b", inputs.array("b", b, 1))
    if b.shape[0] != g.shape[0]:
        raise ValueError(f"b has shape {b.shape} and g {g.shape}; give one bias for each label")
    return _with_bias(f, g, b)


def apply_gauge(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    B: Real[ArrayLike, "m m"],
    c: Real[ArrayLike, " m"],
) -> tuple[Float[Array, "n m"], Float[Array, "k m"]]:
    """An equivalent model (f Bᵀ, g B⁻¹ + c): the same p(y|x) for every x and y.

    B is any invertible matrix and c any vector. f itself may not be translated: that would add
    t·g(y), which depends on y.

    Raises:
        ValueError: B is singular.
    """
    f, g = checks.model(f, g)
    B, c = checks.floating("B", B, 2), checks.floating("c", c, 1)
    m = f.shape[1]
    if B.shape != (m, m) or c.shape != (m,):
        raise ValueError(
            f"B has shape {B.shape} and c has shape {c.shape}; for representation dimension {m} "
            f"accepted are ({m}, {m}) and ({m},)"
        )
    if inputs.surely(lacks_rank, B):
        raise ValueError(f"B of shape {B.shape} is singular; a gauge needs an invertible matrix")
    return _apply_gauge(f, g, B, c)


@jax.jit
def _products(
    f: Float[Array, "n m"], g: Float[Array, "k m"]
) -> tuple[Float[Array, "n k"], Bool[Array, ""]]:
    """Logits, and whether one is not finite."""
    u = jnp.matmul(f, g.T, precision=HIGHEST)
    return u, ~jnp.isfinite(u).all()


@jax.jit
def _log_partition(
    f: Float[Array, "n m"], g: Float[Array, "k m"]
) -> tuple[Float[Array, " n"], Bool[Array, ""]]:
    u, overflowed = _products(f, g)
    return jax.nn.logsumexp(u, axis=-1), overflowed


@jax.jit
def _with_bias(f: Array, g: Array, b: Array) -> tuple[Array, Array]:
    one = jnp.ones((f.shape[0], 1), f.dtype)
    return jnp.concatenate([f, one], axis=1), jnp.concatenate([g, b[:, None]], axis=1)


@jax.jit
def _apply_gauge(f: Array, g: Array, B: Array, c: Array) -> tuple[Array, Array]:
    moved = jnp.linalg.solve(B.T, g.T).T
    return jnp.matmul(f, B.T, precision=HIGHEST), moved + c[None, :]


@jax.jit
def _log_probs(
    f: Float[Array, "n m"], g: Float[Array, "k m"]
) -> tuple[Float[Array, "n k"], Bool[Array, ""]]:
    """Log-probabilities, and whether a logit that decides them is not finite."""
    u = jnp.matmul(f, _centred(g).T, precision=HIGHEST)
    return jax.nn.log_softmax(u, axis=-1), ~jnp.isfinite(u.max(axis=-1)).all()


def _refuse_overflow(overflowed: Bool[Array, ""]) -> None:
    if inputs.surely(bool, overflowed):
        raise ValueError(
            "the logits f(x)·g(y) overflow; rescale f or g, or enable JAX's x64 mode and pass "
            "float64"
        )


@jax.jit
def _centred(g: Float[Array, "k m"]) -> Float[Array, "k m"]:
    return g - g.mean(axis=0, keepdims=True)


def _row_centred(x: inputs.Checked) -> inputs.Checked:
    return x - x.mean(axis=-1, keepdims=True)


_row_centred_on_device = jax.jit(_row_centred)


def displaced(g: Float[Array, "k m"], label_set: Int[Array, " w"]) -> Float[Array, "m s"]:
    """L = [g(y₁) - g(y₀), …, g(y_s) - g(y₀)] for a label set whose pivot y₀ comes first."""
    return (g[label_set[1:]] - g[label_set[0]][None, :]).T


@jax.jit
def lacks_rank(x: Float[Array, "n m"]) -> Bool[Array, ""]:
    """Whether the columns of x are dependent, to rounding."""
    return jnp.linalg.matrix_rank(x) < x.shape[1]


def alignment(
    g: Real[ArrayLike, "k m"],
    g2: Real[ArrayLike, "k m2"],
    label_set: Int[ArrayLike, " m+1"],
) -> Float[Array, "m m2"]:
    """The map A = L⁻ᵀ L'ᵀ with f = A f' for equivalent models, from m + 1 labels, pivot first.

    For equivalent models A is the same for every label set. Roeder et al. 2021,
    https://arxiv.org/abs/2007.00810, theorem 1.

    Raises:
        ValueError: L is singular.
    """
    g, g2 = inputs.alike(checks.translated("g", g), checks.translated("g2", g2))
    if g.shape[0] != g2.shape[0]:
        raise ValueError(f"g {g.shape} and g2 {g2.shape} must have the same number of labels")
    m = g.shape[1]
    chosen = checks.index_set("label_set", label_set, g.shape[0], m + 1)
    A, singular = _alignment(g, g2, chosen)
    if inputs.surely(bool, singular):
        raise ValueError(
            f"the displaced unembeddings of labels {chosen.tolist()} do not span the {m} "
            "dimensions; choose another label set"
        )
    return A


@jax.jit
def _alignment(g: Array, g2: Array, label_set: Array) -> tuple[Array, Bool[Array, ""]]:
    left, right = displaced(g, label_set), displaced(g2, label_set)
    return jnp.linalg.solve(left.T, right.T), lacks_rank(left)
