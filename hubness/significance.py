"""Is one set of neighbours better than another, or luck of the queries?"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key, Shaped
from scipy import special

from hubness import occurrence
from repgeo import inputs


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
    inputs.known("mcnemar", right_a, right_b)
    a = np.asarray(inputs.read("right_a", right_a))
    b = np.asarray(inputs.read("right_b", right_b))
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
    n = inputs.count("n", n, 2**53, of="items")
    b, c = (inputs.count(*count, n, least=0, of="items") for count in (("b", b), ("c", c)))
    inputs.number("level", level, 0, 1)
    if b + c > n:
        raise ValueError(f"b={b}, c={c}, n={n}: accepted are 0 ≤ b, c with b + c ≤ n")
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
    m, num_samples = index.shape[0], inputs.count("num_samples", num_samples, 2**31 - 1)

    def one(key):
        drawn = jax.random.randint(key, (m,), 0, m)
        weights = jnp.zeros(m, jnp.result_type(float)).at[drawn].add(1)
        return statistic(occurrence.k_occurrence(index, n, weights))

    return jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(key, num_samples))


class SampledSkewness(NamedTuple):
    """Of N_k where every point is asked, estimated from some of them, with an interval."""

    skewness: float
    low: float
    high: float
    variance: float
    third_moment: float


def sampled_skewness(
    index: Int[ArrayLike, "m k"],
    n: int,
    population: int | None = None,
    *,
    level: float = 0.95,
    num_groups: int = 20,
) -> SampledSkewness:
    """Skewness of N_k over `population` queries (default n), from m of them drawn without return.

    The points searched are all n. A count c of the sample is hypergeometric given N, so
    E c(c−1)…(c−r+1) = N(N−1)…(N−r+1) · (m)_r/(M)_r with (m)_r = m(m−1)…(m−r+1) and M the
    population: factorial moments are unbiased, and since ΣN = M·k is known, so are the central
    moments m2 and m3 (`variance`, `third_moment`). The skewness m3 / m2^{3/2} is consistent; NaN
    where the estimate of m2 is not above 0. The interval is the normal one of the jackknife over
    `num_groups` groups of queries with the correction 1 − m/M; of length 0 where all were asked.

    Skewness of the sample itself is another quantity, nearer to that of chance. Rates that depend
    on single counts (anti-hubs, Robin Hood, Gini) cannot be told from a sample.

    Raises:
        ValueError: indices that are not such, fewer than 3 queries a group, or more than M.
    """
    index = occurrence.known_lists("sampled_skewness", index, n)
    (m, k), size = index.shape, n if population is None else population
    size = inputs.count("population", size, 2**53, of="queries")
    num_groups = inputs.count("num_groups", num_groups, 2**31 - 1, least=2)
    inputs.number("level", level, 0, 1)
    if not 3 * num_groups <= m <= size:
        raise ValueError(
            f"{m} queries of {size} in {num_groups} groups; accepted are groups of at least 3 "
            "queries, and at most as many queries as there are."
        )
    parts = np.array_split(np.random.default_rng(0).permutation(m), num_groups)
    counts = np.stack([np.bincount(index[part].ravel(), minlength=n) for part in parts])
    whole = counts.sum(axis=0)
    variance, third = _central(whole, m, size, k)
    rest = [
        _skewness(*_central(whole - part, m - len(rows), size, k))
        for part, rows in zip(counts, parts, strict=True)
    ]
    estimate = _skewness(variance, third)
    share = (num_groups - 1) / num_groups * (1 - m / size)
    error = np.sqrt(share * np.sum((np.array(rest) - np.mean(rest)) ** 2))
    reach = float(special.ndtri((1 + level) / 2) * error)
    return SampledSkewness(estimate, estimate - reach, estimate + reach, variance, third)


def _central(counts: np.ndarray, m: int, size: int, k: int) -> tuple[float, float]:
    """Unbiased estimates of the second and third central moments of N over the points."""
    c, mean = counts.astype(float), size * k / len(counts)
    two = np.mean(c * (c - 1)) * (size / m) * ((size - 1) / (m - 1))
    three = np.mean(c * (c - 1) * (c - 2)) * (size / m) * ((size - 1) / (m - 1))
    three *= (size - 2) / (m - 2)
    second, cube = two + mean, three + 3 * two + mean  # raw moments from factorial ones
    return float(second - mean**2), float(cube - 3 * mean * second + 2 * mean**3)


def _skewness(variance: float, third: float) -> float:
    return third / variance**1.5 if variance > 0 else float("nan")
