"""From neighbourhoods to the figures of the article's tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int

import hubness
from experiments.prediction_hubs.config import Config
from experiments.prediction_hubs.neighbourhoods import Neighbourhood, Sample, Space
from hubness import tokens


def hub_table(
    space: Space,
    found: Neighbourhood,
    frequencies: Mapping[str, Int[np.ndarray, "v"]],
    c: Config,
) -> dict[str, Any]:
    """How unequal the counts are, which points are hubs, and whether hubs are frequent tokens."""
    counts, hubs = found.counts, hub_mask(found.counts, c)
    measured = hubness.measures(counts, c.k, len(found.index))
    row = {
        "comparison": found.comparison,
        "distance": found.distance,
        "corpus": found.corpus,
        "num_queries": len(found.index),
        "num_points": len(counts),
        "skewness": float(measured.skewness),
        "skewness_null": float(measured.skewness_null),
        "robin_hood": float(measured.robin_hood),
        "antihub_rate": float(measured.antihub_rate),
        "num_hubs": int(hubs.sum()),
        "hub_share": float(counts[hubs].sum() / counts.sum()),
        "median": float(np.median(counts)),
        "mean": float(counts.mean()),
        "largest": int(counts.max()),
        "variance": float(counts.var()),
    }
    if found.comparison == "cc":
        return row
    row["spearman"] = {
        name: correlation(counts, frequency, hubs, c) for name, frequency in frequencies.items()
    }
    own = frequencies.get(found.corpus)
    if own is not None:
        row["hubs_never_in_corpus"] = int((hubs & (own == 0)).sum())
    row["top"] = [
        {
            "id": int(i),
            "token": space.decode(int(i)),
            "count": int(counts[i]),
            "frequency": {name: int(f[i]) for name, f in frequencies.items()},
        }
        for i in np.argsort(-counts, kind="stable")[: c.num_top]
    ]
    return row


def hub_mask(counts: Int[np.ndarray, "n"], c: Config) -> Bool[np.ndarray, "n"]:
    """The points that are hubs under the config's rule."""
    return np.asarray(tokens.hub_mask(counts, rule=c.hubs.rule, value=c.hubs.value))


def correlation(
    counts: Int[np.ndarray, "v"],
    frequency: Int[np.ndarray, "v"],
    hubs: Bool[np.ndarray, "v"],
    c: Config,
) -> dict[str, Any]:
    """Spearman's ρ of count and frequency: over hubs, with a bootstrap interval, and over all."""
    over_all = finite(tokens.spearman(counts, frequency))
    if hubs.sum() < 3:
        return {
            "rho": None,
            "low": None,
            "high": None,
            "n": int(hubs.sum()),
            "all": over_all,
        }
    x, y = counts[hubs], frequency[hubs]
    low, high = tokens.spearman_interval(x, y, jax.random.key(c.seed), num_samples=c.bootstrap)
    return {
        "rho": finite(tokens.spearman(x, y)),
        "low": finite(low),
        "high": finite(high),
        "n": int(hubs.sum()),
        "all": over_all,
    }


def finite(value: Any) -> float | None:
    """A number for JSON, which has no NaN: a correlation with a constant, a mean of nothing."""
    return float(value) if np.isfinite(value) else None


def answer(index: Int[np.ndarray, "n k"], answers: Int[np.ndarray, "n a"]) -> Int[np.ndarray, "n"]:
    """The accepted answer that is among a context's neighbours, or its first one."""
    among = (answers[:, :, None] == index[:, None, :]).any(2) & (answers >= 0)
    chosen = np.where(among.any(1), among.argmax(1), 0)
    return answers[np.arange(len(answers)), chosen]


def accuracy(found: Neighbourhood, answers: Int[np.ndarray, "n a"], c: Config) -> dict[str, Any]:
    """How often the first token is right, overall and for hubs and others; and any of the k."""
    first = found.index[:, :1]
    shares = tokens.hub_accuracy(first[:, 0], answer(first, answers), hub_mask(found.counts, c))
    accuracies = {name: finite(getattr(shares, name)) for name in ("all", "hub", "non_hub")}
    within = tokens.neighbour_hit(found.index, answer(found.index, answers))
    return {
        "corpus": found.corpus,
        "distance": found.distance,
        **accuracies,
        "hub_share": float(shares.n_hub / len(first)),
        f"within_{c.k}": float(within),
    }


