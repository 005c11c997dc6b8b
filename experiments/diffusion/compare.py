"""Several evaluated runs side by side: one table, one summary, shared figures."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.diffusion import figures
from experiments.runtime.manifest import environment, write_json
from experiments.runtime.metrics import read_metrics

Runs = Mapping[tuple[str, int], pathlib.Path]
COLUMNS = ("bits_per_dim", "diffusion", "prior", "reconstruction")


def summarise(runs: Runs) -> dict[str, Any]:
    """What each run's eval.json says, one row a run, with the facts they share."""
    rows = []
    results: list[dict[str, Any]] = []
    for (model, seed), workdir in runs.items():
        result = json.loads((workdir / "eval.json").read_text())
        manifest = json.loads((workdir / "manifest.json").read_text())
        results.append(result)
        rows.append(
            {
                "model": model,
                "seed": seed,
                "step": result["step"],
                "parameters": manifest["parameters"],
                "by_time": result["by_time"],
                **result["summary"],
            }
        )
    shared = {key: results[0][key] for key in ("data", "times_per_image")}
    return {"environment": environment(), **shared, "rows": rows}


def table(summary: Mapping[str, Any]) -> str:
    """A Markdown table: every seed, and each model's mean with its standard error over seeds."""
    header = "| model | seed | total | ± MC | diffusion | prior | reconstruction |"
    lines = [header, "|---|---|---|---|---|---|---|"]
    for model in dict.fromkeys(row["model"] for row in summary["rows"]):
        rows = [row for row in summary["rows"] if row["model"] == model]
        for row in rows:
            values = [_digits(row[c], c) for c in COLUMNS]
            values.insert(1, f"{row['bits_per_dim_mc_error']:.4f}")
            lines.append(f"| {model} | {row['seed']} | " + " | ".join(values) + " |")
        if len(rows) > 1:
            values = [_mean([row[c] for row in rows], c) for c in COLUMNS]
            mc = np.sqrt(np.sum([r["bits_per_dim_mc_error"] ** 2 for r in rows])) / len(rows)
            values.insert(1, f"{mc:.4f}")
            lines.append(f"| **{model}** | mean | " + " | ".join(values) + " |")
    return "\n".join(lines)


def _digits(value: float, column: str) -> str:
    return f"{value:.6f}" if column == "prior" else f"{value:.4f}"


def _mean(values: Sequence[float], column: str) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{_digits(float(np.mean(values)), column)} ± {_digits(float(error), column)}"


def caption(summary: Mapping[str, Any]) -> str:
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


def compare(runs: Runs, folder: pathlib.Path, record: str | None = None) -> str:
    """Writes summary.json, table.md and the shared figures to `folder`; returns the table."""
    summary = summarise(runs)
    write_json(folder / "summary.json", summary)
    if record:
        pathlib.Path(record).parent.mkdir(parents=True, exist_ok=True)
        write_json(pathlib.Path(record), summary)
    text = f"{table(summary)}\n\n{caption(summary)}\n"
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
