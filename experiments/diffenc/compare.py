"""Several evaluated runs side by side: one summary, one page, shared figures."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from experiments.diffenc import figures, tables
from experiments.diffenc.evaluation import load_per_image
from experiments.diffenc.significance import compare_models, over_seeds
from experiments.reporting.html import publish
from experiments.reporting.markdown import block
from experiments.runtime import files, store
from experiments.runtime.files import read_json, write_json
from experiments.runtime.manifest import environment
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
            read_json(workdir / f"{name}.json") for name in ("eval", "manifest", "config")
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
                "begun": manifest.get("begun", {}),  # where and by which code; maybe not these
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


def draw(summary: Summary, runs: Runs) -> dict[str, Figure]:
    """The figures that set runs side by side: loss by time, training curves, samples."""
    names = {key: f"{key[0]} seed {key[1]}" for key in runs}
    curves = {names[(r["model"], r["seed"])]: r["by_time"] for r in summary["rows"]}
    history = {names[k]: read_metrics(w / "metrics.jsonl") for k, w in runs.items()}
    first = {model: w for (model, _), w in reversed(list(runs.items()))}
    codes = {m: store.load(first[m] / "samples.npz")["codes"][:32] for m in reversed(first)}
    return {
        "loss_by_time": figures.loss_by_time(curves),
        "training": figures.training_curves(history),
        "samples": figures.samples(codes, summary["data"]["levels"]),
    }


def compare(
    runs: Runs,
    folder: pathlib.Path,
    record: str | None = None,
    *,
    contrasts: Contrasts = (),
    unfinished: Sequence[str] = (),
) -> str:
    """Writes summary.json, tables.md, report.html and figures/ to `folder`; returns the tables.

    `contrasts` are the pairs of models that the tables are to set against each other, all unless
    given; `unfinished` names the runs that this summary still lacks.
    """
    summary = summarise(runs)
    for name, given in ("contrasts", contrasts), ("unfinished", unfinished):
        if given:
            summary[name] = list(given)
    write_json(folder / "summary.json", summary)
    if record:
        files.write_record(pathlib.Path(record), summary)
    return block(publish(tables, summary, draw(summary, runs), folder, files.write))
