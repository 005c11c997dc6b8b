"""Which tokens are hubs, how frequent they are, and what that does to predictions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, Real, Shaped

from hubness.occurrence import checked_index
from hubness.search.checked import Given, precisely
from repgeo import inputs


def token_counts(ids: Given, vocabulary: int) -> Int[Array, " v"]:
    """How often each token id occurs in an array of any shape.

    Raises:
        ValueError: ids outside 0..vocabulary − 1.
    """
    ids = ids if isinstance(ids, jax.Array) else np.asarray(ids)
    ids = checked_index(ids.reshape(1, -1), vocabulary)
    return jnp.zeros(vocabulary, jnp.int32).at[ids].add(1)


def hub_mask(counts: Given, rule: str, value: float) -> Bool[Array, " n"]:
    """Points that count as hubs.

    absolute: N ≥ value (100 in arXiv 2502.10201, at k = 10 and 50,000 contexts); relative:
    N ≥ value · N̄; quantile: N above the value-quantile of N. An absolute threshold is not
    comparable across vocabularies or numbers of contexts.
    """
    if rule not in ("absolute", "relative", "quantile") or (
        rule == "quantile" and not 0 <= value <= 1
    ):
        raise ValueError(
            f"rule={rule!r} with value={value}; use 'absolute', 'relative', or 'quantile' with a "
            "value in [0, 1]."
        )

    def mask(counts):
        if rule == "quantile":
            return counts > jnp.quantile(counts, value)
        return counts >= (value * counts.mean() if rule == "relative" else value)

    return precisely(mask, inputs.array("counts", counts, 1))


def skewness_bound(n: int) -> float:
    """(n − 2)/√(n − 1), the skewness of n counts of which one takes all."""
    return (n - 2) / (n - 1) ** 0.5


def spearman(
    x: Real[ArrayLike, "..."],
    y: Real[ArrayLike, "..."],
    where: Bool[ArrayLike, "..."] | None = None,
) -> Float[Array, ""]:
    """Spearman's ρ with average ranks for ties, over the points where `where` holds.

    NaN if either is constant there. Invariant to increasing maps of x or y.
    """
    return _correlation(*_selected(x, y, where))


def spearman_interval(
    x: Real[ArrayLike, "..."],
    y: Real[ArrayLike, "..."],
    key: Key[Array, ""],
    where: Bool[ArrayLike, "..."] | None = None,
    level: float = 0.95,
    num_samples: int = 1_000,
) -> tuple[float, float]:
    """The bootstrap percentile interval of `spearman` over resampled points.

    Resamples in which x or y is constant are left out; (NaN, NaN) if all are.
    """
    x, y = _selected(x, y, where)
    samples = np.asarray(_resampled(x, y, key, num_samples))
    defined = samples[np.isfinite(samples)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _selected(x, y, where):
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 1 or x.shape != y.shape or (where is not None and np.shape(where) != x.shape):
        raise ValueError(
            f"x has shape {x.shape}, y {y.shape} and where {np.shape(where)}; expected vectors of "
            "one length."
        )
    keep = slice(None) if where is None else np.asarray(where)
    x, y = x[keep], y[keep]
    if len(x) < 2:
        raise ValueError(f"{len(x)} points are left to correlate; at least 2 are needed.")
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise ValueError("x or y holds NaN or inf; drop those points with `where`.")
    # Ranks first, in double precision on the host: float32 would tie counts beyond 2²⁴.
    codes = [np.unique(a, return_inverse=True)[1].astype(np.int32) for a in (x, y)]
    return tuple(jnp.asarray(c) for c in codes)


def _ranks(codes: Int[Array, " n"]) -> Float[Array, " n"]:
    """Average ranks, centred, of integer codes below n."""
    counts = jnp.zeros(codes.shape[0], jnp.int32).at[codes].add(1)
    upto = jnp.cumsum(counts)
    # 2·rank − n − 1 = below − above, exact in integers.
    balance = 2 * upto - counts - codes.shape[0]
    return balance[codes].astype(float)


@jax.jit
def _correlation(x, y):
    a, b = _ranks(x), _ranks(y)
    scale = lambda r: r / jnp.abs(r).max()
    a, b = scale(a), scale(b)
    return jnp.sum(a * b) / jnp.sqrt(jnp.sum(a * a) * jnp.sum(b * b))


@jax.jit(static_argnames="num_samples")
def _resampled(x, y, key, num_samples):
    def one(key):
        rows = jax.random.randint(key, x.shape, 0, x.shape[0])
        return _correlation(x[rows], y[rows])

    return jax.lax.map(one, jax.random.split(key, num_samples))


class HubAccuracy(NamedTuple):
    """Accuracy over all contexts, over those whose prediction is a hub, and over the others.

    all = (n_hub · hub + (n − n_hub) · non_hub) / n; NaN where there are none.
    """

    all: Float[Array, ""]
    hub: Float[Array, ""]
    non_hub: Float[Array, ""]
    n_hub: Int[Array, ""]


def hub_accuracy(
    predicted: Int[ArrayLike, " n"], true: Int[ArrayLike, " n"], hubs: Bool[ArrayLike, " v"]
) -> HubAccuracy:
    """Accuracy of predictions by whether the predicted token is a hub."""
    predicted, true = jnp.asarray(predicted), jnp.asarray(true)
    right, hub = predicted == true, jnp.asarray(hubs)[predicted]
    mean = lambda mask: jnp.where(mask.any(), right.mean(where=mask), jnp.nan)
    return HubAccuracy(right.mean(), mean(hub), mean(~hub), hub.sum())


def neighbour_hit(index: Int[ArrayLike, "n k"], true: Int[ArrayLike, " n"]) -> Float[Array, ""]:
    """The share of queries whose true token is among their neighbours (hit@k)."""
    return (jnp.asarray(index) == jnp.asarray(true)[:, None]).any(axis=1).mean()


def purity(
    index: Int[ArrayLike, "n k"],
    labels: Shaped[ArrayLike, " m"],
    query_labels: Shaped[ArrayLike, " n"] | None = None,
) -> Float[Array, ""]:
    """The share of neighbours with the label of their query."""
    labels = np.asarray(labels)
    own = labels if query_labels is None else np.asarray(query_labels)
    return jnp.mean(jnp.asarray(labels[np.asarray(index)] == own[:, None]).astype(float))
