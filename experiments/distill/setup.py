"""From a config to what a run needs, with every check that can be made before training."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np

import distill
from distill.objectives import Objective
from experiments.distill.config import Config, Eval, Loss, Training
from experiments.distill.networks import make_classifier
from experiments.distill.population import ExampleLoss, Members, Plan, members
from experiments.distill.task import Task, check_task
from experiments.distill.tasks import make_task
from experiments.runtime import settings
from experiments.runtime.errors import UserError
from experiments.runtime.files import plain, read_json
from experiments.runtime.manifest import CONFIG, MANIFEST, flatten
from experiments.runtime.ranges import check_batch_fits
from similarity.sets import all_label_sets, sample_label_sets


@dataclasses.dataclass(frozen=True)
class Setup:
    """Data, models and plans of one run."""

    task: Task
    objectives: dict[str, ExampleLoss]
    teacher_model: nn.Module
    student_model: nn.Module
    teachers: Members
    students: Members
    teacher_plan: Plan
    student_plan: Plan
    label_sets: np.ndarray


def make_setup(config: Config) -> Setup:
    """The `Setup` of a config.

    Raises:
      UserError: for a name that is unknown, data that lack a label or concept where one is
        needed, or models that do not fit the labels.
    """
    task = make_task(config.data)
    check_task(task)
    num_labels = len(task.label_names)
    concepts = len(task.concept_names) if task.teach_concept else 0
    teacher_model = make_classifier(config.model.teacher, num_labels, concepts)
    student_model = make_classifier(config.model.student, num_labels)
    seen = task.train if task.distilled is None else task.distilled
    key = jax.random.key(config.seed)
    num_teachers, each = config.teacher.num, config.student.num
    group = functools.partial(members, together=config.together)
    return Setup(
        task=task,
        objectives={name: make_objective(name, config.loss) for name in config.objectives},
        teacher_model=teacher_model,
        student_model=student_model,
        teachers=group(teacher_model, jax.random.fold_in(key, 0), num_teachers, 1),
        students=group(student_model, jax.random.fold_in(key, 1), num_teachers, each),
        teacher_plan=_plan("teacher", config.teacher, len(task.train)),
        student_plan=_plan("student", config.student, len(seen)),
        label_sets=_label_sets(num_labels, config.model.teacher.dim, config.eval),
    )


def make_objective(name: str, loss: Loss) -> ExampleLoss:
    """A loss of (outputs, example) from an objective's name and `temperature`, `centre`,
    `label_weight`."""
    table: dict[str, Objective] = {
        "kl": functools.partial(distill.kl_loss, temperature=loss.temperature),
        "l1": functools.partial(distill.l1_logit_loss, centre=loss.centre),
        "l2": functools.partial(distill.l2_logit_loss, centre=loss.centre),
    }
    mixed = distill.with_label_loss(table[name], loss.label_weight)
    return lambda outputs, example: mixed(outputs[1], example["teacher_logits"], example["label"])


def teacher_loss(teach_concept: bool) -> ExampleLoss:
    """Cross-entropy of the label, and of the concept where the teacher has a head for it."""

    def loss(outputs, example):
        value = distill.nll(jax.nn.log_softmax(outputs[1]), example["label"])
        if teach_concept:
            value += distill.nll(jax.nn.log_softmax(outputs[2]), example["concept"])
        return value

    return loss


def check_finished_run(role: str, config: Config, task: Task) -> pathlib.Path | None:
    """The run whose teachers or students (`role`) the config builds on, or None if it names none.

    Raises:
      UserError: it is no finished run, or one with other labels, networks or numbers of models.
    """
    if role == "teacher":
        key, where = "run", config.teacher.run
    else:
        key, where = "start_from", config.student.start_from
    if not where:
        return None
    run = pathlib.Path(where)
    try:
        theirs, data = read_json(run / CONFIG), read_json(run / MANIFEST)["data"]
        labels = data["labels"]
    except (UserError, KeyError, TypeError) as error:
        raise UserError(
            f"{role}.{key}={str(run)!r} holds no run of experiments.distill ({error}); give the "
            "--workdir of one"
        ) from error
    if labels != list(task.label_names):
        raise UserError(
            f"the {role}s in {run} know {len(labels)} labels ({_shown(labels)}), this run has "
            f"{len(task.label_names)} ({_shown(task.label_names)}): use the same data for both"
        )
    facts = task.facts()
    for what in ("name", "example_shape"):
        # Runs before the shape was recorded have none to compare.
        if data.get(what, facts[what]) != facts[what]:
            raise UserError(
                f"the {role}s in {run} were trained on data of {what} {data[what]!r}, this run's "
                f"is {facts[what]!r}: use the same data for both"
            )
    _check_same_models(role, run, theirs, config)
    for stage in ["teacher"] if role == "teacher" else config.objectives:
        last = run / stage / "checkpoints" / str(theirs[role]["epochs"])
        if not last.is_dir():
            raise UserError(
                f"{run} has no finished {stage} stage: {last} is missing. Run it to its end, or "
                f"train here with --config.{role}.{key}="
            )
    return run


def _check_same_models(
    role: str, run: pathlib.Path, theirs: Mapping[str, Any], config: Config
) -> None:
    here, there = (
        flatten(
            {
                "model": {role: run_config["model"][role]},
                "teacher": {"num": run_config["teacher"]["num"]},
                role: {"num": run_config[role]["num"]},
            }
        )
        for run_config in (plain(settings.plain(config)), theirs)
    )
    differing = [
        f"{key} is {there.get(key)} there and {value} here"
        for key, value in here.items()
        if there.get(key) != value
    ]
    if differing:
        raise UserError(
            f"the {role}s in {run} are not those of this config: {'; '.join(differing)}"
        )


def _plan(role: str, part: Training, num_examples: int) -> Plan:
    check_batch_fits(f"config.{role}.batch_size", part.batch_size, num_examples)
    return Plan(part.epochs, part.batch_size, part.learning_rate, part.gamma, part.held_epochs)


def _label_sets(k: int, m: int, evaluation: Eval) -> np.ndarray:
    if not evaluation.num_sets:
        try:
            return np.asarray(all_label_sets(k, m))
        except ValueError as error:
            raise UserError(f"{error}: set --config.eval.num_sets") from error
    key = jax.random.key(evaluation.seed)
    return np.asarray(sample_label_sets(key, k, m, evaluation.num_sets))


def _shown(names) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
