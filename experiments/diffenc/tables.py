"""Several evaluated runs side by side: tables, and what their differences allow to say."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from scipy import stats

from experiments.diffenc.significance import TERMS, over_seeds
from experiments.reporting.markdown import Cell, Column, Table, Value, columns
from experiments.reporting.record import Record, direction, environment, source
from experiments.runtime import topology

_TERM_COLUMNS = [
    Column("total", format="z.4f", better="lower"),
    Column("± MC", format="z.4f"),
    Column("diffusion", format="z.4f", better="lower"),
    Column("prior", format="z.6f", better="lower"),
    Column("reconstruction", format="z.4f", better="lower"),
]


def title(record: Record) -> str:
    return f"Diffusion models on {record['data']['name']}"


def meaning(record: Record) -> tuple[str, ...]:
    """What the terms are."""
    del record
    return (
        "Figures are bits per dimension of the negative ELBO on the test split, so lower is "
        "better. The diffusion term is what denoising costs, the prior term what the noisiest "
        "level still knows of the image, and the reconstruction term what the least noisy one has "
        "lost.",
    )


def tables(record: Record) -> list[Table]:
    """Every run and the models' means, and the models' differences."""
    return [seed_table(record), difference_table(record)]


def seed_table(record: Record) -> Table:
    """Every seed, and each model's mean with its standard error over seeds."""
    rows: list[list[Cell]] = []
    # Recomputed for the order of the rows; JSON sorts the names.
    for model, terms in over_seeds(record["rows"]).items():
        own = [row for row in record["rows"] if row["model"] == model]
        for row in own:
            noise = row["bits_per_dim_mc_error"]
            rows.append([model, str(row["seed"]), *_with_noise([row[t] for t in TERMS], noise)])
        if len(own) > 1:
            means = [Value(terms[t]["mean"], terms[t]["seed_error"]) for t in TERMS]
            noise = terms["bits_per_dim"]["mc_error"]
            rows.append([f"**{model}**", "mean", *_with_noise(means, noise)])
    header = [Column("model"), Column("seed"), *_TERM_COLUMNS]
    return Table(header, rows, "Bits/dim", caption(record), source(record))


def means_table(record: Record) -> Table:
    """One row a model: means over seeds with their standard errors."""
    rows: list[list[Cell]] = []
    for model, terms in over_seeds(record["rows"]).items():
        own = [row for row in record["rows"] if row["model"] == model]
        low, high = own[0]["gamma"]
        means = [Value(terms[t]["mean"], _or_nan(terms[t]["seed_error"])) for t in TERMS]
        values = _with_noise(means, terms["bits_per_dim"]["mc_error"])
        rows.append([model, f"[{low:g}, {high:g}]", own[0]["parameters"], len(own), *values])
    header = [Column("model"), Column("γ"), Column("parameters", format=","), Column("seeds")]
    return Table(
        [*header, *_TERM_COLUMNS], rows, "Means over seeds", caption(record), source(record)
    )


def difference_table(record: Record) -> Table:
    """The models' differences with their errors and both tests."""
    rows: list[list[Cell]] = []
    for entry in sorted(_contrasted(record), key=lambda e: TERMS.index(e["term"])):
        term, (first, second) = entry["term"], entry["models"]
        form = "z.6f" if term == "prior" else "z.4f"
        names = ("difference", "paired_error", "image_error", "mc_error")
        values = [Value(entry[name], format=form) for name in names]
        tests = [entry[f"{k}_p"] for k in ("welch", "paired")]
        name = "total" if term == "bits_per_dim" else term
        rows.append([name, f"{second} − {first}", *values, *tests])
    header = [Column(title) for title in ("term", "models")]
    header += [Column("difference", better="lower")]
    header += [Column(title) for title in ("± seeds", "± images", "± MC")]
    header += [Column("Welch p", format=_p), Column("paired p", format=_p)]
    return Table(header, rows, "Differences between models", _difference_caption(record))


def _contrasted(record: Record) -> list[Record]:
    """The differences; where contrasts were named before the runs, only those."""
    named = [set(pair) for pair in record.get("contrasts", [])]
    return [e for e in record["differences"] if not named or set(e["models"]) in named]


def _with_noise(values: list[Any], noise: float | None) -> list[Any]:
    """The terms' values with the total's Monte-Carlo error after the first."""
    return [values[0], noise, *values[1:]]


def _or_nan(error: float | None) -> float:
    return math.nan if error is None else error


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def caption(record: Record) -> str:
    """One sentence that says what the table's figures are."""
    data, of_models = record["data"], Counter(row["model"] for row in record["rows"])
    return (
        f"Bits/dim of EMA weights on all {data['test_size']:,} test images of {data['name']} "
        f"(SHA-256 {data['sha256'][:12]}…) after {record['rows'][0]['step']:,} steps; "
        f"{record['times_per_image']} stratified times an image; ± MC: one standard error from "
        f"times and noise; mean rows: ± one standard error over {_span(of_models.values())} "
        f"seeds.{_missing(record)}"
        f"{_begun(record)}"
    )


def _begun(record: Record) -> str:
    """Which commits began the runs, where it was not the one that sets them side by side."""
    begun = sorted({str(row["begun"]["commit"]) for row in record["rows"] if row.get("begun")})
    return (
        ""
        if begun in ([], [environment(record)["commit"]])
        else f" Runs begun by commit {', '.join(begun)}."
    )


