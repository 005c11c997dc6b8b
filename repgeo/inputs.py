"""The input boundary of all four libraries: what enters is checked once and converted once.

Two steps. `array` checks what was given and keeps all its digits: what is on the host stays there
as NumPy float32 or float64, what is on a device stays on it. `working` then takes arrays to the
precision that kernels run in, float32 or, where JAX's x64 mode keeps it, float64; an offset and a
scale that the caller's measure does not see are removed first, in the precision given.

Inner functions check nothing. Under tracing only rank and dtype are checked; values that are known
although something else is traced are looked at. A refusal says what was given, what is accepted
and what to change.
"""

import operator
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

Checked = np.ndarray | Array
"""A real array as `array` returns it: NumPy float32 or float64, or an array of JAX."""
C = TypeVar("C", bound=np.ndarray | Array)

# Integers up to here are exact in float32, in float64, and exist in int32.
_EXACT_SINGLE, _EXACT_DOUBLE, _MOST = 2**24, 2**53, 2**31 - 1
_largest = jax.jit(lambda x, logs: jnp.max(jnp.abs(jnp.where(logs & (x == -jnp.inf), 0, x))))
_RANKS = {0: "a scalar", 1: "a vector", 2: "a matrix of 2 dimensions, one row an item"}


def is_traced(*values: object) -> bool:
    """Whether any value is abstract, so that its entries cannot be looked at."""
    return any(isinstance(value, Tracer) for value in values)


def surely(claim: Callable[..., object], *values: object) -> bool:
    """Whether a claim about entries holds, whatever else is traced; False where they are."""
    if is_traced(*values):
        return False
    with jax.ensure_compile_time_eval():
        return bool(claim(*values))


def known(function: str, *values: object) -> None:
    """ValueError where a value, also within lists, is traced: for work done on the host."""
    if is_traced(*jax.tree.leaves(values)):
        raise ValueError(
            f"{function} works on the host and was given traced arrays; accepted are arrays whose "
            "entries are known: call it outside jit, vmap and grad"
        )


def read(name: str, value: object) -> np.ndarray | Array:
    """`value` in its own dtype: an array of JAX as it is, the rest in NumPy's native byte order.

    Lists of arrays of JAX become one of JAX if of one dtype, or traced; lists that mix them with
    others are read on the host, which keeps all digits.

    Raises:
        ValueError: ragged, sparse or masked values, also within lists.
    """
    if isinstance(value, jax.Array):
        return value
    leaves = jax.tree.leaves(value) if isinstance(value, list | tuple) else [value]
    if hasattr(value, "tocsr"):
        raise ValueError(f"{name} is a sparse matrix; accepted are dense ones: pass its .toarray()")
    if any(isinstance(leaf, np.ma.MaskedArray) and np.ma.is_masked(leaf) for leaf in leaves):
        raise ValueError(
            f"{name} is a masked array; accepted are those without masked cells: fill it"
        )
    dtypes = {x.dtype if isinstance(x, jax.Array) else None for x in leaves}
    try:
        if leaves and (dtypes != {None} and len(dtypes) == 1 or is_traced(*leaves)):
            return jnp.asarray(value)
        given = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name} is no array of numbers ({error}); accepted are arrays, and nested lists whose "
            "rows have equal length"
        ) from error
    return given.astype(given.dtype.newbyteorder("="), copy=False)


def array(
    name: str,
    value: object,
    ndim: int | None = None,
    *,
    degree: int = 1,
    logarithms: bool = False,
    half: bool = False,
) -> Checked:
    """`value` as a checked array with all of its digits.

    float16, bfloat16, booleans and integers up to 2²⁴ become float32; other integers and extended
    precision float64 on the host. Arrays of JAX, but for 32- or 64-bit integers, stay on their
    device; `half` leaves their float16 and bfloat16 to a caller that widens them later. Traced
    integers become float32, or float64 in x64 mode. A caller that forms products of entries without
    scaling them gives their `degree`: 2 for squares.

    Raises:
        ValueError: what `read` refuses, complex or textual values, not `ndim` dimensions, no entry,
            integers beyond 2⁵³, NaN, infinity (`logarithms`: but -inf), or products out of range.
    """
    given = read(name, value)
    if not any(jnp.issubdtype(given.dtype, kind) for kind in (np.floating, np.integer, np.bool_)):
        raise ValueError(
            f"{name} has dtype {given.dtype}; accepted are real numbers: convert it, or pass the "
            "real and imaginary parts of complex ones as columns"
        )
    if ndim is not None and given.ndim != ndim:
        raise ValueError(
            f"{name} has shape {given.shape}; accepted is "
            f"{_RANKS.get(ndim, f'an array of {ndim} dimensions')}: reshape it, or vmap over more"
        )
    if given.size == 0:
        raise ValueError(f"{name} has shape {given.shape} and no entries; give at least one row")
    narrow = half and isinstance(given, jax.Array) and given.dtype in (jnp.bfloat16, jnp.float16)
    exact = given if narrow else _promoted(name, given)
    if not is_traced(exact):
        _check_values(name, exact, degree, logarithms)
    return exact


