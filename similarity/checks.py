"""Arguments that measures share: a model, a pair of models, a pair of representations, a set.

Each is checked and converted once, here, by `repgeo.inputs`; kernels check nothing.
"""

import operator
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from repgeo import inputs

# Logit distances square products of f and g.
_MODEL_DEGREE = 4
# The largest share of a column's spread that rounding to float32 may be.
_UNRESOLVED = 1e-3


def floating(name: str, value: object, ndim: int | None = None) -> Float[Array, "..."]:
    """`value` as it is, finite, in the precision of kernels."""
    array = inputs.single(name, inputs.array(name, value, ndim))
    return array


def translated(name: str, value: object, ndim: int = 2) -> Float[Array, "..."]:
    """`floating` up to a translation of rows, for what does not see one."""
    array = inputs.single(name, inputs.array(name, value, ndim), centre=True)
    return array


def difference(
    u: object, u2: object, ndim: int | None = 2, *, degree: int = 1
) -> Float[Array, "..."]:
    """u - u2 in the precision given, of two arrays of logits over the same inputs and labels.

    A caller that forms products of the differences gives their `degree`.
    """
    u, u2 = inputs.array("u", u, ndim), inputs.array("u2", u2, ndim)
    if u.shape != u2.shape:
        raise ValueError(
            f"u has shape {u.shape} and u2 has shape {u2.shape}; both must be (inputs, labels) "
            "over the same inputs and labels"
        )
    delta = inputs.single("u - u2", inputs.array("u - u2", u - u2, degree=degree))
    return delta


def log_probabilities(name: str, value: object) -> Float[Array, "*n k"]:
    """`value` as an array of log-probabilities; -inf stands for probability zero."""
    array = inputs.single(name, inputs.array(name, value, logarithms=True))
    if array.ndim == 0:
        raise ValueError(f"{name} is a scalar; log-probabilities have a last axis of labels")
    if inputs.surely(_any_not_normalised, array):
        raise ValueError(
            f"{name} of shape {array.shape} holds rows that are not log-probabilities (their "
            "probabilities do not sum to 1); pass log_probs(f, g) or jax.nn.log_softmax(logits)"
        )
    return array


def model(
    f: object, g: object, mark: str = "", *, centre: bool = False, degree: int = 1
) -> tuple[Float[Array, "n m"], Float[Array, "k m"]]:
    """Embeddings f and unembeddings g of one model; with `centre`, g up to a translation."""
    name, head = f"f{mark}", f"g{mark}"
    f, g = (inputs.array(*pair, 2, degree=degree) for pair in ((name, f), (head, g)))
    if f.shape[1] != g.shape[1]:
        raise ValueError(
            f"{name} has shape {f.shape} and {head} has shape {g.shape}: both end in the "
            "representation dimension, which must be equal (is one of them transposed?)"
        )
    # An offset of f does change probabilities, so it can only be held or refused.
    return resolved(name, f), inputs.single(head, g, centre=True) if centre else resolved(head, g)


def pair(
    f: object, g: object, f2: object, g2: object
) -> tuple[Float[Array, "n m"], Float[Array, "k m"], Float[Array, "n m2"], Float[Array, "k m2"]]:
    """Two models over the same inputs and labels, in one dtype, g and g2 up to a translation."""
    f, g = model(f, g, centre=True, degree=_MODEL_DEGREE)
    f2, g2 = model(f2, g2, "2", centre=True, degree=_MODEL_DEGREE)
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
    f, g, f2, g2 = inputs.alike(f, g, f2, g2)
    return f, g, f2, g2


def same_inputs(x: object, y: object, least: int) -> tuple[inputs.Checked, inputs.Checked]:
    """Two checked representations of the same n inputs, n >= least."""
    x = inputs.array("first representation", x, 2)
    y = inputs.array("second representation", y, 2)
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"the representations have shapes {x.shape} and {y.shape}: row i of both must belong "
            "to the same input. Flatten maps of shape (n, ...) to (n, m)"
        )
    if x.shape[0] < least:
        raise ValueError(f"this measure needs at least {least} inputs; got {x.shape[0]}")
    return x, y


def same_rows(
    arrays: tuple[object, ...], ndim: int | None = None, *, warn: bool = True, share: int = 1
) -> list[Array]:
    """Arrays over the same inputs; warns where one of `share` parts of these is too few for them.

    Raises:
        ValueError: another number of inputs on one side, or what `resolved` refuses.
    """
    checked = [inputs.array(f"array {i}", x, ndim) for i, x in enumerate(arrays)]
    if len({x.shape[0] if x.ndim else None for x in checked}) != 1 or checked[0].ndim == 0:
        raise ValueError(
            f"arrays of shapes {[x.shape for x in checked]} given; the first axis of all must hold "
            "the same inputs"
        )
    n, width = checked[0].shape[0], sum(x[0].size for x in checked)
    if warn and n // share <= width:
        part = "" if share == 1 else "halves of "
        warnings.warn(
            f"{part}{n} inputs for {width} dimensions in all: representations this wide look "
            "similar whatever they hold; use more inputs",
            stacklevel=3,
        )
    return [resolved(f"array {i}", x) for i, x in enumerate(checked)]


