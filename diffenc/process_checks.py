"""Checks of what functions of a bound process take: once, where it enters.

As in `diffenc.checks`, shapes and types are checked always, values where they are concrete.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from diffenc.checks import batch, floating, level
from diffenc.noising import wide
from diffenc.process import Process
from repgeo import inputs


def data(process: Process, *, degree: int = 2, **arrays: ArrayLike) -> list[Array]:
    """`batch` of what a bound process takes: floating-point numbers for the examples it has.

    Raises:
        ValueError: as `batch`, integers, or another number of examples than the conditioning's.
    """
    # A process made without a model leaves the shape of an example to the first array.
    shape = np.shape(next(iter(arrays.values())))[1:] if process.shape is None else process.shape
    checked = batch(shape, degree=degree, **arrays)
    for name, array in arrays.items():
        if _is_whole(array):
            raise ValueError(
                f"{name} holds integers; accepted are floating-point numbers: pass codes as "
                "diffenc.likelihood.dequantise(codes, levels)"
            )
    bound = () if process.conditioning is None else process.conditioning.shape
    num = len(checked[0])
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
    if inputs.surely(lambda v: (v[1:] <= v[:-1]).any(), known):
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
    _goes_down(below, above)
    return below, above


def step(gamma_s: ArrayLike, gamma_t: ArrayLike) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The two levels of a step for all examples, γ_s < γ_t.

    Raises:
        ValueError: as `scalar`, or a step that does not go down.
    """
    below, above = scalar("gamma_s", gamma_s), scalar("gamma_t", gamma_t)
    _goes_down(below, above)
    return below, above


def _goes_down(below: Array, above: Array) -> None:
    if inputs.surely(lambda s, t: (np.asarray(s) >= np.asarray(t)).any(), below, above):
        raise ValueError("a step goes down from gamma_t to gamma_s: each gamma_s must be the lower")


def log_ratios(log_ratio: ArrayLike, num: int) -> None:
    """ValueError unless it is finite, one number for all steps or one for each of `num`."""
    if np.shape(log_ratio) not in ((), (1,), (num,)):
        raise ValueError(
            f"log_ratio has shape {np.shape(log_ratio)}; expected one number, or one for each "
            f"step: ({num},)"
        )
    floating("log_ratio", log_ratio)


def scalar(name: str, value: ArrayLike) -> Float[Array, ""]:
    """One finite number, at least float32; a number of Python takes the type of what it meets.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    if np.shape(value) != ():
        raise ValueError(f"{name} has shape {np.shape(value)}; expected one level")
    known = floating(name, value)
    if isinstance(value, jax.Array):  # as it is, where it can be: weakly typed it stays so
        return value if value.dtype == known.dtype else known
    return wide(value)


def levels_increase(low: Array, high: Array) -> None:
    """ValueError unless γ_0 is below γ_1, where both are known."""
    if inputs.surely(lambda low, high: low >= high, low, high):
        raise ValueError(f"gamma_0={low} must be below gamma_1={high}")


def positive(name: str, value: ArrayLike) -> None:
    """ValueError unless it is one positive, finite number."""
    known = scalar(name, value)
    if inputs.surely(lambda v: v <= 0, known):
        raise ValueError(f"{name}={value} must be positive")


def of_level(name: str, value: Any, *, positive: bool) -> None:
    """ValueError unless it is a function of γ, or one finite number, above 0 where `positive`."""
    if callable(value):
        return
    try:
        known = scalar(name, value)
    except ValueError as error:
        raise ValueError(f"{name}={value!r}; accepted are a number and a function of γ") from error
    if positive and inputs.surely(lambda v: v <= 0, known):
        raise ValueError(f"{name}={value} must be positive, or a function of γ that is")


def trace(given: str | ArrayLike, shape: tuple[int, ...]) -> Any:
    """How a divergence is taken: "none", "exact", or probes [probes, *shape].

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, str):
        if given in ("none", "exact"):
            return given
    elif np.shape(given)[1:] == shape:
        return floating("trace", given)
    what = repr(given) if isinstance(given, str) else f"an array of shape {np.shape(given)}"
    probes = ", ".join(map(str, ("probes", *shape)))
    raise ValueError(f"trace is {what}; accepted are 'none', 'exact' and probes [{probes}]")


def target(given: Any, x: Array) -> Any:
    """What a decoder is to explain: an array like the data x, or x itself where none is given.

    Raises:
        ValueError: it has another shape.
    """
    if given is not None and np.shape(given) != np.shape(x):
        raise ValueError(f"target has shape {np.shape(given)}; expected that of x: {np.shape(x)}")
    return x if given is None else given


def square(name: str, matrix: ArrayLike) -> int:
    """The size of a square matrix; ValueError where it is none."""
    shape = np.shape(matrix)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"{name} has shape {shape}; expected a square matrix, [t, s]")
    return shape[0]


def finite(name: str, value: ArrayLike) -> Array:
    """`wide` of it; ValueError where it is known and holds anything but finite real numbers."""
    if not inputs.is_traced(value):
        inputs.array(name, value)
    return wide(value)


def one_level(name: str, value: ArrayLike) -> Array:
    """`finite` of one level for all. Raises ValueError for another shape."""
    if np.shape(value) != ():
        raise ValueError(f"{name} has shape {np.shape(value)}; expected one level")
    return finite(name, value)


def prices(name: str, value: ArrayLike) -> Array:
    """Real numbers, or infinity where there is no step.

    Raises:
        ValueError: no real numbers, masked, NaN, or infinite below 0.
    """
    given = inputs.read(name, value)
    if not any(jnp.issubdtype(given.dtype, kind) for kind in (np.floating, np.integer)):
        raise ValueError(f"{name} has dtype {given.dtype}; accepted are real numbers")
    floats = isinstance(given, jax.Array) and jnp.issubdtype(given.dtype, jnp.floating)
    known = wide(given) if floats else jnp.asarray(given, float)
    if inputs.surely(lambda c: (jnp.isnan(c) | (c == -jnp.inf)).any(), known):
        raise ValueError(
            f"{name} holds NaN or -inf; every price must be a number, or infinite: recompute it"
        )
    return known


def costs(name: str, value: ArrayLike) -> Array:
    """`prices` that are at least 0. Raises ValueError for others."""
    known = prices(name, value)
    if inputs.surely(lambda c: (c < 0).any(), known):
        raise ValueError(f"{name} holds negative numbers; accepted are at least 0, or infinite")
    return known


def step_prices(costs: ArrayLike) -> Float[Array, "n n"]:
    """The price of each step from t down to s, [t, s], infinite where s is not below t.

    Raises:
        ValueError: as `prices`, or a finite price of a step that does not go down.
    """
    known = prices("costs", costs)
    if inputs.surely(lambda c: jnp.isfinite(c[np.triu_indices(len(c))]).any(), known):
        raise ValueError(
            "costs[t, s] is finite where s is not below t: set it to infinity, as pair_costs does"
        )
    return known


def _is_whole(array: ArrayLike) -> bool:
    """Whether every number of an array or nested list is an integer or boolean."""
    leaves = jax.tree.leaves(array)
    dtypes = [leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype for leaf in leaves]
    return all(np.issubdtype(d, np.integer) or np.issubdtype(d, np.bool_) for d in dtypes)
