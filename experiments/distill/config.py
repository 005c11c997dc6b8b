"""The keys of a distillation config, and its smoke form."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from experiments.distill.setup import OBJECTIVES
from experiments.runtime.cli import split_arg


def network(embedding: str, dim: int, **options: Any) -> dict[str, Any]:
    """Keys of `model.teacher` and `model.student`."""
    given = {"embedding": embedding, "dim": dim, "widths": (512,), "dropout": 0.1, "head": "xavier"}
    return given | {"tiny": False} | options


def plan(epochs: int, learning_rate: float, batch_size: int, held_epochs: int) -> dict[str, Any]:
    """Keys of `teacher` and `student` that say how they are trained; Adam, as published."""
    return {
        "num": 5,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "gamma": 0.995,
        "held_epochs": held_epochs,
    }


def distill_config(
    arg: str,
    data: Mapping[str, Any],
    *,
    models: tuple[Mapping[str, Any], Mapping[str, Any]],
    plans: tuple[Mapping[str, Any], Mapping[str, Any]],
    num_sets: int = 0,
) -> ConfigDict:
    """The config of one data set; `models` and `plans` are those of teacher and student.

    `arg` is an objective (kl, l1, l2) or "all", and may end in ":smoke".
    """
    objective, smoke = split_arg(arg, models=(*OBJECTIVES, "all"), default="all")
    config = ConfigDict()
    config.seed = 0
    config.objectives = OBJECTIVES if objective == "all" else (objective,)
    config.data = ConfigDict({"path": "", "smoke": smoke} | dict(data))
    config.model = ConfigDict({"teacher": dict(models[0]), "student": dict(models[1])})
    # teacher.run: the --workdir of a run whose teachers to use instead of training some.
    config.teacher = ConfigDict({"run": ""} | dict(plans[0]))
    # student.start_from: the --workdir of a run whose students, of the same objective, to go on
    # from; with loss.label_weight=1 this is finetuning on labels.
    config.student = ConfigDict({"start_from": ""} | dict(plans[1]))
    config.loss = ConfigDict({"temperature": 1.0, "centre": False, "label_weight": 0.0})
    config.eval = ConfigDict({"every": 10, "num_sets": num_sets, "seed": 0})
    config.log_every, config.save_every = 10, 50
    config.together = 0  # models computed at once; 0: one on CPU, all elsewhere
    if smoke:
        make_smoke(config)
    return config.lock()


def make_smoke(config: ConfigDict) -> None:
    """Shrinks a config in place to a run of seconds that still logs, measures and saves."""
    config.teacher.update({"num": 2, "epochs": 2, "batch_size": 64, "held_epochs": 0})
    config.student.update({"num": 2, "epochs": 2, "batch_size": 64, "held_epochs": 0})
    for model in (config.model.teacher, config.model.student):
        model.update({"dim": 2, "widths": (16,), "tiny": True})
    config.eval.update({"every": 1, "num_sets": 20})
    config.log_every = config.save_every = 1
    if "per_arm" in config.data:
        config.data.per_arm = 20
