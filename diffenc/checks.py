"""Checks and conversions of what callers pass in: once, at the methods of a model.

Shapes and types are checked always, values where they are concrete (`repgeo.inputs`).
"""

import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from diffenc.process import Process
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


def batch(shape: tuple[int, ...], **arrays: ArrayLike) -> list[Array]:
    """The arrays in float32, or float64 in x64 mode, each [batch, *shape] with the same batch.

    Raises:
        ValueError: another shape, no numbers, NaN or infinity, or values so large or small that
            their squares, which losses and networks take, leave the range.
    """
    same_batch(shape, **arrays)
    given = {name: inputs.array(name, array, degree=2) for name, array in arrays.items()}
    return [inputs.single(name, array) for name, array in given.items()]


def data(process: Process, **arrays: ArrayLike) -> list[Array]:
    """`batch` of what a bound process takes: floating-point numbers for the examples it has.

    Raises:
        ValueError: as `batch`, integers, or another number of examples than the conditioning's.
    """
    # A process made without a model leaves the shape of an example to the first array.
    shape = np.shape(next(iter(arrays.values())))[1:] if process.shape is None else process.shape
    checked = batch(shape, **arrays)
    for name, array in arrays.items():
        if _is_whole(array):
            raise ValueError(
                f"{name} holds integers; accepted are floating-point numbers: pass codes as "
                "diffenc.likelihood.dequantise(codes, levels)"
            )
    bound, num = np.shape(process.conditioning), len(checked[0])
    if bound not in ((), (num,)):
        raise ValueError(
            f"{next(iter(arrays))} holds {num} examples; the process is bound to conditioning of "
            f"shape {bound}: pass one class for each example to bind"
        )
    return checked


def levels(values: ArrayLike) -> Float[Array, " n"]:
    """At least two levels γ, strictly increasing.

    Raises:
        ValueError: another shape, NaN or infinity, or levels that do not increase.
    """
    if len(np.shape(values)) != 1 or np.shape(values)[0] < 2:
        raise ValueError(
            f"levels has shape {np.shape(values)}; expected a vector of at least two levels"
        )
    known = floating("levels", values)
    if inputs.surely(lambda v: (np.diff(np.asarray(v)) <= 0).any(), known):
        raise ValueError(f"levels must increase strictly in {known.dtype}; sort them, drop repeats")
    return known


def step_levels(
    gamma_s: ArrayLike, gamma_t: ArrayLike, num: int
) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    """The two levels of a step for each example, γ_s < γ_t.

    Raises:
        ValueError: as `level`, or a step that does not go down.
    """
    below, above = level(gamma_s, num, "gamma_s"), level(gamma_t, num, "gamma_t")
    if inputs.surely(lambda s, t: (np.asarray(s) >= np.asarray(t)).any(), below, above):
        raise ValueError("a step goes down from gamma_t to gamma_s: each gamma_s must be the lower")
    return below, above


def log_ratios(log_ratio: ArrayLike, num: int) -> None:
    """ValueError unless it is finite, one number for all steps or one for each of `num`."""
    if np.shape(log_ratio) not in ((), (1,), (num,)):
        raise ValueError(
            f"log_ratio has shape {np.shape(log_ratio)}; expected one number, or one for each "
            f"step: ({num},)"
        )
    floating("log_ratio", log_ratio)


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
    return _within_unit("t", t)


def step(t: ArrayLike, s: ArrayLike) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The two scalar times of a step down, 0 ≤ s < t ≤ 1.

    Raises:
        ValueError: they are no scalars, or in no such order.
    """
    for name, time in (("t", t), ("s", s)):
        if np.shape(time) != ():
            raise ValueError(f"{name} has shape {np.shape(time)}; a step has one scalar time")
    start, stop = _within_unit("t", t), _within_unit("s", s)
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
    conditioning: ArrayLike | None, num: int, num_classes: int | None
) -> Array | None:
    """The networks' scalar input [num], the raw class index; None for unconditional models.

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
    if np.shape(conditioning) != (num,):
        raise ValueError(f"conditioning has shape {np.shape(conditioning)}; expected ({num},)")
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


def _is_whole(array: ArrayLike) -> bool:
    """Whether every number of an array or nested list is an integer or boolean."""
    leaves = jax.tree.leaves(array)
    dtypes = [leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype for leaf in leaves]
    return all(np.issubdtype(d, np.integer) or np.issubdtype(d, np.bool_) for d in dtypes)


def _within_unit(name: str, t: ArrayLike) -> Array:
    value = floating(name, t)
    if (span := value_range(value)) and not 0 <= span[0] <= span[1] <= 1:
        raise ValueError(f"times must lie in [0, 1]; {name} is {span[0]} to {span[1]}")
    return value
