"""Tables and the verdict of a closeness run."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from experiments.closeness.networks import steps_per_epoch
from experiments.reporting.markdown import Cell, Column, Table, Value
from experiments.reporting.record import Record, direction, source

NAN = float("nan")


class Published(NamedTuple):
    """What the authors' code measures on their released models of one width, seeds 0 to 4.

    Attributes:
      kept: how many of the five have a test accuracy above `PUBLISHED_ABOVE`; those are compared.
      d_llv, d_fg: mean and standard deviation over their pairs; NaN or None where not known.
    """

    kept: int
    d_llv: Value
    d_fg: Value | None


# arXiv:2506.03784's released models. Where all five are kept the deviations are those of all ten
# pairs; of fewer only means are at hand.
PUBLISHED_ABOVE = 0.9
PUBLISHED = {
    (4, 16): Published(4, Value(0.452, NAN), None),
    (4, 32): Published(5, Value(0.443, 0.149), Value(0.076, 0.031)),
    (4, 64): Published(5, Value(0.252, 0.065), Value(0.031, 0.017)),
    (4, 128): Published(5, Value(0.172, 0.077), Value(0.014, 0.011)),
    (6, 16): Published(3, Value(0.509, NAN), Value(0.124, NAN)),
    (6, 32): Published(4, Value(0.902, NAN), Value(0.374, NAN)),
    (6, 64): Published(4, Value(0.725, NAN), Value(0.318, NAN)),
    (6, 128): Published(5, Value(0.124, 0.026), Value(0.0054, 0.0021)),
}


def title(record: Record) -> str:
    return f"Closeness of classifiers on {record['data'][0]['name']} data"


def meaning(record: Record) -> tuple[str, ...]:
    """What the distances are."""
    del record
    return (
        "Models of one architecture that differ in their seeds are compared in pairs: d_LLV is how "
        "far their distributions are apart, d_{f,g} how far their representations are up to a "
        "linear map. Both are 0 for equal models. A KL divergence that tends to 0 bounds neither.",
    )


def tables(record: Record) -> list[Table]:
    """Distances against width, and the pair whose KL tends to zero."""
    return [width_table(record), kl_table(record)]


def width_table(record: Record) -> Table:
    """d_LLV and d_{f,g} against width, beside the published models under the same filter."""
    alike = record["config"]["eval"]["min_accuracy"] == PUBLISHED_ABOVE
    rows: list[list[Cell]] = []
    for cell in record["cells"]:
        accuracy = np.asarray(cell["accuracy"])
        share = f"{len(cell['kept'])}/{len(accuracy)}"
        ours = [_spread(cell["pairs"].get(n)) for n in ("d_llv", "d_fg", "mcca_f")]
        known = PUBLISHED.get((cell["labels"], cell["width"])) if alike else None
        theirs = [f"{known.kept}/5", known.d_llv, known.d_fg] if known else [None] * 3
        sizes = [cell["labels"], cell["width"], share]
        rows.append([*sizes, float(accuracy.mean()), *ours, *theirs])
    header = [Column("labels"), Column("width"), Column("kept")]
    header += [Column("accuracy", format=".3f", better="higher")]
    header += [Column(name, format=".3g", error_format=".2g") for name in ("d_LLV", "d_{f,g}")]
    header += [Column("mean CCA of f", format=".3g", error_format=".2g")]
    header += [Column(f"published {name}") for name in ("kept", "d_LLV", "d_{f,g}")]
    return Table(header, rows, "Distances against width", caption(record), source(record))


def subset_table(record: Record) -> Table:
    """Means of d_LLV over all sets of as many of our models as there are published ones."""
    rows: list[list[Cell]] = []
    for cell in record["cells"]:
        known = PUBLISHED[cell["labels"], cell["width"]]
        means = subset_means(cell["pairs"], known.kept)
        low, middle, high = np.percentile(means, [2.5, 50, 97.5])
        below = float(np.mean(means <= known.d_llv.mean))
        sizes = [cell["labels"], cell["width"], known.kept, len(means)]
        rows.append([*sizes, known.d_llv.mean, float(middle), float(low), float(high), 100 * below])
    header = [Column(n) for n in ("labels", "width", "published models", "sets of ours")]
    names = ("published d_LLV", "median of ours", "2.5 %", "97.5 %")
    header += [Column(name, format=".3f") for name in names]
    header += [Column("at most the published, %", format=".1f")]
    return Table(header, rows, "Are the published distances those of few of our models?")


def subset_means(pairs: Mapping[str, Sequence[float]], size: int) -> np.ndarray:
    """Mean d_LLV over the pairs of each set of `size` models."""
    found = zip(pairs["first"], pairs["second"], pairs["d_llv"], strict=True)
    distance = {(a, b): value for a, b, value in found}
    models = sorted({model for pair in distance for model in pair})
    sets = itertools.combinations(models, size)
    return np.array([np.mean([distance[p] for p in itertools.combinations(s, 2)]) for s in sets])


def kl_table(record: Record) -> Table:
    """Table 1: KL tends to 0, the rest does not move."""
    names = {
        "kl": "KL",
        "d_llv": "d_LLV",
        "mcca_f": "mean CCA of f",
        "d_svd_f": "max d_SVD of f",
        "d_svd_g": "d_SVD of g",
        "d_logit": "d_logit",
    }
    found = record["kl_table"]
    rows = list(zip(found["rho"], *(found[name] for name in names), strict=True))
    header = [Column("ρ", format=".0f"), *(Column(n, format=".4g") for n in names.values())]
    return Table(header, rows, "A KL divergence that tends to zero bounds nothing")


def _spread(values: Sequence[float] | None) -> Cell:
    if not values:
        return "too few models"
    spread = np.std(values, ddof=1) if len(values) > 1 else np.nan
    return Value(float(np.mean(values)), float(spread))


def caption(record: Record) -> str:
    """Data, training, seeds."""
    config = record["config"]
    train, data = config["train"], record["data"][0]
    an_epoch = steps_per_epoch(config["data"]["num_train"], train["batch_size"])
    steps = -(-train["num_steps"] // an_epoch) * an_epoch
    return (
        f"{data['name']} data ({config['data']['num_train']:,} to train and "
        f"{config['data']['num_test']:,} to test on), {train['num_seeds']} seeds, {steps:,} steps, "
        f"batch {train['batch_size']}, Adam "
        f"{train['learning_rate']}. Mean ± standard deviation over pairs of seeds with "
        f"test accuracy above {config['eval']['min_accuracy']}; d_LLV over "
        f"{config['eval']['num_sets']} input sets. Published: the authors' released models of "
        "seeds 0 to 4 under the same filter, where they are known; – is not known."
    )


def verdict(record: Record) -> str:
    """Whether distances fall from the narrowest models to the widest, with 95 % intervals."""
    labels = sorted({cell["labels"] for cell in record["cells"]})
    sentences = [_of_labels([c for c in record["cells"] if c["labels"] == k]) for k in labels]
    text = "; ".join(sentences).removeprefix("w")
    return (
        f"W{text} (means over pairs of seeds; in brackets the 95 % jackknife interval of the change"
        " over seeds)."
    )


def _of_labels(cells: Sequence[Mapping[str, Any]]) -> str:
    """What the cells of one number of labels allow to say."""
    measured = sorted((c for c in cells if c["pairs"]), key=lambda c: c["width"])
    lead = f"with {cells[0]['labels']} labels"
    if not measured:
        return f"{lead}, too few models passed the least accuracy to be compared"
    first, last = measured[0], measured[-1]
    if first is last:
        means = (f"{name} {np.mean(first['pairs'][key]):.3g}" for key, name in _NAMES.items())
        return f"{lead} there is one width, {first['width']}, with {' and '.join(means)}"
    changes = [_change(first["pairs"], last["pairs"], key, name) for key, name in _NAMES.items()]
    return f"{lead}, from width {first['width']} to {last['width']}, {' and '.join(changes)}"


_NAMES = {"d_llv": "d_LLV", "d_fg": "d_{f,g}"}


def _change(first: Mapping[str, Any], last: Mapping[str, Any], key: str, name: str) -> str:
    found = [jackknife(p["first"], p["second"], p[key]) for p in (first, last)]
    (start, start_error, n), (end, end_error, n2) = found
    moved = f"from {start:.3g} to {end:.3g}"
    if min(n, n2) < 3:
        return f"{name} goes {moved} (too few models for an interval)"
    half = float(stats.t.ppf(0.975, min(n, n2) - 1)) * float(np.hypot(start_error, end_error))
    low, high = end - start - half, end - start + half
    way = direction(low, high)
    verb = {"lower": "falls", "higher": "rises"}.get(way, "goes")
    chance = " (could be chance)" if way == "uncertain" else ""
    return f"{name} {verb} {moved} [{low:+.2g}, {high:+.2g}]{chance}"


def jackknife(
    first: Sequence[float], second: Sequence[float], values: Sequence[float]
) -> tuple[float, float, int]:
    """The mean over pairs of models, its standard error over models, and their number.

    Pairs share models and are not independent: each model is left out in turn with all its pairs.
    """
    pairs, x = np.stack([first, second]), np.asarray(values, float)
    models = np.unique(pairs)
    if len(models) < 3:
        return float(x.mean()), float("nan"), len(models)
    without = np.array([x[(pairs != m).all(0)].mean() for m in models])
    n = len(models)
    return (
        float(x.mean()),
        float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum())),
        n,
    )
