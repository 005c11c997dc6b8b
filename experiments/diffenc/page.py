"""The page of one run: what its folder holds, as far as it goes."""

import pathlib
from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from experiments.diffenc import training
from experiments.reporting import figures
from experiments.reporting.html import NAME, Page
from experiments.reporting.markdown import Cell, Column, Table, Value, code, of_records
from experiments.reporting.record import Record
from experiments.runtime import files
from experiments.runtime.files import read_json

# In the order of the page.
FIGURES = ("training", "loss_by_time", "samples", "encodings", "heat_maps")
FIGURES += ("encoding_statistics", "shift_costs", "volatility")
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


def read(workdir: pathlib.Path) -> dict[str, Record]:
    """The JSON files that a run may have, by stem; whatever else lies there is left alone.

    Raises:
      UserError: one of them is broken.
    """
    paths = {name: workdir / f"{name}.json" for name in (*SAID, *MEASURED)}
    return {name: read_json(path) for name, path in paths.items() if path.exists()}


def add_figures(drawn: Mapping[str, Figure], workdir: pathlib.Path) -> pathlib.Path:
    """Puts figures into the run's folder and all that it holds on its page; returns its path."""
    figures.save(drawn, workdir / "figures", files.write)
    return write(workdir)


def write(workdir: pathlib.Path) -> pathlib.Path:
    """Writes report.html from the JSON files and figures of the run; returns its path."""
    run = read(workdir)
    images = figures.read(workdir / "figures", FIGURES)
    page = Page(
        _title(run), verdict(run), run.get("manifest", {}), _facts(run), tables(run), images
    )
    files.write(workdir / NAME, page.render())
    return workdir / NAME


def tables(run: Mapping[str, Record]) -> list[Table]:
    """One table for each thing that was measured of the run."""
    return [make(run[name]) for name, make in MEASURED.items() if name in run]


def verdict(run: Mapping[str, Record]) -> str:
    """What the evaluation found, or that there is none yet."""
    if "eval" not in run and "record" in run:
        return training.verdict(run["record"])
    if "eval" not in run:
        plan = run.get("config", {}).get("train", {}).get("num_steps")
        length = "" if plan is None else f" Training is planned for {plan:,} steps."
        return f"Not evaluated yet: no figure of this run can be compared.{length}"
    record = run["eval"]
    total, error = (record["summary"][n] for n in ("bits_per_dim", "bits_per_dim_mc_error"))
    data = record["data"]
    summary = (
        f"{record['model']} reaches {total:.4f} ± {error:.4f} bits/dim on all "
        f"{data['test_size']:,} test examples of {data['name']} (lower is better; ± one standard "
        f"error from times and noise) after {record['step']:,} steps of one seed"
    )
    if "against" in run:
        other = run["against"]["differences"]["bits_per_dim"]
        summary += (
            f", which is {other['difference']:+.4f} ± {other['image_error']:.4f} against "
            f"{code(run['against']['other'])} (± one standard error over examples)"
        )
    return f"{summary}."


def _title(run: Mapping[str, Record]) -> str:
    config = run.get("config")
    if not config:
        return "A run without config.json"
    return f"{config['model']['name']} on {config['data']['name']}, seed {config['seed']}"


def _facts(run: Mapping[str, Record]) -> list[str]:
    """Sizes, data and origin of the run, as far as they are known."""
    config, manifest = run.get("config", {}), run.get("manifest", {})
    data, imported = manifest.get("data", {}), run.get("imported")
    found = {
        "parameters": manifest.get("parameters"),
        "steps": config.get("train", {}).get("num_steps"),
    }
    known = []
    if data:
        known.append(f"data {data.get('name')}, SHA-256 {str(data.get('sha256'))[:12]}…")
    if imported:
        origin = f"{imported['file']}, SHA-256 {imported['sha256'][:12]}…"
        known.append(f"imported from {origin}, at step {imported['step']:,}")
    known += [f"{value:,} {name}" for name, value in found.items() if value is not None]
    return [f"This run: {'; '.join(known)}. One seed says nothing about the spread over seeds."]


def _term(name: str) -> str:
    return "total" if name == "bits_per_dim" else name


