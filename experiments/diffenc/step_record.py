"""Few sampling steps chosen for several trained runs: what that is worth over their seeds."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from experiments.diffenc.compare import begun_by
from experiments.diffenc.page import WAYS
from experiments.diffenc.significance import standard_error
from experiments.reporting.markdown import Column, Table, Value
from experiments.reporting.record import Record, source
from experiments.runtime.errors import UserError
from experiments.runtime.files import read_json
from experiments.runtime.manifest import MANIFEST, environment

BEST_EQUAL, BEST_CHOSEN = "equal_best_variance", "chosen_best_variance"
_SHARED = ("data", "num", "grid")


def gather(results: Mapping[pathlib.Path, Record]) -> dict[str, Any]:
    """The record of runs by their folders and what steps.json says of each.

    Raises:
      UserError: the runs were trained on different data.
    """
    rows = []
    for folder, result in results.items():
        whose = {name: result[name] for name in ("model", "seed", "step")}
        whose["begun"] = begun_by(read_json(folder / MANIFEST))
        for row in result["rows"]:
            priced = {f"{way}_bits_per_dim": row[f"{way}_bits_per_dim"] for way in WAYS}
            rows.append(whose | {"num_steps": row["num_steps"]} | priced)
    first, *others = results.values()
    if any(result["data"]["sha256"] != first["data"]["sha256"] for result in others):
        raise UserError("the runs were trained on different data; record each data set apart")
    return {"environment": environment(), "rows": rows} | {name: first[name] for name in _SHARED}


def gain(record: Record, model: str, num_steps: int) -> Value:
    """What chosen levels cost less equal ones, both with their best variances, in bits/dim.

    With Student's 95 % interval over seeds, where there are several.
    """
    own = _rows(record, model, num_steps)
    differences = [_price(row, BEST_CHOSEN) - _price(row, BEST_EQUAL) for row in own]
    mean, error = float(np.mean(differences)), standard_error(differences)
    if error is None:
        return Value(mean)
    half = float(stats.t.ppf(0.975, len(own) - 1)) * error
    return Value(mean, low=mean - half, high=mean + half)


def table(record: Record) -> Table:
    """One row for each model and number of steps: means over seeds."""
    cells = dict.fromkeys((row["model"], row["num_steps"]) for row in record["rows"])
    rows = []
    for model, num_steps in cells:
        own = _rows(record, model, num_steps)
        prices = [[_price(row, way) for row in own] for way in WAYS]
        means = [Value(float(np.mean(each)), standard_error(each)) for each in prices]
        rows.append([model, num_steps, *means, gain(record, model, num_steps)])
    header = [Column("model"), Column("steps")]
    header += [Column(label, format=".3f", better="lower") for label in WAYS.values()]
    header += [Column("last less second", format="+.4f", better="lower")]
    return Table(header, rows, "Few sampling steps", _caption(record), source(record))


def _caption(record: Record) -> str:
    data, seeds = record["data"], len({row["seed"] for row in record["rows"]})
    return (
        f"Diffusion term in bits/dim at so many steps of the sampler, for models trained on "
        f"continuous depth ({record['rows'][0]['step']:,} steps of training on {data['name']}). "
        f"Levels, out of {record['grid'] + 1}, and variances are chosen on one half of "
        f"{record['num']:,} training examples and priced on the other. ± one standard error over "
        f"{seeds} seeds; [95 % interval], by Student's t over seeds."
    )


def _rows(record: Record, model: str, num_steps: int) -> list[Record]:
    return [r for r in record["rows"] if (r["model"], r["num_steps"]) == (model, num_steps)]


def _price(row: Record, way: str) -> float:
    return row[f"{way}_bits_per_dim"]
