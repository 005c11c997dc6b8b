"""Hubness of an embedding space before and after every reduction, and what it does to kNN.

python -m experiments.hubness --config=experiments/configs/hubness/ag_news.py:static \
    --workdir=DIR --config.texts=ag_news:AG_NEWS_TEST.csv.gz [--record=results/hubness/NAME.json]

DIR receives embeddings/ and outcomes/ (an interrupted run continues), result.json, tables.md,
figures/ and report.html. For an embedding of your own, without a config:

python -m experiments.hubness --embeddings=FILE [--labels=FILE] [--metric=cosine] [--workdir=DIR]

says how hubby it is, what that costs and which reduction to use. FILE is .npy, .npz or
.safetensors; labels are .npy or one a line of a text file.
"""

import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags
from ml_collections import ConfigDict

from experiments.hubspaces import advice, figures, made_up, store, summary, tables, verdict
from experiments.hubspaces.evaluate import Outcome, Split, compare, evaluate, half_split
from experiments.hubspaces.methods import Method, all_methods
from experiments.reporting.html import NAME, publish
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.manifest import claim_workdir, environment, write_bytes, write_json
from experiments.text import progress, sources, spaces
from experiments.text.chunks import array_digest

OPTIONS = {
    "embeddings": (str, "Judge the rows of this file instead of running a config."),
    "labels": (str, "One label a row, for --embeddings."),
    "metric": (str, "euclidean or cosine, for --embeddings; default cosine."),
    "max_points": (int, "Rows sampled of --embeddings; default 20,000."),
    "record": (str, "Also write the results, without counts, to this file."),
}
Say = Callable[[str], None]


def read_data(config: ConfigDict, workdir: pathlib.Path):
    """(embeddings, texts, splits): one split a seed, or the published one where train is given."""
    if config.smoke:
        x, texts = made_up.blobs(seed=0)
        return x, texts, [half_split(len(x), texts.labels, seed) for seed in tuple(config.seeds)]
    if not config.texts:
        raise UserError("--config.texts=NAME:FILE is missing, for example ag_news:FILE.csv.gz")
    texts = sources.load(config.texts)
    parts = [texts]
    if config.train_texts:
        parts.insert(0, sources.load(config.train_texts, split="train"))
    say = progress.line(config.space)
    rows = [text for part in parts for text in part.texts]
    folder = workdir / "embeddings"
    x = spaces.embed(config.space, rows, folder=folder, seed=config.space_seed, say=say)
    if len(parts) == 1:
        return x, texts, [half_split(len(x), texts.labels, seed) for seed in tuple(config.seeds)]
    train, test = np.split(np.arange(len(x)), [len(parts[0].texts)])
    joined = sources.Texts(
        " and ".join(p.name for p in parts),
        tuple(rows),
        np.concatenate([p.labels for p in parts]),
        texts.classes,
        texts.sha256,
    )
    return x, joined, [Split(seed, train, test) for seed in tuple(config.seeds)]


def run(config: ConfigDict, workdir: pathlib.Path, *, say: Say = print) -> dict[str, Any]:
    """The whole experiment of `config`; returns what result.json holds."""
    claim_workdir(workdir, config.to_dict())
    x, texts, splits = read_data(config, workdir)
    rows, kept = outcomes(config, workdir, x, texts.labels, splits, say)
    null = rows[0]["query"]
    result = environment() | {
        "config": config.to_dict(),
        "space": config.space,
        "metric": config.metric,
        "local_k": config.local_k,
        "seeds": [split.seed for split in splits],
        "data": _facts(x, texts, splits[0]),
        "null": {n: null[f"{n}_null"] for n in ("skewness", "robin_hood", "antihub_rate")},
        "rows": rows,
        "summary": summary.summarise(rows),
    }
    write_json(workdir / "result.json", result)
    np.savez_compressed(workdir / "counts.npz", **{n: o.counts for n, o in kept.items()})
    labels = None if texts.labels is None else texts.labels[splits[0].train]
    publish(tables, result, figures.figures(result, kept, labels), workdir, write_bytes)
    say(f"report: {workdir / NAME}")
    return result


