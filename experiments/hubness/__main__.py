"""Hubness of an embedding space before and after every reduction, and what it does to kNN.

python -m experiments.hubness --config=experiments/configs/hubness/ag_news.py:static \
    --workdir=DIR --config.texts=ag_news:AG_NEWS_TEST.csv.gz [--record=results/hubness/NAME.json]

DIR receives embeddings/ and outcomes/ (an interrupted run continues), record.json, tables.md,
figures/ and report.html. For an embedding of your own, without a config:

python -m experiments.hubness --embeddings=FILE [--labels=FILE] [--metric=cosine] [--workdir=DIR]

says how hubby it is, what that costs and which reduction to use. Of more than 20,000 rows
(--max_queries) a sample asks among all rows: what follows for all of them is shown with its
interval, and what does not is left out; --reductions tries these as well. FILE is .npy,
.npz[:NAME], .safetensors[:NAME], .csv, .tsv, .parquet[:COLUMN] or the text form of word2vec; labels
are a vector or column of such a file, or the lines of any other text file.
"""

from collections.abc import Mapping
from typing import Any

from experiments.hubness import verdict
from experiments.hubness.study import JUDGEMENT, STUDY, judge, prepare_judgement
from experiments.runtime import cli, study
from experiments.runtime.errors import UserError

OPTIONS: Mapping[str, tuple[type, str]] = {
    "embeddings": (str, "Judge the rows of this file instead of running a config."),
    "labels": (str, "One label a row, for --embeddings."),
    "metric": (str, "euclidean (l2) or cosine (angular), for --embeddings; default cosine."),
    "max_queries": (int, "Of more rows than this, so many ask among all; default 20,000."),
    "reductions": (bool, "Of more rows than that, also try reductions: minutes each."),
}


def main(
    embeddings: str | None,
    labels: str | None,
    metric: str | None,
    max_queries: int | None,
    reductions: bool,
    **publishing: Any,
) -> int:
    if not embeddings:
        if labels or metric or max_queries is not None or reductions:
            raise UserError(
                "--labels, --metric, --max_queries and --reductions go with --embeddings=FILE"
            )
        if not cli.has_config():
            raise UserError("give --config=FILE.py:ARG and --workdir=DIR, or --embeddings=FILE")
        return study.command(STUDY, STUDY.read(cli.config()), **publishing)
    if cli.has_config():
        raise UserError("--embeddings=FILE needs no config")
    given = {"embeddings": embeddings, "labels": labels, "metric": metric}
    given |= {"max_queries": max_queries, "reductions": reductions}
    config = JUDGEMENT.read({name: value for name, value in given.items() if value is not None})
    if cli.has_workdir():
        return study.command(JUDGEMENT, config, **publishing)
    if any(publishing.values()):
        raise UserError("--record, --json and --init_from go with --workdir=DIR")
    print(verdict.as_markdown(judge(prepare_judgement(config), print)))
    return 0


if __name__ == "__main__":
    cli.run(main, options={**OPTIONS, **study.OPTIONS}, needs_config=False)
