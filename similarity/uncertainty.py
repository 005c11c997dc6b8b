"""How far a measured similarity could be chance: bootstrap intervals and permutation nulls."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.measures import MEASURES

Statistic = Callable[..., Float[Array, ""]]
Representation = Real[ArrayLike, "n m"] | Sequence[Real[ArrayLike, "n m"]]
_TOGETHER = 16


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
    """A value, its percentile interval, the draws' standard deviation, and the draws."""

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


def bootstrap(
    measure: Statistic,
    key: Key[Array, ""],
    *arrays: Real[ArrayLike, "n ..."],
    num: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of `measure(*arrays)` over resamplings of the inputs, rows together.

    Any measure that can be traced: `mcca`, or `lambda f, f2: logit_distance(f, g, f2, g2)`. A
    resampled input counts twice, so similarities of few inputs are drawn too high; compare with
    `permutation_null`. Warns when n <= m + m'. Runs by `vmap`, a few draws at a time.
    """
    rows = _same_rows(arrays)
    _check_draws(num, level)
    n = rows[0].shape[0]

    def draw(k: Array) -> Array:
        chosen = jax.random.randint(k, (n,), 0, n)
        return measure(*(x[chosen] for x in rows))

    draws = jax.lax.map(draw, jax.random.split(key, num), batch_size=min(num, _TOGETHER))
    low, high = jnp.quantile(draws, jnp.asarray([(1 - level) / 2, (1 + level) / 2]))
    return Interval(jnp.asarray(measure(*rows)), low, high, _deviation(draws), draws)


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
    x, y = _same_rows((f, f2))
    if num < 2:
        raise ValueError(f"num={num}; at least 2 permutations are needed")

    def draw(k: Array) -> Array:
        return measure(x, y[jax.random.permutation(k, y.shape[0])])

    draws = jax.lax.map(draw, jax.random.split(key, num), batch_size=min(num, _TOGETHER))
    value = jnp.asarray(measure(x, y))
    closer = draws >= value if larger_is_closer else draws <= value
    spread = _deviation(draws)
    excess = value - draws.mean()
    z = excess / jnp.where(spread > 0, spread, 1)
    return Null(value, (1 + closer.sum()) / (1 + num), excess, z, draws)


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
            without `closest`, fewer draws than any significance at `level` takes (19 at 5 %),
            level outside (0, 1), or layers over different inputs.
    """
    function, closest = _resolve(measure, closest)
    _check_draws(num, level)
    if level * (1 + num) < 1:
        raise ValueError(
            f"num={num} draws give no p-value below 1/{1 + num}, so nothing is significant at "
            f"level={level}; accepted is num >= {math.ceil(1 / level) - 1}"
        )
    layers, layers2 = ([*x] if isinstance(x, list | tuple) else [x] for x in (f, f2))
    rows = _same_rows((*layers, *layers2), 2, warn=False)
    first, second = rows[: len(layers)], rows[len(layers) :]
    sign = 1.0 if closest > 0 else -1.0

    def each(order: Array) -> Array:
        """sign × the measure of every pair of layers: larger is closer."""
        moved = [y[order] for y in second]
        return sign * jnp.stack([jnp.stack([function(x, y) for y in moved]) for x in first])

    n = second[0].shape[0]
    draw = lambda k: each(jax.random.permutation(k, n)).max()
    draws = jax.lax.map(draw, jax.random.split(key, num), batch_size=min(num, _TOGETHER))
    table = each(jnp.arange(n))
    value, best = table.max(), sign * closest
    ordered = jnp.sort(jnp.append(draws, value))
    critical = ordered[math.ceil((1 - level) * (num + 1)) - 1]
    mean = draws.mean()
    return Calibrated(
        value=sign * value,
        score=_share(jnp.maximum(value - critical, 0), best - critical),
        p_value=(1 + (draws >= value).sum()) / (1 + num),
        effect=_share(value - mean, best - mean),
        critical=sign * critical,
        pair=_place(table),
        draws=sign * draws,
    )


def _resolve(measure: str | Statistic, closest: float | None) -> tuple[Statistic, float]:
    if not isinstance(measure, str):
        if closest is None:
            raise ValueError("give closest, the value of the measure for equal arguments: 1 or 0")
        return measure, closest
    known = [m.name for m in MEASURES.values() if m.compares == "representations"]
    if measure not in known:
        raise ValueError(f"measure={measure!r}; accepted are a function and {', '.join(known)}")
    return MEASURES[measure].function, MEASURES[measure].closest


def _check_draws(num: int, level: float) -> None:
    if not 0 < level < 1 or num < 2:
        raise ValueError(f"level={level}, num={num}; accepted are 0 < level < 1 and num >= 2")


def _deviation(draws: Array) -> Array:
    """Their standard deviation, at any scale."""
    near, power = inputs.scaled(draws)
    return jnp.ldexp(near.std(ddof=1), power)


def _share(part: Array, whole: Array) -> Array:
    """part / whole; 0 where chance itself reaches equality."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0)


def _place(table: Array) -> tuple[int, int]:
    i, j = np.unravel_index(int(jnp.argmax(table)), table.shape)
    return int(i), int(j)


def _same_rows(
    arrays: tuple[object, ...], ndim: int | None = None, *, warn: bool = True
) -> list[Array]:
    checked = [inputs.array(f"array {i}", x, ndim) for i, x in enumerate(arrays)]
    if len({x.shape[0] if x.ndim else None for x in checked}) != 1 or checked[0].ndim == 0:
        raise ValueError(
            f"arrays of shapes {[x.shape for x in checked]} given; the first axis of all must hold "
            "the same inputs"
        )
    n, width = checked[0].shape[0], sum(x[0].size for x in checked)
    if warn and n <= width:
        warnings.warn(
            f"{n} inputs for {width} dimensions in all: representations this wide look similar "
            "whatever they hold; use more inputs",
            stacklevel=3,
        )
    return [checks.resolved(f"array {i}", x) for i, x in enumerate(checked)]
