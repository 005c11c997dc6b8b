"""The keys of a closeness config, and its smoke form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg
from experiments.runtime.ranges import (
    AboveZero,
    Between,
    Count,
    Few,
    NotNegative,
    Path,
    Positive,
    Seed,
    Several,
    Share,
    Size,
    SizeOr0,
)
from experiments.runtime.settings import as_flags


@dataclass(frozen=True, kw_only=True)
class Radial:
    """Wedges of the plane."""

    name: Literal["radial"] = "radial"
    num_train: Size = 20_000
    num_test: Size = 2_000
    seed: Seed = 0
    smoke: bool = False


@dataclass(frozen=True, kw_only=True)
class Cifar10:
    """CIFAR-10 from the TFDS folder `path`, or random images of its form with `smoke`."""

    name: Literal["cifar10"] = "cifar10"
    path: Path = ""
    smoke: bool = False


@dataclass(frozen=True, kw_only=True)
class Model:
    """The classifiers: f by `embedding`, g an MLP of width `g_width`, or of f's where that is 0."""

    embedding: Literal["mlp", "resnet18"]
    dim: Positive = 2
    depth: Annotated[int, Between(0, 1_000, "[]")] = 3
    g_width: SizeOr0 = 0
    f_length: NotNegative = 0.0  # lengths to which f or g are scaled; 0 leaves them free
    g_length: NotNegative = 0.0


@dataclass(frozen=True, kw_only=True)
class Train:
    """How each width is trained."""

    num_steps: Positive
    batch_size: Positive
    num_seeds: Annotated[int, Between(2, 1_000, "[]")]  # distances are between seeds
    learning_rate: AboveZero = 1e-4
    together: Count = 0  # seeds computed at once; 0: one on CPU, all elsewhere
    log_every: Count = 8
    eval_every: Count = 32
    save_every: Count = 16


@dataclass(frozen=True, kw_only=True)
class Eval:
    """How pairs are measured.

    Models below `min_accuracy` are left out, and a width with fewer than `min_models` as a whole.
    """

    num_sets: Size = 200
    min_accuracy: Share = 0.9
    min_models: Positive = 5
    num_inputs: Positive = 2_000


@dataclass(frozen=True, kw_only=True)
class Constructed:
    """The constructed models of the bound figure and of the KL table."""

    # Those that `similarity.constructions` knows a size of perturbations for.
    labels: Annotated[tuple[Literal[4, 5, 6, 10, 18], ...], Several()] = (4, 5, 6, 10, 18)
    perturbations: Annotated[int, Between(1, 250, "[]")] = 250  # of the sizes 1 to 250
    num_sets: Size = 300
    per_label: Size = 500


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: every number of labels in every width."""

    seed: Seed = 0
    labels: Annotated[tuple[Few, ...], Several()] = ()
    widths: Annotated[tuple[Size, ...], Several()]
    data: Radial | Cifar10
    model: Model
    train: Train
    eval: Eval = Eval()
    constructed: Constructed = Constructed()


def closeness_config(
    arg: str, config: Config, labels: Mapping[str, tuple[int, ...]], *, default: str
) -> ConfigDict:
    """`config` with the numbers of labels that `labels` has for the argument, or its smoke form."""
    name, smoke = split_arg(arg, models=labels, default=default)
    config = replace(config, labels=labels[name])
    return as_flags(_smoke(config) if smoke else config)


def _smoke(config: Config) -> Config:
    """A run of seconds that still logs, measures and saves."""
    data = replace(config.data, smoke=True)
    radial = isinstance(data, Radial)
    return replace(
        config,
        labels=config.labels[:1],
        widths=(8, 16) if radial else (8,),
        data=replace(data, num_train=500, num_test=200) if radial else data,
        train=Train(
            num_steps=12,
            batch_size=64,
            num_seeds=3,
            learning_rate=1e-2,
            log_every=1,
            eval_every=1,
            save_every=1,
        ),
        eval=Eval(num_sets=10, min_accuracy=0.0, min_models=2, num_inputs=200),
        constructed=Constructed(labels=(4,), perturbations=3, num_sets=20, per_label=30),
    )