def representations(
    x: object,
    y: object,
    least: int = 2,
    *,
    scale: bool = True,
    columns: tuple[bool, bool] = (False, False),
) -> tuple[Float[Array, "n m"], Float[Array, "n m2"]]:
    """Two representations of the same inputs in one dtype, for a measure that sees no translation.

    Nor, with `scale`, an isotropic scale of either side, nor, of a side that `columns` marks, one
    of each column.
    """
    sides = []
    for checked, own in zip(same_inputs(x, y, least), columns, strict=True):
        if own and isinstance(checked, np.ndarray):
            checked, _ = inputs.scaled(checked, axis=0)
            # A constant with rounding would count as a column that varies, once scaled.
            varies = np.ptp(checked, axis=0) > 8 * np.finfo(checked.dtype).eps
            checked = np.where(varies, checked, 0)
        sides.append(inputs.single("representation", checked, centre=True, scale=scale))
    x, y = inputs.alike(*sides)
    return x, y


def unit_rows(x: inputs.Checked) -> inputs.Checked:
    """`inputs.unit_rows`, of an array of JAX by one program."""
    return inputs.unit_rows(x) if isinstance(x, np.ndarray) else _unit_rows(x)


_unit_rows = jax.jit(inputs.unit_rows)


def resolved(name: str, checked: inputs.Checked) -> Float[Array, "..."]:
    """A checked array as it is, for a measure that does or may see an offset.

    Raises:
        ValueError: float32 would lose float64 values between their offset and their spread.
    """
    if isinstance(checked, np.ndarray) and checked.dtype != jax.dtypes.canonicalize_dtype(
        checked.dtype
    ):
        spread = np.ptp(checked, axis=0)
        rounding = np.finfo(np.float32).eps * np.abs(checked).max(axis=0)
        if (rounding > _UNRESOLVED * spread)[spread > 0].any():
            raise ValueError(
                f"{name} holds columns whose offset hides their spread from float32; enable JAX's "
                "x64 mode, or subtract their means if what you ask does not depend on them"
            )
    array = inputs.single(name, checked)
    return array


def whole(name: str, value: object, least: int) -> int:
    """`value` as an int of at least `least`, below 2³¹.

    Raises:
        ValueError: it is no integer (3.0 and True are none), or outside.
    """
    integer = hasattr(value, "__index__") and not isinstance(value, bool | np.bool_)
    number = operator.index(value) if integer else None  # pyright: ignore[reportArgumentType]
    if number is None or not least <= number < 2**31:
        raise ValueError(
            f"{name} must be at least {least} and an integer, got {name}={value!r}; accepted are "
            f"{least} to {2**31 - 1}"
        )
    return number


def index_sets(name: str, value: ArrayLike, size: int, width: int | None) -> Int[Array, "s w"]:
    """`value` as (S, w) indices below `size`, the pivot first, distinct within a row."""
    array = inputs.read(name, value)
    wanted = "w" if width is None else str(width)
    if array.ndim != 2 or 0 in array.shape or (width is not None and array.shape[1] != width):
        raise ValueError(
            f"{name} has shape {array.shape}; accepted is (S, {wanted}), one set a row with its "
            "pivot first"
        )
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(f"{name} has dtype {array.dtype}; accepted are integer indices")
    if not inputs.is_traced(array):
        ordered = np.sort(np.asarray(array), axis=1)
        if ordered[:, 0].min() < 0 or ordered[:, -1].max() >= size:
            raise ValueError(f"{name} holds indices outside [0, {size})")
        if (ordered[:, 1:] == ordered[:, :-1]).any():
            raise ValueError(f"{name} holds a set that names an index twice; drop the repeats")
    return jnp.asarray(array.astype(np.int32), np.int32)


def index_set(name: str, value: ArrayLike, size: int, width: int | None) -> Int[Array, " w"]:
    """`index_sets` of one set, a vector."""
    given = inputs.read(name, value)
    if given.ndim != 1:
        raise ValueError(f"{name} has shape {given.shape}; accepted is one set, its pivot first")
    return index_sets(name, given[None], size, width)[0]


@jax.jit
def _any_not_normalised(log_p: Array) -> Array:
    tolerance = 1e-2 if log_p.dtype == jnp.float32 else 1e-6
    # Where the sum overflows, or is 0, its logarithm is infinite, and no less wrong.
    return ~(jnp.abs(jnp.log(jnp.exp(log_p).sum(axis=-1))) <= tolerance).all()
