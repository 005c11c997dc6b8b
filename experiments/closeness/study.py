"""Trains every number of labels and width of a config and measures all pairs of seeds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.closeness import tables
from experiments.closeness.config import Config
from experiments.closeness.constructed import kl_table, perturbed_models
from experiments.closeness.figures import figures
from experiments.closeness.networks import make_model
from experiments.closeness.pairs import all_pairs
from experiments.closeness.task import Task, make_task
from experiments.closeness.training import Training, train_seeds
from experiments.runtime import settings, study
from experiments.runtime.errors import UserError
from experiments.runtime.ranges import check_batch_fits
from experiments.runtime.study import Record, Study
from experiments.runtime.workspace import Workspace

Cell = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """The task of each number of labels, and what is trained in each folder of the run."""

    tasks: tuple[Task, ...]
    trainings: Mapping[str, Training]


def prepare(config: Config) -> Prepared:
    """Data, networks and plans of every cell. Raises `UserError` for values that cannot be."""
    tasks = tuple(make_task(config.data, k) for k in config.labels)
    trainings = {
        f"k{task.num_labels}_w{width}": _training(config, task, width)
        for task in tasks
        for width in config.widths
    }
    return Prepared(
        config=config,
        digests={f"{task.name} of {task.num_labels} labels": task.sha256 for task in tasks},
        facts=[task.facts() for task in tasks],
        layouts={name: training.abstract for name, training in trainings.items()},
        tasks=tasks,
        trainings=trainings,
    )


def _training(config: Config, task: Task, width: int) -> Training:
    model = make_model(config.model, width, task.num_labels, images=task.name != "radial")
    check_batch_fits("config.train.batch_size", config.train.batch_size, len(task.x))
    asked, held, needed = config.eval.num_inputs, len(task.test_x), config.model.dim + 1
    if min(asked, held) < needed:
        raise UserError(
            f"config.eval.num_inputs={asked} of {held:,} test inputs: d_LLV draws sets of "
            f"model.dim + 1 = {needed} of them; take at least {needed}, or lower model.dim"
        )
    key = jax.random.fold_in(jax.random.key(config.seed), task.num_labels)
    return Training(model, width, task, config.train, key)


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """The record's cells, one for each number of labels and width, and the constructed models."""
    config = prepared.config
    cells = [_cell(config, training, space.at(n)) for n, training in prepared.trainings.items()]
    plan = config.constructed
    k_table, k_perturbed = jax.random.split(jax.random.key(config.seed + 2))
    inputs = {"plan": settings.plain(plan), "seed": config.seed}
    return {
        "cells": cells,
        "kl_table": space.part("kl_table", inputs, lambda: kl_table(plan, k_table)),
        "perturbed": space.part("perturbed", inputs, lambda: perturbed_models(plan, k_perturbed)),
    }


def _cell(config: Config, training: Training, space: Workspace) -> Cell:
    """Trains the seeds of a cell and measures their pairs."""
    trained, plan = train_seeds(training, space), config.eval
    passed = np.flatnonzero(trained.accuracy > plan.min_accuracy)
    cell: Cell = {
        "labels": training.task.num_labels,
        "width": training.width,
        "dim": config.model.dim,
        "accuracy": _rounded(trained.accuracy),
        "loss": _rounded(trained.loss),
        "kept": passed.tolist(),
        "pairs": {},
    }
    if len(passed) >= max(2, plan.min_models):
        key = jax.random.fold_in(jax.random.key(config.seed + 1), training.width)
        f, g, num_sets = trained.f[passed, : plan.num_inputs], trained.g[passed], plan.num_sets
        inputs = {"f": f, "g": g, "num_sets": num_sets, "seed": config.seed}
        pairs = space.part("pairs", inputs, lambda: all_pairs(f, g, key, num_sets))
        gap = np.abs(trained.loss[passed[pairs["first"]]] - trained.loss[passed[pairs["second"]]])
        cell["pairs"] = {name: _rounded(v) for name, v in (pairs | {"loss_gap": gap}).items()}
    return cell


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{v:.6g}") for v in np.asarray(values, float)]


def draw(record: Record, prepared: Prepared, space: Workspace) -> dict[str, Figure]:
    """The figures; representations are those of the widest models of the first task."""
    task = prepared.tasks[0]
    widest = [n for n, training in prepared.trainings.items() if training.task is task][-1]
    models = space.at(widest).store.read("models")
    return figures(record, task, models["f"], models["g"])


STUDY = Study(
    name="closeness",
    settings=Config,
    prepare=prepare,
    run=run,
    figures=draw,
    reporting=tables,
    fixed={
        "seed": "what is trained already has other seeds",
        "train.batch_size": "the order of the data would change within a run",
    },
    trains=True,
    no_weights="its models differ in their initial weights and in nothing else",
)
