"""Neighbours among tokens: identities 1-8 and 10 of spec/prediction_hubs.md, section 7."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from scipy import special

from hubness import k_occurrence, knn, measures, tokens
from hubness.tokens import search
from tests.apart import apart
from tests.hubness import oracles

K, N, V, D = 10, 60, 1_003, 16
R = np.random.default_rng(0)
H, W, B = (R.normal(size=s).astype(np.float32) for s in ((N, D), (V, D), (V,)))


def index(h=H, w=W, **options):
    return np.asarray(tokens.top_tokens(h, w, K, **options).index)


def test_scores_are_logits_and_come_in_order():
    z = H.astype(float) @ W.T + B
    top = tokens.top_tokens(H, W, K, bias=B)
    np.testing.assert_allclose(np.asarray(top.score), -np.sort(-z, axis=1)[:, :K], rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(top.index), np.argsort(-z, axis=1)[:, :K])


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "csls"])
def test_scores_of_each_metric(metric):
    d = oracles.pairwise(H, W, "euclidean" if metric == "euclidean" else "cosine")
    score = -d if metric == "euclidean" else 1 - d
    if metric == "csls":
        r_h, r_w = (np.sort(s, axis=1)[:, -10:].mean(1) for s in (score, score.T))
        score = 2 * score - r_h[:, None] - r_w[None]
    top = tokens.top_tokens(H, W, K, metric=metric)
    np.testing.assert_array_equal(np.asarray(top.index), np.argsort(-score, axis=1)[:, :K])
    np.testing.assert_allclose(np.asarray(top.score), -np.sort(-score, axis=1)[:, :K], atol=2e-6)


def test_counts_add_up_and_follow_permutations():
    counts = np.asarray(k_occurrence(index(), V))
    assert counts.sum() == N * K and counts.max() <= N
    points, queries = R.permutation(V), R.permutation(N)
    np.testing.assert_array_equal(np.asarray(k_occurrence(index(w=W[points]), V)), counts[points])
    np.testing.assert_array_equal(np.asarray(k_occurrence(index(h=H[queries]), V)), counts)


@pytest.mark.parametrize("metric", ["dot", "euclidean", "cosine"])
def test_a_row_can_be_left_out_of_its_own_list(metric):
    own = index(W[:200], W[:200], metric=metric, exclude_self=True)
    assert not (own == np.arange(200)[:, None]).any()
    np.testing.assert_array_equal(own, np.asarray(knn(W[:200], K, metric=metric).index))


def test_temperature_and_context_offsets_leave_the_ranks():
    """Softmax ranks as logits do; powers of two keep every bit."""
    scale = 2.0 ** R.integers(-3, 8, (N, 1)).astype(np.float32)
    np.testing.assert_array_equal(index(scale * H), index())


def test_a_vector_added_to_all_tokens_moves_all_logits_of_a_context():
    """Exact here: small integers, so that no sum rounds. Cosine does change."""
    h, w = R.integers(-8, 9, (N, D)), R.integers(-8, 9, (V, D))
    v = R.integers(-8, 9, D)
    h, w, moved = (a.astype(np.float32) for a in (h, w, w + v))
    np.testing.assert_array_equal(index(h, moved), index(h, w))
    a, b = (tokens.top_tokens(h / 8, x, K, with_stats=True).stats for x in (w, moved))
    np.testing.assert_allclose(np.asarray(a.sum_p2), np.asarray(b.sum_p2), rtol=1e-4)
    assert (index(h, moved, metric="cosine") != index(h, w, metric="cosine")).any()


def test_equal_norms_make_the_metrics_agree():
    unit = oracles.unit(W).astype(np.float32)
    same = [index(w=unit, metric=m) for m in ("dot", "euclidean", "cosine")]
    assert (same[0] == same[1]).mean() > 0.999 and (same[0] == same[2]).mean() > 0.999


def test_euclidean_is_the_product_with_a_bias():
    bias = -0.5 * (W.astype(float) ** 2).sum(1).astype(np.float32)
    assert (index(metric="euclidean") == index(bias=bias)).mean() > 0.999


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_row_statistics(scale):
    """Largest difference seen: 5e-6 relative, 1.7e-7 absolute (entropy of sure predictions)."""
    top = tokens.top_tokens(scale * H, W, K, bias=B, with_stats=True)
    z = scale * H.astype(float) @ W.T + B
    p = special.softmax(z, axis=1)
    want = dict(
        logsumexp=special.logsumexp(z, axis=1),
        sum_p2=(p**2).sum(1),
        entropy=special.entr(p).sum(1),
        l2_uniform=np.sqrt(((p - 1 / V) ** 2).sum(1)),
    )
    for name, value in top.stats._asdict().items():
        np.testing.assert_allclose(np.asarray(value), want[name], 2e-5, 3e-7, err_msg=name)
    np.testing.assert_array_equal(np.asarray(top.index), index(scale * H, bias=B))


def test_statistics_at_the_ends():
    flat = tokens.top_tokens(np.zeros((2, D), np.float32), W, K, with_stats=True).stats
    np.testing.assert_allclose(np.asarray(flat.l2_uniform), 0, atol=2e-5)
    np.testing.assert_allclose(np.asarray(flat.entropy), np.log(V), rtol=1e-6)
    sure = tokens.top_tokens(np.full((1, D), 1e3, np.float32) * W[:1], W, K, with_stats=True).stats
    np.testing.assert_allclose(np.asarray(sure.l2_uniform), np.sqrt(1 - 1 / V), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(sure.entropy), 0, atol=1e-6)


def test_saturated_probabilities_keep_their_neighbours():
    """Gaps above 100 nats: 1 − p ties in float32 for all but the first, the ranks do not."""
    big = 200 * H
    z = big.astype(float) @ W.T
    p = np.asarray(jax.nn.softmax(jnp.asarray(z, jnp.float32), axis=1))
    order = np.sort(1 - p, axis=1)
    assert (order[:, K - 1] == order[:, K]).all()
    np.testing.assert_array_equal(index(big), index())


def test_blocks_and_tiles_change_nothing(monkeypatch):
    from hubness.search import blocks

    whole = tokens.top_tokens(H, W, K, bias=B, with_stats=True)
    monkeypatch.setattr(blocks.fold_points, "__defaults__", (30,))
    with apart():
        tiled = tokens.top_tokens(H, W, K, bias=B, with_stats=True, block_size=17)
    np.testing.assert_array_equal(np.asarray(whole.index), np.asarray(tiled.index))
    np.testing.assert_array_equal(np.asarray(whole.score), np.asarray(tiled.score))
    for a, b in zip(whole.stats, tiled.stats, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 1), (1, 8), (2, 4)])
def test_sharding_contexts_and_vocabulary_changes_no_count(shape):
    """N = 60 and V = 1,003 do not divide."""
    mesh = jax.make_mesh(shape, ("contexts", "tokens"), axis_types=(AxisType.Auto,) * 2)
    options = dict(bias=B, with_stats=True)
    one = tokens.top_tokens(H, W, K, **options)
    many = tokens.top_tokens(
        H, W, K, mesh=mesh, context_axis="contexts", vocabulary_axis="tokens", **options
    )
    np.testing.assert_array_equal(np.asarray(one.index), np.asarray(many.index))
    np.testing.assert_array_equal(np.asarray(one.score), np.asarray(many.score))
    for a, b in zip(one.stats, many.stats, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5)


def test_sharding_keeps_a_row_out_of_its_own_list():
    mesh = jax.make_mesh((2, 4), ("contexts", "tokens"), axis_types=(AxisType.Auto,) * 2)
    options = dict(mesh=mesh, context_axis="contexts", vocabulary_axis="tokens")
    own = index(W[:203], W[:203], metric="euclidean", exclude_self=True, **options)
    np.testing.assert_array_equal(own, np.asarray(knn(W[:203], K).index))


def test_memory_is_a_tile_whatever_the_contexts():
    """Promise: below 400 MB for 4,000 × 49,152 × 576 with statistics, and no more for 40,000."""
    options = search._Options(K, "dot", True, False, None)

    def peak(n):
        shapes = [jax.ShapeDtypeStruct(s, np.float32) for s in ((n, 576), (49_152, 576), (49_152,))]
        compiled = search._local.lower(*shapes, 0, 0, options).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    small = peak(4_000)
    assert small < 400e6
    assert peak(40_000) - small < 40_000 * 19 * 8 * 4  # a few lists of 19 candidates


@pytest.mark.parametrize(
    "draw, with_self, skewness, largest",
    [
        (2, True, -0.0366, 19),
        (2, False, -0.0812, 19),
        (0, True, 12.2674, 870),
        (0, False, 12.0404, 940),
    ],
)
def test_published_synthetic_values(draw, with_self, skewness, largest):
    """Spec 2: n = 10,000, seed 0; the first draw has d = 300, the third d = 3."""
    r = np.random.default_rng(0)
    draws = [r.standard_normal((10_000, width)) for width in (300, 300, 3)[: draw + 1]]
    x = draws[draw].astype(np.float32)
    nb = knn(x, K, queries=x if with_self else None)
    counts = np.asarray(k_occurrence(nb.index, 10_000))
    np.testing.assert_allclose(float(measures(counts, K).skewness), skewness, atol=2e-4)
    assert counts.max() == largest


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(h=H[:, :-1]), "hidden of shape .* differ in width"),
        (dict(k=V + 1), "k=1004 is impossible with 1003 tokens"),
        (dict(bias=B[:-1]), "expected one value per token"),
        (dict(bias=B * np.inf), "bias of shape .* holds NaN or infinite"),
        (dict(metric="cosine", with_stats=True), "with_stats needs the model's own metric"),
        (dict(metric="cosine", bias=B), "drop it"),
        (dict(exclude_self=True), "there are 60 and 1003 rows"),
        (dict(h=H * np.nan), "hidden of shape .* holds NaN or infinite"),
        (dict(metric="manhattan"), "use one of dot, euclidean, cosine, csls"),
    ],
)
def test_bad_input_is_one_clear_error(options, message):
    h, k = options.pop("h", H), options.pop("k", K)
    with pytest.raises(ValueError, match=message):
        tokens.top_tokens(h, W, k, **options)
