"""Checks and conversions of what callers pass in: once, at the methods of a model.

Shapes and types are checked always, values where they are concrete (`repgeo.inputs`).
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from repgeo import inputs


def sizes(shape: Sequence[int], levels: int) -> tuple[tuple[int, ...], int]:
    """The shape of an example and the number of its grey levels, as ints.

    Raises:
        ValueError: one of them is no whole number.
    """
    try:
        return tuple(map(operator.index, shape)), operator.index(levels)
    except TypeError as error:
        raise ValueError(
            f"shape={shape!r} and levels={levels!r} must be whole numbers, as shape=(32, 32, 3) "
            "and levels=256"
        ) from error


def grey_levels(levels: int) -> int:
    """The number of grey levels as an int; a traced one as it is.

    Raises:
        ValueError: no whole number, below 1, or so many that their bins are narrower than the
            precision of floating-point numbers in (−1, 1).
    """
    if inputs.is_traced(levels):
        return levels
    (number,), most = counts(levels=levels), _most_levels()
    if number > most:
        raise ValueError(
            f"levels={number}; accepted are up to {most}, whose bins {jnp.result_type(float)} "
            "tells apart: merge grey levels, or enable JAX's x64 mode"
        )
    return number


def _most_levels() -> int:
    # A quarter of 2^24, the steps of float32 in (1, 2), through which scaled codes go; codes are
    # of int32.
    return 2**22 if jnp.result_type(float) == np.float32 else 2**31 - 1


def example(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of an example. Raises ValueError where it is no tuple of positive integers."""
    sizes = integers("shape", shape)
    if min(sizes, default=1) < 1:
        raise ValueError(f"shape={sizes} must be whole numbers of at least 1, as shape=(32, 32, 3)")
    return sizes


def alike(**arrays: ArrayLike) -> None:
    """ValueError unless all have one shape: NumPy would repeat the rows of a smaller one."""
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"shapes differ: {given}; one shape is needed for all of them")


def key(given: object) -> None:
    """ValueError unless it is a random key of JAX."""
    if not isinstance(given, jax.Array):
        raise ValueError(f"key={given!r}; accepted is a random key, as jax.random.key(0)")


def same_batch(shape: tuple[int, ...], **arrays: ArrayLike) -> None:
    """ValueError unless every array is [batch, *shape] with the same batch."""
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    first = next(iter(shapes.values()))[:1]
    for name, given in shapes.items():
        if len(given) != len(shape) + 1 or given != (*first, *shape):
            expected = ", ".join(map(str, ("batch", *shape)))
            raise ValueError(
                f"{name} has shape {given}; expected [{expected}] with one batch for all of "
                f"{', '.join(shapes)} (got {[s[:1] for s in shapes.values()]})"
            )


def batch(shape: tuple[int, ...], *, degree: int = 2, **arrays: ArrayLike) -> list[Array]:
    """The arrays in float32, or float64 in x64 mode, each [batch, *shape] with the same batch.

    Raises:
        ValueError: another shape, no numbers, NaN or infinity, or values so large or small that
            products of that `degree`, such as squares in losses and networks, leave the range.
    """
    same_batch(shape, **arrays)
    given = {name: inputs.array(name, array, degree=degree) for name, array in arrays.items()}
    return [inputs.single(name, array) for name, array in given.items()]


def integer(name: str, value: object) -> None:
    """ValueError unless it is an integer (2.0 and True are none) or None."""
    try:
        whole = value is None or operator.index(value) is not None  # pyright: ignore[reportArgumentType]
    except TypeError:
        whole = False
    if not whole or isinstance(value, bool):
        raise ValueError(f"{name}={value!r} must be a whole number, as {name}=8")


def integers(name: str, values: Any) -> tuple[int, ...]:
    """The integers of a list, tuple or array, as a tuple.

    Raises:
        ValueError: it is no sequence of integers.
    """
    if np.ndim(values) != 1:
        raise ValueError(f"{name}={values!r} must be a tuple of whole numbers, as {name}=(7, 8)")
    for value in values:
        integer(f"an entry of {name}", value)
    return tuple(map(int, values))


def part(params: dict[str, Any], name: str, init: Callable[..., Any] | None = None) -> Any:
    """The parameters of one part of a model; those that `init(key)` makes, where it is given.

    Raises:
        ValueError: there are none, or some of those that `init` makes are missing.
    """
    if not isinstance(params, Mapping):
        raise ValueError(
            f"params is {type(params).__name__}; accepted are those that the model's init returns"
        )
    wanted = None if init is None else jax.eval_shape(lambda: init(jax.random.key(0)))
    if wanted == {}:
        return wanted
    if name not in params:
        raise ValueError(
            f"params has no {name!r}, only {sorted(params)}; pass those that the model's init "
            "returns, or that its training did"
        )
    missing = sorted(set(wanted) - set(params[name])) if isinstance(wanted, dict) else []
    if missing:
        raise ValueError(
            f"params[{name!r}] has no {', '.join(missing)}, only {sorted(params[name])}; pass "
            "those that the model's init returns, or that its training did"
        )
    return params[name]


