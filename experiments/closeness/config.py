"""The keys of a closeness config, and its smoke form."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg


def closeness_config(
    arg: str,
    labels: Mapping[str, tuple[int, ...]],
    *,
    default: str,
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    widths: tuple[int, ...],
    train: Mapping[str, Any],
    min_accuracy: float = 0.9,
) -> ConfigDict:
    """The config of one data set; `labels` maps each argument to its numbers of labels."""
    name, smoke = split_arg(arg, models=labels, default=default)
    config = ConfigDict()
    config.seed = 0
    config.labels = labels[name]
    config.widths = widths
    config.data = ConfigDict({"smoke": smoke} | dict(data))
    # Lengths to which f or g are scaled; 0 leaves them free.
    config.model = ConfigDict({"f_length": 0.0, "g_length": 0.0} | dict(model))
    config.train = ConfigDict(
        {
            "learning_rate": 1e-4,
            "together": 0,  # seeds computed at once; 0: one on CPU, all elsewhere
            "log_every": 8,
            "eval_every": 32,
            "save_every": 16,
        }
        | dict(train)
    )
    # Models below min_accuracy are left out, and a width with fewer than min_models as a whole.
    config.eval = ConfigDict(
        {"num_sets": 200, "min_accuracy": min_accuracy, "min_models": 5, "num_inputs": 2_000}
    )
    # The constructed models of the bound figure and of the KL table.
    config.constructed = ConfigDict(
        {"labels": (4, 5, 6, 10, 18), "perturbations": 250, "num_sets": 300, "per_label": 500}
    )
    if smoke:
        _make_smoke(config)
    return config.lock()


def _make_smoke(config: ConfigDict) -> None:
    """Shrinks a config in place to a run of seconds that still logs, measures and saves."""
    config.labels = config.labels[:1]
    config.widths = (8, 16) if config.data.name == "radial" else (8,)
    if config.data.name == "radial":
        config.data.update({"num_train": 500, "num_test": 200})
    config.train.update({"num_steps": 12, "batch_size": 64, "num_seeds": 3, "learning_rate": 1e-2})
    config.train.update({"log_every": 1, "eval_every": 1, "save_every": 1})
    config.eval.update({"num_sets": 10, "min_accuracy": 0.0, "min_models": 2, "num_inputs": 200})
    config.constructed.update({"labels": (4,), "perturbations": 3, "num_sets": 20, "per_label": 30})
