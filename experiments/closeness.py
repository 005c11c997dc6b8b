"""Trains classifiers that differ in their seeds, and measures how near they come to each other.

python -m experiments.closeness --config=experiments/configs/closeness/radial.py:all --workdir=DIR \
    [--record=FILE.json] [--config.train.num_seeds=5 …]

The config's argument may end in ":smoke". DIR receives config.json, manifest.json, one folder for
each number of labels and width (checkpoints, metrics.jsonl, models.npz, pairs.npz), summary.json,
tables.md, figures/ and report.html. The same command again resumes.
"""

import pathlib
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments.identifiability import tables
from experiments.identifiability.constructed import kl_table, perturbed_models
from experiments.identifiability.figures import figures
from experiments.identifiability.study import run_cells, widest_models
from experiments.identifiability.task import make_task
from experiments.reporting.html import publish
from experiments.runtime import cli
from experiments.runtime.manifest import (
    claim_workdir,
    environment,
    write_bytes,
    write_json,
    write_manifest,
)
from experiments.runtime.preemption import StopSignal

OPTIONS = {"record": (str, "Also write the summary to this file.")}


def closeness(
    config: ConfigDict, workdir: pathlib.Path, *, allowed_changes: Iterable[str] = ()
) -> dict[str, Any] | None:
    """Runs what is left of a study; returns its summary, or None if a signal stopped it."""
    given = config.to_dict()
    claim_workdir(workdir, given, allowed_changes)
    tasks = [make_task(given["data"], k) for k in given["labels"]]
    facts = [task.facts() for task in tasks]
    write_manifest(workdir, data=facts)
    with StopSignal() as stop:
        cells = run_cells(given, workdir, stop)
    if cells is None:
        return None
    k_table, k_perturbed = jax.random.split(jax.random.key(config.seed + 2))
    summary = {
        "environment": environment(),
        "config": given,
        "data": facts,
        "cells": cells,
        "kl_table": kl_table(given["constructed"], k_table),
        "perturbed": perturbed_models(given["constructed"], k_perturbed),
    }
    write_json(workdir / "summary.json", summary)
    with np.load(widest_models(workdir, cells, tasks[0].num_labels)) as stored:
        drawn = figures(summary, tasks[0], stored["f"], stored["g"])
    publish(tables, summary, drawn, workdir, write_bytes)
    return summary


def main(record: str | None) -> None:
    workdir = cli.workdir()
    summary = closeness(cli.config(), workdir, allowed_changes=cli.allowed_changes())
    if summary is None:
        return
    if record:
        path = pathlib.Path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, summary)
    print((workdir / "tables.md").read_text())


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
