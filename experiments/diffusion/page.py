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
    "encodings": "Encodings over depth",
    "heat_maps": "Where the encoding moves",
    "encoding_statistics": "Values of the encoding by time",
    "shift_costs": "What the counterterm takes back of the encoding's slope",
    "volatility": "The best volatility by depth, and the loss it saves",
}
COUNTERTERMS = {
    "none": "none, c = 0",
    "published": "published, c = 1",
    "own": "the model's",
    "best": "the best c at each depth",
}
WAYS = {
    "equal": "equal steps",
    "equal_best_variance": "with the best variances",
    "chosen": "chosen steps",
    "chosen_best_variance": "chosen, with the best variances",
}


def write(workdir: pathlib.Path) -> pathlib.Path:
    """Writes report.html from the json files and figures of the run; returns its path."""
    read = lambda name: json.loads(path.read_text()) if (path := workdir / name).exists() else None
    config, manifest = read("config.json") or {}, read("manifest.json") or {}
    parts = [html.paragraph(_facts(config, manifest, read("imported.json") or {}))]
    sections = {
        "Bits/dim on the test split": (read("eval.json"), _evaluation),
        "Against another run": (read("against.json"), _against),
        "Beyond the ELBO: paths of the sampler": (read("likelihood_paths.json"), _likelihood),
        "Beyond the ELBO: the probability-flow ODE": (read("likelihood_flow.json"), _likelihood),
        "Few sampling steps": (read("steps.json"), _steps),
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
        [_term(name), f"{value:.6f}", "–" if errors[name] is None else f"{errors[name]:.6f}"]
        for name, value in summary.items()
        if not name.endswith("_mc_error")
    ]
    kind = "images" if len(record["data"]["shape"]) == 3 else "points"
    text = (
        f"EMA weights at step {record['step']:,}, all {record['data']['test_size']:,} {kind}, "
        f"{record['times_per_image']} stratified times each; ± one standard error from times and "
        "noise."
    )
    parts = [_table(["term", "bits/dim", "± MC"], rows), html.paragraph(text)]
    if best := record.get("optimal_volatility"):
        gain = best["difference"]["bits_per_dim"]
        parts.append(
            html.paragraph(
                f"At the best volatility, chosen on {best['images']:,} training {kind}: "
                f"{best['summary']['bits_per_dim']:.6f} bits/dim in total, "
                f"{gain['difference']:+.6f} ± {gain['image_error']:.6f} (one standard error over "
                f"{kind})."
            )
        )
    return parts


def _term(name: str) -> str:
    return "total" if name == "bits_per_dim" else name


def _against(record: Record) -> list[str]:
    shown = {"difference": "+.6f", "image_error": ".6f", "mc_error": ".6f"}
    rows = [
        [_term(name), *(format(row[key], form) for key, form in shown.items())]
        for name, row in record["differences"].items()
    ]
    text = f"This run less `{record['other']}`, on the same images, times and noise."
    return [_table(["term", "bits/dim", "± images", "± MC"], rows), html.paragraph(text)]


def _path_cost(record: Record) -> list[str]:
    costs = record["path_cost_bits_per_dim"]
    rows = [[label, f"{costs[name]:.6f}"] for name, label in COUNTERTERMS.items()]
    text = (
        "½∫e^−γ E|dx/dλ − c σ²x̂|² dγ for several multipliers c of the counterterm, over "
        f"{record['num']:,} images: upper bounds on what a Markov generative process pays because "
        "the encoding moves."
    )
    return [_table(["counterterm", "at most, bits/dim"], rows), html.paragraph(text)]


def _likelihood(record: Record) -> list[str]:
    rows = [
        [str(row["draws"]), f"{row['mean']:.6f}", f"{row['image_error']:.6f}"]
        for row in record["bits_per_dim"]
    ]
    text = (
        f"Upper bounds on −log p(x) over {record['num']:,} test examples, ± one standard error "
        "over them; more draws an example make the bound tighter."
    )
    return [_table(["draws", "at most, bits/dim", "± images"], rows), html.paragraph(text)]


def _steps(record: Record) -> list[str]:
    rows = [
        [str(row["num_steps"]), *(f"{row[f'{way}_bits_per_dim']:.4f}" for way in WAYS)]
        for row in record["rows"]
    ]
    text = (
        "Diffusion term in bits/dim at so many steps of the sampler. Levels and variances are "
        f"chosen on one half of {record['num']:,} training examples and priced on the other."
    )
    return [_table(["steps", *WAYS.values()], rows), html.paragraph(text)]


def _frechet(record: Record) -> list[str]:
    features = record["features"]
    text = (
        f"**{record['frechet_distance']:.4f}** between {record['num_samples']:,} samples and "
        f"{record['num_images']:,} {record['split']} images, in the {features['dimensions']} "
        f"features of `{features['extractor']}` (SHA-256 {features['sha256'][:12]}…). This is not "
        "FID, whose features are those of one particular Inception network."
    )
    return [html.paragraph(text)]
