"""How far a measured similarity could be chance: intervals and permutation nulls."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.measures import MEASURES

Statistic = Callable[..., Float[Array, ""]]
# Of any width: layers, and the two sides, differ in it.
Representation = Real[ArrayLike, "n _"] | Sequence[Real[ArrayLike, "n _"]]
_TOGETHER = 16
# Up to so many draws of a measure cost less than to compile it anew: 2 ms each against 0.5 to 1 s.
_FEW = 50


class Calibrated(NamedTuple):
    """A value against chance, on a scale whose zero is chance and whose one is equality.

    `score` is (value - critical)/(closest - critical), at least 0, where `critical` is the value
    that chance reaches with probability `level`; `p_value` the share of draws, the value among
    them, at least as close; `effect` the excess over the mean of the draws, as a share of what
    lies between that mean and equality. `pair` are the layers of the value.
    """

    value: Float[Array, ""]
    score: Float[Array, ""]
    p_value: Float[Array, ""]
    effect: Float[Array, ""]
    critical: Float[Array, ""]
    pair: tuple[int, int]
    draws: Float[Array, " num"]


class Interval(NamedTuple):
    """A value, its interval and standard error, and the values on halves of the inputs."""

    value: Float[Array, ""]
    low: Float[Array, ""]
    high: Float[Array, ""]
    standard_error: Float[Array, ""]
    draws: Float[Array, " num"]


class Null(NamedTuple):
    """A value against what unrelated inputs give.

    `p_value` is the share of draws, the value among them, at least as close; `excess` is the value
    less the mean of the draws, and `z` that over their standard deviation.
    """

    value: Float[Array, ""]
    p_value: Float[Array, ""]
    excess: Float[Array, ""]
    z: Float[Array, ""]
    draws: Float[Array, " num"]


def interval(
    measure: Statistic,
    key: Key[Array, ""],
    *arrays: Real[ArrayLike, "n ..."],
    num: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Interval of the mean of `measure` over data sets of n inputs, from random halves of these.

    A half of b = n//2 inputs is drawn without replacement, rows together. Of a mean its variance is
    exactly (n-b)/b times that of the whole over data sets, of other smooth measures nearly (Shao &
    Wu 1989, https://doi.org/10.1214/aos/1176347263), so values of halves, less their mean and times
    (b/(n-b))^½, scatter round the measured value as that does round its mean. Inputs drawn twice,
    as a bootstrap has them, are similar to themselves in both representations: its intervals of
    similarities lie above the value. At 95 % it held the mean in 91 to 95 % of the data sets
    that it was chosen on: 30 to 200 inputs for debiased and plain CKA, fewer than 200 for m_CCA and
    the angle; least for plain CKA of 30.

    Any measure that can be traced: `mcca`, or `lambda f, f2: logit_distance(f, g, f2, g2)`. It is
    no correction of the bias that a measure has at n inputs: compare with `permutation_null`. Not
    for shares of k neighbours where k is no small part of n. Warns when n//2 <= m + m': halves
    look more similar than the whole, and alike.
    """
    rows = checks.same_rows(arrays, share=2)
    _check_draws(num, level)
    n = rows[0].shape[0]
    half, value = n // 2, _number(measure, *rows)
    try:
        draws = _drawn(measure, key, num, rows, lambda order: [_half(x, order) for x in rows])
    except ValueError as error:
        raise ValueError(f"halves of {n} inputs, which make the interval: {error}") from error
    low, high, error = _spread(value, draws, (half / (n - half)) ** 0.5, level)
    return Interval(value, low, high, error, draws)


@jax.jit
def _spread(
    value: Array, draws: Array, scale: Float[ArrayLike, ""], level: Float[ArrayLike, ""]
) -> tuple[Array, ...]:
    """Low and high end of the interval, and the standard error."""
    spread = (draws - draws.mean()) * jnp.asarray(scale)
    low, high = jnp.quantile(spread, jnp.stack([(1 - level) / 2, (1 + level) / 2]))
    return value + low, value + high, _deviation(spread)


