"""Trains every number of labels and width of a config and measures all pairs of seeds."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from experiments.identifiability.networks import make_model
from experiments.identifiability.pairs import all_pairs
from experiments.identifiability.task import Task, make_task
from experiments.identifiability.training import Trained, train_seeds
from experiments.runtime.errors import UserError
from experiments.runtime.preemption import StopSignal

Cell = dict[str, Any]


def run_cells(
    config: Mapping[str, Any], workdir: pathlib.Path, stop: StopSignal
) -> list[Cell] | None:
    """One record for each number of labels and width, in order; None if a signal stopped it.

    Trained models are kept in <workdir>/k<labels>_w<width>/models.npz, pairs in pairs.npz.
    """
    if config["train"]["num_seeds"] < 2:
        raise UserError("train.num_seeds must be at least 2: distances are between seeds")
    cells = []
    for num_labels in config["labels"]:
        task = make_task(config["data"], num_labels)
        for width in config["widths"]:
            folder = workdir / f"k{num_labels}_w{width}"
            trained = _train(config, task, width, folder, stop)
            if trained is None:
                return None
            cells.append(_measure(config, task, width, trained, folder))
    return cells


def widest_models(workdir: pathlib.Path, cells: list[Cell], num_labels: int) -> pathlib.Path:
    """Where the last trained, which are the widest, models of so many labels are kept."""
    width = [cell["width"] for cell in cells if cell["labels"] == num_labels][-1]
    return workdir / f"k{num_labels}_w{width}" / "models.npz"


def _train(
    config: Mapping[str, Any], task: Task, width: int, folder: pathlib.Path, stop: StopSignal
) -> Trained | None:
    images = task.name != "radial"
    model = make_model(config["model"], width, task.num_labels, images=images)
    key = jax.random.fold_in(jax.random.key(config["seed"]), task.num_labels)
    seeds = config["train"]["num_seeds"]
    trained = train_seeds(model, task, config["train"], folder, stop, seeds=seeds, key=key)
    if trained is not None:
        np.savez(folder / "models.npz", **trained._asdict())
    return trained


def _measure(
    config: Mapping[str, Any], task: Task, width: int, trained: Trained, folder: pathlib.Path
) -> Cell:
    plan = config["eval"]
    kept = np.flatnonzero(trained.accuracy > plan["min_accuracy"])
    cell: Cell = {
        "labels": task.num_labels,
        "width": width,
        "dim": config["model"]["dim"],
        "accuracy": _rounded(trained.accuracy),
        "loss": _rounded(trained.loss),
        "kept": kept.tolist(),
        "pairs": {},
    }
    if len(kept) >= max(2, plan["min_models"]):
        key = jax.random.fold_in(jax.random.key(config["seed"] + 1), width)
        f = trained.f[kept, : plan["num_inputs"]]
        pairs = all_pairs(f, trained.g[kept], key, plan["num_sets"])
        np.savez(folder / "pairs.npz", **pairs)
        gap = np.abs(trained.loss[kept[pairs["first"]]] - trained.loss[kept[pairs["second"]]])
        cell["pairs"] = {name: _rounded(v) for name, v in (pairs | {"loss_gap": gap}).items()}
    return cell


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{v:.6g}") for v in np.asarray(values, float)]
