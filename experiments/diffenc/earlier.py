"""Finished runs of a suite whose folders are gone, but whose unfinished record is not."""

import pathlib
import shlex
from collections.abc import Callable, Collection, Sequence
from typing import Any

from experiments import moved
from experiments.reporting.record import environment
from experiments.runtime.records import read

Row = dict[str, Any]


def rows(
    record: pathlib.Path,
    runs: Collection[tuple[str, int]],
    asked: Sequence[str],
    asked_by: Callable[[Sequence[str]], Sequence[str]],
) -> dict[tuple[str, int], Row]:
    """The rows of these runs (model, seed) in the record of a suite that was asked for the same.

    What a command asks for is `asked_by` its words; a finished record and one of another suite give
    no rows. Each row says by which code and where its run was made.
    """
    summary = read(record) if record.exists() else {}
    made = environment(summary)
    words = shlex.split(moved.current(made.get("command") or ""))
    if not summary.get("unfinished") or sorted(asked_by(words)) != sorted(asked):
        return {}
    begun = {name: value for name, value in made.items() if name != "command"}
    facts = {"begun": begun, "data": summary["data"]["sha256"]}
    found = {(row["model"], row["seed"]): facts | row for row in summary["rows"]}
    return {run: row for run, row in found.items() if run in runs}
