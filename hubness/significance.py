"""Is one set of neighbours better than another, or luck of the queries?"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key, Shaped
from scipy import special

from hubness import occurrence


class McNemar(NamedTuple):
    """Two classifiers on the same items: b items only the first gets right, c only the second."""

    b: int
    c: int
    p_value: float
    low: float
    high: float


def mcnemar(
    right_a: Shaped[ArrayLike, "..."], right_b: Shaped[ArrayLike, "..."], level: float = 0.95
) -> McNemar:
    """Exact two-sided McNemar test and the interval of the accuracy difference (a − b).

    p = min(1, 2 P(B ≤ min(b, c))), B ~ Binomial(b + c, ½); 1 where b + c = 0. The interval is
    `beta_interval`.

    Raises:
        ValueError: vectors of different length or not boolean.
    """
    a, b = np.asarray(right_a), np.asarray(right_b)
    if a.ndim != 1 or a.shape != b.shape or a.dtype != bool or b.dtype != bool:
        raise ValueError(
            f"expected two boolean vectors, one entry an item; got {a.dtype} of shape {a.shape} "
            f"and {b.dtype} of shape {b.shape}. Pass predictions == labels."
        )
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p_value = min(1.0, 2 * special.bdtr(min(only_a, only_b), only_a + only_b, 0.5))
    return McNemar(only_a, only_b, float(p_value), *beta_interval(only_a, only_b, len(a), level))


def beta_interval(b: int, c: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of δ = (b − c)/n from a Beta law on (δ + 1)/2 with the variance of δ.

    2 Beta⁻¹ − 1 with a = (δ+1)(Q−1)/2, b' = (1−δ)(Q−1)/2 and
    Q = n²(n+1)(δ+1)(1−δ) / (n(b+c) − (b−c)²), as in arXiv 2311.18364; (δ, δ) without spread.

    Raises:
        ValueError: counts that do not fit n, or a level outside (0, 1).
    """
    if min(b, c) < 0 or n < 1 or b + c > n or not 0 < level < 1:
        raise ValueError(
            f"b={b}, c={c}, n={n}, level={level}: expected 0 ≤ b, c with b + c ≤ n and a level in "
            "(0, 1)."
        )
    delta = (b - c) / n
    spread = n * (b + c) - (b - c) ** 2
    q = n**2 * (n + 1) * (1 + delta) * (1 - delta) / spread if spread else 0.0
    if q <= 1:
        return delta, delta
    shape = (1 + delta) * (q - 1) / 2, (1 - delta) * (q - 1) / 2
    tails = (1 - level) / 2, (1 + level) / 2
    low, high = (2 * float(special.betaincinv(*shape, t)) - 1 for t in tails)
    return low, high


def bootstrap(
    statistic: Callable[[Float[Array, " n"]], Float[Array, "..."]],
    index: Int[ArrayLike, "m k"],
    n: int,
    key: Key[Array, ""],
    num_samples: int = 200,
) -> Float[Array, "samples ..."]:
    """statistic(N_k) for resampled queries: lists counted as often as their query is drawn.

    Queries are drawn m out of m with replacement, the points stay; quantiles over the first axis
    are an interval that reflects which queries were asked. `statistic` must be jittable, for
    example lambda counts: measures(counts, k).robin_hood.
    """
    index = occurrence.checked_index(index, n)
    m = index.shape[0]

    def one(key):
        drawn = jax.random.randint(key, (m,), 0, m)
        weights = jnp.zeros(m, jnp.result_type(float)).at[drawn].add(1)
        return statistic(occurrence.k_occurrence(index, n, weights))

    return jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, num_samples))
