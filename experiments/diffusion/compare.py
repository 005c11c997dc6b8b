"""Several evaluated runs side by side: tables, one summary, shared figures."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.diffusion import figures
from experiments.diffusion.evaluation import load_per_image
from experiments.diffusion.significance import TERMS, compare_models, over_seeds
from experiments.runtime.manifest import environment, write_json
from experiments.runtime.metrics import read_metrics

Runs = Mapping[tuple[str, int], pathlib.Path]
Contrasts = Sequence[tuple[str, str]]
Summary = Mapping[str, Any]


def summarise(runs: Runs) -> dict[str, Any]:
    """What each run's evaluation says, one row a run, the models' means, and their differences."""
    rows, images = [], {}
    results: list[dict[str, Any]] = []
    for (model, seed), workdir in runs.items():
        result, manifest, config = (
            json.loads((workdir / f"{name}.json").read_text())
            for name in ("eval", "manifest", "config")
        )
        options = config["model"]["options"]
        results.append(result)
        images[model, seed] = load_per_image(workdir / "eval_per_image.npz")
        rows.append(
            {
                "model": model,
                "seed": seed,
                "step": result["step"],
                "parameters": manifest["parameters"],
                "gamma": [options["gamma_min"], options["gamma_max"]],
                "by_time": result["by_time"],
                **result["summary"],
            }
        )
        if best := result.get("optimal_volatility"):
            gain = best["difference"]["bits_per_dim"]
            rows[-1]["optimal_volatility"] = {
                "bits_per_dim": best["summary"]["bits_per_dim"],
                "gain": gain["difference"],
                "gain_image_error": gain["image_error"],
                "gamma": best["gamma"],
                "u": best["optimal"],
            }
    shared = {key: results[0][key] for key in ("data", "times_per_image")}
    return {
        "environment": environment(),
        **shared,
        "rows": rows,
        "means": over_seeds(rows),
        "differences": compare_models(rows, images),
    }


def table(summary: Summary) -> str:
    """A Markdown table: every seed, and each model's mean with its standard error over seeds."""
    header = "| model | seed | total | ± MC | diffusion | prior | reconstruction |"
    lines = [header, "|---|---|---|---|---|---|---|"]
    # Recomputed for the order of the rows; JSON sorts the names.
    for model, terms in over_seeds(summary["rows"]).items():
        rows = [row for row in summary["rows"] if row["model"] == model]
        for row in rows:
            values = [_digits(row[term], term) for term in TERMS]
            values.insert(1, f"{row['bits_per_dim_mc_error']:.4f}")
            lines.append(f"| {model} | {row['seed']} | " + " | ".join(values) + " |")
        if len(rows) > 1:
            values = [
                f"{_digits(terms[t]['mean'], t)} ± {_digits(terms[t]['seed_error'], t)}"
                for t in TERMS
            ]
            values.insert(1, f"{terms['bits_per_dim']['mc_error']:.4f}")
            lines.append(f"| **{model}** | mean | " + " | ".join(values) + " |")
    return "\n".join(lines)


