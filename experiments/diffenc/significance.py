"""Differences between models: over seeds, over images, and over the noise of the evaluation."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from experiments.diffenc.evaluation import PARTS, PerImage, mc_error
from experiments.runtime.errors import UserError

TERMS = ("bits_per_dim", *PARTS)
Row = Mapping[str, Any]


def welch_less(a: Sequence[float], b: Sequence[float]) -> float | None:
    """One-sided p that b's mean is below a's, by Welch's test: what the DiffEnc paper reports.

    None where a test does not exist: fewer than two values on a side, or no spread at all.
    """
    if min(len(a), len(b)) < 2 or np.ptp(a) == np.ptp(b) == 0:
        return None
    moments = [(np.mean(values), np.std(values, ddof=1), len(values)) for values in (b, a)]
    test = stats.ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False, alternative="less")
    return float(test.pvalue)


def paired_less(differences: Sequence[float]) -> float | None:
    """One-sided p that the differences' mean is below 0, by Student's test; None as above."""
    error = standard_error(differences)
    if error is None or np.ptp(differences) == 0:
        return None
    statistic = np.mean(differences) / error
    return float(stats.t.cdf(statistic, len(differences) - 1))


def paired_difference(a: PerImage, b: PerImage) -> dict[str, dict[str, float]]:
    """b − a in bits/dim for each term, on the same images and noise.

    `image_error` is one standard error over images, `mc_error` over times and noise. Raises
    `UserError` where the two were not evaluated on the same draws.
    """
    if a.t.shape != b.t.shape or not np.array_equal(a.t, b.t):
        raise UserError(
            f"the runs were evaluated on other images or times ({a.t.shape[0]} and {b.t.shape[0]} "
            "images); evaluate both with the same --times_per_image and config.eval.seed"
        )
    found = {}
    for term in TERMS:
        draws, means = b.draws(term) - a.draws(term), b.mean(term) - a.mean(term)
        found[term] = {
            "difference": float(means.mean()),
            "image_error": float(means.std(ddof=1) / np.sqrt(len(means))),
            "mc_error": mc_error(draws),
        }
    return found


def over_seeds(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float | None]]]:
    """For each model and term: the mean over seeds, its standard error, and that from noise."""
    return {
        model: {term: _mean(chosen, term) for term in TERMS}
        for model, chosen in _by_model(rows).items()
    }


def compare_models(
    rows: Sequence[Row], images: Mapping[tuple[str, int], PerImage]
) -> list[dict[str, Any]]:
    """One entry for each term and each two models of one noise range, the second minus the first.

    `welch_p` is the published test, one-sided for "the second is lower" and blind to the pairing;
    `paired_p` compares runs of one seed, which see the same data in the same order. `image_error`
    is over test images, of the difference's mean over seeds, and `mc_error` over noise: both of the
    `pairs_with_images`, None without any. Only seeds that both models have count.
    """
    models = _by_model(rows)
    seeds = {model: {row["seed"] for row in chosen} for model, chosen in models.items()}
    return [
        {"models": [first, second], "term": term} | _difference(models, images, first, second, term)
        for first, second in itertools.combinations(models, 2)
        if models[first][0]["gamma"] == models[second][0]["gamma"] and seeds[first] & seeds[second]
        for term in TERMS
    ]


def _by_model(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {
        m: [r for r in rows if r["model"] == m] for m in dict.fromkeys(r["model"] for r in rows)
    }


def _mean(rows: Sequence[Row], term: str) -> dict[str, float | None]:
    values = [row[term] for row in rows]
    noise = [row.get(f"{term}_mc_error", 0.0) for row in rows]
    return {
        "mean": float(np.mean(values)),
        "seed_error": standard_error(values),
        "mc_error": float(np.sqrt(np.sum(np.square(noise))) / len(rows)),
    }


def standard_error(values: Sequence[float]) -> float | None:
    """One standard error of the mean; None for a single value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _difference(models, images, first: str, second: str, term: str) -> dict[str, Any]:
    a, b = ({row["seed"]: row[term] for row in models[name]} for name in (first, second))
    shared = [seed for seed in a if seed in b]
    a, b = ({seed: values[seed] for seed in shared} for values in (a, b))
    differences = [b[seed] - a[seed] for seed in shared]
    found = [(images.get((first, seed)), images.get((second, seed))) for seed in shared]
    pairs = [(x, y) for x, y in found if x and y]
    per_image = [y.mean(term) - x.mean(term) for x, y in pairs]
    noise = [mc_error(y.draws(term) - x.draws(term)) for x, y in pairs]
    return {
        "seeds": len(shared),
        "difference": float(np.mean(list(b.values())) - np.mean(list(a.values()))),
        "paired_error": standard_error(differences),
        "image_error": standard_error(np.mean(per_image, 0)) if pairs else None,
        "mc_error": float(np.sqrt(np.sum(np.square(noise))) / len(noise)) if pairs else None,
        "pairs_with_images": len(pairs),
        "welch_p": welch_less(list(a.values()), list(b.values())),
        "paired_p": paired_less(differences),
    }