def working(*, centre: bool = False, scale: bool = False, **arrays: Checked) -> tuple[Array, ...]:
    """Checked arrays as JAX arrays of one dtype: float32, or float64 where x64 mode keeps it.

    `centre` subtracts from the rows of all the column means of the first, `scale` divides all by
    one power of two, so that the largest magnitude is in [½, 1). Both act in float64, where some
    array is about to become float32; otherwise they are left to the kernels (`scaled` is theirs).

    Raises:
        ValueError: magnitudes are then above 3e38, or all below 1e-38, which float32 cannot hold.
    """
    wide = any(isinstance(x, np.ndarray) and x.dtype == np.float64 for x in arrays.values())
    if not wide or jnp.result_type(float) == np.float64:
        return alike(*arrays.values())
    values = list(arrays.values())
    if centre:  # the same for all, as the least precise of them has it
        least = min((x.dtype for x in values), key=lambda dtype: dtype.itemsize)
        mean = values[0].mean(axis=0, keepdims=True).astype(least)
        values = [x - mean for x in values]
    if scale:
        top = max(_magnitude(x) for x in values if not is_traced(x))
        values = [_times_power(x, -int(np.frexp(top)[1])) for x in values]
    return alike(*(_narrowed(name, x) for name, x in zip(arrays, values, strict=True)))


def module(x: Checked) -> ModuleType:
    """NumPy or jax.numpy, for what is to be formed where, and as precisely as, x is."""
    return np if isinstance(x, np.ndarray) else jnp


def single(name: str, x: Checked, *, centre: bool = False, scale: bool = False) -> Array:
    """`working` of one array."""
    return working(centre=centre, scale=scale, **{name: x})[0]  # pyright: ignore[reportArgumentType]


def unit_rows(x: C) -> C:
    """Rows of length 1 in the precision given, x / ‖x‖₂, at every scale; a zero row stays zero."""
    xp = module(x)
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    x = x / xp.where(largest > 0, largest, 1)
    return x / xp.where(largest > 0, xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True)), 1)


def scaled(x: C, axis: int | None = None) -> tuple[C, np.ndarray | Int[Array, "..."]]:
    """(x / 2ᵉ, e), largest magnitude over `axis` in [½, 1), exact; `jnp.ldexp(y, e)` undoes it."""
    xp, known = module(x), x if isinstance(x, np.ndarray) else jax.lax.stop_gradient(x)
    largest = xp.max(xp.abs(known), axis=axis, keepdims=axis is not None)
    exponent = xp.asarray(xp.frexp(largest)[1])
    return _times_power(x, -exponent), exponent


def alike(*arrays: Checked) -> tuple[Array, ...]:
    """The arrays as arrays of JAX, in the widest of their dtypes."""
    dtype = jnp.result_type(*arrays)
    # Without a dtype, and that of the array, asarray would be a program for each shape.
    return tuple(jnp.asarray(x.astype(dtype, copy=False), dtype) for x in arrays)


def count(name: str, value: object, limit: int, *, least: int = 1, of: str = "points") -> int:
    """`value` as an int in [least, limit]; ValueError for others, and 3.0 and True are others."""
    try:
        number = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={value!r} is no integer; accepted is {least} ≤ {name} ≤ {limit}")
    if not least <= number <= limit:
        few = f"is impossible with {limit} {of} to choose from" if limit < _MOST else "is too large"
        why = f"must be at least {least}" if number < least <= limit else few
        span = f"; accepted is {least} ≤ {name} ≤ {limit}" if limit >= least else ": give more"
        raise ValueError(f"{name}={number} {why}{span}")
    return number


def number(
    name: str, value: object, low: float | int, high: float | int = np.inf, *, ends: bool = False
) -> None:
    """ValueError unless a real number in (low, high), with `ends` [low, high]; traced ones pass."""
    given = array(name, value, 0)
    x = None if is_traced(given) else float(given)
    if x is not None and not (low < x < high or ends and x in (low, high)):
        less = "≤" if ends else "<"
        raise ValueError(f"{name}={value}; accepted are {low:g} {less} {name} {less} {high:g}")