def counts(**given: int) -> list[int]:
    """The numbers as ints, each at least 1.

    Raises:
        ValueError: one of them is no integer (2.0 and True are none), or below 1.
    """
    said = " and ".join(f"{name}={value!r}" for name, value in given.items())
    try:
        numbers = [operator.index(value) for value in given.values()]
    except TypeError:
        numbers = []
    if not numbers or any(isinstance(value, bool) for value in given.values()):
        kind = "whole numbers" if len(given) > 1 else "a whole number"
        raise ValueError(f"{said} must be {kind}, at least 1")
    if min(numbers) < 1:
        raise ValueError(f"{said} must be at least 1")
    return numbers


def times(t: ArrayLike, num: int) -> Float[Array, " b"]:
    """One time in [0, 1] per example.

    Raises:
        ValueError: another number of times, or one outside.
    """
    if np.shape(t) != (num,):
        raise ValueError(f"t has shape {np.shape(t)}; one time per example is needed: ({num},)")
    return within_unit("t", t)


def step(t: ArrayLike, s: ArrayLike) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The two scalar times of a step down, 0 ≤ s < t ≤ 1.

    Raises:
        ValueError: they are no scalars, or in no such order.
    """
    for name, time in (("t", t), ("s", s)):
        if np.shape(time) != ():
            raise ValueError(f"{name} has shape {np.shape(time)}; a step has one scalar time")
    start, stop = within_unit("t", t), within_unit("s", s)
    ends = value_range(start), value_range(stop)
    if ends[0] and ends[1] and not ends[1][0] < ends[0][0]:
        raise ValueError(f"a step goes down from t={ends[0][0]} to s={ends[1][0]}: swap them")
    return start, stop


def level(gamma: ArrayLike, num: int, name: str = "gamma") -> Float[Array, " b"]:
    """One level per example, from one for all or one each.

    Raises:
        ValueError: another number of levels, NaN or infinity.
    """
    if np.shape(gamma) not in ((), (1,), (num,)):
        raise ValueError(
            f"{name} has shape {np.shape(gamma)}; expected one level, or one per example: ({num},)"
        )
    return jnp.broadcast_to(floating(name, gamma), (num,))


def codes(name: str, values: ArrayLike, levels: int) -> Array:
    """Integers in [0, levels).

    Raises:
        ValueError: another type, or a value outside.
    """
    checked = inputs.labels(name, values, levels, np.ndim(values), kind="codes")
    # An array of JAX keeps its dtype.
    return values if isinstance(values, jax.Array) else checked


def class_scalars(
    conditioning: ArrayLike | None, num: int | None, num_classes: int | None
) -> Array | None:
    """The networks' scalar input [num], the raw class index; None for unconditional models.

    Any number of classes is taken where `num` is None.

    Raises:
        ValueError: the model and the conditioning do not belong together.
    """
    if num_classes is None:
        if conditioning is not None:
            raise ValueError("conditioning was given to a model built without num_classes")
        return None
    if conditioning is None:
        raise ValueError(
            f"the model has num_classes={num_classes}: pass conditioning, one class each"
        )
    shape = np.shape(conditioning)
    if len(shape) != 1 or num not in (None, shape[0]):
        wanted = "one class for each example" if num is None else f"({num},)"
        raise ValueError(f"conditioning has shape {shape}; expected {wanted}")
    return codes("conditioning", conditioning, num_classes).astype(jnp.result_type(float))


def floating(name: str, values: ArrayLike) -> Array:
    """Finite real numbers in float32, or float64 where they are and JAX keeps it.

    Raises:
        ValueError: no real numbers, NaN or infinity, also where they leave float32's range.
    """
    return inputs.single(name, inputs.array(name, values))


def value_range(array: ArrayLike) -> tuple[int | float, int | float] | None:
    """Smallest and largest value; None where they are not known (under tracing) or do not exist."""
    if inputs.is_traced(array) or not np.size(array):
        return None
    # NumPy, because inside a trace JAX would stage even operations on known values.
    values = np.asarray(array)
    return values.min().item(), values.max().item()


def within_unit(name: str, t: ArrayLike) -> Array:
    """Times in [0, 1], of any shape.

    Raises:
        ValueError: no finite numbers, or one outside.
    """
    value = floating(name, t)
    if (span := value_range(value)) and not 0 <= span[0] <= span[1] <= 1:
        raise ValueError(f"times must lie in [0, 1]; {name} is {span[0]} to {span[1]}")
    return value
