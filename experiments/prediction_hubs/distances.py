"""How distances are spread: moments, contrast and histograms, in blocks of queries."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.prediction_hubs.neighbourhoods import Sample, Space, sides

_BLOCK = 256
_BINS = 100


def summarise(
    space: Space, comparison: str, distance: str, sample: Sample | None, *, max_queries: int
) -> dict[str, Any]:
    """Mean, variance, extremes, contrast and histogram over all pairs but a point with itself.

    `distance` is "euclidean", "cosine" (1 - cos) or "probability" (1 - p). Queries beyond
    `max_queries` are left out, evenly. The contrast is the median over queries of
    (largest - smallest) / smallest distance. Var[d] / E[d]² is `relative_variance` over all pairs,
    where queries of different lengths differ too, and `within_query` of the distances from one
    query: its mean over queries, and what 5 and 95 % of them lie below. Concentration is a
    statement about the latter: Beyer et al. 1999, doi:10.1007/3-540-49257-7_15.
    """
    points, queries = sides(space, comparison, sample)
    number = min(max_queries, len(queries))
    chosen = np.unique(np.linspace(0, len(queries) - 1, number).astype(int))
    bias = space.bias if comparison == "ct" and space.bias is not None else np.zeros(len(points))
    args = (jnp.asarray(points), jnp.asarray(bias, jnp.float32), distance, comparison != "ct")
    blocks = [chosen[i : i + _BLOCK] for i in range(0, len(chosen), _BLOCK)]
    # Two passes: the histogram's range must be known before anything is counted.
    totals = [_moments(jnp.asarray(queries[b]), jnp.asarray(b), *args) for b in blocks]
    means, variances, least, most = (
        np.concatenate(part).astype(np.float64) for part in zip(*totals, strict=True)
    )
    low, high = float(least.min()), float(most.max())
    edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
    counts = np.zeros(_BINS, np.int64)
    for b in blocks:
        counts += np.asarray(
            _histogram(jnp.asarray(queries[b]), jnp.asarray(b), jnp.asarray(edges), *args)
        )
    mean, variance = float(means.mean()), float(variances.mean() + means.var())
    within = variances / means**2
    low_within, high_within = np.quantile(within, [0.05, 0.95])
    return {
        "comparison": comparison,
        "distance": distance,
        "corpus": sample.name if sample else "",
        "num_queries": len(chosen),
        "mean": mean,
        "variance": variance,
        "relative_variance": variance / mean**2,
        "within_query": {
            "mean": float(within.mean()),
            "low": float(low_within),
            "high": float(high_within),
        },
        "smallest": low,
        "largest": high,
        "contrast": float(np.median((most - least) / np.maximum(least, 1e-12))),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def _block(queries, rows, points, bias, distance, has_self):
    """Distances of one block of queries, and which pairs count."""
    scores = jnp.matmul(queries, points.T, precision="highest") + bias[None, :]
    if distance == "probability":
        values = 1 - jax.nn.softmax(scores)
    elif distance == "cosine":
        lengths = jnp.linalg.norm(queries, axis=1)[:, None] * jnp.linalg.norm(points, axis=1)[None]
        # Rounding must not make equal vectors nearer than 0.
        values = jnp.maximum(1 - (scores - bias[None, :]) / lengths, 0)
    else:
        squared = jnp.square(queries).sum(1)[:, None] + jnp.square(points).sum(1)[None]
        values = jnp.sqrt(jnp.maximum(squared - 2 * (scores - bias[None, :]), 0))
    own = rows[:, None] == jnp.arange(len(points))[None]
    return values, ~(own & has_self)


@jax.jit(static_argnames=("distance", "has_self"))
def _moments(queries, rows, points, bias, distance, has_self):
    """Mean and variance of each query's distances, and the least and the greatest of them."""
    values, counted = _block(queries, rows, points, bias, distance, has_self)
    mean = values.mean(1, where=counted)
    # About the mean: a difference of squares in single precision cannot tell 1e-6 from 0.
    variance = jnp.square(values - mean[:, None]).mean(1, where=counted)
    least = jnp.where(counted, values, jnp.inf).min(1)
    most = jnp.where(counted, values, -jnp.inf).max(1)
    return mean, variance, least, most


@jax.jit(static_argnames=("distance", "has_self"))
def _histogram(queries, rows, edges, points, bias, distance, has_self):
    values, counted = _block(queries, rows, points, bias, distance, has_self)
    width = edges[1] - edges[0]
    bins = jnp.clip((values - edges[0]) // width, 0, _BINS - 1).astype(jnp.int32)
    return jnp.zeros(_BINS, jnp.int32).at[bins].add(counted.astype(jnp.int32))
