"""Which tokens are hubs, how frequent they are, and what that does to predictions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, Real, Shaped

from hubness.occurrence import bad_k_occurrence, checked_index
from hubness.search.checked import Given, precisely
from repgeo import inputs

_IDS = 2**31  # any id that int32 holds, where the size of the vocabulary does not matter


def token_counts(ids: Given, vocabulary: int) -> Int[Array, " v"]:
    """How often each token id occurs in an array of any shape.

    Raises:
        ValueError: ids outside 0..vocabulary − 1.
    """
    ids = inputs.read("token ids", ids)
    ids = checked_index(ids.reshape(1, -1), vocabulary, "token ids")
    return jnp.zeros(vocabulary, jnp.int32).at[ids].add(1)


def hub_mask(counts: Given, rule: str, value: float) -> Bool[Array, " n"]:
    """Points that count as hubs.

    absolute: N ≥ value (100 in arXiv 2502.10201, at k = 10 and 50,000 contexts); relative:
    N ≥ value · N̄; quantile: N above the value-quantile of N. An absolute threshold is not
    comparable across vocabularies or numbers of contexts.
    """
    if rule not in ("absolute", "relative", "quantile"):
        raise ValueError(f"rule={rule!r}; use 'absolute', 'relative', or 'quantile'.")
    inputs.number("value", value, 0, 1 if rule == "quantile" else np.inf, ends=True)

    def mask(counts):
        if rule == "quantile":
            return counts > jnp.quantile(counts, value)
        return counts >= (value * counts.mean() if rule == "relative" else value)

    return precisely(mask, inputs.array("counts", counts, 1))


def skewness_bound(n: int) -> float:
    """(n − 2)/√(n − 1), the skewness of n ≥ 2 counts of which one takes all."""
    n = inputs.count("n", n, 2**53, least=2, of="counts")
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
    inputs.number("level", level, 0, 1)
    num_samples = inputs.count("num_samples", num_samples, 2**31 - 1)
    samples = np.asarray(_resampled(x, y, key, num_samples))
    defined = samples[np.isfinite(samples)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _selected(x, y, where):
    inputs.known("spearman", x, y, where)
    x, y = (np.asarray(inputs.read(name, a)) for name, a in (("x", x), ("y", y)))
    keep = np.ones(x.shape, bool) if where is None else np.asarray(inputs.read("where", where))
    if x.ndim != 1 or not x.shape == y.shape == keep.shape or keep.dtype != bool:
        raise ValueError(
            f"x has shape {x.shape}, y {y.shape} and where {keep.dtype} of shape {keep.shape}; "
            "expected vectors of one length, where of booleans."
        )
    if keep.sum() < 2:
        raise ValueError(f"{keep.sum()} points are left to correlate; at least 2 are needed.")
    # What is left out with `where` may be no number.
    x, y = (np.asarray(inputs.array(name, a[keep], 1)) for name, a in (("x", x), ("y", y)))
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
    """Accuracy of predictions by whether the predicted token is a hub.

    A true token of -1 says that no token is right.

    Raises:
        ValueError: hubs are not booleans, one a token, or tokens that are none of them.
    """
    known, predicted = inputs.read("hubs", hubs), inputs.read("predicted", predicted)
    true = inputs.read("true", true)
    if known.dtype != bool or known.ndim != 1 or predicted.shape != true.shape:
        raise ValueError(
            f"hubs are {known.dtype} of shape {known.shape}, predicted tokens of shape "
            f"{predicted.shape} and true ones of {true.shape}; accepted are booleans, one "
            "a token (hub_mask), and two vectors of one length"
        )
    chosen = inputs.labels("predicted", predicted, len(known), kind="tokens")
    right, hub = chosen == _answers(true, len(known)), jnp.asarray(known)[chosen]
    mean = lambda mask: jnp.where(mask.any(), right.mean(where=mask), jnp.nan)
    return HubAccuracy(right.mean(), mean(hub), mean(~hub), hub.sum())


def _answers(true: Given, vocabulary: int) -> Int[Array, " n"]:
    """Tokens as int32, -1 where there is none."""
    given = inputs.read("true", true)
    if not jnp.issubdtype(given.dtype, jnp.signedinteger):  # of others JAX wraps -1: it is 255
        return inputs.labels("true", given, vocabulary, kind="tokens")
    known = inputs.labels("true", given * (given != -1), vocabulary, kind="tokens")
    return jnp.where(jnp.asarray(given == -1), -1, known)


def neighbour_hit(index: Int[ArrayLike, "n k"], true: Int[ArrayLike, " n"]) -> Float[Array, ""]:
    """The share of queries whose true token is among their neighbours (hit@k).

    A true token of -1 says that no token is right.

    Raises:
        ValueError: no integers from 0 below 2³¹, or another number of queries.
    """
    index = checked_index(index, _IDS)
    true = _answers(true, _IDS)
    if len(true) != len(index):
        raise ValueError(
            f"index has shape {index.shape} and true {true.shape}; accepted is one token a query"
        )
    return (index == true[:, None]).any(axis=1).mean()


def purity(
    index: Int[ArrayLike, "n k"],
    labels: Shaped[ArrayLike, " m"],
    query_labels: Shaped[ArrayLike, " n"] | None = None,
) -> Float[Array, ""]:
    """The share of neighbours with the label of their query.

    Raises:
        ValueError: indices or labels that `bad_k_occurrence` refuses.
    """
    return 1 - bad_k_occurrence(index, labels, query_labels).sum() / np.size(index)