def uniformity(space: Space) -> list[dict[str, Any]]:
    """How far next-token distributions are from the uniform one: ‖p - u‖₂, entropy in nats, RV."""
    rows = []
    for sample in space.samples:
        stats = tokens.top_tokens(
            sample.hidden, space.unembedding, 1, bias=space.bias, with_stats=True
        ).stats
        assert stats is not None, "they were asked for"
        size = len(space.unembedding)
        relative = tokens.probability_relative_variance(stats.l2_uniform, size)
        rows.append(
            {
                "corpus": sample.name,
                "l2_uniform": float(np.mean(stats.l2_uniform)),
                "entropy_nats": float(np.mean(stats.entropy)),
                "relative_variance": float(relative),
                "relative_variance_bound": tokens.probability_variance_bound(size),
            }
        )
    return rows


def examples(
    space: Space, found: Neighbourhood, sample: Sample, *, hubs: int = 5, contexts: int = 3
) -> list[dict[str, Any]]:
    """Contexts, with their true next token, that have one of the largest hubs among neighbours."""
    rows, texts = [], sample.texts
    if texts is None:
        return rows
    for i in np.argsort(-found.counts, kind="stable")[:hubs]:
        members = np.flatnonzero((found.index == i).any(1))[:contexts]
        neighbours = [{"context": texts[m], "next": _next_text(space, sample, m)} for m in members]
        rows.append({"id": int(i), "count": int(found.counts[i]), "contexts": neighbours})
        rows[-1]["token"] = space.decode(int(i)) if found.comparison == "ct" else texts[i]
    return rows


def _next_text(space: Space, sample: Sample, row: int) -> str:
    if sample.answers is None or (sample.answers[row] < 0).all():
        return ""
    return space.decode(int(sample.answers[row].max()))


def pooled(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """All contexts, and the number of the corpus of each."""
    labels = np.repeat(np.arange(len(samples)), [len(s.hidden) for s in samples])
    return np.concatenate([s.hidden for s in samples]), labels


def mitigation(space: Space, c: Config, say) -> list[dict[str, Any]]:
    """What each reduction does to skewness, and what it costs in purity or right answers.

    Cosine distances of pooled contexts, of tokens, and of contexts to tokens, where the model's
    own comparison stands beside as "dot".
    """
    hidden, labels = pooled(space.samples)
    answers = None
    known = [s.answers for s in space.samples if s.answers is not None]
    if len(known) == len(space.samples):
        width = max(a.shape[1] for a in known)
        fill = lambda a: np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=-1)
        answers = np.concatenate([fill(a) for a in known])
    rows = []
    for comparison in c.comparisons:
        points = hidden if comparison == "cc" else space.unembedding
        queries = hidden if comparison == "ct" else None
        for method in ("none", *c.reductions):
            say(f"{space.name}: {comparison} {method}")
            if method == "none":
                index = hubness.knn(points, c.k, queries=queries, metric="cosine").index
            else:
                # Contexts and tokens are two domains: a token's rivals are other contexts.
                index = hubness.reduced_knn(
                    points,
                    c.k,
                    method,
                    queries=queries,
                    metric="cosine",
                    two_domain=queries is not None and hubness.REDUCTIONS[method].two_domain,
                ).index
            rows.append({"comparison": comparison, "distance": "cosine", "method": method})
            rows[-1] |= _cost(np.asarray(index), comparison, len(points), labels, answers, c)
        if comparison == "ct":
            index = tokens.top_tokens(hidden, points, c.k, bias=space.bias).index
            rows.append({"comparison": "ct", "distance": "dot", "method": "none"})
            rows[-1] |= _cost(np.asarray(index), "ct", len(points), labels, answers, c)
    return rows


def _cost(index, comparison, num_points, labels, answers, c) -> dict[str, Any]:
    counts = hubness.k_occurrence(index, num_points)
    measured = hubness.measures(counts, c.k, len(index))
    row = {"skewness": float(measured.skewness), "largest": int(counts.max())}
    if comparison == "cc" and labels.max() > 0:
        row["purity"] = float(tokens.purity(index, labels))
    if comparison == "ct" and answers is not None:
        row[f"within_{c.k}"] = float(tokens.neighbour_hit(index, answer(index, answers)))
    return row
