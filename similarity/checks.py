"""Validation of array arguments: one clear error each, skipped for values under tracing."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int


def is_traced(*arrays: object) -> bool:
    """Whether any argument is an abstract value, whose entries cannot be looked at."""
    return any(isinstance(array, jax.core.Tracer) for array in arrays)


def surely(claim: Callable[..., Array], *arrays: Array) -> bool:
    """Whether a claim about entries holds; False when they cannot be looked at.

    Entries that are known while something else is traced are looked at.
    """
    if is_traced(*arrays):
        return False
    with jax.ensure_compile_time_eval():
        return bool(claim(*arrays))


def floating(name: str, value: ArrayLike, ndim: int | None = None) -> Float[Array, "..."]:
    """`value` as an array of at least single precision, with finite entries.

    Raises ValueError for a wrong number of dimensions, an empty array, NaN or infinity.
    """
    array = _real(name, value, ndim)
    # NumPy looks at its own arrays without waiting for a device.
    given = isinstance(value, np.ndarray)
    if not np.isfinite(value).all() if given else surely(_any_not_finite, array):
        raise ValueError(
            f"{name} of shape {array.shape} holds NaN or infinite entries; every entry must be "
            "finite. Drop those rows, or the labels whose logits are -inf, from both models"
        )
    return array


def log_probabilities(name: str, value: ArrayLike) -> Float[Array, "*n k"]:
    """`value` as an array of log-probabilities; -inf stands for probability zero."""
    array = _real(name, value, None)
    if array.ndim == 0:
        raise ValueError(f"{name} is a scalar; log-probabilities have a last axis of labels")
    if surely(_any_not_normalised, array):
        raise ValueError(
            f"{name} of shape {array.shape} holds rows that are not log-probabilities (their "
            "probabilities do not sum to 1); pass log_probs(f, g) or jax.nn.log_softmax(logits)"
        )
    return array


def model(
    f: ArrayLike, g: ArrayLike, mark: str = ""
) -> tuple[Float[Array, "n m"], Float[Array, "k m"]]:
    """Embeddings f and unembeddings g of one model, of equal representation dimension."""
    f, g = floating(f"f{mark}", f, 2), floating(f"g{mark}", g, 2)
    if f.shape[1] != g.shape[1]:
        raise ValueError(
            f"f{mark} has shape {f.shape} and g{mark} has shape {g.shape}: both end in the "
            "representation dimension, which must be equal (is one of them transposed?)"
        )
    return f, g


def pair(
    f: ArrayLike, g: ArrayLike, f2: ArrayLike, g2: ArrayLike
) -> tuple[Float[Array, "n m"], Float[Array, "k m"], Float[Array, "n m2"], Float[Array, "k m2"]]:
    """Two models over the same inputs and labels, in one dtype; the dimensions may differ."""
    f, g = model(f, g)
    f2, g2 = model(f2, g2, "2")
    if f.shape[0] != f2.shape[0]:
        raise ValueError(
            f"f has shape {f.shape} and f2 has shape {f2.shape}: row i of both must belong to "
            "the same input, so the numbers of rows must be equal"
        )
    if g.shape[0] != g2.shape[0]:
        raise ValueError(
            f"g has shape {g.shape} and g2 has shape {g2.shape}: row y of both must belong to "
            "the same label, so the numbers of labels must be equal"
        )
    dtype = jnp.result_type(f, g, f2, g2)
    return f.astype(dtype), g.astype(dtype), f2.astype(dtype), g2.astype(dtype)


def representations(
    x: ArrayLike, y: ArrayLike, least: int = 2
) -> tuple[Float[Array, "n m"], Float[Array, "n m2"]]:
    """Two representations of the same n inputs, n >= least, in one dtype."""
    x, y = floating("first representation", x, 2), floating("second representation", y, 2)
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"the representations have shapes {x.shape} and {y.shape}: row i of both must belong "
            "to the same input. Flatten maps of shape (n, ...) to (n, m)"
        )
    if x.shape[0] < least:
        raise ValueError(f"{x.shape[0]} inputs given; this measure needs at least {least}")
    dtype = jnp.result_type(x, y)
    return x.astype(dtype), y.astype(dtype)


def index_sets(name: str, value: ArrayLike, size: int, width: int | None) -> Int[Array, "s w"]:
    """`value` as (S, w) indices below `size`, the pivot first, distinct within a row."""
    array = value if is_traced(value) else np.asarray(value)
    wanted = "w" if width is None else str(width)
    if array.ndim != 2 or 0 in array.shape or (width is not None and array.shape[1] != width):
        raise ValueError(
            f"{name} has shape {array.shape}; accepted is (S, {wanted}), one set a row with its "
            "pivot first"
        )
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(f"{name} has dtype {array.dtype}; accepted are integer indices")
    if not is_traced(array):
        ordered = np.sort(array, axis=1)
        if ordered[:, 0].min() < 0 or ordered[:, -1].max() >= size:
            raise ValueError(f"{name} holds indices outside [0, {size})")
        if (ordered[:, 1:] == ordered[:, :-1]).any():
            raise ValueError(f"{name} holds a set that names an index twice; drop the repeats")
    return jnp.asarray(array, jnp.int32)


def _real(name: str, value: ArrayLike, ndim: int | None) -> Array:
    array = jnp.asarray(value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"{name} has dtype {array.dtype}; accepted are real numbers")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(
            f"{name} has shape {array.shape}; accepted is an array of {ndim} dimensions. "
            "Reshape it, or vmap over the extra axes"
        )
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape} and no entries; give at least one row")
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


@jax.jit
def _any_not_finite(array: Array) -> Array:
    return ~jnp.isfinite(array).all()


@jax.jit
def _any_not_normalised(log_p: Array) -> Array:
    tolerance = 1e-2 if log_p.dtype == jnp.float32 else 1e-6
    return ~(jnp.abs(jax.nn.logsumexp(log_p, axis=-1)) <= tolerance).all()