def means_table(summary: Summary) -> str:
    """A Markdown table with one row a model: means over seeds with their standard errors."""
    lines = [
        "| model | γ | parameters | seeds | total | ± MC | diffusion | prior | reconstruction |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model, terms in over_seeds(summary["rows"]).items():
        rows = [row for row in summary["rows"] if row["model"] == model]
        low, high = rows[0]["gamma"]
        cells = [model, f"[{low:g}, {high:g}]", f"{rows[0]['parameters']:,}", str(len(rows))]
        values = [
            f"{_digits(terms[t]['mean'], t)} ± {_optional(terms[t]['seed_error'], t)}"
            for t in TERMS
        ]
        values.insert(1, _digits(terms["bits_per_dim"]["mc_error"], "bits_per_dim"))
        lines.append("| " + " | ".join([*cells, *values]) + " |")
    return "\n".join(lines)


def block(summary: Summary) -> str:
    """The means and the differences of a recorded suite, each with its caption, for a page."""
    parts = means_table(summary), caption(summary), difference_table(summary)
    return "\n\n".join([*parts, difference_caption(summary)]) + "\n"


def difference_table(summary: Summary) -> str:
    """A Markdown table of the models' differences with their errors and both tests.

    Where contrasts were named before the runs, only those.
    """
    lines = [
        "| term | models | difference | ± seeds | ± images | ± MC | Welch p | paired p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    named = [set(pair) for pair in summary.get("contrasts", [])]
    for entry in sorted(summary["differences"], key=lambda e: TERMS.index(e["term"])):
        if named and set(entry["models"]) not in named:
            continue
        term, (first, second) = entry["term"], entry["models"]
        errors = [_optional(entry[f"{k}_error"], term) for k in ("paired", "image", "mc")]
        tests = [_p(entry[f"{k}_p"]) for k in ("welch", "paired")]
        name = "total" if term == "bits_per_dim" else term
        cells = [name, f"{second} − {first}", _digits(entry["difference"], term), *errors, *tests]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _digits(value: float, term: str) -> str:
    places = 6 if term == "prior" else 4
    return f"{round(value, places) + 0.0:.{places}f}"  # + 0.0: no minus sign on zero


def _optional(value: float | None, term: str) -> str:
    return "–" if value is None else _digits(value, term)


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def caption(summary: Summary) -> str:
    """One sentence that says what the table's figures are."""
    data, env = summary["data"], summary["environment"]
    seeds = len({row["seed"] for row in summary["rows"]})
    return (
        f"Bits/dim of EMA weights on all {data['test_size']:,} test images of {data['name']} "
        f"(SHA-256 {data['sha256'][:12]}…) after {summary['rows'][0]['step']:,} steps; "
        f"{summary['times_per_image']} stratified times an image; ± MC: one standard error from "
        f"times and noise; mean rows: ± one standard error over {seeds} seeds. "
        f"Command: `{env['command']}`, commit {env['commit']}, jax {env['packages']['jax']}."
    )


def difference_caption(summary: Summary) -> str:
    """What the table of differences says and how its tests differ."""
    seeds = len({row["seed"] for row in summary["rows"]})
    return (
        f"Differences in bits/dim over {seeds} seeds between models of one noise range, evaluated "
        "on the same images, times and noise. ± one standard error: over runs paired by seed, over "
        "test images, over times and noise. p: one-sided, for the first-named model being lower; "
        "Welch's test over seeds as the paper reports it, and Student's test of the pairs."
    )


def compare(
    runs: Runs,
    folder: pathlib.Path,
    record: str | None = None,
    *,
    contrasts: Contrasts = (),
    unfinished: Sequence[str] = (),
) -> str:
    """Writes summary.json, table.md and the shared figures to `folder`; returns the tables.

    `contrasts` are the pairs of models that the tables are to set against each other, all unless
    given; `unfinished` names the runs that this summary still lacks.
    """
    summary = summarise(runs)
    for name, given in ("contrasts", contrasts), ("unfinished", unfinished):
        if given:
            summary[name] = list(given)
    write_json(folder / "summary.json", summary)
    if record:
        pathlib.Path(record).parent.mkdir(parents=True, exist_ok=True)
        write_json(pathlib.Path(record), summary)
    parts = table(summary), caption(summary), difference_table(summary), difference_caption(summary)
    text = "\n\n".join(parts) + "\n"
    (folder / "table.md").write_text(text)
    names = {key: f"{key[0]} seed {key[1]}" for key in runs}
    curves = {names[(r["model"], r["seed"])]: r["by_time"] for r in summary["rows"]}
    figures.save(figures.loss_by_time(curves), folder / "figures" / "loss_by_time.png")
    history = {names[k]: read_metrics(w / "metrics.jsonl") for k, w in runs.items()}
    figures.save(figures.training_curves(history), folder / "figures" / "training.png")
    first = {model: w for (model, _), w in reversed(runs.items())}
    codes = {m: np.load(first[m] / "samples.npz")["codes"][:32] for m in reversed(first)}
    levels = summary["data"]["levels"]
    figures.save(figures.samples(codes, levels), folder / "figures" / "samples.png")
    return text