def labels(
    name: str, value: object, num_classes: int, ndim: int = 1, kind: str = "classes"
) -> Int[Array, "..."]:
    """`value` as int32 class indices, each in [0, num_classes); no range check while tracing.

    Raises:
        ValueError: not integers, another number of dimensions, no entries, or another class.
    """
    if not jnp.issubdtype((given := read(name, value)).dtype, np.integer):
        raise ValueError(f"{name} has dtype {given.dtype}; accepted are integers < {num_classes}")
    if given.ndim != ndim or given.size == 0:
        raise ValueError(f"{name} has shape {given.shape}; accepted: {_RANKS.get(ndim)} of labels")
    if not is_traced(given):
        low, high = np.min(np.asarray(given)), np.max(np.asarray(given))
        if low < 0 or high >= num_classes:
            raise ValueError(
                f"{f'{name}: {kind}'.removeprefix(f'{kind}: ')} must lie in 0..{num_classes - 1}; "
                f"got {low}..{high}; no others are accepted: drop those examples, or renumber them"
            )
    return jnp.asarray(given.astype(np.int32), np.int32)


def _promoted(name: str, given: Checked) -> Checked:
    """float32 or float64 with the value of every entry unchanged."""
    if jnp.issubdtype(given.dtype, np.floating):
        return given.astype(np.float64 if given.dtype.itemsize > 4 else np.float32, copy=False)
    if jnp.issubdtype(given.dtype, np.bool_) or given.dtype.itemsize <= 2:
        return given.astype(np.float32)
    if is_traced(given):
        return given.astype(jnp.result_type(float))
    known = np.asarray(given)
    least, most = int(known.min()), int(known.max())
    if max(-least, most) > _EXACT_DOUBLE:
        raise ValueError(
            f"{name} holds integers from {least} to {most}; accepted are integers up to 2⁵³, "
            "beyond which float64 merges them: subtract their offset"
        )
    return known.astype(np.float32 if max(-least, most) <= _EXACT_SINGLE else np.float64)


def _check_values(name: str, x: Checked, degree: int, logarithms: bool) -> None:
    top = _magnitude(x, logarithms)
    if not np.isfinite(top):
        known = np.asarray(x)
        if known.ndim == 0:
            raise ValueError(f"{name} is {known}, NaN or infinite; accepted is a finite number")
        bad = ~np.isfinite(known) & ~(logarithms & (known == -np.inf))
        first = tuple(int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
        raise ValueError(
            f"{name} of shape {x.shape} holds NaN or infinite entries, the first at {first}, "
            f"{known[first]}; every entry must be finite: drop or mend those rows"
        )
    if degree > 1:
        kind = np.finfo(jax.dtypes.canonicalize_dtype(x.dtype))
        least, most = (float(end) ** (1 / degree) for end in (kind.tiny / kind.eps, kind.max))
        _check_range(name, top, least, most, f"products of {degree} of them leave {kind.dtype}")


def _check_range(name: str, top: float, least: float, most: float, why: str) -> None:
    if top > most or 0 < top < least:
        raise ValueError(
            f"{name} holds magnitudes up to {top:.1e}, outside {least:.1e} to {most:.1e}: {why}; "
            "rescale it, or enable JAX's x64 mode and pass float64"
        )


def _magnitude(x: Checked, logarithms: bool = False) -> float:
    """The largest |entry|, NaN where an entry is, found where the array is."""
    if isinstance(x, np.ndarray):
        x = np.where(x == -np.inf, 0, x) if logarithms else x
        return float(np.maximum(x.max(), -x.min()))
    with jax.ensure_compile_time_eval():  # known, though something else may be traced
        return float(_largest(x, logarithms))


def _times_power(x: C, power: int | np.integer | np.ndarray | Array) -> C:
    """x·2^power, by two factors: one alone may lie outside the range."""
    xp, one, half = module(x), np.ones((), x.dtype), power // 2
    return x * xp.ldexp(one, half) * xp.ldexp(one, power - half)


def _narrowed(name: str, x: Checked) -> Checked:
    """x in float32; ValueError where that loses it altogether."""
    if not isinstance(x, np.ndarray):
        return x
    kind, top = np.finfo(np.float32), _magnitude(x, logarithms=True)
    _check_range(name, top, float(kind.tiny), float(kind.max), "kernels run in float32")
    return x.astype(np.float32)