def permutation_null(
    measure: Statistic,
    key: Key[Array, ""],
    f: Real[ArrayLike, "n m"],
    f2: Real[ArrayLike, "n m2"],
    *,
    num: int = 1000,
    larger_is_closer: bool = True,
) -> Null:
    """`measure(f, f2)` against its values when the rows of f2 are permuted.

    What unrelated representations of these sizes give: much, when n is not well above m + m'.
    `larger_is_closer=False` is for distances. Warns when n <= m + m'.
    """
    x, y = checks.same_rows((f, f2))
    checks.whole("num", num, 2)
    value = _number(measure, x, y)
    draws = _drawn(measure, key, num, (x, y), lambda order: [x, _at(y, order)])
    p_value, excess, z = _against(value, draws, 1 if larger_is_closer else -1)
    return Null(value, p_value, excess, z, draws)


@jax.jit
def _against(value: Array, draws: Array, sign: Int[ArrayLike, ""]) -> tuple[Array, ...]:
    """p-value, excess and z of a value."""
    # NaN is no draw that is farther.
    closer, spread = ~(sign * draws < sign * value), _deviation(draws)
    excess = value - draws.mean()
    return (1 + closer.sum()) / (1 + draws.size), excess, excess / jnp.where(spread > 0, spread, 1)


def calibrated(
    measure: str | Statistic,
    key: Key[Array, ""],
    f: Representation,
    f2: Representation,
    *,
    num: int = 200,
    level: float = 0.05,
    closest: float | None = None,
) -> Calibrated:
    """`measure` of representations calibrated by permutations of the rows of f2.

    Gröger et al. 2026, https://arxiv.org/abs/2602.14486 (formulas from the authors' code). Two
    confounders are taken out. Width: wide representations are similar by chance, and the more so
    the fewer the inputs; the draws hold the same widths. Depth: the best of many pairs of layers
    is high by chance; f and f2 may be lists of layers, then the value is that of the closest pair
    and each draw permutes all layers of f2 alike and takes its own closest pair.

    `measure` is a name in `MEASURES` or a function of two representations; a function grows with
    similarity unless its value for equal arguments, `closest`, is 0. The p-value is exact for
    exchangeable inputs: not for rows of one document or neighbours in time.

    Raises:
        ValueError: an unknown name, a measure that is not one of two representations, a function
            without a finite `closest`, a named one with another, fewer draws than any significance
            at `level` takes (19 at 5 %), level outside (0, 1), or layers over different inputs.

    Examples:
        >>> one, two = np.random.default_rng(0).normal(size=(2, 40, 4))
        >>> found = similarity.calibrated("cka", jax.random.key(0), one, one + two, num=19)
        >>> bool(found.value > found.critical), round(float(found.p_value), 2)
        (True, 0.05)
        >>> float(similarity.calibrated("cka", jax.random.key(0), one, two, num=19).score)
        0.0
    """
    inputs.known("calibrated", key, f, f2, level, closest)
    function, closest = _resolve(measure, closest)
    _check_draws(num, level)
    if level * (1 + num) < 1:
        raise ValueError(
            f"num={num} draws give no p-value below 1/{1 + num}, so nothing is significant at "
            f"level={level}; accepted is num >= {math.ceil(1 / level) - 1}"
        )
    layers, layers2 = ([*x] if isinstance(x, list | tuple) else [x] for x in (f, f2))
    if not layers or not layers2:
        raise ValueError("an empty list of layers given; accepted is at least one on either side")
    rows = checks.same_rows((*layers, *layers2), 2, warn=False)
    first, second = rows[: len(layers)], rows[len(layers) :]
    each = lambda measure, second: [[measure(x, y) for y in second] for x in first]
    table = each(partial(_number, function), second)
    drawn = _again_if_lost(function, jax.jit(function)) if num > _FEW else function
    tables = [each(drawn, [_at(y, order) for y in second]) for order in _orders(key, num, rows)]
    # On the host, where no operation of these few numbers is a program to be compiled.
    table, tables = (np.asarray(jax.device_get(values)) for values in (table, tables))
    sign = -1 if closest == 0 else 1
    draws, value = (sign * tables).max(axis=(1, 2)), (sign * table).max()
    ordered = np.sort(np.append(draws, value))
    critical = ordered[math.ceil((1 - level) * (num + 1)) - 1]
    best, mean = sign * closest, draws.mean()
    found = (
        sign * value,
        _share(max(float(value - critical), 0.0), float(best - critical)),
        (1 + (~(draws < value)).sum()) / (1 + num),
        _share(float(value - mean), float(best - mean)),
        sign * critical,
    )
    numbers = [jnp.asarray(x, table.dtype) for x in found]
    i, j = np.unravel_index(int(np.argmax(sign * table)), table.shape)
    return Calibrated(*numbers, pair=(int(i), int(j)), draws=jnp.asarray(sign * draws))


