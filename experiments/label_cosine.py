"""What cosines between label representations tell: the paper's examples, and an audit of yours.

python -m experiments.label_cosine --config=experiments/configs/label_cosine/paper.py \
    --workdir=DIR [--config.matrix=FILE:NAME --config.bias=FILE:NAME]

FILE is .npz, .npy or .safetensors; rows of the matrix are labels. DIR receives config.json,
manifest.json, summary.json, tables.md, figures/ and report.html.
"""

import pathlib
from collections.abc import Iterable
from typing import Any

import jax
from ml_collections import ConfigDict

from experiments.labels import examples, tables
from experiments.labels.audit import read_matrix, summarise
from experiments.labels.figures import figures
from experiments.reporting.html import publish
from experiments.runtime import cli
from experiments.runtime.manifest import (
    claim_workdir,
    environment,
    write_bytes,
    write_json,
    write_manifest,
)

OPTIONS = {"record": (str, "Also write the summary to this file.")}


def label_cosine(
    config: ConfigDict, workdir: pathlib.Path, *, allowed_changes: Iterable[str] = ()
) -> dict[str, Any]:
    """Runs the examples and the audit; returns the summary that it writes."""
    given = config.to_dict()
    matrix = None
    if config.matrix:
        matrix = read_matrix(config.matrix, config.bias, config.max_labels, config.seed)
    claim_workdir(workdir, given, allowed_changes)
    write_manifest(workdir)
    keys = jax.random.split(jax.random.key(config.seed), 3)
    summary: dict[str, Any] = {
        "environment": environment(),
        "config": given,
        "translations": examples.translations(given["cosines"], keys[0]),
        "competing": examples.competing_labels(),
        "lengths": examples.lengths(),
        "signs_and_ranks": examples.signs_and_ranks(keys[1], given["num_inputs"]),
        "regions": examples.regions_from_cosines(given["cases"], given["seeds"], keys[2]),
    }
    if matrix is not None:
        summary["audit"] = summarise(*matrix)
    write_json(workdir / "summary.json", summary)
    audited = None if matrix is None else matrix[0]
    publish(tables, summary, figures(audited), workdir, write_bytes)
    return summary


def main(record: str | None) -> None:
    workdir = cli.workdir()
    summary = label_cosine(cli.config(), workdir, allowed_changes=cli.allowed_changes())
    if record:
        path = pathlib.Path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, summary)
    print((workdir / "tables.md").read_text())


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