def _evaluation(record: Record) -> Table:
    summary = record["summary"]
    rows: list[list[Cell]] = [
        [_term(name), value, summary.get(f"{name}_mc_error")]
        for name, value in summary.items()
        if not name.endswith("_mc_error")
    ]
    kind = "images" if len(record["data"]["shape"]) == 3 else "points"
    text = (
        f"EMA weights at step {record['step']:,}, all {record['data']['test_size']:,} {kind}, "
        f"{record['times_per_image']} stratified times each; ± one standard error from times and "
        "noise."
    )
    if best := record.get("optimal_volatility"):
        gain = best["difference"]["bits_per_dim"]
        text += (
            f" At the best volatility, chosen on {best['images']:,} training {kind}, the total is "
            f"{best['summary']['bits_per_dim']:.6f}: {gain['difference']:+.6f} ± "
            f"{gain['image_error']:.6f} (one standard error over {kind})."
        )
    header = [Column("term"), _bits("bits/dim"), Column("± MC", format=".6f")]
    return Table(header, rows, "Bits/dim on the test split", text)


def _bits(title: str, form: str = ".6f") -> Column:
    return Column(title, format=form, better="lower")


def _against(record: Record) -> Table:
    rows = [{"term": _term(name), **row} for name, row in record["differences"].items()]
    text = f"This run less {code(record['other'])}, on the same images, times and noise."
    columns = {
        "term": Column("term"),
        "difference": _bits("bits/dim", "+.6f"),
        "image_error": Column("± images", format=".6f"),
        "mc_error": Column("± MC", format=".6f"),
    }
    return of_records(rows, columns, "Against another run", text)


def _path_cost(record: Record) -> Table:
    costs = record["path_cost_bits_per_dim"]
    rows: list[list[Cell]] = [[label, costs[name]] for name, label in COUNTERTERMS.items()]
    text = (
        "½∫e^−γ E|dx/dλ − c σ²x̂|² dγ for several multipliers c of the counterterm, over "
        f"{record['num']:,} images: upper bounds on what a Markov generative process pays because "
        "the encoding moves."
    )
    header = [Column("counterterm"), _bits("at most, bits/dim")]
    return Table(header, rows, "Cost of the encoder's movement", text)


def _paths(record: Record) -> Table:
    return _likelihood(record, "Beyond the ELBO: paths of the sampler")


def _flow(record: Record) -> Table:
    return _likelihood(record, "Beyond the ELBO: the probability-flow ODE")


def _likelihood(record: Record, title: str) -> Table:
    rows: list[list[Cell]] = [
        [row["draws"], Value(row["mean"], row["image_error"])] for row in record["bits_per_dim"]
    ]
    text = (
        f"Upper bounds on −log p(x) over {record['num']:,} test examples, ± one standard error "
        "over them; more draws an example make the bound tighter."
    )
    return Table([Column("draws"), _bits("at most, bits/dim")], rows, title, text)


def _steps(record: Record) -> Table:
    text = (
        "Diffusion term in bits/dim at so many steps of the sampler. Levels and variances are "
        f"chosen on one half of {record['num']:,} training examples and priced on the other."
    )
    ways = {f"{way}_bits_per_dim": _bits(label, ".4f") for way, label in WAYS.items()}
    columns = {"num_steps": Column("steps")} | ways
    return of_records(record["rows"], columns, "Few sampling steps", text)


def _frechet(record: Record) -> Table:
    features = record["features"]
    text = (
        f"Samples against {record['split']} images, in features of {code(features['extractor'])} "
        f"(SHA-256 {features['sha256'][:12]}…). This is not FID, whose features are those of one "
        "particular Inception network."
    )
    columns = {"frechet_distance": _bits("distance", ".4f"), "dimensions": Column("dimensions")}
    columns |= {f"num_{name}": Column(name, format=",") for name in ("samples", "images")}
    return of_records([{**features, **record}], columns, "Fréchet distance", text)


SAID = ("config", "imported", "manifest", "nonfinite")
# What makes the table of what was measured.
MEASURED: dict[str, Callable[[Record], Table]] = {
    "eval": _evaluation,
    "against": _against,
    "likelihood_paths": _paths,
    "likelihood_flow": _flow,
    "steps": _steps,
    "inspect": _path_cost,
    "frechet": _frechet,
    "record": training.table,
}
