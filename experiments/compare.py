"""Compares saved models or representations: every measure, every bound, one HTML page.

python -m experiments.compare --models=A.npz,B.safetensors --workdir=DIR [--draws=200]
python -m experiments.compare --models=layers.npz:* --measures=cka,mcca --workdir=DIR

A model is a file with f (inputs, dim), g (labels, dim) and perhaps b (labels). FILE:NAME is one
array as a representation, FILE:* all of a file; arrays of more axes are flattened to one row an
input. Row i is the same input throughout. Two entries get every measure and bound; more get the
matrix of each of --measures. DIR receives compare.json, tables.md,
figures/ and report.html.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from experiments.comparison import tables
from experiments.comparison.entries import Entry, read_entries
from experiments.comparison.figures import figures
from experiments.comparison.measures import (
    MEASURES,
    REPRESENTATIONS,
    RESAMPLED,
    Options,
    bounds,
    matrix,
    measure,
    resample,
)
from experiments.reporting.html import NAME, publish
from experiments.reporting.record import to_json
from experiments.runtime import cli
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.manifest import environment, write_bytes

OPTIONS = {
    "models": (str, "Files, or FILE:NAME, or FILE:*, separated by commas."),
    "measures": (str, "Measures of the matrix, separated by commas; default mcca,cka."),
    "draws": (int, "Bootstrap and permutation draws for two entries; default 200, 0 for none."),
    "seed": (int, "Seed of the sets and draws; default 0."),
}


def compare(
    references: Sequence[str], workdir: pathlib.Path, measures: Sequence[str], options: Options
) -> dict[str, Any]:
    """Measures the entries, writes the page and its numbers, and returns the numbers."""
    entries = read_entries(references)
    for name in measures:
        if name not in MEASURES:
            raise nearest(name, MEASURES, "measure")
        if name not in REPRESENTATIONS and any(entry.g is None for entry in entries):
            raise UserError(f"{name} needs models with f and g; some entries have f alone")
    facts = {e.name: {"f": e.f.shape, "g": None if e.g is None else e.g.shape} for e in entries}
    results: dict[str, Any] = {"environment": environment(), "entries": facts}
    if len(entries) == 2:
        results |= _pair(entries[0], entries[1], options)
    results["matrices"], results["notes"] = {}, {}
    for name in measures if len(entries) > 2 else ():
        values, results["notes"][name] = matrix(name, entries, options)
        results["matrices"][name] = values.tolist()
    write_bytes(workdir / "compare.json", to_json(results).encode())
    publish(tables, results, figures(results, entries), workdir, write_bytes)
    return results


def _pair(a: Entry, b: Entry, options: Options) -> dict[str, Any]:
    models = a.g is not None and b.g is not None
    names = list(MEASURES if models else REPRESENTATIONS)
    drawn = [name for name in RESAMPLED if name in names and options.draws]
    found = {
        "measures": {name: measure(name, a, b, options) for name in names},
        "resampled": {name: resample(name, a, b, options) for name in drawn},
    }
    return found | ({"bounds": bounds(a, b, options)} if models else {})


def main(models: str | None, measures: str | None, draws: int | None, seed: int | None) -> None:
    if not models:
        raise UserError("--models is missing: FILE,FILE or FILE:NAME,FILE:NAME or FILE:*")
    options = Options(jax.random.key(seed or 0), draws=200 if draws is None else draws)
    names = (measures or "mcca,cka").split(",")
    results = compare(models.split(","), cli.workdir(), names, options)
    for name, found in results.get("measures", {}).items():
        print(f"{name:24} {found['value']}")
    print(cli.workdir() / NAME)


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False)
