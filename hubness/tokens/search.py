"""Neighbours of contexts among the tokens of a vocabulary."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int

from hubness.search import checked, pairwise, topk
from hubness.search.checked import Given
from hubness.search.knn import search
from repgeo import inputs

METRICS = ("dot", "euclidean", "cosine", "csls")
FAR = -1e30  # score of tokens that only fill up a shard


class RowStats(NamedTuple):
    """Statistics of p = softmax of one context's logits over the vocabulary.

    logsumexp and entropy in nats; sum_p2 = Σp²; l2_uniform = ‖p − 1/V‖₂ = √(Σp² − 1/V).
    """

    logsumexp: Float[Array, " n"]
    sum_p2: Float[Array, " n"]
    entropy: Float[Array, " n"]
    l2_uniform: Float[Array, " n"]


class TopTokens(NamedTuple):
    """The k tokens of highest score of each context, best first; stats if asked for."""

    score: Float[Array, "n k"]
    index: Int[Array, "n k"]
    stats: RowStats | None


def top_tokens(
    hidden: Given,
    unembedding: Given,
    k: int,
    *,
    metric: str = "dot",
    bias: Given = None,
    local_k: int = 10,
    with_stats: bool = False,
    exclude_self: bool = False,
    block_size: int | None = None,
    mesh: Mesh | None = None,
    context_axis: str | None = None,
    vocabulary_axis: str | None = None,
) -> TopTokens:
    """The k tokens of highest score of each context, exactly; ties go to the lowest id.

    Scores are h·w + b (dot, b = `bias` or 0), −‖h−w‖₂ (euclidean), cos(h, w) (cosine) or
    2 cos(h, w) − r_h − r_w (csls), r the mean cosine to the local_k nearest of the other side.
    Ranks are those of scores, never of 1 − p, which ties in float32 where the model is sure.

    `with_stats` (dot) adds softmax statistics in the same pass. exclude_self leaves row i of
    `unembedding` out of the list of row i of `hidden`, for context-context and token-token
    comparisons. `mesh` shards contexts over `context_axis` and tokens over `vocabulary_axis`;
    ids are those of one device.

    Raises:
        ValueError: widths that differ, rows that are not finite, impossible k, an unknown metric.
    """
    w = checked.rows(unembedding, "unembedding")
    h = checked.queries(hidden, w, "hidden")
    checked.metric(metric, w, h, accepted=METRICS)
    k = inputs.count("k", k, len(w) - exclude_self, of="tokens")
    if with_stats and metric != "dot":
        raise ValueError(f"with_stats needs the model's own metric 'dot', not {metric!r}.")
    if exclude_self and len(h) != len(w):
        raise ValueError(
            f"exclude_self=True takes row i of hidden for token i, but there are {len(h)} and "
            f"{len(w)} rows; pass the same rows twice."
        )
    b = None if bias is None else _bias(bias, len(w), metric)
    if metric == "csls":
        most = min(len(h), len(w)) - exclude_self
        inputs.count("local_k", local_k, most, of="rows of either side")
    options = _Options(
        k, "cosine" if metric == "csls" else metric, with_stats, exclude_self, block_size
    )

    def run(h, w, b):
        shift, row = jnp.zeros(len(w), w.dtype) if b is None else b, jnp.zeros(len(h), h.dtype)
        if metric == "csls":
            row, shift = _local_means(h, w, local_k, exclude_self, block_size)
        if mesh is None:
            ranked, sums = _local(h, w, shift, 0, 0, options)
        else:
            axes = mesh, context_axis, vocabulary_axis
            ranked, sums = _sharded(h, w, shift, options, *axes)
        return _finish(ranked, sums, len(w), metric, row)

    return checked.precisely(run, h, w, b, ranged=not with_stats, metric=metric)


def _bias(bias: Given, vocabulary: int, metric: str) -> checked.Checked:
    if metric != "dot":
        raise ValueError(f"bias is of the model's own metric 'dot', not {metric!r}; drop it.")
    bias = inputs.array("bias", bias)
    if bias.shape != (vocabulary,):
        raise ValueError(
            f"bias has shape {bias.shape}; expected one value per token, {(vocabulary,)}."
        )
    return bias


class _Options(NamedTuple):
    k: int
    metric: str
    with_stats: bool
    exclude_self: bool
    block_size: int | None


def _local_means(h, w, local_k, exclude_self, block_size):
    """The mean cosine of each context to its nearest tokens, and −½ that of each token."""
    mean = lambda x, q: (
        1 - search(x, q, local_k, "cosine", exclude_self, block_size).distance.mean(axis=1)
    )
    return mean(w, h), -mean(h, w) / 2


class _Sums(NamedTuple):
    """Running max m of logits z, Σe^{z−m}, Σe^{2(z−m)}, Σ(z−m)e^{z−m}."""

    top: Float[Array, " n"]
    one: Float[Array, " n"]
    two: Float[Array, " n"]
    weighted: Float[Array, " n"]


@jax.jit(static_argnames="options")
def _local(h, w, shift, first_row, first_token, options):
    """Ranked tokens and softmax sums of contexts against the tokens of one device."""
    space = pairwise.make_space(h, w, options.metric, shift)
    own = first_row - first_token if options.exclude_self else None
    stats = topk.Fold(_add_scores, _no_scores) if options.with_stats else _NO_STATS
    k = min(options.k, w.shape[0])
    ranked, sums = topk.nearest_and(stats, space, k, own=own, block_rows=options.block_size)
    return topk.Ranked(ranked.cost, ranked.index + first_token), sums


_NO_STATS = topk.Fold(lambda carry, score: carry, lambda m: None)


def _no_scores(m: int) -> _Sums:
    zero = jnp.zeros(m)
    return _Sums(zero - jnp.inf, zero, zero, zero)


def _add_scores(sums: _Sums, z: Float[Array, "r b"]) -> _Sums:
    top = jnp.maximum(sums.top, z.max(axis=1))
    z = z - top[:, None]
    # Kept, so that the exponential is taken once and not once for each of the three sums.
    e = lax.optimization_barrier(jnp.exp(z))
    new = _Sums(top, e.sum(axis=1), (e * e).sum(axis=1), jnp.where(e > 0, e * z, 0).sum(axis=1))
    return _add_sums(sums, new)


def _add_sums(a: _Sums, b: _Sums) -> _Sums:
    """Sums over two sets of tokens."""
    top = jnp.maximum(a.top, b.top)

    def moved(s):
        shift = jnp.where(s.one > 0, s.top - top, 0)
        scale = jnp.exp(shift)
        return s.one * scale, s.two * scale**2, (s.weighted + s.one * shift) * scale

    return _Sums(top, *(u + v for u, v in zip(moved(a), moved(b), strict=True)))


def _finish(ranked: topk.Ranked, sums: _Sums | None, vocabulary: int, metric: str, row):
    """Scores from costs and statistics from sums."""
    score = {
        "dot": lambda cost: -cost,
        "euclidean": lambda cost: -pairwise.distance(cost, "euclidean"),
        "cosine": lambda cost: 1 - cost,
        "csls": lambda cost: 2 * (1 - cost) - row[:, None],
    }[metric](ranked.cost)
    if sums is None:
        return TopTokens(score, ranked.index, None)
    sum_p2 = sums.two / sums.one**2
    stats = RowStats(
        logsumexp=sums.top + jnp.log(sums.one),
        sum_p2=sum_p2,
        entropy=jnp.log(sums.one) - sums.weighted / sums.one,
        l2_uniform=jnp.sqrt(jnp.maximum(sum_p2 - 1 / vocabulary, 0)),
    )
    return TopTokens(score, ranked.index, stats)


@jax.jit(static_argnames=("options", "mesh", "context_axis", "vocabulary_axis"))
def _sharded(h, w, shift, options, mesh, context_axis, vocabulary_axis):
    """Contexts and tokens padded to a multiple of their axes; lists merged over the vocabulary."""
    size = lambda axis: 1 if axis is None else mesh.shape[axis]
    place = lambda axis: 0 if axis is None else lax.axis_index(axis)
    share_h, share_w = -(-len(h) // size(context_axis)), -(-len(w) // size(vocabulary_axis))
    more_h = share_h * size(context_axis) - len(h)
    more_w = share_w * size(vocabulary_axis) - len(w)
    padded_h = jnp.pad(h, ((0, more_h), (0, 0)), mode="edge")
    padded_w = jnp.pad(w, ((0, more_w), (0, 0)), mode="edge")
    padded_shift = jnp.pad(shift, (0, more_w), constant_values=FAR)

    def local(h, w, shift):
        first_row = place(context_axis) * share_h
        first_token = place(vocabulary_axis) * share_w
        ranked, sums = _local(h, w, shift, first_row, first_token, options)
        if vocabulary_axis is None:
            return ranked, sums
        gather = lambda a: lax.all_gather(a, vocabulary_axis, axis=1, tiled=True)
        ranked = topk.Ranked(
            *topk.sort_rows((gather(ranked.cost),), gather(ranked.index), options.k)
        )
        shards = jax.tree.map(lambda a: lax.all_gather(a, vocabulary_axis), sums)
        parts = [jax.tree.map(lambda a: a[i], shards) for i in range(size(vocabulary_axis))]
        sums = functools.reduce(_add_sums, parts) if options.with_stats else None
        return topk.Ranked(*ranked), sums

    rows, tokens = PartitionSpec(context_axis), PartitionSpec(vocabulary_axis)
    run = jax.shard_map(
        local, mesh=mesh, in_specs=(rows, tokens, tokens), out_specs=rows, check_vma=False
    )
    return jax.tree.map(lambda a: a[: len(h)], run(padded_h, padded_w, padded_shift))