def _missing(record: Record) -> str:
    """How many of the planned runs a record of a suite that is not finished lacks."""
    if not (missing := len(record.get("unfinished", []))):
        return ""
    return f" Unfinished: {missing} of {missing + len(record['rows'])} planned runs still to come."


def _difference_caption(record: Record) -> str:
    """What the table of differences says and how its tests differ."""
    seeds = _span([entry["seeds"] for entry in _contrasted(record)])
    return (
        f"Differences in bits/dim over {seeds} seeds between models of one noise range, evaluated "
        "on the same images, times and noise. ± one standard error: over runs paired by seed, over "
        "test images, over times and noise. p: one-sided, for the first-named model being lower; "
        "Welch's test over seeds as the paper reports it, and Student's test of the pairs."
        f"{_some_images(record)}{_missing(record)}"
    )


def _span(numbers: Collection[int]) -> str:
    """One number where all are equal, else the least and the largest."""
    return " to ".join(map(str, sorted({min(numbers, default=0), max(numbers, default=0)})))


def _some_images(record: Record) -> str:
    """Of how many pairs the errors over images are, where some folders were gone."""
    pairs = [(e.get("pairs_with_images", e["seeds"]), e["seeds"]) for e in _contrasted(record)]
    if all(some == of for some, of in pairs):
        return ""
    return f" Errors over images and noise are of {min(pairs)[0]} to {max(pairs)[0]} pairs alone."


def verdict(record: Record) -> str:
    """Each model's total against the first of its noise range, as far as its interval allows."""
    first_of = {tuple(row["gamma"]): row["model"] for row in reversed(record["rows"])}
    found = [
        entry
        for entry in _contrasted(record)
        if entry["term"] == "bits_per_dim"
        and (record.get("contrasts") or entry["models"][0] in first_of.values())
    ]
    data = record["data"]["name"]
    if not found:
        means = over_seeds(record["rows"])
        values = [_reached(model, terms["bits_per_dim"]) for model, terms in means.items()]
        return (
            f"On {data}, in bits/dim (lower is better), {', '.join(values)}; nothing is compared."
        )
    sentences = [_compared(entry) for entry in found]
    seeds = found[0]["seeds"]
    errors = f"95 % intervals over {seeds} seeds and the test images"
    if seeds < 2:
        errors = "one seed each, so no interval"
    return f"On {data}, in total bits/dim (lower is better; {errors}): {'; '.join(sentences)}."


def _reached(model: str, total: Mapping[str, Any]) -> str:
    error, over = total["seed_error"], "seeds"
    if error is None:
        error, over = total["mc_error"], "times and noise"
    return f"{model} reaches {total['mean']:.4f} ± {error:.4f} (one standard error over {over})"


def _compared(entry: Record) -> str:
    (first, second), difference = entry["models"], entry["difference"]
    low, high = interval(entry)
    if entry["image_error"] is None:
        return (
            f"{second} less {first} is {difference:+.4f}, with no error over images to go with it"
        )
    if low is None or high is None:
        errors = f"± {entry['image_error']:.4f} over images"
        return f"{second} less {first} is {difference:+.4f} ({errors}), for this one pair of runs"
    span = f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]"
    word = {"lower": "better", "higher": "worse"}.get(direction(low, high))
    if word is None:
        return f"no difference between {second} and {first} is established ({span})"
    return f"{second} is {word} than {first} ({span})"


def interval(entry: Record) -> tuple[float | None, float | None]:
    """The 95 % interval of a difference, over seeds and images; None twice where either is unknown.

    Half its width is √((t s)² + (1.96 i)²): Student's t for the error s over n seeds, n − 1 degrees
    of freedom, and the error i over images, which holds that of times and noise. Recovered from
    the two intervals as in Zou and Donner 2008, https://doi.org/10.1002/sim.3095.
    """
    if entry["paired_error"] is None or entry["image_error"] is None:
        return None, None
    of_seeds = float(stats.t.ppf(0.975, entry["seeds"] - 1)) * entry["paired_error"]
    half = math.hypot(of_seeds, float(stats.norm.ppf(0.975)) * entry["image_error"])
    return entry["difference"] - half, entry["difference"] + half


def compile_table(record: Record) -> Table:
    """Training steps of results/tpu/compile.json, each with the first change of it that fits."""
    rows: list[list[Cell]] = []
    for name, case in record.items():
        if "--config" not in case["environment"]["command"]:
            continue
        model, _, chips = name.rpartition(" ")
        tried = case.get("tried", [])
        done = case["state"] == "compiled"
        change = change_words(tried[-1]["change"]) if tried else ""
        cells = topology.row_of(tried[-1]) if done else topology.not_compiled(case)
        hours = tried[-1]["step_ms"] / 3.6 if done and tried[-1]["fits"] else None
        rows.append([model, chips, change, *cells, hours])
    hours = Column("hours a million steps ≥", format=".1f", missing="")
    heads = columns("model", "chips", "change", *topology.COLUMNS, hours)
    return Table(heads, rows, "Training steps")


def change_words(change: Mapping[str, Any]) -> str:
    """A change of a config in the words of a table."""
    return ", ".join(f"{key.split('.')[-1]} {value}" for key, value in change.items()) or "none"
