"""The examples of arXiv:2603.29488, each with the numbers that make its point."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import similarity as S
from similarity import constructions, gauge, patterns

Record = dict[str, Any]


def translations(targets: Sequence[float], key: jax.Array) -> Record:
    """One classifier moved to each cosine of labels 0 and 1: the probabilities stay."""
    k_f, k_g = jax.random.split(key)
    f, W = jax.random.normal(k_f, (500, 3)), jax.random.normal(k_g, (6, 3))
    p = np.exp(S.log_probs(f, W))
    rows = []
    for target in targets:
        moved = gauge.translate_to_cosine(W, 0, 1, target)
        change = np.abs(np.exp(S.log_probs(f, moved)) - p).max()
        cosine = float(gauge.cosines(moved)[0, 1])
        rows.append({"target": target, "cosine": cosine, "largest_change": float(change)})
    return {"before": float(gauge.cosines(W)[0, 1]), "rows": rows}


def competing_labels() -> Record:
    """Cosines after centring, and at unit length, against the pairs that are ever top-2."""
    records = {}
    for name, W in (
        ("centred", constructions.centred_cosines()),
        ("fixed_length", constructions.fixed_length_cosines()),
    ):
        cosine = np.asarray(gauge.cosines(W))
        pairs = [tuple(pair) for pair in np.asarray(patterns.top_pairs_2d(W)).tolist()]
        every = [(i, j) for i in range(len(W)) for j in range(i)]
        never = max((pair for pair in every if pair[::-1] not in pairs), key=lambda p: cosine[p])
        least = min(pairs, key=lambda p: cosine[p])
        records[name] = {
            "top_pairs": pairs,
            "least_cosine_of_a_top_pair": [list(least), float(cosine[least])],
            "greatest_cosine_of_a_pair_never_top": [list(never[::-1]), float(cosine[never])],
        }
    return records


def lengths() -> Record:
    """Equal cosines, and a label that is an argmax for one matrix and never for the other."""
    even, short = constructions.row_lengths()
    angle = 2 * np.pi * (np.arange(2000) + 0.5) / 2000
    x = np.stack([np.cos(angle), np.sin(angle)])
    gap = np.abs(np.asarray(gauge.cosines(even)) - np.asarray(gauge.cosines(short))).max()
    counts = [np.bincount((W @ x).argmax(0), minlength=7).tolist() for W in (even, short)]
    return {"largest_gap_of_cosines": float(gap), "argmaxes_of_2000": counts}


def signs_and_ranks(key: jax.Array, num: int) -> Record:
    """Equal sign patterns, and rankings that only one of two matrices can give."""
    a, b = constructions.equal_signs_other_ranks()
    signs = [
        {tuple(row) for row in np.asarray(patterns.sign_patterns(key, W, num)).tolist()}
        for W in (a, b)
    ]
    ranks = [
        {tuple(row) for row in (np.asarray(patterns.rank_patterns_2d(W[:, :2])) + 1).tolist()}
        for W in (a, b)
    ]
    minors = [np.asarray(patterns.minors(patterns.braid(5) @ W)) for W in (a, b)]
    flipped = np.flatnonzero(np.sign(minors[0]) != np.sign(minors[1]))
    return {
        "sign_patterns": [len(s) for s in signs],
        "equal_sign_patterns": signs[0] == signs[1],
        "equal_chirotopes": bool((patterns.chirotope(a) == patterns.chirotope(b)).all()),
        "only_first": sorted(ranks[0] - ranks[1]),
        "only_second": sorted(ranks[1] - ranks[0]),
        "braid_minors": minors[0].size,
        "flipped_minors": [[float(m[i]) for m in minors] for i in flipped],
    }


def regions_from_cosines(cases: Sequence[tuple[int, int]], seeds: int, key: jax.Array) -> Record:
    """Whether cosines settle the chirotope: of rows for sigmoids, of differences for a softmax.

    For each case (labels, dimension): how often the chirotope of a factor of the cosine Gram
    matrix is that of the matrix itself.
    """
    # In double precision, in which a minor that is zero is told from a small one.
    with jax.enable_x64(True):
        return {"rows": [_regions_case(k, m, seeds, key) for k, m in cases]}


def _regions_case(k: int, m: int, seeds: int, key: jax.Array) -> Record:
    right = {"rows": 0, "differences": 0}
    for seed in range(seeds):
        drawn = jax.random.fold_in(key, 1000 * k + 10 * m + seed)
        W = np.asarray(jax.random.normal(drawn, (k, m)))
        for name, matrix in (("rows", W), ("differences", patterns.braid(k) @ W)):
            factor = factor_of_cosines(np.asarray(gauge.cosines(matrix)), min(len(matrix), m))
            same = patterns.chirotope(factor, 1e-7) == patterns.chirotope(matrix, 1e-7)
            right[name] += int(np.all(same))
    return {"labels": k, "dim": m, "of": seeds, **right}


def factor_of_cosines(cosines: np.ndarray, rank: int) -> np.ndarray:
    """V with V Vᵀ = cosines, from the leading eigenvectors."""
    values, vectors = np.linalg.eigh(cosines.astype(np.float64))
    return vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0))
