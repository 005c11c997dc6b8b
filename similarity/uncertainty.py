"""How far a measured similarity could be chance: bootstrap intervals and permutation nulls."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from similarity import checks

Measure = Callable[..., Float[Array, ""]]
_TOGETHER = 16


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
    measure: Measure,
    key: Key[Array, ""],
    *arrays: Float[ArrayLike, "n ..."],
    num: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of `measure(*arrays)` over resamplings of the inputs, rows together.

    Any measure that can be traced: `mcca`, or `lambda f, f2: logit_distance(f, g, f2, g2)`. A
    resampled input counts twice, so similarities of few inputs are drawn too high; compare with
    `permutation_null`. Warns when n <= m + m'. Runs by `vmap`, a few draws at a time.
    """
    rows = _same_rows(arrays)
    if not 0 < level < 1 or num < 2:
        raise ValueError(f"level={level}, num={num}; accepted are 0 < level < 1 and num >= 2")
    n = rows[0].shape[0]

    def draw(k: Array) -> Array:
        chosen = jax.random.randint(k, (n,), 0, n)
        return measure(*(x[chosen] for x in rows))

    draws = jax.lax.map(draw, jax.random.split(key, num), batch_size=min(num, _TOGETHER))
    low, high = jnp.quantile(draws, jnp.asarray([(1 - level) / 2, (1 + level) / 2]))
    return Interval(jnp.asarray(measure(*rows)), low, high, draws.std(ddof=1), draws)


def permutation_null(
    measure: Measure,
    key: Key[Array, ""],
    f: Float[ArrayLike, "n m"],
    f2: Float[ArrayLike, "n m2"],
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
    spread = draws.std(ddof=1)
    excess = value - draws.mean()
    z = excess / jnp.where(spread > 0, spread, 1)
    return Null(value, (1 + closer.sum()) / (1 + num), excess, z, draws)


def _same_rows(arrays: tuple[ArrayLike, ...]) -> list[Array]:
    rows = [checks.floating(f"array {i}", x) for i, x in enumerate(arrays)]
    if len({x.shape[0] if x.ndim else None for x in rows}) != 1 or rows[0].ndim == 0:
        raise ValueError(
            f"arrays of shapes {[x.shape for x in rows]} given; the first axis of all must hold "
            "the same inputs"
        )
    n, width = rows[0].shape[0], sum(x[0].size for x in rows)
    if n <= width:
        warnings.warn(
            f"{n} inputs for {width} dimensions in all: representations this wide look similar "
            "whatever they hold; use more inputs",
            stacklevel=3,
        )
    return rows