def outcomes(
    config: ConfigDict,
    workdir: pathlib.Path,
    x: np.ndarray,
    labels: np.ndarray | None,
    splits: Sequence[Split],
    say: Say,
) -> tuple[list[dict[str, Any]], dict[str, Outcome]]:
    """The row of every method on every split, and what each method did on the first split.

    Finished outcomes of the same arrays come from `workdir`.
    """
    methods, left_out = possible(all_methods(config.methods), splits)
    for method in left_out:
        say(f"left out: {method.name} is limited to {method.kind.max_points:,} points")
    digest = array_digest(x, *([] if labels is None else [labels]))
    finished = workdir / "outcomes" / digest[:12]
    rows, kept = [], {}
    for split in splits:
        base: Outcome | None = None
        for method in methods:
            start = time.perf_counter()
            outcome = store.load(finished, method.name, split.seed)
            if outcome is None:
                outcome = evaluate(
                    method, x, labels, split, metric=config.metric, local_k=config.local_k
                )
                store.save(finished, outcome)
            base = base or outcome
            rows.append(outcome.row | {"mcnemar": compare(base, outcome)})
            if split is splits[0]:
                kept[method.name] = outcome
            say(_line(rows[-1], time.perf_counter() - start))
    return rows, kept


def possible(methods: list[Method], splits: Sequence[Split]) -> tuple[list[Method], list[Method]]:
    """The methods that these sizes allow, and the others."""
    size = max(max(len(split.train), len(split.test)) for split in splits)
    most = lambda method: method.kind and method.kind.max_points
    ruled_out = [m for m in methods if most(m) and size > most(m)]
    return [m for m in methods if m not in ruled_out], ruled_out


def _facts(x: np.ndarray, texts: sources.Texts, split: Split) -> dict[str, Any]:
    return {
        "name": texts.name,
        "sha256": texts.sha256,
        "num_rows": len(x),
        "width": x.shape[1],
        "num_classes": len(texts.classes),
        "duplicates": len(x) - len(np.unique(x, axis=0)),
        "num_train": len(split.train),
        "num_test": len(split.test),
    }


def _line(row: dict[str, Any], seconds: float) -> str:
    found = row["query"]
    error = f"  error {100 * row['uniform']['error']:.2f} %" if "uniform" in row else ""
    return (
        f"seed {row['seed']}  {row['method']}: skewness {found['skewness']:.2f}  Robin Hood "
        f"{found['robin_hood']:.3f}{error}  ({seconds:.1f} s)"
    )


def judge(
    embeddings: str, labels: str | None, metric: str, max_points: int, workdir: pathlib.Path | None
) -> dict[str, Any]:
    """The practitioner's answer for a file of embeddings; also written to `workdir`, if given."""
    if metric not in ("euclidean", "cosine"):
        raise UserError(f"--metric={metric}: use euclidean or cosine")
    x = spaces.read_embeddings(embeddings)
    classes = None if labels is None else advice.read_labels(labels)
    try:
        found = advice.advise(x, classes, metric=metric, max_points=max_points, say=print)
    except ValueError as error:
        raise UserError(f"{embeddings}: {error}") from error
    counts = found.pop("counts")
    if workdir:
        record = environment() | found
        write_json(workdir / "advice.json", record)
        shown = dict.fromkeys(("none", found["recommended"]))
        drawn = {"occurrence": figures.occurrence({n: counts[n] for n in shown})}
        publish(verdict, record, drawn, workdir, write_bytes)
    return found | {"text": verdict.as_markdown(found)}


def main(embeddings, labels, metric, max_points, record) -> None:
    if embeddings:
        if cli.config() is not None or record:
            raise UserError("--embeddings=FILE needs no config and writes no record; see --workdir")
        folder = flags.FLAGS.workdir and pathlib.Path(flags.FLAGS.workdir)
        found = judge(embeddings, labels, metric or "cosine", max_points or 20_000, folder)
        print(found["text"])
        return
    if labels or metric or max_points:
        raise UserError("--labels, --metric and --max_points go with --embeddings=FILE")
    if cli.config() is None:
        raise UserError("give --config=FILE.py:ARG and --workdir=DIR, or --embeddings=FILE")
    result = run(cli.config(), cli.workdir())
    if record:
        pathlib.Path(record).parent.mkdir(parents=True, exist_ok=True)
        write_json(pathlib.Path(record), result)


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False)