def _drawn(
    measure: Statistic,
    key: Key[Array, ""],
    num: int,
    rows: Sequence[Array],
    take: Callable[[Array], Sequence[Array]],
) -> Float[Array, " num"]:
    """measure(*take(order)) for random orders of the rows: one program, called num times."""
    if any(inputs.is_traced(x) for x in (key, *rows)):
        draw = lambda k: measure(*take(jax.random.permutation(k, rows[0].shape[0])))
        return jax.lax.map(draw, jax.random.split(key, num), batch_size=min(num, _TOGETHER))
    # Again of the same function and shapes, nothing is compiled.
    value = _again_if_lost(measure, jax.jit(measure))
    drawn = [value(*take(order)) for order in _orders(key, num, rows)]
    return jnp.asarray(jax.device_get(drawn))


def _again_if_lost(measure: Statistic, compiled: Statistic) -> Statistic:
    """`compiled`, or `measure` itself where that is NaN: some take double precision so."""

    def value(*rows: Array) -> Array:
        found = compiled(*rows)
        return measure(*rows) if bool(jnp.isnan(found)) else found

    return value


def _orders(key: Key[Array, ""], num: int, rows: Sequence[Array]) -> Iterator[Array]:
    keys = jax.random.split(key, num)
    return (_order(keys, i, rows[0].shape[0]) for i in range(num))


@jax.jit(static_argnums=2)
def _order(keys: Key[Array, " num"], i: Int[ArrayLike, ""], n: int) -> Array:
    return jax.random.permutation(keys[i], n)


@jax.jit
def _half(x: Array, order: Array) -> Array:
    return x[order[: x.shape[0] // 2]]


@jax.jit
def _at(x: Array, rows: Array) -> Array:
    return x[rows]


def _resolve(measure: str | Statistic, closest: float | None) -> tuple[Statistic, float]:
    if not isinstance(measure, str):
        if closest is None:
            raise ValueError("give closest, the value for equal arguments: 1 or 0, not None")
        inputs.number("closest", closest, -np.inf)
        return measure, closest
    known = [m.name for m in MEASURES.values() if m.compares == "representations"]
    if measure not in known:
        raise ValueError(f"measure={measure!r}; accepted are a function and {', '.join(known)}")
    best = MEASURES[measure].closest
    if closest not in (None, best):
        raise ValueError(f"closest={closest} beside {measure!r}, whose own is {best}: leave it out")
    return MEASURES[measure].function, best


def _number(measure: Statistic, *rows: Array) -> Array:
    if not callable(measure):
        raise ValueError(f"measure={measure!r}; accepted is a function: MEASURES holds some")
    if isinstance(value := measure(*rows), tuple | list | dict) or jnp.shape(value):
        shape = jax.tree.map(jnp.shape, value)
        raise ValueError(f"measure returned an array of shape {shape}; accepted is a scalar")
    return jnp.asarray(value)


def _check_draws(num: int, level: float) -> None:
    checks.whole("num", num, 2)
    inputs.number("level", level, 0, 1)


def _deviation(draws: Array) -> Array:
    """Their standard deviation, at any scale."""
    near, power = inputs.scaled(draws)
    return jnp.ldexp(near.std(ddof=1), power)


def _share(part: float, whole: float) -> float:
    """part / whole; 0 where chance itself reaches equality."""
    return part / whole if whole > 0 else 0.0
