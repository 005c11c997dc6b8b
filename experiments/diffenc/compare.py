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
from experiments.runtime.errors import UserError
from experiments.runtime.files import read_json, write_json
from experiments.runtime.manifest import environment
from experiments.runtime.metrics import read_metrics

Row = Mapping[str, Any]
# By model and seed the folder of an evaluated run, or its row in an earlier summary.
Runs = Mapping[tuple[str, int], pathlib.Path | Row]
Contrasts = Sequence[tuple[str, str]]
Summary = Mapping[str, Any]


def summarise(runs: Runs) -> dict[str, Any]:
    """What each run's evaluation says, one row a run, the models' means, and their differences.

    Rows that are given count in means and over seeds, not in errors over images and noise: those
    are of the pairs of runs whose folders are here.

    Raises:
      UserError: a row was evaluated on other data than the runs.
    """
    here = _here(runs)
    results = {run: read_json(workdir / "eval.json") for run, workdir in here.items()}
    rows = [
        _row(model, seed, found, results[model, seed]) if isinstance(found, pathlib.Path) else found
        for (model, seed), found in runs.items()
    ]
    first = next(iter(results.values()))
    if other := {row["data"] for row in rows} - {first["data"]["sha256"]}:
        raise UserError(
            f"the record has runs on other data (SHA-256 {other.pop()[:12]}…) than these "
            f"({first['data']['sha256'][:12]}…); give another --record"
        )
    images = {run: load_per_image(workdir / "eval_per_image.npz") for run, workdir in here.items()}
    return {
        "environment": environment(),
        **{key: first[key] for key in ("data", "times_per_image")},
        "rows": rows,
        "means": over_seeds(rows),
        "differences": compare_models(rows, images),
    }


def _here(runs: Runs) -> dict[tuple[str, int], pathlib.Path]:
    return {run: found for run, found in runs.items() if isinstance(found, pathlib.Path)}


def _row(model: str, seed: int, workdir: pathlib.Path, result: Row) -> dict[str, Any]:
    manifest, config = (read_json(workdir / f"{name}.json") for name in ("manifest", "config"))
    options = config["model"]["options"]
    row = {
        "model": model,
        "seed": seed,
        "step": result["step"],
        "data": result["data"]["sha256"],
        "parameters": manifest["parameters"],
        "begun": begun_by(manifest),
        "gamma": [options["gamma_min"], options["gamma_max"]],
        "by_time": result["by_time"],
        **result["summary"],
    }
    if best := result.get("optimal_volatility"):
        gain = best["difference"]["bits_per_dim"]
        row["optimal_volatility"] = {
            "bits_per_dim": best["summary"]["bits_per_dim"],
            "gain": gain["difference"],
            "gain_image_error": gain["image_error"],
            "gamma": best["gamma"],
            "u": best["optimal"],
        }
    return row


def begun_by(manifest: Summary) -> dict[str, Any]:
    """By which code and where a run was begun: it may have been evaluated elsewhere."""
    then = manifest.get("begun", manifest)  # older manifests have what holds of the last resume
    known = ("commit", "date", "devices", "matmul_precision", "packages", "platform")
    return {name: then[name] for name in known if name in then}


def draw(summary: Summary, runs: Runs) -> dict[str, Figure]:
    """The figures that set runs side by side: loss by time, training curves, samples."""
    here, name = _here(runs), "{} seed {}".format
    curves = {name(row["model"], row["seed"]): row["by_time"] for row in summary["rows"]}
    history = {name(*run): read_metrics(w / "metrics.jsonl") for run, w in here.items()}
    first = {model: w for (model, _), w in reversed(list(here.items()))}
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
