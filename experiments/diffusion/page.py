"""The HTML page of one run: what its folder holds, in one file without links."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from experiments import html

Record = Mapping[str, Any]
FIGURES = {
    "training": "Training: thin lines are the training batches, dots the test split (EMA)",
    "loss_by_time": "Diffusion loss by time, ± 2 standard errors over images",
    "samples": "Samples",
    "encodings": "Encodings x_t, and x_t − x",
    "heat_maps": "Where the encoding moves",
    "encoding_statistics": "Values of the encoding by time",
    "shift_costs": "What the counterterm takes back of the encoding's slope",
}


def write(workdir: pathlib.Path) -> pathlib.Path:
    """Writes report.html from the json files and figures of the run; returns its path."""
    read = lambda name: json.loads(path.read_text()) if (path := workdir / name).exists() else None
    config, manifest = read("config.json") or {}, read("manifest.json") or {}
    parts = [html.paragraph(_facts(config, manifest, read("imported.json") or {}))]
    sections = {
        "Bits/dim on the test split": (read("eval.json"), _evaluation),
        "Against another run": (read("against.json"), _against),
        "Cost of the encoder's movement": (read("inspect.json"), _path_cost),
        "Fréchet distance": (read("frechet.json"), _frechet),
    }
    for title, (record, render) in sections.items():
        if record:
            parts += [html.heading(title), *render(record)]
    for name, title in FIGURES.items():
        if (path := workdir / "figures" / f"{name}.png").exists():
            parts += [html.heading(title), html.image(path, title)]
    target = workdir / "report.html"
    target.write_text(html.page(_title(config), parts))
    return target


def _title(config: Record) -> str:
    if not config:
        return "A run without config.json"
    return f"{config['model']['name']} on {config['data']['name']}, seed {config['seed']}"


def _facts(config: Record, manifest: Record, imported: Record) -> str:
    data = manifest.get("data", {})
    facts = {
        "command": manifest.get("command"),
        "commit": manifest.get("commit"),
        "parameters": manifest.get("parameters"),
        "steps": config.get("train", {}).get("num_steps"),
        "data": f"{data.get('name')}, SHA-256 {str(data.get('sha256'))[:12]}…",
    }
    if imported:
        source = f"{imported['file']}, SHA-256 {imported['sha256'][:12]}…"
        facts["imported from"] = f"{source}, at step {imported['step']:,}"
    return "; ".join(f"**{name}** `{value}`" for name, value in facts.items() if value is not None)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return html.table("\n".join("|" + "|".join(cells) + "|" for cells in lines))


def _evaluation(record: Record) -> list[str]:
    summary = record["summary"]
    errors = {name: summary.get(f"{name}_mc_error") for name in summary}
    rows = [
        [name, f"{value:.6f}", "–" if errors[name] is None else f"{errors[name]:.6f}"]
        for name, value in summary.items()
        if not name.endswith("_mc_error")
    ]
    text = (
        f"EMA weights at step {record['step']:,}, all {record['data']['test_size']:,} images, "
        f"{record['times_per_image']} stratified times each; ± one standard error from times and "
        "noise."
    )
    return [_table(["term", "bits/dim", "± MC"], rows), html.paragraph(text)]


def _against(record: Record) -> list[str]:
    rows = [
        [term, f"{row['difference']:+.6f}", f"{row['image_error']:.6f}", f"{row['mc_error']:.6f}"]
        for term, row in record["differences"].items()
    ]
    text = f"This run less `{record['other']}`, on the same images, times and noise."
    return [_table(["term", "bits/dim", "± images", "± MC"], rows), html.paragraph(text)]


def _path_cost(record: Record) -> list[str]:
    costs = record["path_cost_bits_per_dim"]
    rows = [[name, f"{value:.6f}"] for name, value in costs.items()]
    text = (
        "½∫e^−γ E|dx/dλ − c σ²x̂|² dγ for several multipliers c of the counterterm, over "
        f"{record['num']:,} images: upper bounds on what a Markov generative process pays because "
        "the encoding moves."
    )
    return [_table(["counterterm", "at most, bits/dim"], rows), html.paragraph(text)]


def _frechet(record: Record) -> list[str]:
    features = record["features"]
    text = (
        f"**{record['frechet_distance']:.4f}** between {record['num_samples']:,} samples and "
        f"{record['num_images']:,} {record['split']} images, in the {features['dimensions']} "
        f"features of `{features['extractor']}` (SHA-256 {features['sha256'][:12]}…). This is not "
        "FID, whose features are those of one particular Inception network."
    )
    return [html.paragraph(text)]
