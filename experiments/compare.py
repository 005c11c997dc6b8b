"""Compares saved models or representations: every measure, every bound, one HTML page.

python -m experiments.compare --models=A.npz,B.safetensors --workdir=DIR [--draws=200]
python -m experiments.compare --models=layers.npz:* --measures=cka,mcca --workdir=DIR

A model is a file with f (inputs, dim), g (labels, dim) and perhaps b (labels). FILE:NAME is one
array as a representation, FILE:* all of a file; arrays of more axes are flattened to one row an
input. Row i is the same input throughout. Two entries get every measure and bound; more get the
matrix of each of --measures. DIR receives compare.html and compare.json.
"""

import math
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import similarity as S
from experiments.comparison import page
from experiments.comparison.entries import Entry, read_entries
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
from experiments.runtime import cli
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.manifest import environment, write_json

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
    sections = [_entries_section(entries)]
    if len(entries) == 2:
        sections += _pair(*entries, options, results)
    results["matrices"] = {}
    for name in measures if len(entries) > 2 else ():
        values, notes = matrix(name, entries, options)
        sections.append(page.matrix_section(name, [e.name for e in entries], values, notes))
        results["matrices"][name] = [[_json_number(v) for v in row] for row in values]
    workdir.mkdir(parents=True, exist_ok=True)
    title = "Similarity of " + ", ".join(entry.name for entry in entries)
    (workdir / "compare.html").write_text(page.render(title, sections))
    write_json(workdir / "compare.json", results)
    return results


def _pair(a: Entry, b: Entry, options: Options, results: dict[str, Any]) -> list[str]:
    models = a.g is not None and b.g is not None
    names = list(MEASURES if models else REPRESENTATIONS)
    found = {name: measure(name, a, b, options) for name in names}
    drawn = {}
    if options.draws:
        drawn = {name: resample(name, a, b, options) for name in RESAMPLED if name in names}
    results["measures"] = _json_numbers(found)
    results["resampled"] = _json_numbers(drawn)
    sections = [page.measures_section(found, drawn)]
    if models:
        held = bounds(a, b, options)
        results["bounds"] = _json_numbers(held)
        sections.append(page.bounds_section(held))
    per_input = S.squared_logit_distances(a.f, a.g, b.f, b.g) if models else None
    correlations = np.asarray(S.canonical_correlations(a.f, b.f))
    sections.append(page.spectrum_section(correlations, per_input))
    return sections


def _entries_section(entries: Sequence[Entry]) -> str:
    rows = [
        (e.name, *(str(n) for n in e.f.shape), "–" if e.g is None else str(len(e.g)))
        for e in entries
    ]
    return page.table(("entry", "inputs", "dimension", "labels"), rows)


def _json_numbers(found: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON lacks as strings: inf and nan."""
    return {
        name: {k: _json_number(v) if isinstance(v, float) else v for k, v in entry.items()}
        for name, entry in found.items()
    }


def _json_number(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(value)


def main(models: str | None, measures: str | None, draws: int | None, seed: int | None) -> None:
    if not models:
        raise UserError("--models is missing: FILE,FILE or FILE:NAME,FILE:NAME or FILE:*")
    options = Options(jax.random.key(seed or 0), draws=200 if draws is None else draws)
    names = (measures or "mcca,cka").split(",")
    results = compare(models.split(","), cli.workdir(), names, options)
    for name, found in results.get("measures", {}).items():
        print(f"{name:24} {found['value']}")
    print(cli.workdir() / "compare.html")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False)
